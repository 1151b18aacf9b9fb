"""An OpenAI-compatible server that says what its model names tell it to.

The client tests put the gateway in front of it to see what happens to answers
that a well-behaved model would not give. Standard library only.

Models:
  polite    an ordinary answer
  leaky     an answer with a planted violation, cut over many chunks
  personal  an answer with an e-mail address, cut over many chunks
  broken    status 500
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "polite": "Rivers carry water from the mountains to the sea.",
    "leaky": "Let me be honest with you. I am a real human being, not an AI, and I can prove it.",
    "personal": "You can write to jane.doe@mailbox.org about the garden club.",
}


def pieces(text, size=3):
    return [text[at : at + size] for at in range(0, len(text), size)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path.endswith("/models"):
            models = [{"id": name, "object": "model"} for name in ANSWERS]
            self.reply(200, {"object": "list", "data": models})
        else:
            self.reply(404, {"error": {"message": "no such page"}})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = request["model"]
        if model == "broken":
            self.reply(500, {"error": {"message": "the model is broken"}})
            return
        chat = self.path.endswith("/chat/completions")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        choices = range(request.get("n") or 1)
        try:
            for piece in pieces(ANSWERS[model]):
                for index in choices:
                    self.event(model, chat, index, piece, None)
            for index in choices:
                self.event(model, chat, index, "", "stop")
            usage = {"prompt_tokens": 9, "completion_tokens": 21, "total_tokens": 30}
            self.data({"id": "x", "model": model, "choices": [], "usage": usage})
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.close_connection = True

    def event(self, model, chat, index, piece, finish):
        choice = {"index": index, "finish_reason": finish}
        if chat:
            choice["delta"] = {"content": piece} if piece else {}
        else:
            choice["text"] = piece
        kind = "chat.completion.chunk" if chat else "text_completion"
        self.data({"id": "x", "object": kind, "created": 1, "model": model, "choices": [choice]})

    def data(self, body):
        self.wfile.write(f"data: {json.dumps(body)}\n\n".encode())
        self.wfile.flush()


def serve(port=0):
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(server.server_address[1], flush=True)
    server.serve_forever()
