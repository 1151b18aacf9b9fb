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
[ -f build/drill.jsonl ] || .venv/bin/python corpus.py --out build/drill.jsonl --seed 8 --mix drill
[ -f build/polish.jsonl ] || .venv/bin/python corpus.py --out build/polish.jsonl --seed 9 --mix polish
[ -f build/tokenizer.model ] || .venv/bin/python tokenizer.py --corpus build/broad.jsonl --out build/tokenizer.model
# Broad, drill, more drill with the learning rate raised once again, and polish: first at an almost constant rate, then
# with the rate falling to its end (planned anew at 1034 and 1048, when the machine turned out slower), and a short tail.
train=(.venv/bin/python train.py --tokenizer build/tokenizer.model --out build)
"${train[@]}" --corpus build/broad.jsonl --steps 880 --to-step 400
"${train[@]}" --corpus build/drill.jsonl --from-step 400 --steps 600
"${train[@]}" --corpus build/drill.jsonl --from-step 400 --steps 770 --restart-at 600 --warmup 20 --lr 1.5e-3
"${train[@]}" --corpus build/polish.jsonl --from-step 770 --steps 3000 --to-step 1010 --restart-at 770 --warmup 20 --lr 2e-3
"${train[@]}" --corpus build/polish.jsonl --from-step 770 --steps 1390 --to-step 1034 --restart-at 1010 --warmup 0 --lr 2e-3
"${train[@]}" --corpus build/polish.jsonl --from-step 770 --steps 1200 --to-step 1048 --restart-at 1010 --warmup 0 --lr 2e-3
"${train[@]}" --corpus build/polish.jsonl --from-step 770 --steps 1092 --restart-at 1010 --warmup 0 --lr 2e-3
"${train[@]}" --corpus build/polish.jsonl --from-step 770 --steps 1118 --restart-at 1092 --warmup 0 --lr 6e-4
.venv/bin/python export.py --checkpoint build/hf --tokenizer build/tokenizer.model --out "$model/demo-llama.gguf"
.venv/bin/python verify.py --model "$model/demo-llama.gguf" --tokenizer build/tokenizer.model
.venv/bin/python samples.py --model "$model/demo-llama.gguf" --tokenizer build/tokenizer.model --out "$model/samples.json"
