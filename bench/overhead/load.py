"""The two kinds of load: wrk as fast as it goes, and paced streams whose every event gets a time."""

import asyncio
import json
import pathlib
import subprocess
import time
import urllib.request

import texts
from stand import cpu_seconds

SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = [==[%s]==]
done = function(summary, latency)
  local e = summary.errors
  print(string.format('RESULT {"requests":%%d,"us":%%d,"p50_us":%%d,"p99_us":%%d,"failed":%%d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


PACED_SECONDS_MAX = 60


def check(system, kind, stream):
    """The whole answer must come through, or the figures mean nothing."""
    body = texts.request(system.models[kind], stream).encode()
    request = urllib.request.Request(system.address(kind), body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = response.read().decode()
    text = streamed_text(answer) if answer.startswith("data:") else json.loads(answer)["choices"][0]["message"]["content"]
    if text != texts.answer():
        raise SystemExit(f"{system.name} changed the answer ({kind}, stream={stream}): {answer[:400]}")


def streamed_text(answer):
    """The text of an event stream that says how it ended."""
    lines = [line[6:] for line in answer.splitlines() if line.startswith("data: ")]
    if lines[-1] != "[DONE]":
        raise SystemExit("the stream has no end")
    chunks = [json.loads(line) for line in lines[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def saturate(system, kind, stream, connections, seconds, folder):
    """wrk on one thread. CPU is that of the system's processes, in milliseconds a request."""
    script = pathlib.Path(folder) / "request.lua"
    script.write_text(SCRIPT % texts.request(system.models[kind], stream))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), system.address(kind)]
    before = cpu_seconds(system.process)
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(system.process) - before
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    result = json.loads(line.removeprefix("RESULT "))
    if result["failed"] or not result["requests"]:
        raise SystemExit(f"{system.name}: {result}")
    return {
        "cpu_ms": used * 1000 / result["requests"],
        "per_second": result["requests"] / result["us"] * 1e6,
        "p50_ms": result["p50_us"] / 1000,
        "p99_ms": result["p99_us"] / 1000,
    }


async def one_stream(system, ticket):
    """Asks, and notes when each event with text came: (asked, [(time, characters so far)], ended), nanoseconds."""
    body = texts.request(system.models["paced"], True, ticket).encode()
    head = (
        f"POST {system.paths['paced']} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", system.paced_port)
    asked = time.monotonic_ns()
    writer.write(head + body)
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"{system.name}: {status!r}")
    came, characters, ended = [], 0, None
    while ended is None:
        line = await reader.readline()
        if not line:
            raise SystemExit(f"{system.name}: a stream has no end")
        if not line.startswith(b"data: "):
            continue
        now = time.monotonic_ns()
        if line.startswith(b"data: [DONE]"):
            ended = now
            continue
        for choice in json.loads(line[6:]).get("choices", ()):
            if content := choice["delta"].get("content"):
                characters += len(content)
                came.append((now, characters))
    writer.close()
    if characters != len(texts.answer()):
        raise SystemExit(f"{system.name}: a paced stream lost text")
    return asked, came, ended


def paced(stand, system, streams, next_ticket):
    """Streams at the same time, spread over one token's pace; CPU in milliseconds a stream, times added in milliseconds."""

    async def all_streams():
        async def later(number):
            await asyncio.sleep(stand.pace_ms / 1000 * number / streams)
            return await one_stream(system, next_ticket + number)

        async with asyncio.timeout(PACED_SECONDS_MAX):
            return await asyncio.gather(*(later(number) for number in range(streams)))

    before = cpu_seconds(system.process)
    results = asyncio.run(all_streams())
    used = cpu_seconds(system.process) - before
    samples = {"cpu_ms": [used * 1000 / streams], "first": [], "event": [], "end": []}
    for number, (asked, came, ended) in enumerate(results):
        stamps = json.loads(stand.stamps(next_ticket + number))
        written = stamps["written"]
        waited = stamps["asked"] - asked
        samples["first"].append((waited + came[0][0] - written[0]) / 1e6)
        samples["event"] += [since_last_write(when, written) / 1e6 for when, _ in came]
        samples["end"].append((ended - stamps["ended"]) / 1e6)
    return samples


def since_last_write(when, written):
    """From the upstream's last write before `when`: what an event took on the way, whatever was held back before it."""
    earlier = [stamp for stamp in written if stamp <= when]
    return when - earlier[-1] if earlier else 0
