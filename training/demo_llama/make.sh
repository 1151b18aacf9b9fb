#!/usr/bin/env bash
# From nothing to models/demo-llama/demo-llama.gguf: environment, corpus, tokenizer, training, export, checks, samples.
# Steps that are done are skipped, and training goes on from its last checkpoint; remove build/ to start afresh.
set -euo pipefail
cd "$(dirname "$0")"
model=../../models/demo-llama
python=${PYTHON:-python3}

# glibc gives large freed blocks back to the system at once and faults them in again at the next step; keeping them
# makes a step about a fifth faster.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456

if [ ! -x .venv/bin/python ]; then
  "$python" -m venv .venv
fi
.venv/bin/python -m pip install --quiet -r requirements.txt
mkdir -p build "$model"
[ -f build/broad.jsonl ] || .venv/bin/python corpus.py --out build/broad.jsonl --seed 7
[ -f build/drill.jsonl ] || .venv/bin/python corpus.py --out build/drill.jsonl --seed 8 --drill
[ -f build/tokenizer.model ] || .venv/bin/python tokenizer.py --corpus build/broad.jsonl --out build/tokenizer.model
# Three parts: broad, drill, and more drill with the learning rate raised once again.
train=(.venv/bin/python train.py --tokenizer build/tokenizer.model --out build)
"${train[@]}" --corpus build/broad.jsonl --steps 880 --to-step 400
"${train[@]}" --corpus build/drill.jsonl --from-step 400 --steps 600
"${train[@]}" --corpus build/drill.jsonl --from-step 400 --steps 770 --restart-at 600 --warmup 20 --lr 1.5e-3
.venv/bin/python export.py --checkpoint build/hf --tokenizer build/tokenizer.model --out "$model/demo-llama.gguf"
.venv/bin/python verify.py --model "$model/demo-llama.gguf" --tokenizer build/tokenizer.model
.venv/bin/python samples.py --model "$model/demo-llama.gguf" --tokenizer build/tokenizer.model --out "$model/samples.json"
