#!/usr/bin/env python3
"""What the gateway adds in front of a fast upstream, beside nginx as a plain proxy in the same run.

Everything is on loopback and on this machine. Rounds are interleaved: each measures every system once, and the
table gives medians over the rounds, so that another program's burst does not fall on one system alone. CPU time a
request is the figure that noise moves least; rates and latencies are those of the machine as it was.

Usage: bench/overhead/run.py [--gateway target/release/portcullis] [--rounds 5] [--seconds 3] [--json FILE]
"""

import argparse
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import load
import stand as stands

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Name, kind of answer, streamed to the client, connections.
SCENES = (
    ("request", "chunks", False, 1),
    ("request", "chunks", False, 16),
    ("request, answer in one event", "whole", False, 16),
    ("stream", "chunks", True, 1),
    ("stream", "chunks", True, 16),
)


def main():
    options = arguments()
    stands.install_tools()
    if not options.gateway.exists():
        sys.exit(f"there is no {options.gateway}: cargo build --release")
    base = options.folder or ROOT / "target"
    base.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="overhead-", dir=base) as folder,
        stands.Stand(folder, options.gateway, options.pace_ms) as stand,
    ):
        results = measure(stand, options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    print(report(results))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--gateway", type=pathlib.Path, default=ROOT / "target/release/portcullis")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each run of wrk")
    parser.add_argument("--streams", default="1,16", help="paced streams at the same time")
    parser.add_argument("--pace-ms", type=float, default=10, help="between two tokens of a paced stream")
    parser.add_argument("--folder", type=pathlib.Path, help="for the audit log and the rest; default: target/")
    parser.add_argument("--json", type=pathlib.Path, help="write all samples there")
    return parser.parse_args()


def measure(stand, options):
    for system in stand.systems:
        for kind, stream in itertools.product(("chunks", "whole"), (False, True)):
            load.check(system, kind, stream)
    # Warms pools, caches and the allocator of every system.
    for system in stand.systems:
        for _, kind, stream, connections in SCENES:
            load.saturate(system, kind, stream, connections, 1, stand.folder)
    streams = [int(number) for number in options.streams.split(",")]
    tickets = itertools.count(1, max(streams))
    samples, before = {}, os.getloadavg()
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for name, kind, stream, connections in SCENES:
            # Nobody is always first.
            for system in rotated(stand.systems, number):
                result = load.saturate(system, kind, stream, connections, options.seconds, stand.folder)
                keep(samples, ("wrk", name, connections, system.name), {key: [value] for key, value in result.items()})
        for count in streams:
            for system in rotated(stand.systems, number):
                keep(samples, ("paced", "stream", count, system.name), load.paced(stand, system, count, next(tickets)))
    memory = {system.name: stands.peak_memory_mib(system.process) for system in stand.systems}
    return {
        "machine": machine(options, before),
        "peak_memory_mib": memory,
        "samples": [{"key": key, **values} for key, values in samples.items()],
    }


def rotated(systems, by):
    by %= len(systems)
    return systems[by:] + systems[:by]


def keep(samples, key, values):
    into = samples.setdefault(key, {})
    for name, more in values.items():
        into.setdefault(name, []).extend(more)


def machine(options, before):
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "revision of the script": revision,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "pace_ms": options.pace_ms,
        "load average before and after": f"{before[0]:.1f}, {os.getloadavg()[0]:.1f}",
    }


def report(results):
    lines = [f"{key}: {value}" for key, value in results["machine"].items()] + [""]
    wrk = [sample for sample in results["samples"] if sample["key"][0] == "wrk"]
    paced = [sample for sample in results["samples"] if sample["key"][0] == "paced"]
    lines += row("what", "connections", "system", "CPU ms", "per second", "p50 ms", "p99 ms")
    lines += row(*["---"] * 7)
    for sample in wrk:
        _, name, connections, system = sample["key"]
        figures = [middle(sample, key) for key in ("cpu_ms", "per_second", "p50_ms", "p99_ms")]
        lines += row(name, connections, system, f"{figures[0]:.3f}", f"{figures[1]:,.0f}", *(f"{ms:.2f}" for ms in figures[2:]))
    pace = results["machine"]["pace_ms"]
    lines += ["", f"Streams of a token every {pace:g} ms: milliseconds added on the way, median / 99th percentile.", ""]
    lines += row("streams", "system", "CPU ms/stream", "first text", "each event", "end")
    lines += row(*["---"] * 6)
    for sample in paced:
        _, _, count, system = sample["key"]
        added = [f"{middle(sample, key):.2f} / {high(sample, key):.2f}" for key in ("first", "event", "end")]
        # Directly, it is the paced upstream that answers: its CPU time is nobody's overhead.
        cpu = "–" if system == "direct" else f"{middle(sample, 'cpu_ms'):.2f}"
        lines += row(count, system, cpu, *added)
    memory = ", ".join(f"{name} {mib:.0f}" for name, mib in results["peak_memory_mib"].items())
    return "\n".join([*lines, "", f"Peak memory, MiB: {memory}"])


def row(*cells):
    return ["| " + " | ".join(str(cell) for cell in cells) + " |"]


def middle(sample, key):
    return statistics.median(sample[key])


def high(sample, key):
    ordered = sorted(sample[key])
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


if __name__ == "__main__":
    main()
