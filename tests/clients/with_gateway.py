"""Runs a command with a gateway beside it, then checks the gateway's log.

    python3 tests/clients/with_gateway.py PROGRAM -- COMMAND...

PROGRAM is the portcullis binary. COMMAND finds the address in PORTCULLIS_URL.
The gateway runs the shipped policy and demo model, and the scripted upstream
of `fake_upstream.py` under the names that the tests use. Where the `xllamacpp`
package is installed, `llama-cpp` is the demo model in llama.cpp's own server.
"""

import contextlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import fake_upstream

CONFIG = """\
listen: 127.0.0.1:0
default_model: demo
backends:
  demo: {{ model: {demo} }}
  polite: {{ upstream: ["http://127.0.0.1:{port}/v1"], upstream_model: polite }}
  leaky: {{ upstream: ["http://127.0.0.1:{port}/v1"], upstream_model: leaky }}
  personal: {{ upstream: ["http://127.0.0.1:{port}/v1"], upstream_model: personal }}
  broken: {{ upstream: ["http://127.0.0.1:{port}/v1"], upstream_model: broken }}
{more}aliases: {{ gpt-4o: demo }}
"""
LLAMA_CPP = '  llama-cpp: {{ upstream: ["{url}/v1"], upstream_model: demo }}\n'
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


def address(gateway, lines):
    """The URL that the gateway printed, while its output is read to the end."""
    found = threading.Event()
    url = []

    def read():
        for line in gateway.stdout:
            lines.append(line)
            match = re.search(r"listening on\s+(http://[0-9.:]+)", line)
            if match and not url:
                url.append(match.group(1))
                found.set()
        found.set()

    threading.Thread(target=read, daemon=True).start()
    found.wait(START_SECONDS_MAX)
    if not url:
        sys.exit("the gateway did not start:\n" + "".join(lines))
    return url[0]


@contextlib.contextmanager
def llama_cpp(model):
    """The back end of a llama.cpp server that runs meanwhile; empty where there is none."""
    if importlib.util.find_spec("xllamacpp") is None:
        yield ""
        return
    program = [sys.executable, str(Path(__file__).with_name("llama_server.py")), str(model)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            if not url:
                sys.exit("llama.cpp's server did not start")
            yield LLAMA_CPP.format(url=url)
        finally:
            server.kill()


def main():
    program, command = sys.argv[1], sys.argv[sys.argv.index("--") + 1 :]
    upstream = fake_upstream.serve()
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    demo = ROOT / "models/demo-llama/demo-llama.gguf"
    with tempfile.TemporaryDirectory() as folder, llama_cpp(demo) as more:
        config = Path(folder) / "portcullis.yaml"
        config.write_text(CONFIG.format(port=upstream.server_address[1], demo=demo, more=more))
        data = Path(folder) / "data"
        gateway = subprocess.Popen(
            [program, "serve", "--config", str(config), "--data-dir", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        try:
            environment = dict(os.environ, PORTCULLIS_URL=address(gateway, lines))
            status = subprocess.run(command, env=environment).returncode
        finally:
            gateway.send_signal(signal.SIGTERM)
            stopped = gateway.wait(STOP_SECONDS_MAX)
        if status != 0:
            sys.stderr.write("".join(lines))
        if stopped != 0:
            sys.exit(f"the gateway stopped with status {stopped}")
        subprocess.run([program, "audit", "verify", "--data-dir", str(data)], check=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
