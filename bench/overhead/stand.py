"""The processes of the measurement: fake upstream, nginx as a plain proxy, the gateway; and what each has used of the CPU."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

import texts

HERE = pathlib.Path(__file__).parent
START_SECONDS_MAX = 30

# What both nginx processes have in common. Buffers hold a whole request and answer: no temporary files.
NGINX = """
{user} daemon off; worker_processes {workers}; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; tcp_nodelay on; sendfile on;
  client_body_buffer_size 64k; client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-f; uwsgi_temp_path {folder}/{name}-u; scgi_temp_path {folder}/{name}-s;
  {http}
}}
"""

# Files answer only GET; an error page is one, whatever was asked.
UPSTREAM = """
  open_file_cache max=16; types {{ }} default_type text/event-stream;
  server {{
    listen 127.0.0.1:{port}; root {folder};
    location = /v1/chat/completions {{ error_page 405 =200 /chunks.sse; return 405; }}
    location = /whole/v1/chat/completions {{ error_page 405 =200 /whole.sse; return 405; }}
  }}
"""

# Unbuffered, as a proxy for event streams has to be.
PROXY = """
  upstream canned {{ server 127.0.0.1:{canned}; keepalive 256; keepalive_requests 1000000000; }}
  upstream paced {{ server 127.0.0.1:{paced}; keepalive 256; keepalive_requests 1000000000; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://canned; }}
    location /paced/ {{ proxy_pass http://paced; }}
  }}
"""

SHIPPED_POLICY = HERE.parents[1] / "policies/llama2-aup/policy.yaml"


def install_tools():
    """Debian's wrk and nginx, unless they are here."""
    missing = [tool for tool in ("wrk", "nginx") if not shutil.which(tool)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"this needs {' and '.join(missing)}: install them and run again")
    packages = [{"wrk": "wrk", "nginx": "nginx-light"}[tool] for tool in missing]
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    # Debian's package would start a server of its own.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run(command, check=True, env=environment)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process):
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    sys.exit(f"`{process.args[0]}` did not start: see its log")


def cpu_seconds(process):
    """User and system time of a process and its children, with those of their threads that ended.

    The kernel's per-process clock: what /proc/PID/stat gives as utime + stime, in nanoseconds instead of ticks.
    """
    total = 0.0
    for pid in family(process.pid):
        total += time.clock_gettime((~pid << 3) | 2)
    return total


def family(pid):
    pids = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        pids += [int(child) for child in (task / "children").read_text().split()]
    return pids


def peak_memory_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


class System:
    """Something that answers the request: where, under which names, and whose CPU time counts."""

    def __init__(self, name, process, port, paths, models, paced_port=None):
        self.name, self.process, self.port = name, process, port
        self.paced_port = paced_port or port
        self.paths, self.models = paths, models

    def address(self, kind):
        return f"http://127.0.0.1:{self.port}{self.paths[kind]}"


class Stand:
    """Starts everything; `with` ends it."""

    def __init__(self, folder, gateway, pace_ms):
        self.folder, self.gateway, self.pace_ms = pathlib.Path(folder), gateway, pace_ms
        self.processes = contextlib.ExitStack()
        self.workers = os.cpu_count()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.processes.close()
            raise

    def __exit__(self, *problem):
        self.processes.close()

    def start(self):
        self.folder.chmod(0o755)
        (self.folder / "chunks.sse").write_bytes(texts.stream_in_chunks())
        (self.folder / "whole.sse").write_bytes(texts.stream_at_once())
        canned, upstream = self.nginx("upstream", UPSTREAM, folder=self.folder)
        self.paced_port = self.start_paced()
        proxy_port, proxy = self.nginx("proxy", PROXY, canned=canned, paced=self.paced_port)
        chat = "/v1/chat/completions"
        plain = {"chunks": chat, "whole": "/whole" + chat, "paced": "/paced" + chat}
        ours = dict.fromkeys(plain, chat)
        models = {kind: kind for kind in plain}
        # The shipped policy's head without its rules: nothing is found, what remains is the way itself.
        head, _, _ = SHIPPED_POLICY.read_text().partition("\nrules:\n")
        (self.folder / "open.yaml").write_text(head + "\nrules: []\n")
        systems = [
            System("direct", upstream, canned, plain, models, self.paced_port),
            System("nginx, plain proxy", proxy, proxy_port, plain, models),
        ]
        for name, policy in (
            ("portcullis, no rules", self.folder / "open.yaml"),
            ("portcullis, shipped policy", None),
        ):
            port, process = self.start_gateway(canned, policy)
            systems.append(System(name, process, port, ours, models))
        self.systems = systems
        return self

    def spawn(self, command, **options):
        process = subprocess.Popen(command, **options)

        def end():
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

        self.processes.callback(end)
        return process

    def nginx(self, name, http, **values):
        port = free_port()
        # As root, nginx would give its workers to somebody who may not read the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(
            user=user, workers=self.workers, folder=self.folder, name=name, http=http.format(port=port, **values)
        )
        config = self.folder / f"{name}.conf"
        config.write_text(text)
        log = (self.folder / f"{name}.log").open("wb")
        process = self.spawn(["nginx", "-p", str(self.folder), "-c", str(config)], stderr=log)
        await_port(port, process)
        return port, process

    def start_paced(self):
        command = [sys.executable, str(HERE / "paced.py"), str(self.pace_ms)]
        process = self.spawn(command, stdout=subprocess.PIPE, text=True)
        return int(process.stdout.readline())

    def start_gateway(self, canned, policy):
        """The gateway as shipped, audit log included; three back ends, one for each kind of answer."""
        data = self.folder / f"data-{'shipped' if policy is None else policy.stem}"
        config = data.with_suffix(".yaml")
        config.write_text(
            f"""
backends:
  chunks: {{ upstream: "http://127.0.0.1:{canned}/v1" }}
  whole: {{ upstream: "http://127.0.0.1:{canned}/whole/v1" }}
  paced: {{ upstream: "http://127.0.0.1:{self.paced_port}/v1" }}
"""
            + (f"policy: {policy}\n" if policy else "")
        )
        command = [
            str(self.gateway), "serve", "--config", str(config), "--data-dir", str(data), "--listen", "127.0.0.1:0",
        ]  # fmt: skip
        log = data.with_suffix(".log").open("wb")
        process = self.spawn(command, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in process.stdout:
            if found := re.search(r"listening on\s+http://127\.0\.0\.1:(\d+)", line):
                return int(found[1]), process
        sys.exit(f"the gateway did not start:\n{data.with_suffix('.log').read_text()}")

    def stamps(self, ticket):
        connection = http.client.HTTPConnection("127.0.0.1", self.paced_port, timeout=10)
        connection.request("GET", f"/stamps/{ticket}")
        return connection.getresponse().read()
