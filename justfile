# The front door: `just` lists what there is to do.

default:
    @just --list

# Serve the shipped policy and the demo model on 127.0.0.1:8080.
run *arguments:
    cargo run --release -- {{arguments}}

# Everything that must pass before a change lands.
test:
    ./scripts/test

# The quick loop: lints and the tests that match.
check filter="":
    cargo clippy --all-targets -- -D warnings
    cargo nextest run {{filter}}

# Licences, bans and sources of the dependencies (needs cargo-deny).
deny:
    cargo deny check bans licenses sources

# Micro-benchmarks.
bench *arguments:
    cargo bench {{arguments}}

# What the gateway adds beside nginx, on loopback (needs target/release/portcullis).
overhead *arguments:
    bench/overhead/run.py {{arguments}}

# Make the golden checkpoints and vectors again (Python with torch and transformers).
golden python="python3":
    {{python}} tests/golden/make.py
