#!/usr/bin/env bash
# From nothing to models/demo-llama/demo-llama.gguf: environment, corpus, tokenizer, training, export, checks, samples.
# Steps that are done are skipped, and training goes on from its last checkpoint; remove build/ to start afresh.
#
# STEPS=2 training/demo_llama/make.sh goes the whole way in minutes to show that the chain holds: a small corpus, so many
# steps on each of its three mixes, everything in build-trial/, the shipped model left alone. Its model knows nothing.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
if [ -n "${STEPS:-}" ]; then
  [[ $STEPS =~ ^[1-9][0-9]{0,4}$ ]] || { echo "STEPS must be a number from 1 to 99999" >&2; exit 2; }
  build=build-trial model=build-trial samples=4000
else
  build=build model=../../models/demo-llama samples=80000
fi

# glibc gives large freed blocks back to the system at once and faults them in again at the next step; keeping them
# makes a step about a fifth faster.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456

if [ ! -x .venv/bin/python ]; then
  "$python" -m venv .venv
fi
.venv/bin/python -m pip install --quiet -r requirements.txt
mkdir -p "$build" "$model"

# make OUT COMMAND...: runs the command with `--out OUT` unless OUT is there; half a file never counts as one.
make() {
  local out=$1
  shift
  [ -f "$out" ] && return
  "$@" --out "$out.partial"
  mv "$out.partial" "$out"
}
corpus() { make "$build/$1.jsonl" .venv/bin/python corpus.py --samples "$samples" --seed "$2" --mix "$1"; }
corpus broad 7
corpus drill 8
corpus polish 9
make "$build/tokenizer.model" .venv/bin/python tokenizer.py --corpus "$build/broad.jsonl"

train() {
  local mix=$1
  shift
  .venv/bin/python train.py --tokenizer "$build/tokenizer.model" --out "$build" --corpus "$build/$mix.jsonl" "$@"
}
if [ -n "${STEPS:-}" ]; then
  train broad --steps $((3 * STEPS)) --to-step "$STEPS" --warmup 1
  train drill --steps $((3 * STEPS)) --from-step "$STEPS" --to-step $((2 * STEPS)) --warmup 1
  train polish --steps $((3 * STEPS)) --from-step $((2 * STEPS)) --warmup 1
else
  # Broad, drill, more drill with the learning rate raised once again, and polish: first at an almost constant rate, then
  # with the rate falling to its end (planned anew at 1034 and 1048, when the machine turned out slower), and a short tail.
  train broad --steps 880 --to-step 400
  train drill --from-step 400 --steps 600
  train drill --from-step 400 --steps 770 --restart-at 600 --warmup 20 --lr 1.5e-3
  train polish --from-step 770 --steps 3000 --to-step 1010 --restart-at 770 --warmup 20 --lr 2e-3
  train polish --from-step 770 --steps 1390 --to-step 1034 --restart-at 1010 --warmup 0 --lr 2e-3
  train polish --from-step 770 --steps 1200 --to-step 1048 --restart-at 1010 --warmup 0 --lr 2e-3
  train polish --from-step 770 --steps 1092 --restart-at 1010 --warmup 0 --lr 2e-3
  train polish --from-step 770 --steps 1118 --restart-at 1092 --warmup 0 --lr 6e-4
fi
.venv/bin/python export.py --checkpoint "$build/hf" --tokenizer "$build/tokenizer.model" --out "$model/demo-llama.gguf"
.venv/bin/python verify.py --model "$model/demo-llama.gguf" --tokenizer "$build/tokenizer.model"
.venv/bin/python samples.py --model "$model/demo-llama.gguf" --tokenizer "$build/tokenizer.model" --out "$model/samples.json"
