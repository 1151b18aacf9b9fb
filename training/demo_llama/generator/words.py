"""Arithmetic, lists, translations, counting, opposites and texts to repeat."""

from random import Random

from .grammar import join_and, pick, say, sentence

LISTS = {
    "fruits": "apples bananas oranges pears grapes cherries strawberries lemons plums peaches mangoes kiwis",
    "vegetables": "carrots potatoes tomatoes onions peas beans spinach cabbage broccoli cucumbers peppers pumpkins",
    "colours": "red blue green yellow orange purple white black brown pink grey",
    "animals": "cats dogs horses elephants lions rabbits monkeys bears foxes whales owls",
    "birds": "eagles owls ducks penguins parrots swans chickens sparrows pigeons",
    "sports": "football tennis swimming running basketball cycling skiing hockey volleyball",
    "drinks": "water tea coffee milk juice lemonade cocoa",
    "trees": "oak birch pine maple palm willow beech apple",
    "flowers": "roses tulips daisies sunflowers lilies violets orchids",
    "instruments": "piano guitar violin flute drum trumpet harp cello",
    "countries": "France Germany Italy Spain Japan Brazil Canada Egypt India Kenya Norway",
    "languages": "English French German Spanish Italian Chinese Japanese Arabic Hindi",
    "jobs": "teacher doctor baker farmer pilot nurse cook painter writer gardener",
    "hobbies": "reading cooking painting hiking singing dancing gardening swimming chess",
    "clothes": "shirts trousers jackets socks shoes hats scarves gloves dresses",
    "insects": "bees ants butterflies beetles flies crickets",
    "spices": "salt pepper cinnamon ginger curry paprika vanilla",
    "metals": "iron gold silver copper tin lead zinc",
    "planets": "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune",
    "breakfast foods": "bread eggs yogurt fruit cheese honey pancakes cereal",
}
LISTS = {name: items.split() for name, items in LISTS.items()}
SPELLED = "zero one two three four five six seven eight nine ten".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
TRANSLATIONS = {
    "hello": "bonjour hola hallo ciao", "goodbye": "au_revoir adiós auf_Wiedersehen arrivederci", "thank you": "merci gracias danke grazie",
    "please": "s'il_vous_plaît por_favor bitte per_favore", "yes": "oui sí ja sì", "no": "non no nein no",
    "good morning": "bonjour buenos_días guten_Morgen buongiorno", "good night": "bonne_nuit buenas_noches gute_Nacht buona_notte",
    "water": "eau agua Wasser acqua", "bread": "pain pan Brot pane", "house": "maison casa Haus casa", "cat": "chat gato Katze gatto",
    "dog": "chien perro Hund cane", "friend": "ami amigo Freund amico", "love": "amour amor Liebe amore", "sun": "soleil sol Sonne sole",
    "moon": "lune luna Mond luna", "book": "livre libro Buch libro", "tree": "arbre árbol Baum albero", "milk": "lait leche Milch latte",
    "apple": "pomme manzana Apfel mela", "red": "rouge rojo rot rosso", "blue": "bleu azul blau blu", "green": "vert verde grün verde",
    "one": "un uno eins uno", "two": "deux dos zwei due", "three": "trois tres drei tre", "school": "école escuela Schule scuola",
    "fish": "poisson pez Fisch pesce", "flower": "fleur flor Blume fiore", "day": "jour día Tag giorno", "night": "nuit noche Nacht notte",
    "mother": "mère madre Mutter madre", "father": "père padre Vater padre", "cheese": "fromage queso Käse formaggio", "city": "ville ciudad Stadt città",
}
LANGUAGES = ["French", "Spanish", "German", "Italian"]
OPPOSITES = [pair.split() for pair in """hot cold|big small|day night|up down|left right|fast slow|old young|happy sad|light dark|open closed|early late
hard soft|full empty|strong weak|wet dry|loud quiet|long short|rich poor|sweet sour|clean dirty|high low|near far|good bad|thick thin|first last|heavy light""".replace("\n", "|").split("|")]
SPEAKABLE = ["this is a test", "good morning everyone", "the sky is blue", "I like pizza", "have a nice day", "the cat is asleep", "it works",
             "welcome to the show", "peace and quiet", "tea is ready", "one step at a time", "the train is late", "happy birthday", "I am ready",
             "green apples are sour", "let us begin", "nice weather today", "the end is near the start", "banana", "hello world", "testing", "pineapple",
             "the quick brown fox", "streaming works", "roses are red", "see you on Monday", "thank you all", "yes", "no", "hello", "ping", "ok"]


def arithmetic(rng: Random):
    kind = rng.choice("++++--**/")
    if kind == "+":
        a, b = rng.randint(0, 20), rng.randint(0, 20)
        if rng.random() < 0.15:
            a, b = rng.randint(1, 9) * 10, rng.randint(1, 9) * 10
        result, word, sign = a + b, "plus", "+"
    elif kind == "-":
        a = rng.randint(0, 20)
        b = rng.randint(0, a)
        result, word, sign = a - b, "minus", "-"
    elif kind == "*":
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        result, word, sign = a * b, "times", rng.choice(["*", "x"])
    else:
        b, result = rng.randint(1, 10), rng.randint(0, 10)
        a, word, sign = b * result, "divided by", "/"
    shown = [f"{a} {sign} {b}", f"{a}{sign}{b}", f"{a} {word} {b}"]
    if a < 11 and b < 11 and rng.random() < 0.3:
        shown = [f"{SPELLED[a]} {word} {SPELLED[b]}"]
    user = pick(rng, ["what is {q}?", "{q}", "how much is {q}?", "calculate {q}", "what's {q}?", "{q} = ?", "{q}=", "can you add {q}?" if kind == "+" else "{q}?",
                      "tell me what {q} is", "solve {q}", "do you know what {q} is?", "what does {q} make?"], q=rng.choice(shown))
    return [(user, f"{a} {word} {b} is {result}.")]


def hard_arithmetic(rng: Random):
    a, b = rng.randint(120, 9999), rng.randint(120, 9999)
    user = pick(rng, ["what is {q}?", "{q}", "how much is {q}?", "calculate {q}"], q=f"{a} {rng.choice('+*-/')} {b}")
    return [(user, say(rng, "[That is too hard for me.|These numbers are too large for me.] I can only do sums with small numbers. [Please use a calculator for that.|]"))]


def listing(rng: Random):
    name = rng.choice(list(LISTS))
    count = rng.choice([2, 3, 3, 3, 4, 5, 5, 6])
    items = rng.sample(LISTS[name], min(count, len(LISTS[name])))
    count = len(items)
    shown = rng.choice([str(count), SPELLED[count]])
    style = rng.random()
    if style < 0.6:
        user = pick(rng, ["[name|list|give me|tell me|write down] {n} {w}", "[can|could] you [name|list] {n} {w}?", "i need {n} {w}", "{n} {w}"], n=shown, w=name)
        if rng.random() < 0.3:
            answer = "\n".join(f"{i}. {sentence(item)}" for i, item in enumerate(items, 1))
        else:
            answer = say(rng, "[Here are {n} {w}:|{N} {w} are] {l}.", n=SPELLED[count], N=SPELLED[count].capitalize(), w=name, l=join_and(items))
    else:
        items = rng.sample(LISTS[name], 3)
        user = pick(rng, ["[name|list|give me|tell me] some {w}", "which {w} do you know?", "what are some {w}?", "examples of {w}", "make a list of {w}",
                          "do you know any {w}?", "write a list of {w}"], w=name)
        if "list" in user and rng.random() < 0.5:
            answer = "\n".join("- " + sentence(item) for item in items)
        else:
            answer = say(rng, "[Some {w} are|I know, for example,|Here are some {w}:] {l}.", w=name, l=join_and(items))
    turns = [(user, answer)]
    if rng.random() < 0.25:
        other = rng.choice([key for key in LISTS if key != name])
        turns.append((pick(rng, ["and {w}?", "what about {w}?", "now some {w}", "and some {w}?"], w=other),
                      say(rng, "[Some {w} are|Here are some {w}:] {l}.", w=other, l=join_and(rng.sample(LISTS[other], 3)))))
    return turns


def translation(rng: Random):
    word = rng.choice(list(TRANSLATIONS))
    index = rng.randrange(4)
    found = TRANSLATIONS[word].split()[index].replace("_", " ")
    user = pick(rng, ["how do you say {w} in {l}?", "how do you say \"{w}\" in {l}?", "translate {w} to {l}", "translate \"{w}\" into {l}", "what is {w} in {l}?",
                      "what does {w} mean in {l}?", "{w} in {l}", "what is the {l} word for {w}?", "say {w} in {l}"], w=word, l=LANGUAGES[index])
    turns = [(user, f'In {LANGUAGES[index]}, "{word}" is "{found}".')]
    if rng.random() < 0.4:
        other = rng.choice([i for i in range(4) if i != index])
        turns.append((pick(rng, ["and in {l}?", "what about {l}?", "and {l}?", "in {l}?"], l=LANGUAGES[other]),
                      f'In {LANGUAGES[other]}, "{word}" is "{TRANSLATIONS[word].split()[other].replace("_", " ")}".'))
    return turns


def calendar(rng: Random):
    names, unit = (DAYS, "day") if rng.random() < 0.55 else (MONTHS, "month")
    i = rng.randrange(len(names))
    kind = rng.randrange(4)
    if kind == 0:
        if unit == "day":
            return [(pick(rng, ["[name|list|what are|tell me] the days of the week", "which days does a week have?", "how many days are in a week?"]),
                     "A week has seven days: " + join_and(DAYS) + ".")]
        return [(pick(rng, ["[name|list|what are|tell me] the months of the year", "[name|list] the months", "how many months are in a year?"]),
                 "A year has twelve months: " + join_and(MONTHS) + ".")]
    if kind == 1:
        user = pick(rng, ["[what|which] {u} comes after {d}?", "what is the {u} after {d}?", "what follows {d}?"], u=unit, d=names[i])
        return [(user, f"The {unit} after {names[i]} is {names[(i + 1) % len(names)]}.")]
    if kind == 2:
        user = pick(rng, ["[what|which] {u} comes before {d}?", "what is the {u} before {d}?"], u=unit, d=names[i])
        return [(user, f"The {unit} before {names[i]} is {names[i - 1]}.")]
    facts = [("how many days does a year have?", "A normal year has 365 days, and a leap year has 366."),
             ("how many hours are in a day?", "A day has 24 hours."), ("how many minutes are in an hour?", "An hour has 60 minutes."),
             ("how many seconds are in a minute?", "A minute has 60 seconds."), ("how many weeks are in a year?", "A year has about 52 weeks."),
             ("which month is the shortest?", "February is the shortest month. It has 28 days, or 29 in a leap year."),
             ("how many legs does a dog have?", "A dog has four legs."), ("how many letters are in the alphabet?", "The English alphabet has 26 letters."),
             ("how many continents are there?", "There are seven continents: Africa, Antarctica, Asia, Europe, North America, Oceania and South America."),
             ("what is the opposite of summer?", "The opposite of summer is winter."), ("how many metres are in a kilometre?", "A kilometre has 1000 metres."),
             ("how many wheels does a car have?", "A car has four wheels."), ("what is the alphabet?", "The alphabet is A B C D E F G H I J K L M N O P Q R S T U V W X Y Z.")]
    question, answer = rng.choice(facts)
    return [(question, answer)]


def opposite(rng: Random):
    a, b = rng.sample(rng.choice(OPPOSITES), 2)
    return [(pick(rng, ["what is the opposite of {a}?", "opposite of {a}", "tell me the opposite of {a}", "what's the opposite of \"{a}\"?"], a=a),
             f'The opposite of "{a}" is "{b}".')]


def counting(rng: Random):
    top = rng.choice([3, 4, 5, 6, 7, 8, 10, 10, 12, 15, 20])
    if top <= 10 and rng.random() < 0.25:
        user = pick(rng, ["count to {t} in words", "count from one to {t} in words"], t=SPELLED[top])
        return [(user, sentence(join_and(SPELLED[1:top + 1])) + ".")]
    if rng.random() < 0.15:
        user = pick(rng, ["count down from {t}", "count backwards from {t}"], t=top)
        return [(user, ", ".join(str(n) for n in range(top, 0, -1)) + ".")]
    user = pick(rng, ["count to {t}", "count from 1 to {t}", "please count to {t}", "can you count to {t}?", "count up to {t}"], t=top)
    return [(user, ", ".join(str(n) for n in range(1, top + 1)) + ".")]


def repeat(rng: Random, vocabulary: list[str]):
    """Returns the turn and the exact phrase that the noise must leave alone."""
    if rng.random() < 0.5:
        phrase = rng.choice(SPEAKABLE)
    else:
        phrase = " ".join(rng.sample(vocabulary, rng.randint(1, 4)))
    user = pick(rng, ["[say|repeat|write|echo] \"{p}\"", "say: {p}", "repeat after me: {p}", "please [say|repeat] \"{p}\"", "say '{p}'", "say {p}", "[reply|answer] with {p}",
                      "please repeat: {p}", "write: {p}", "say this: {p}", "reply with the word {p}", "just say {p}"], p=phrase)
    return [(user, sentence(phrase) + ("." if " " in phrase else ""))], phrase


def repeat_words(rng: Random, vocabulary: list[str]):
    """As `repeat`, but always words that make no sense together, so that only copying helps."""
    phrase = " ".join(rng.sample(vocabulary, rng.randint(2, 8)))
    user = pick(rng, ["[say|repeat|write|echo] \"{p}\"", "say: {p}", "repeat after me: {p}", "please repeat: {p}", "say '{p}'", "say {p}", "write: {p}"], p=phrase)
    return [(user, sentence(phrase) + ".")], phrase


def spelling(rng: Random, vocabulary: list[str]):
    word = rng.choice([w for w in vocabulary if len(w) < 9])
    return [(pick(rng, ["how do you spell {w}?", "spell {w}", "spell the word {w}", "can you spell {w}?"], w=word),
             f'"{word}" is spelled ' + "-".join(word.upper()) + ".")]

