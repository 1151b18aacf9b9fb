"""Small template grammar: `[a|b]` picks one branch (nesting allowed), `{name}` fills a slot.

Also holds the noise that makes user text look typed by people. Knows nothing about topics.
"""

import random
import re

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def say(rng: random.Random, template: str, **slots: object) -> str:
    """Expands one template. Innermost choices first, then slots, then spaces are squeezed."""
    while True:
        expanded = _CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), template)
        if expanded == template:
            break
        template = expanded
    for name, value in slots.items():
        template = template.replace("{" + name + "}", str(value))
    return re.sub(r" {2,}", " ", template).strip()


def pick(rng: random.Random, templates: list[str], **slots: object) -> str:
    """Chooses one template and expands it."""
    return say(rng, rng.choice(templates), **slots)


def sentence(text: str) -> str:
    """Upper-cases the first letter."""
    return text[:1].upper() + text[1:]


def join_and(items: list[str]) -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]


def article(noun: str) -> str:
    """`a cat`, `an owl`."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _typo(rng: random.Random, text: str) -> str:
    spots = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
    if not spots:
        return text
    i = rng.choice(spots)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    if kind == 1:
        return text[:i] + text[i + 1 :]
    return text[:i] + text[i] + text[i:]


def as_typed(rng: random.Random, text: str, exact: str = "") -> str:
    """User text as people type it: case, punctuation and typing errors vary.

    `exact` is a part (a name, a quoted phrase) that has to stay as it is, because the answer copies it.
    """
    draw = rng.random()
    if draw < 0.45:
        text = sentence(text)
    elif draw < 0.85 and not exact:
        text = text.lower()
    if rng.random() < 0.35:
        text = text.rstrip("?.!")
    elif rng.random() < 0.04:
        text += rng.choice("?!")
    if not exact and len(text) > 12 and rng.random() < 0.10:
        text = _typo(rng, text)
    return text


def polite(rng: random.Random, question: str) -> str:
    """Puts a greeting or a polite word around a question, sometimes."""
    draw = rng.random()
    if draw < 0.70:
        return question
    if draw < 0.80:
        return rng.choice(["please, ", "hello, ", "hi, ", "hey, ", "hi! ", "ok, ", "so, "]) + question
    if draw < 0.90:
        before = ["i have a question: ", "quick question: ", "i was wondering, ", "one more thing: ", "tell me, "]
        return rng.choice(before) + question
    return question.rstrip("?.") + rng.choice([" please?", ", please", " thanks", ", thank you", " please"])
