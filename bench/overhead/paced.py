"""An upstream that streams the answer token by token at a given pace, and remembers when it wrote what.

POST …/chat/completions answers with server-sent events, one write each. GET /stamps/N gives, for the stream whose
question ends with `Ticket number N`, when its request was complete and when each write was made, in nanoseconds of the
machine's monotonic clock: what a client sees later than that was added on the way.

Usage: paced.py MILLISECONDS-PER-TOKEN    (prints its port)
"""

import asyncio
import json
import re
import sys
import time

import texts

TICKET = re.compile(rb"Ticket number (\d+)")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(payload):
    return b"%x\r\n%b\r\n" % (len(payload), payload)


async def read_request(reader):
    """The request's first line and body, or None when the client is gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return head.split(b"\r\n", 1)[0], body


class Server:
    def __init__(self, pace):
        self.pace = pace
        self.stamps = {}
        self.events = [chunk(event) for event in texts.text_events()]
        self.first = HEAD + chunk(texts.opening())
        self.last = chunk(texts.closing()) + b"0\r\n\r\n"

    async def serve(self, reader, writer):
        try:
            while request := await read_request(reader):
                line, body = request
                if line.startswith(b"GET /stamps/"):
                    self.tell(writer, int(line.split()[1].rsplit(b"/", 1)[1]))
                else:
                    await self.stream(writer, body)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def tell(self, writer, ticket):
        body = json.dumps(self.stamps.pop(ticket, None)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def stream(self, writer, body):
        begun = time.monotonic_ns()
        ticket = TICKET.search(body)
        written = []
        due = time.monotonic()
        writer.write(self.first)
        for event in self.events:
            due += self.pace
            await asyncio.sleep(due - time.monotonic())
            written.append(time.monotonic_ns())
            writer.write(event)
        ended = time.monotonic_ns()
        writer.write(self.last)
        if ticket:
            self.stamps[int(ticket[1])] = {"asked": begun, "written": written, "ended": ended}
        await writer.drain()


async def main(pace):
    served = await asyncio.start_server(Server(pace).serve, "127.0.0.1", 0)
    print(served.sockets[0].getsockname()[1], flush=True)
    await served.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) / 1000))
