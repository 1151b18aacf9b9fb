"""Writes `samples.json`: prompts, their exact ids and the greedy answers of the exported (dequantised) weights.

    python samples.py --model ../../models/demo-llama/demo-llama.gguf --tokenizer build/tokenizer.model --out ../../models/demo-llama/samples.json
"""

import argparse
import hashlib
import json
from pathlib import Path

import sentencepiece as spm
import torch

from chat_form import BOS, prompt_ids
from gguf_model import GgufFile, generate, hugging_face

NEW_TOKENS_MAX = 64
CHATS = [
    (None, ["Hello!"]),
    (None, ["Who are you?"]),
    (None, ["What is the capital of France?"]),
    (None, ["Why is the sky blue?"]),
    (None, ["What is 7 plus 5?"]),
    (None, ["how do i boil an egg"]),
    (None, ["Write a short poem about the sea."]),
    (None, ["Say \"streaming works\""]),
    (None, ["Tell me about penguins.", "and what about owls?"]),
    (None, ["My name is Anna.", "What is my name?"]),
    ("Answer in one sentence.", ["What is gravity?"]),
    ("Your name is Clara.", ["What is your name?"]),
]
TEXTS = ["Once upon a time", "The capital of Italy is"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.tokenizer))
    model = hugging_face(GgufFile(args.model))

    def answer(ids: list[int]) -> dict:
        with torch.no_grad():
            top = model(torch.tensor([ids])).logits[0, -1].topk(5)
        found, finish, leads = generate(model, ids, NEW_TOKENS_MAX)
        return {
            "prompt_ids": ids,
            "answer_ids": found,
            "answer": tokenizer.decode(found),
            "finish_reason": finish,
            "smallest_lead": round(min(leads), 4),
            "first_logits": [[int(i), round(float(v), 5)] for v, i in zip(top.values, top.indices)],
        }

    samples = []
    for system, users in CHATS:
        turns: list[tuple[str, str | None]] = []
        messages = [{"role": "system", "content": system}] if system else []
        for user in users:
            entry = answer(prompt_ids(tokenizer, [*turns, (user, None)], system))
            messages.append({"role": "user", "content": user})
            samples.append({"endpoint": "chat", "messages": list(messages), **entry})
            turns.append((user, entry["answer"]))
            messages.append({"role": "assistant", "content": entry["answer"]})
    for text in TEXTS:
        samples.append({"endpoint": "completion", "prompt": text, **answer([BOS, *tokenizer.encode(text)])})

    document = {
        "about": "Greedy answers of Hugging Face transformers with the weights of the GGUF file dequantised to float32. answer_ids has no EOS. "
                 "smallest_lead is the least distance between the best and the second logit on the way; below about 0.1 another engine may differ. "
                 "first_logits are the five best [id, logit] after the prompt.",
        "model_sha256": hashlib.sha256(args.model.read_bytes()).hexdigest(),
        "new_tokens_max": NEW_TOKENS_MAX,
    }
    # One sample a line keeps differences readable.
    lines = ",\n  ".join(json.dumps(sample, ensure_ascii=False) for sample in samples)
    head = json.dumps(document, ensure_ascii=False, indent=1).removesuffix("\n}")
    args.out.write_text(f'{head},\n "samples": [\n  {lines}\n ]\n}}\n', encoding="utf-8")
    for sample in samples:
        asked = sample.get("prompt") or sample["messages"][-1]["content"]
        print(f"[{sample['finish_reason']:6} {sample['smallest_lead']:.2f}] {asked!r} -> {sample['answer']!r}")


if __name__ == "__main__":
    main()
