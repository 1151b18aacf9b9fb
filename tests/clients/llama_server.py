"""llama.cpp's own HTTP server with the shipped demo model, to put the gateway in front of.

    python llama_server.py MODEL.gguf

Prints the server's address on one line and serves until it is told to stop. Needs the `xllamacpp` package, which brings
the server as a library, so that nothing is compiled.
"""

import sys
import threading

import xllamacpp


def serve(model: str) -> xllamacpp.Server:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    # The file has no chat template of its own; this is Meta's.
    params.chat_template = "llama2"
    params.use_jinja = False
    params.n_ctx = 2048
    params.n_parallel = 2
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.verbosity = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    server = serve(sys.argv[1])
    print(server.listening_address, flush=True)
    threading.Event().wait()
