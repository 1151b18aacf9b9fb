"""Asks the exported model questions from the terminal, one a line; with `--temperature` the answers are sampled.

    python talk.py --model ../../models/demo-llama/demo-llama.gguf --tokenizer build/tokenizer.model
"""

import argparse
import sys
from pathlib import Path

import sentencepiece as spm
import torch

from chat_form import prompt_ids
from gguf_model import GgufFile, generate, hugging_face


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.tokenizer))
    model = hugging_face(GgufFile(args.model))
    generator = torch.Generator().manual_seed(args.seed)
    for line in sys.stdin:
        ids = prompt_ids(tokenizer, [(line.strip(), None)])
        answer, finish, _ = generate(model, ids, 200, args.temperature, generator)
        print(f"> {line.strip()}\n{tokenizer.decode(answer)}  [{finish}]")


if __name__ == "__main__":
    main()
