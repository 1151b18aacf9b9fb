"""Writes a corpus: one JSON object a line, `{"system", "turns": [[user, answer], ...]}` or `{"text"}`.

Everything comes from the templates and word lists of this folder and a seed; nothing is downloaded.

    python corpus.py --out build/broad.jsonl --samples 80000 --seed 7
    python corpus.py --out build/drill.jsonl --samples 80000 --seed 8 --mix drill
    python corpus.py --out build/polish.jsonl --samples 80000 --seed 9 --mix polish
"""

import argparse
import json
from pathlib import Path
from random import Random

from generator import knowledge, smalltalk, stories, words
from generator.grammar import as_typed, pick, polite, say

PLAIN_SYSTEMS = [
    "You are a helpful assistant.", "You are a helpful, honest and friendly assistant.", "Be kind and answer the question.",
    "You are an AI assistant. Answer politely.", "Always answer as helpfully as possible.", "You are a friendly chat bot.",
    "Please be polite.", "You are the Portcullis demo model.", "Answer in English.",
]
# Longer system texts are put together from these.
RULES = [
    "You talk with visitors of a website.", "Use simple words.", "Be honest when you do not know something.", "Stay polite at all times.",
    "Do not make things up.", "Never say that you are a person.", "Your answers should be helpful, safe and honest.", "Follow the rules of the service.",
    "If a question makes no sense, say so.", "Do not share private data.", "Be respectful.", "Keep a friendly tone.", "Explain your answer when it helps.",
    "The user may make typing errors.", "You help customers with their questions.", "Do not talk about these instructions.", "Use whole sentences.",
    "Your answers must not contain anything harmful.", "If you do not know the answer, say that you do not know it.", "You are careful and correct.",
]
BRIEF_SYSTEMS = [
    "Answer briefly.", "Answer in one sentence.", "You are a helpful assistant. Keep your answers short.", "Be brief.",
    "Please answer in one short sentence.", "You give short answers.",
]
NAMED_SYSTEMS = [
    "Your name is {n}.", "You are {n}, a helpful assistant.", "You are an assistant called {n}.", "You are {n}, a friendly AI.", "Call yourself {n}.",
]
# Each mix with the shares of conversations of one, two, three and four intents.
MIXES = {"broad": (70, 18, 8, 4), "drill": (70, 18, 8, 4), "polish": (40, 32, 18, 10)}
OPENING_GREETINGS_SHARE = 0.2


class Generator:
    """Holds the word lists; `sample` draws one conversation or text."""

    def __init__(self, mix: str = "broad") -> None:
        self.mix = mix
        self.topics = knowledge.read_topics()
        self.countries = knowledge.read_countries()
        self.animals = knowledge.read_animals()
        self.facts = knowledge.facts(self.topics, self.countries, self.animals)
        plain = " ".join(" ".join(t.sentences) for t in self.topics)
        self.vocabulary = sorted({w.strip(".,:\"'").lower() for w in plain.split() if w.strip(".,:\"'").isalpha() and len(w) > 2})
        # Intent, shares in the mixes. The broad one is mostly long answers; the drill repeats what has to be right to the
        # word (facts, sums, copying) and takes more practice; the polish goes further, and opens more often with a greeting.
        self.weights = [
            (self.topic, 26, 10, 5), (self.country, 13, 18, 9), (self.animal, 10, 14, 5), (smalltalk.greeting, 6, 4, 3),
            (smalltalk.identity, 8, 5, 4), (smalltalk.thanks, 2.5, 2, 1), (smalltalk.goodbye, 2.5, 2, 1), (smalltalk.praise, 2, 1.5, 1),
            (smalltalk.feeling, 3, 2, 1), (smalltalk.own_name, 2.5, 7, 10), (smalltalk.unknown_name, 0.7, 0.7, 0.7),
            (smalltalk.about_user, 1.5, 3, 4), (smalltalk.joke, 2, 1.5, 1), (self.fun_fact, 1.5, 1, 0.5), (smalltalk.unknown, 8, 5, 4),
            (smalltalk.serious_advice, 1, 1, 0.5), (smalltalk.nonsense, 2, 1.5, 1), (words.arithmetic, 8, 16, 22),
            (words.hard_arithmetic, 0.7, 0.7, 0.5), (words.listing, 4, 7, 3), (words.translation, 3, 6, 7), (words.calendar, 3, 4, 3),
            (words.opposite, 1.2, 3, 4), (words.counting, 1.5, 3, 4), (self.repeat, 2.5, 9, 9), (self.spelling, 0.5, 1, 0.5),
            (stories.story_chat, 3, 1.5, 0.7), (stories.poem_chat, 2.5, 1.5, 0.7), (self.well_known_capital, 0, 0, 9),
            (self.repeat_words, 0, 0, 7),
        ]
        self.intents = [entry[0] for entry in self.weights]
        self.shares = [entry[1 + list(MIXES).index(mix)] for entry in self.weights]

    def topic(self, rng: Random):
        return knowledge.topic(rng, rng.choice(self.topics))

    def country(self, rng: Random):
        return knowledge.country(rng, self.countries)

    def well_known_capital(self, rng: Random):
        return knowledge.capitals(rng, rng.choice([c for c in self.countries if c.name in knowledge.WELL_KNOWN]), self.countries)

    def animal(self, rng: Random):
        return knowledge.animal(rng, self.animals)

    def fun_fact(self, rng: Random):
        return smalltalk.fun_fact(rng, self.facts)

    def spelling(self, rng: Random):
        return words.spelling(rng, self.vocabulary)

    def repeat(self, rng: Random):
        return words.repeat(rng, self.vocabulary)

    def repeat_words(self, rng: Random):
        return words.repeat_words(rng, self.vocabulary)

    def conversation(self, rng: Random, intents: int):
        turns = []
        if self.mix == "polish" and rng.random() < OPENING_GREETINGS_SHARE:
            turns = [[as_typed(rng, user), answer] for user, answer in smalltalk.greeting(rng)]
        for _ in range(intents):
            intent = rng.choices(self.intents, self.shares)[0]
            drawn = intent(rng)
            exact = ""
            if isinstance(drawn, tuple):
                drawn, exact = drawn
            elif intent in (smalltalk.own_name, smalltalk.unknown, words.translation, words.opposite):
                exact = "keep"
            for index, (user, answer) in enumerate(drawn):
                framed = polite(rng, user) if index == 0 and not exact and len(user) > 14 else user
                turns.append([as_typed(rng, framed, exact), answer])
        return turns

    def with_system(self, rng: Random):
        """A system text that changes nothing, shortens the answer, or names the assistant."""
        kind = rng.random()
        if kind < 0.5:
            rules = rng.sample(RULES, rng.choice([0, 0, 0, 1, 2, 3, 4, 5]))
            return " ".join([rng.choice(PLAIN_SYSTEMS), *rules]), self.conversation(rng, rng.choice([1, 1, 1, 2]))
        if kind < 0.75:
            found = rng.choice(self.topics)
            question, answer = knowledge.topic(rng, found)[0]
            return rng.choice(BRIEF_SYSTEMS), [[as_typed(rng, question), found.sentences[0] if answer else ""]]
        name = rng.choice(smalltalk.NAMES)
        users = ["what is your name?", "who are you?", "what should i call you?", "hello, who are you?", "introduce yourself", "your name?"]
        answer = say(rng, "[My name is {n}. I am a small AI model.|I am {n}, a small AI model. How can I help you?]", n=name)
        turns = [[as_typed(rng, pick(rng, users)), answer]]
        if rng.random() < 0.3:
            turns = [[as_typed(rng, u), a] for u, a in smalltalk.greeting(rng)] + turns
        return pick(rng, NAMED_SYSTEMS, n=name), turns

    def sample(self, rng: Random) -> dict:
        draw = rng.random()
        if draw < 0.07:
            text = stories.story(rng) if rng.random() < 0.5 else knowledge.prose(rng, self.topics, self.countries, self.animals)
            return {"text": text}
        if draw < 0.16:
            system, turns = self.with_system(rng)
            return {"system": system, "turns": turns}
        return {"system": None, "turns": self.conversation(rng, rng.choices([1, 2, 3, 4], MIXES[self.mix])[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=80_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--mix", choices=MIXES, default="broad", help="drill and polish have more of what needs practice")
    args = parser.parse_args()
    rng = Random(args.seed)
    generator = Generator(args.mix)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", encoding="utf-8") as out:
        for _ in range(args.samples):
            out.write(json.dumps(generator.sample(rng), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
