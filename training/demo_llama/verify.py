"""Checks the exported file: logits against Hugging Face, vocabulary and ids against SentencePiece.

    python verify.py --model ../../models/demo-llama/demo-llama.gguf --tokenizer build/tokenizer.model
"""

import argparse
from pathlib import Path

import numpy as np
import sentencepiece as spm
import torch

from chat_form import prompt_ids
from gguf_model import GgufFile, hugging_face, logits, tokenize

DIFFERENCE_MAX = 1e-3
TEXTS = [
    "hello", "  two spaces  inside ", "Tell me about cats, please!", "[INST] What is 12 + 7? [/INST]", "a\nb\n\nc\t", "Übung, naïve, São Paulo",
    "日本語 and 😀 emoji", "<s> </s> <unk> <0x41>", "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhy is the sky blue? [/INST]", "1234567890", " ", "▁x",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    args = parser.parse_args()
    file = GgufFile(args.model)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.tokenizer))

    pieces = [tokenizer.id_to_piece(i) for i in range(tokenizer.vocab_size())]
    assert file.meta["tokenizer.ggml.tokens"] == pieces, "tokens differ"
    assert np.allclose(file.meta["tokenizer.ggml.scores"], [tokenizer.get_score(i) for i in range(len(pieces))]), "scores differ"
    for text in TEXTS:
        expected = tokenizer.encode(text)
        assert tokenize(file, text) == expected, f"ids differ for {text!r}"
    print(f"vocabulary of {len(pieces)} pieces and ids of {len(TEXTS)} texts agree with SentencePiece")

    model = hugging_face(file)
    worst = 0.0
    for turns in [[("hello", None)], [("What is the capital of France?", "The capital of France is Paris."), ("and what about Italy?", None)]]:
        ids = prompt_ids(tokenizer, turns, "Be kind.")
        with torch.no_grad():
            expected = model(torch.tensor([ids])).logits[0].numpy()
        found = logits(file, ids)
        worst = max(worst, float(np.abs(found - expected).max()))
        assert (found.argmax(-1) == expected.argmax(-1)).all(), "best tokens differ"
    assert worst < DIFFERENCE_MAX, f"logits differ by {worst}"
    print(f"logits agree with Hugging Face, largest difference {worst:.2e}")


if __name__ == "__main__":
    main()
