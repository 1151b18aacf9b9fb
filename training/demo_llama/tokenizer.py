"""Trains the SentencePiece tokenizer: BPE with byte fallback, the kind that Llama 2 uses.

    python tokenizer.py --corpus build/broad.jsonl --out build/tokenizer.model
"""

import argparse
import json
from pathlib import Path

import sentencepiece as spm


def texts(corpus: Path):
    """Each user text, answer, system text and plain text of the corpus, once per occurrence."""
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            sample = json.loads(line)
            if "text" in sample:
                yield sample["text"]
                continue
            if sample["system"]:
                yield sample["system"]
            for turn in sample["turns"]:
                yield from turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--vocab", type=int, default=4096)
    args = parser.parse_args()
    # The chat form's markers are ordinary text to Llama 2's tokenizer; a few copies make their pieces common.
    markers = ["[INST] <<SYS>>\n", "\n<</SYS>>\n\n", " [/INST] "] * 2000
    sentences = [part for text in texts(args.corpus) for part in text.split("\n") if part] + [m.strip("\n") for m in markers]
    with args.out.open("wb") as out:
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=out, vocab_size=args.vocab, model_type="bpe", byte_fallback=True,
            unk_id=0, bos_id=1, eos_id=2, pad_id=-1, character_coverage=0.9999, normalization_rule_name="identity",
            remove_extra_whitespaces=False, add_dummy_prefix=True, split_digits=True, allow_whitespace_only_pieces=True,
            num_threads=1, max_sentence_length=8192, input_sentence_size=0,
            required_chars="".join(chr(c) for c in range(33, 127)) + "äöüßéèàçñáíóúêâîôûœÄÖÜÉ€–—’“”…", minloglevel=1,
        )


if __name__ == "__main__":
    main()
