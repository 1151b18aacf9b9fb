"""Makes policies and texts from a seed: phrases, patterns, and English that looks like chat.

The words are our own choice. Text and policies draw on the same vocabulary, so most words of a text stand in some
phrase, as they do in a real policy; now and then a text says what the policy looks for. Nothing here was tuned to either
matcher. `python3 job.py DIR` writes the jobs that run.py uses.
"""

import json
import random
import sys
from pathlib import Path

SEED = 20261201

NOUNS = """account address advice agent airport alarm album animal answer apple argument article artist attic audience author
baby badge bakery balcony ball banana band bank barn basket bathroom battery beach bean bear bedroom bell bench bicycle bill
bird birthday blanket board boat body boiler bone book border bottle bowl box branch bread bridge brother bucket budget
building bus business butter button cabin cable cake camera camp candle captain car card carpet case castle cat cellar
chain chair chance channel chapter charge cheese chef chicken child choice church cinema circle city class clinic clock cloud
coach coast coat code coffee coin college colour comment company computer concert contract cook corner cost cotton council
country couple course court cousin cover cow cream crew crowd cup curtain customer dance data date daughter deal debt
decision deer degree delivery dentist desert design desk detail device diary diet dinner direction disease dish doctor
document dog door doubt dragon drawer dream dress drink driver drum duck dust duty ear earth edge editor effect egg
election elephant email energy engine entrance envelope error essay event evidence exam example excuse exercise eye
fabric face factory family farm father fence festival field file film finger fire fish flag flat flight floor flower food
forest fork form fountain frame friend frog fruit fuel funeral future game garage garden gate gift girl glass goal goat
gold grade grain grass group guest guide guitar habit hair hall hammer hand harbour hat head heart heater hero hill
history hobby holiday home honey hook horse hospital hotel hour house husband ice idea image income index insect
island issue jacket jar job joke journey judge juice jungle key kitchen kite knee knife ladder lake lamp language
laptop law lawyer leader leaf leg lemon lesson letter library licence lift light line lion list loan lock lunch machine
magazine manager map market match meal meat medicine meeting member memory menu message metal method milk mind mirror
mistake model moment money monkey month moon morning mother motor mountain mouse mouth movie museum music nail name
needle neighbour nephew nest network news newspaper night noise note number nurse oak ocean office oil onion opinion orange
order oven owner package page painter pan paper parcel parent park partner party passenger passport password path patient
pattern payment peach pen pencil pepper permit person phone photo piano picture pillow pilot pipe place plan plane plant
plate player pocket poem poet police pond pool potato price printer prize problem product professor project proof purse
puzzle queen question queue rabbit radio railway rain receipt recipe record refund rent report rice ring river road robot
rock roof room rope rose route rule sail salad salary salt sand sauce scale school science scissors screen sea season seat
secret shadow shape sheep sheet shelf shell ship shirt shoe shop shoulder shower signal singer sister skin sky sleep
smoke snake snow soap soil soldier song soup spoon spring square stable stage staircase stamp star station statue steam
stick stone storm story stove stranger street student sugar suit summer surgeon table tail tailor tax taxi teacher team
temple tenant tent test theatre thief thread ticket tiger tool tooth tower town toy trade train tree trip truck tunnel
uncle uniform valley van vegetable village violin visitor voice wall wallet warden watch water weather wedding wheel
widow window winter witness wolf wood worker yard zebra""".split()
VERBS = """accept add admire afford agree allow apply argue arrange arrive ask avoid bake beg begin blame boil borrow break bring
build burn buy call cancel carry catch cause change charge chase check choose claim clean climb close collect compare
complain connect cook copy count cover cross cry cut deliver deny describe design dig discuss divide draw dress drink drive
drop earn eat employ encourage enjoy enter escape examine exchange expect explain explore face fail fall feed fetch fight
fill find finish fix fly fold follow forget forgive gather grow guess hang happen hate heat help hide hire hit hold hope
hunt hurry improve include inform insist invent invite join jump keep kick knock land laugh launch lead learn leave lend
lift listen load lock lose marry measure melt mend mention miss mix move notice obey offer open order organise owe own
pack paint park pass pay phone pick plan plant play polish pour practise praise prefer prepare press print promise protect
prove publish pull punish push read realise receive refuse regret remember remind remove rent repair repeat replace reply
report rescue respect rest return ride ring rob roll rub run save scratch search sell send serve sew shake share shave
shout show shut sign sing sink smell smile sort spell spend spill spoil spread stand steal stir stop store stretch study
suggest supply support surprise swallow swim switch teach tear test thank throw tie touch train translate travel treat
trust turn type unlock use visit wait wake warn wash waste watch wave wear weigh whisper win wipe wish wonder worry wrap
write yell""".split()
ADJECTIVES = """able ancient angry awful bad beautiful big bitter black blind blue bold boring brave brief bright broken brown busy
calm careful cheap clean clever cold common cool correct cruel curious dangerous dark dead deep dirty dry dull eager early
easy empty expensive fair false famous fast fat final fine foreign free fresh friendly full funny gentle glad golden grateful
great green guilty happy hard healthy heavy high hollow honest hot huge hungry ill important innocent jealous kind large
late lazy light little local lonely long loud lovely low lucky mad modern narrow neat nervous new nice noisy odd old open
ordinary pale patient perfect plain pleasant polite poor popular private proud public quick quiet rare ready real red rich
right rough round rude sad safe salty secret serious sharp short shy sick silent silly silver simple slow small smooth soft
sour special spicy square steep strange strict strong sudden sweet tall thick thin tidy tiny tired tough ugly unusual
useful usual warm weak wet whole wide wild wise wooden wrong yellow young""".split()
STARTS = """how do i|how can i|could you tell me how to|please help me|what is the best way to|i want to|i need to|can you show me
how to|is it a good idea to|my sister asked me to|we are planning to|why should i|write a short story about how to|explain why people|give
me ten reasons to|yesterday i tried to|my neighbour told me to|is there a simple way to|i would like to|let us""".replace(
    "\n", " "
).split("|")
LINKS = "because and so but although when while if after before since unless".split()
PREPOSITIONS = "in on at with for from to near under behind about without into over".split()
DETERMINERS = "the a my your this that our some every another the the a his her".split()
ENDS = [".", "?", ".", "!", ", thanks.", ".", "?", "..."]


def ending(verb, suffix):
    stem = verb[:-1] if suffix in ("ing", "ed", "er") and verb.endswith("e") else verb
    return stem + suffix


def plural(noun):
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


class Words:
    """Picks words with Zipf's weights in a fixed random order."""

    def __init__(self, rng, words):
        self.rng = rng
        self.words = words[:]
        rng.shuffle(self.words)
        self.weights = [1 / (n + 3) for n in range(len(self.words))]
        total = 0
        self.sums = []
        for weight in self.weights:
            total += weight
            self.sums.append(total)

    def common(self):
        return self.rng.choices(self.words, cum_weights=self.sums)[0]

    def any(self):
        return self.rng.choice(self.words)


class Maker:
    def __init__(self, seed=SEED):
        self.rng = random.Random(seed)
        self.nouns = Words(self.rng, NOUNS + [plural(noun) for noun in NOUNS])
        self.verbs = Words(self.rng, VERBS + [ending(verb, "ing") for verb in VERBS])
        self.adjectives = Words(self.rng, ADJECTIVES)

    def thing(self, pick):
        rng = self.rng
        words = [rng.choice(DETERMINERS)]
        if rng.random() < 0.4:
            words.append(getattr(self.adjectives, pick)())
        words.append(getattr(self.nouns, pick)())
        return words

    def phrase(self):
        """Two to five words, as people write them into policies."""
        rng = self.rng
        noun, verb, adjective = self.nouns.any, self.verbs.any, self.adjectives.any
        kind = rng.random()
        if kind < 0.3:
            return f"{adjective()} {noun()}"
        if kind < 0.5:
            return f"{noun()} {noun()}"
        if kind < 0.75:
            return f"{verb()} {rng.choice(DETERMINERS)} {noun()}"
        if kind < 0.87:
            return f"{verb()} {rng.choice(DETERMINERS)} {adjective()} {noun()}"
        if kind < 0.97:
            return f"{noun()} {rng.choice(PREPOSITIONS)} {rng.choice(DETERMINERS)} {noun()}"
        # Single words; made up, because real policies name brands, drugs and slang.
        parts = "zu bra kel nor fen tri mo lix pa ster dox vin que ral jo gim".split()
        return "".join(rng.choice(parts) for _ in range(rng.randint(2, 4)))

    def phrases(self, count):
        seen = {}
        while len(seen) < count:
            seen[self.phrase()] = None
        return list(seen)

    def pattern(self, index):
        rng = self.rng
        noun = lambda: rng.choice(NOUNS)  # noqa: E731
        verb = lambda: rng.choice(VERBS)  # noqa: E731
        several = lambda pick, n: "|".join(sorted({pick() for _ in range(n)}))  # noqa: E731
        kinds = [
            lambda: rf"\b(how (do|can|could) (i|we)|ways to|help me) ({several(verb, 4)})\b.{{0,30}}\b({several(noun, 5)})s?\b",
            lambda: rf"\b({several(verb, 3)})(ing|ed|s)? (a|the|my|your|some) ({several(lambda: rng.choice(ADJECTIVES), 3)}) ({several(noun, 4)})\b",
            lambda: rf"\b({several(noun, 4)})[a-z0-9' ,-]{{0,20}}\b(without|against|instead of) (the |a |my )?({several(noun, 4)})\b",
            lambda: rf"\b({noun()} {noun()}|{noun()}-{noun()}|{noun()}{noun()})s?\b",
            lambda: rf"\b(write|give me|create|explain) (a|an|the|some) [a-z ]{{0,25}}\b({several(noun, 6)}) (that|which) ({several(verb, 4)})s?\b",
            lambda: rf"\b({several(verb, 2)}) .{{0,15}}\b({several(noun, 3)})\b.{{0,15}}\b({several(verb, 3)})(ing)?\b",
            lambda: rf"\b(order|account|invoice|ticket|{noun()}) (no|number|id)[.:]? ?[0-9]{{4,{rng.randint(6, 12)}}}\b",
            lambda: rng.choice([
                rf"\b[0-9]{{3}}-[0-9]{{2}}-[0-9]{{{rng.randint(3, 6)}}}\b",
                rf"\b[a-z0-9._-]{{1,24}}@[a-z0-9-]{{1,24}}\.({several(noun, 2)}|com|org)\b",
                rf"\b{rng.choice('abcdefgh')}[a-z][0-9]{{{rng.randint(4, 9)}}}\b",
                rf"\b[0-9]{{1,3}}(\.[0-9]{{1,3}}){{{rng.randint(2, 3)}}}\b",
            ]),
        ]
        return kinds[index % len(kinds)]()

    def patterns(self, count):
        seen = {}
        index = 0
        while len(seen) < count:
            seen[self.pattern(index)] = None
            index += 1
        return list(seen)

    def sentence(self):
        rng = self.rng
        words = rng.choice(STARTS).split()
        words.append(self.verbs.common())
        words += self.thing("common")
        if rng.random() < 0.6:
            words.append(rng.choice(PREPOSITIONS))
            words += self.thing("common")
        if rng.random() < 0.5:
            words[-1] += ","
            words += [rng.choice(LINKS), rng.choice("i you we they".split()), self.verbs.common()]
            words += self.thing("common")
        if rng.random() < 0.04:
            words += ["on", str(rng.randint(1, 31)), "may", str(rng.randint(1950, 2030))]
        return " ".join(words) + rng.choice(ENDS)

    def planted(self, phrases):
        """What the policy looks for: a phrase, or one of the forms of its patterns."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.8:
            return f"and then they said {rng.choice(phrases)}, of all things."
        if kind < 0.9:
            return f"the {rng.choice(NOUNS)} number: {rng.randint(1000, 999999)} came by mail."
        return f"mail {rng.choice(NOUNS)}.{rng.choice(NOUNS)}@example.org about {rng.choice(NOUNS)} {rng.choice(NOUNS)}."

    def text(self, size, phrases):
        """Lower case, as the canonical view is. About one planted match per KB."""
        parts, length, next_plant = [], 0, 500
        while length < size:
            part = self.sentence()
            if length > next_plant:
                part = self.planted(phrases)
                next_plant += 1000
            parts.append(part)
            length += len(part) + 1
        return " ".join(parts)[:size]


def jobs(folder, counts=(100, 1_000, 10_000, 100_000), patterns=200, bytes_max=10_000_000):
    """One policy per count, and one text that plants phrases of the smallest."""
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker()
    phrases = maker.phrases(max(counts))
    regexes = maker.patterns(patterns)
    text = maker.text(bytes_max, phrases[: min(counts)])
    (folder / "text.txt").write_text(text)
    for count in counts:
        job = {"phrases": phrases[:count], "patterns": regexes, "text": "text.txt"}
        (folder / f"{count}.json").write_text(json.dumps(job))
    return folder


if __name__ == "__main__":
    print(jobs(Path(sys.argv[1])))
