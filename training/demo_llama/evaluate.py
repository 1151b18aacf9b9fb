"""Share of right greedy answers on fresh draws of the generator (another seed than the corpus), per kind of question.

Same templates as in training, so this measures what was learned, not how far it carries. An answer is right when it says
exactly what the generator says; for capitals the first sentence counts, because the rest is optional.

    python evaluate.py --model ../../models/demo-llama/demo-llama.gguf --tokenizer build/tokenizer.model
"""

import argparse
from pathlib import Path
from random import Random

import sentencepiece as spm
import torch

from chat_form import prompt_ids
from corpus import Generator
from generator import knowledge, smalltalk, words
from generator.grammar import as_typed
from gguf_model import GgufFile, generate, hugging_face


def first_sentence(text: str) -> str:
    return text.split(". ")[0].rstrip(".")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1001)
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = spm.SentencePieceProcessor(model_file=str(args.tokenizer))
    model = hugging_face(GgufFile(args.model))
    rng = Random(args.seed)
    corpus = Generator()

    def capital(rng: Random):
        return knowledge.capitals(rng, rng.choice(corpus.countries), corpus.countries)[-1:]

    def follow_up(rng: Random):
        while len(turns := knowledge.capitals(rng, rng.choice(corpus.countries), corpus.countries)) < 2:
            pass
        return turns[:2]

    def remembered(rng: Random):
        while len(turns := smalltalk.own_name(rng)) != 2:
            pass
        return turns

    def after_greeting(rng: Random):
        country = rng.choice([c for c in corpus.countries if c.name in knowledge.WELL_KNOWN])
        return smalltalk.greeting(rng) + knowledge.capitals(rng, country, corpus.countries)[:1]

    def topic(rng: Random):
        return corpus.topic(rng)[:1]

    kinds = {
        "capital": (capital, first_sentence, ""), "capital, follow-up": (follow_up, first_sentence, ""), "topic": (topic, first_sentence, ""),
        "small sums": (words.arithmetic, str, ""), "translation": (lambda rng: words.translation(rng)[:1], str, "exact"),
        "opposite": (words.opposite, str, "exact"), "repeat a phrase": (lambda rng: corpus.repeat(rng)[0], str, "exact"),
        "remember a name": (remembered, lambda text: text.rstrip(".").split()[-1], "exact"), "counting": (words.counting, str, ""),
        "greeting, capital": (after_greeting, first_sentence, ""),
    }
    stopped = asked = 0
    for name, (draw, key, exact) in kinds.items():
        right = 0
        for _ in range(args.each):
            drawn = [(as_typed(rng, user, exact), answer) for user, answer in draw(rng)]
            ids = prompt_ids(tokenizer, [*drawn[:-1], (drawn[-1][0], None)])
            answer, finish, _ = generate(model, ids, 200)
            right += key(tokenizer.decode(answer)) == key(drawn[-1][1])
            stopped += finish == "stop"
            asked += 1
        print(f"{name:20} {right}/{args.each}", flush=True)
    print(f"stopped by itself    {stopped}/{asked}")


if __name__ == "__main__":
    main()
