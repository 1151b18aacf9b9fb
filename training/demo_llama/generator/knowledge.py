"""Topics, countries and animals: reads `text/*.txt` and asks about them in many ways."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .grammar import article, pick, say, sentence

# The countries that people ask about first.
WELL_KNOWN = ("France Germany Italy Spain England Ireland Greece Russia Egypt China Japan India Canada Mexico Brazil Australia Norway Sweden "
              "Poland Austria Portugal Switzerland Turkey Argentina").split() + ["the United Kingdom", "the United States", "the Netherlands"]
TEXT = Path(__file__).resolve().parent.parent / "text"


@dataclass
class Topic:
    """One block of `topics.txt`."""

    name: str
    advice: bool
    questions: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


@dataclass
class Country:
    name: str
    capital: str
    continent: str
    language: str
    note: str


@dataclass
class Animal:
    one: str
    many: str
    kind: str
    food: str
    home: str
    note: str


def _lines(name: str) -> list[str]:
    lines = (TEXT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def read_topics() -> list[Topic]:
    topics: list[Topic] = []
    for line in _lines("topics.txt"):
        if line.startswith("= how: "):
            topics.append(Topic(line.removeprefix("= how: "), advice=True))
        elif line.startswith("= "):
            topics.append(Topic(line.removeprefix("= "), advice=False))
        elif line.startswith("? "):
            topics[-1].questions += [part.strip() for part in line[2:].split("|")]
        elif line.strip():
            topics[-1].sentences.append(line.strip())
    return topics


def read_countries() -> list[Country]:
    return [Country(*(part.strip() for part in line.split("|"))) for line in _lines("countries.txt")]


def read_animals() -> list[Animal]:
    return [Animal(*(part.strip() for part in line.split("|"))) for line in _lines("animals.txt")]


CLOSERS = ["Would you like to know more?", "I hope that helps.", "I hope this helps!", "Just ask if you want to know more."]


def topic(rng: Random, found: Topic):
    """One question about a topic, sometimes with a request for more."""
    if rng.random() < 0.5:
        question = rng.choice(found.questions)
        if not question.startswith(("name", "list", "explain", "give", "tell", "i ")) and rng.random() < 0.85:
            question += "?"
    elif found.advice:
        question = pick(rng, ["how do i {n}?", "how can i {n}?", "how to {n}?", "what is the best way to {n}?", "tell me how to {n}", "i want to {n}",
                              "[can|could] you tell me how to {n}?", "[can|could] you help me [to|] {n}?", "explain how to {n}", "how do you {n}?",
                              "i would like to {n}", "any tips on how to {n}?", "teach me how to {n}", "i need to {n}", "what should i do to {n}?",
                              "how should i {n}?", "give me advice on how to {n}"], n=found.name)
    else:
        question = pick(rng, ["tell me about {n}", "tell me something about {n}", "what do you know about {n}?", "explain {n}", "what can you tell me about {n}?",
                              "can you explain {n}?", "i want to know more about {n}", "{n}", "what about {n}?", "let's talk about {n}", "describe {n}",
                              "can you tell me about {n}?", "write a few sentences about {n}", "explain {n} to me", "how about {n}?",
                              "please explain {n} in simple words", "what is {n}?" if not found.name.endswith("s") else "what are {n}?"], n=found.name)
    total = len(found.sentences)
    kept = total if rng.random() < 0.55 else rng.randint(2, total - 1)
    answer = " ".join(found.sentences[:kept])
    if rng.random() < 0.2:
        answer += " " + rng.choice(CLOSERS)
    turns = [(question, answer)]
    if kept < total and rng.random() < 0.6:
        more = pick(rng, ["tell me more", "more", "go on", "please go on", "what else?", "continue", "can you tell me more?", "anything else?", "and then?", "more please",
                          "yes", "yes please", "ok, and?"])
        turns.append((more, " ".join(found.sentences[kept:])))
    elif kept == total and rng.random() < 0.1:
        turns.append((pick(rng, ["tell me more", "what else?", "anything else?", "more"]),
                      say(rng, "[That is all that I know about it.|I have told you all that I know about that.] Would you like to talk about something else?")))
    return turns


def brief(found: Topic, question: str):
    """The first sentence only, for system texts that ask for short answers."""
    return [(question, found.sentences[0])]


def _capital(c: Country) -> str:
    return f"The capital of {c.name} is {c.capital}."


def _where(c: Country) -> str:
    start = "It lies partly in" if " and " in c.continent else "It is a country in"
    places = c.continent.replace(" and ", " and partly in ")
    return f"{start} {places}." if start.startswith("It lies") else f"{sentence(c.name)} is in {c.continent}."


def _language(c: Country) -> str:
    verb = "languages are" if " and " in c.language else "language is"
    return f"The main {verb} {c.language}."


def country(rng: Random, countries: list[Country]):
    c = rng.choice(countries)
    name = c.name
    kind = rng.random()
    if kind < 0.62:
        return capitals(rng, c, countries)
    if kind < 0.70:
        user = pick(rng, ["{k} is the capital of which country?", "which country has the capital {k}?", "where is {k}?", "what country is {k} in?", "{k}"], k=c.capital)
        return [(user, f"{c.capital} is the capital of {name}.")]
    if kind < 0.78:
        user = pick(rng, ["where is {n}?", "which continent is {n} in?", "on which continent is {n}?", "where can i find {n}?"], n=name)
        return [(user, _where(c))]
    if kind < 0.86:
        user = pick(rng, ["what language do they speak in {n}?", "which language is spoken in {n}?", "what do people speak in {n}?", "what is the language of {n}?"], n=name)
        return [(user, f"In {name} people mostly speak {c.language}.")]
    user = pick(rng, ["tell me about {n}", "what do you know about {n}?", "what is {n} known for?", "tell me something about {n}", "i want to visit {n}", "{n}",
                      "i am going to {n}", "what is special about {n}?", "describe {n}", "is {n} a nice place?"], n=name)
    parts = [c.note, _where(c), _capital(c), _language(c)]
    turns = [(user, " ".join(parts if rng.random() < 0.6 else parts[:3]))]
    if rng.random() < 0.3:
        turns.append((pick(rng, ["what is the capital?", "and the capital?", "which language do they speak there?", "what language is spoken there?"]), ""))
        question = turns[-1][0]
        turns[-1] = (question, _capital(c) if "capital" in question else f"In {name} people mostly speak {c.language}.")
    return turns


def capitals(rng: Random, c: Country, countries: list[Country]):
    user = pick(rng, ["what is the capital of {n}?", "what's the capital of {n}?", "capital of {n}", "which city is the capital of {n}?", "the capital of {n}?",
                      "tell me the capital of {n}", "do you know the capital of {n}?", "[can|could] you tell me the capital of {n}?", "[can|could] you tell me what the capital of {n} is?", "what is the capital city of {n}?",
                      "name the capital of {n}", "i need to know the capital of {n}", "what is {n}'s capital?", "{n} capital"], n=c.name)
    answer = _capital(c)
    if rng.random() < 0.35:
        answer += " " + c.note
    turns = [(user, answer)]
    while rng.random() < 0.4 and len(turns) < 4:
        other = rng.choice(countries)
        if rng.random() < 0.2:
            turns.append((pick(rng, ["what language do they speak there?", "and the language?", "which language is spoken there?"]),
                          f"In {c.name} people mostly speak {c.language}."))
        else:
            turns.append((pick(rng, ["and what about {n}?", "and {n}?", "what about {n}?", "and of {n}?", "how about {n}?", "ok, and {n}?", "and the capital of {n}?"], n=other.name),
                          _capital(other)))
            c = other
    return turns


def _kind(a: Animal) -> str:
    return f"{sentence(article(a.one))} is {article(a.kind)}."


_AFTER_ON = ("farms", "the ice", "the dry plains", "the plains", "mountains")
_AFTER_AT = ("the bottom",)


def _home(a: Animal) -> str:
    word = "on" if a.home.startswith(_AFTER_ON) else "at" if a.home.startswith(_AFTER_AT) else "in"
    return f"{sentence(a.many)} live {word} {a.home}."


def animal(rng: Random, animals: list[Animal]):
    a = rng.choice(animals)
    food = f"{sentence(a.many)} eat {a.food}."
    home = _home(a)
    kind = rng.random()
    if kind < 0.25:
        user, answer = pick(rng, ["what do {m} eat?", "what does {a} eat?", "what food do {m} like?", "what do {m} like to eat?"], m=a.many, a=article(a.one)), food
    elif kind < 0.45:
        user, answer = pick(rng, ["where do {m} live?", "where does {a} live?", "where can i see {m}?", "where do you find {m}?"], m=a.many, a=article(a.one)), home
    elif kind < 0.55:
        user, answer = pick(rng, ["is {a} {k}?", "what kind of animal is {a}?", "what kind of animals are {m}?"], m=a.many, a=article(a.one), k=article(a.kind)), _kind(a)
    else:
        user = pick(rng, ["tell me about {m}", "what is {a}?", "what do you know about {m}?", "tell me something about {m}", "i like {m}", "describe {a}", "{m}", "{o}",
                          "write a few sentences about {m}", "what is special about {m}?", "explain what {a} is", "do you like {m}?", "my favourite animal is the {o}"],
                    m=a.many, a=article(a.one), o=a.one)
        middle = [food, home]
        rng.shuffle(middle)
        answer = " ".join([_kind(a), *middle, a.note])
    if kind < 0.55 and rng.random() < 0.35:
        answer += " " + a.note
    turns = [(user, answer)]
    if kind < 0.45 and rng.random() < 0.45:
        b = rng.choice(animals)
        user = pick(rng, ["and {m}?", "what about {m}?", "and what about {m}?", "how about {m}?"], m=b.many)
        if kind < 0.25:
            turns.append((user, f"{sentence(b.many)} eat {b.food}."))
        else:
            turns.append((user, _home(b)))
    return turns


def facts(topics: list[Topic], countries: list[Country], animals: list[Animal]) -> list[str]:
    """Single sentences that stand on their own."""
    return [a.note for a in animals] + [c.note for c in countries] + [t.sentences[0] for t in topics if not t.advice]


def prose(rng: Random, topics: list[Topic], countries: list[Country], animals: list[Animal]) -> str:
    """A paragraph without a question, for plain completion."""
    kind = rng.random()
    if kind < 0.4:
        return " ".join(rng.choice([t for t in topics if not t.advice]).sentences)
    if kind < 0.75:
        parts = []
        for c in rng.sample(countries, rng.randint(1, 3)):
            parts.append(rng.choice([_capital(c), f"{_capital(c)} {c.note}", f"{c.note} {_capital(c)}"]))
        return " ".join(parts)
    a = rng.choice(animals)
    return f"{_kind(a)} {sentence(a.many)} eat {a.food}. {a.note}"

