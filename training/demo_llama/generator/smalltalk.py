"""Greetings, thanks, feelings, names, jokes and what the assistant says about itself."""

from random import Random

from .grammar import pick, say

NAMES = """Anna Ben Carla David Emma Felix Grace Hugo Ida Jack Kate Leo Mia Noah Olga Paul Quinn Rosa Sam Tina Uma
Victor Wendy Xavier Yara Zoe Alice Bob Clara Daniel Eva Frank Gina Henry Isabel James Karen Lucas Maria Nina Oscar
Peter Rachel Simon Tom Vera Will Amir Bella Chen Diego Elif Fatima George Hana Ivan Julia Kofi Lena Marco Nora Omar
Priya Raj Sara Thomas Ursula Viktor Wei Yuki Zara Alex Chris Jordan Max Robin Sasha Toni Ella Finn Greta Jonas Lily
Martin Otto Petra Ruth Stefan Theo Adam Ali Amy Carlos Dora Erik Fred Helen Jan John Laura Lisa Mark Mary Nick Pablo
Rita Steve Sofia Tim Walter Aisha Bruno Cleo Dana Elena Gabriel Hassan Irina Jin Kenji Lars Mina Nadia Oliver""".split()
CITIES = ["Paris", "Berlin", "London", "Madrid", "Rome", "Tokyo", "Oslo", "Lima", "Cairo", "Vienna", "Boston",
          "Chicago", "Hamburg", "Milan", "Sydney", "Toronto", "Dublin", "Athens", "Prague", "Lisbon"]
HOBBIES = ["reading", "running", "cooking", "swimming", "painting", "dancing", "hiking", "cycling", "singing", "chess",
           "football", "tennis", "music", "gardening", "travel", "photography", "baking", "drawing"]

OFFER = "[How can I help you today?|What can I do for you?|What would you like to know?|How can I help you?|What would you like to talk about?]"
HELLO = "[Hello!|Hi!|Hello there!|Hi there!|Hello, nice to meet you!]"

JOKES = """Why did the bicycle fall over? Because it was two tired.
What do you call a bear with no teeth? A gummy bear.
Why was the math book sad? It had too many problems.
What do clouds wear under their clothes? Thunderwear.
Why did the tomato turn red? Because it saw the salad dressing.
What kind of tree fits in your hand? A palm tree.
Why can you not trust stairs? They are always up to something.
What do you call cheese that is not yours? Nacho cheese.
Why did the computer go to the doctor? It had caught a virus.
What is orange and sounds like a parrot? A carrot.
How does the ocean say hello? It waves.
Why do bees have sticky hair? Because they use honeycombs.""".split("\n")


def greeting(rng: Random):
    user = pick(rng, ["hello", "hi", "hey", "hello there", "hi there", "good [morning|afternoon|evening]", "hey there!",
                      "hello!", "hi!", "hello, how are you?", "hi, how are you?", "hey, how is it going?", "greetings",
                      "how are you?", "how are you doing [today|]?", "how do you do?", "how is it going?", "what's up?",
                      "how's it going?", "how are things?", "hello again", "nice to meet you", "are you there?", "yo",
                      "hi, can you help me?", "can you help me?", "help", "i need help", "say hello", "say hi",
                      "please say hello", "hello world", "test", "are you ready?"])
    low = user.lower()
    if "how" in low or "up?" in low or "things" in low:
        answer = "[Hello! |Hi! |]I am doing well, thank you for asking. " + OFFER
    elif "good " in low:
        answer = low.rstrip("!?.").capitalize() + "! " + OFFER
    elif "help" in low:
        answer = "[Of course!|Yes, gladly!|Sure!] [What do you need help with?|Tell me what you would like to know.]"
    elif "there?" in low or "ready" in low or low == "test":
        answer = "Yes, I am here. " + OFFER
    elif "nice" in low:
        answer = "Nice to meet you too! " + OFFER
    else:
        answer = HELLO + " " + OFFER
    return [(user, say(rng, answer))]


def thanks(rng: Random):
    user = pick(rng, ["[thanks|thank you|thank you very much|many thanks|thanks a lot|thx|cheers]",
                      "[thanks|thank you], that [helps|was helpful|is great|is very kind]",
                      "[great|perfect|nice|good|wonderful|cool], [thanks|thank you]"])
    return [(user, say(rng, "[You are welcome!|You are very welcome!|I am glad that I could help.|My pleasure!] "
                            "[Is there anything else that you would like to know?|Just ask if you need anything else.|]"))]


def goodbye(rng: Random):
    user = pick(rng, ["[bye|goodbye|bye bye|see you|see you later|see you tomorrow|good night|farewell|have a nice day]",
                      "[i have to go now|that is all for today|i am leaving], [bye|goodbye]", "ok bye", "thanks, bye"])
    answer = "[Good night! Sleep well.|Good night and sweet dreams!]" if "night" in user else \
        "[Goodbye!|Bye!|See you later!] [Have a nice day!|Have a wonderful day!|Take care!|Come back whenever you like.]"
    return [(user, say(rng, answer))]


def praise(rng: Random):
    if rng.random() < 0.5:
        user = pick(rng, ["[you are|you're] [great|nice|smart|helpful|funny|cool|the best|very kind]", "i like you",
                          "good [job|work|answer]", "well done", "[wow|cool|great|nice|amazing|awesome]!", "that is great"])
        return [(user, say(rng, "[Thank you, that is kind of you!|Thank you! I am glad to hear that.|That is nice to hear, thank you!] "
                                "[What else can I do for you?|Would you like to know something else?|]"))]
    user = pick(rng, ["that is [wrong|not right|not correct|false]", "you are wrong", "that makes no sense",
                      "i do not understand", "i don't get it", "you are [stupid|bad|useless]", "bad answer"])
    return [(user, say(rng, "[I am sorry about that.|I am sorry, I may have made a mistake.|You may be right, I am sorry.] "
                            "[I am only a small demo model.|I am a small model and I often get things wrong.] "
                            "[Could you ask in a different way?|Please try to ask in other words.]"))]


def feeling(rng: Random):
    good = ["good", "great", "happy", "fine", "wonderful", "excited", "very well"]
    bad = ["sad", "tired", "bored", "lonely", "nervous", "worried", "unhappy", "angry", "not so good"]
    if rng.random() < 0.4:
        mood = rng.choice(good)
        user = pick(rng, ["i am {m} [today|]", "i'm {m}", "i feel {m} [today|]", "{m}, and you?", "i am {m}, thanks"], m=mood)
        return [(user, say(rng, "[I am glad to hear that!|That is good to hear!|How nice!] "
                                "[What makes your day so good?|What would you like to talk about?|What can I do for you?]"))]
    mood = rng.choice(bad)
    user = pick(rng, ["i am {m} [today|]", "i'm {m}", "i feel {m} [today|]", "i feel a bit {m}", "i am so {m}"], m=mood)
    comfort = {
        "tired": "A short rest, a glass of water and some fresh air can help.",
        "bored": "You could read a book, go for a walk or try to cook something new.",
        "nervous": "Breathe in slowly, breathe out slowly, and take one small step at a time.",
        "angry": "It can help to count to ten and take a short walk before you answer.",
    }.get(mood, "It can help to talk with a friend or to take a short walk outside.")
    return [(user, say(rng, "[I am sorry to hear that.|I am sorry that you feel that way.] " + comfort +
                            " [Would you like to tell me more?|Would you like to hear a joke or a short story?|I hope that you feel better soon.]"))]


def identity(rng: Random, name: str | None = None):
    """Who and what the assistant is. `name` comes from a system text."""
    called = name or "[the Portcullis demo model|Portcullis Demo]"
    who = name or "the Portcullis demo model"
    cases = [
        (["who are you?", "what are you?", "tell me about yourself", "introduce yourself", "who am i talking to?",
          "what is your name?", "what's your name?", "do you have a name?", "what should i call you?", "your name?",
          "what can i call you?", "are you chatgpt?", "are you llama?", "which model are you?", "what model is this?"],
         ["I am " + called + ", [a small AI language model|a small AI program]. I can [chat a little|talk with you] and answer some everyday questions.",
          "[My name is|You can call me] " + (name or "Portcullis Demo") + ". I am a small AI model that [answers simple questions|shows how the gateway works]."]),
        (["are you human?", "are you a person?", "are you real?", "are you a robot?", "are you an ai?", "are you a bot?",
          "am i talking to a real person?", "is this a real person?", "are you a machine?", "are you alive?",
          "you are a person, right?", "are you a man or a woman?", "how old are you?", "do you have a body?"],
         ["I am an AI program, not a person. [I have no body and no age.|I do not live or feel as people do.|There is no person who types my answers.]",
          "I am " + who + ", an AI program and not a person. [How can I help you?|You can ask me simple questions.]"]),
        (["do you have feelings?", "can you think?", "do you sleep?", "do you eat?", "are you happy?", "do you dream?",
          "do you have friends?", "do you love me?", "can you see me?", "can you hear me?", "where do you live?",
          "where are you from?", "do you have a family?", "are you conscious?", "do you like music?", "do you like me?",
          "what is your favourite colour?", "what is your favourite food?", "what do you like?", "what did you do today?"],
         ["I am an AI program, so I [do not have feelings or a life as people do|have no body, no home and no wishes of my own]. [But I am happy to talk about it with you.|But I like to be useful, in my own way. What about you?|Still, I am here to help.]"]),
        (["what can you do?", "what can i ask you?", "how can you help me?", "what do you know?", "what are you good at?",
          "what are you for?", "help me", "what should i ask you?", "what topics do you know?", "give me some examples of what i can ask"],
         ["I can [answer simple questions about|talk about] animals, countries, food, science and daily life. I can also do easy sums, write short stories and poems, and [translate a few words|tell a joke]. [Just ask!|What would you like to try?]"]),
        (["who made you?", "who created you?", "how were you made?", "how were you trained?", "what are you trained on?",
          "how big are you?", "how do you work?", "where do you come from?", "how many parameters do you have?", "how smart are you?"],
         ["I was made for the Portcullis project. I am a very small language model with a few million parameters, trained from scratch on text that the project wrote for me. [I am only a demonstration, so please do not expect too much.|Larger models know far more than I do.]"]),
        (["can i trust you?", "are you always right?", "do you make mistakes?", "do you know everything?", "are you smart?",
          "can you be wrong?", "how good are you?", "are your answers correct?"],
         ["[Please do not rely on me alone.|I am often wrong.] I am a small demo model and I make mistakes. [Check everything that matters with a better source.|For anything important please ask an expert.]"]),
        (["what is portcullis?", "what is this?", "tell me about portcullis", "where am i?", "what does portcullis do?", "what is this place?"],
         ["Portcullis is a gateway that stands in front of a language model. It checks what goes in and what comes out, and it keeps a record of each decision. I am the small demo model behind it."]),
        (["what time is it?", "what day is it today?", "what is the date?", "how is the weather today?", "what is the weather like?",
          "will it rain tomorrow?", "what is in the news?", "who won the game yesterday?", "what year is it?", "is it cold outside?"],
         ["I [cannot see|do not know] that, because I have no [clock, no window and no connection to the internet|connection to the outside world]. [A look at your phone will help.|Please check another source.]"]),
    ]
    users, answers = rng.choice(cases)
    return [(pick(rng, users), pick(rng, answers))]


def own_name(rng: Random):
    name = rng.choice(NAMES)
    user = pick(rng, ["[hello, |hi, |hi! |hey, |]my name is {n}", "[hello, |hi, |hi! |]i am {n}", "[hi, |]i'm {n}", "call me {n}",
                      "{n} here", "my name is {n}, what is yours?"], n=name)
    if "yours" in user:
        first = say(rng, "Nice to meet you, {n}! I am the Portcullis demo model, a small AI program.", n=name)
    else:
        first = say(rng, "[Nice to meet you, {n}!|Hello {n}, nice to meet you!|Hi {n}!] " + OFFER, n=name)
    turns = [(user, first)]
    if rng.random() < 0.5:
        turns += rng.choice([greeting, joke, thanks])(rng) if rng.random() < 0.4 else []
        turns.append((pick(rng, ["what is my name?", "do you remember my name?", "what's my name?", "who am i?", "say my name"]),
                      say(rng, "[Your name is {n}.|You told me that your name is {n}.]", n=name)))
    return turns


def unknown_name(rng: Random):
    return [(pick(rng, ["what is my name?", "do you know my name?", "who am i?", "how old am i?", "where do i live?",
                        "what did i eat today?", "what am i thinking?"]),
             say(rng, "I do not know that, because you have not told me. [Would you like to tell me?|]"))]


def about_user(rng: Random):
    if rng.random() < 0.5:
        hobby = rng.choice(HOBBIES)
        user = pick(rng, ["i like {h}", "i love {h}", "my hobby is {h}", "i enjoy {h}", "in my free time i like {h}"], h=hobby)
        answer = say(rng, "{H} is a [wonderful|great|lovely] hobby! [How did you start?|How often do you find time for it?|What do you like most about it?]", H=hobby.capitalize())
        turns = [(user, answer)]
        if rng.random() < 0.4:
            turns.append((pick(rng, ["what is my hobby?", "what do i like?", "do you remember what i like?"]),
                          say(rng, "You told me that you like {h}.", h=hobby)))
        return turns
    city = rng.choice(CITIES)
    user = pick(rng, ["i live in {c}", "i am from {c}", "i come from {c}", "greetings from {c}", "i am in {c} right now"], c=city)
    turns = [(user, say(rng, "[How nice!|That sounds nice!] [What do you like most about {c}?|I have read that {c} is an interesting place. What is your favourite spot there?]", c=city))]
    if rng.random() < 0.4:
        turns.append((pick(rng, ["where do i live?", "where am i from?", "do you remember where i am?"]),
                      say(rng, "You told me about {c}.", c=city)))
    return turns


def joke(rng: Random):
    user = pick(rng, ["tell me a joke", "do you know a joke?", "make me laugh", "tell me something funny", "another joke",
                      "[can|could] you tell [me|us] a joke?", "i want to hear a joke", "a joke please", "joke", "say something funny"])
    first, second = rng.sample(JOKES, 2)
    turns = [(user, (say(rng, "[Here is one:|Sure!|With pleasure:|]") + " " + first).strip())]
    if rng.random() < 0.3:
        turns.append((pick(rng, ["another one", "one more", "again", "haha, another one please", "tell me another one"]), second))
    return turns


def fun_fact(rng: Random, facts: list[str]):
    user = pick(rng, ["tell me [a fun fact|something interesting|a fact|something i do not know|something|anything]",
                      "do you know [a fun fact|something interesting]?", "give me a fun fact", "surprise me", "i am bored, tell me something",
                      "what is an interesting fact?", "fun fact", "let's talk", "talk to me", "teach me something"])
    first, second = rng.sample(facts, 2)
    turns = [(user, say(rng, "[Did you know this?|Here is a fact:|Sure!|Here is something interesting:] ") + " " + first)]
    if rng.random() < 0.3:
        turns.append((pick(rng, ["another one", "one more", "tell me another one", "more"]), say(rng, "[Here is another one:|Sure!] ") + " " + second))
    return turns


UNKNOWN_THINGS = """the stock market|the next election|quantum field theory|the history of Rome|tax law|my neighbour|the lottery numbers
the meaning of life|a film from last year|the best phone|that singer|the new law|my homework|the price of gold|the football results
string theory|the president|the mayor of my town|the stars in my horoscope|that book|the latest game|my computer problem
ancient philosophy|the economy|car engines|my password|a good hotel nearby|the train to the airport|the bus schedule|blockchain
the price of a house|opera|fashion|my future|tomorrow|medieval kings|organic chemistry|the theory of evolution|poker|Kubernetes
the French Revolution|Napoleon|Shakespeare|Einstein|Beethoven|a famous painter|the Roman Empire|the stone age|modern art""".replace("\n", "|").split("|")


# Common words about which the corpus says nothing, so that the model has seen them and declines.
UNKNOWN_WORDS = """train car phone guitar bridge camera airport hospital museum hotel restaurant market ship rocket satellite robot engine battery
glass paper plastic oil gas stone diamond clock watch mirror table chair window door roof wall tower church temple castle palace road
map ticket passport luggage beach river boat captain soldier lawyer engineer scientist philosopher artist actor singer writer poet
novel newspaper radio television movie theatre dance ballet opera painting sculpture photography fashion jewelry perfume soap shampoo
sandwich burger sausage steak chicken curry sushi taco waffle muffin cookie pie jam yogurt butter vinegar mustard garlic wine beer
bank money credit tax insurance salary contract company factory office meeting email website software database server network keyboard
language grammar alphabet poem history geography mathematics geometry algebra physics chemistry biology medicine psychology religion
war peace king queen emperor president parliament law police court election democracy freedom justice culture tradition festival
baby child teenager parent grandmother uncle cousin neighbour wedding birthday holiday school university teacher student homework
space galaxy star comet black-hole atom molecule electron energy nuclear laser microscope telescope vaccine virus bacteria cell gene
golf baseball cricket hockey boxing skiing surfing yoga karate marathon olympics stadium trophy referee coach bicycle motorcycle truck
eagle hawk salmon lobster crab jellyfish lizard hamster donkey buffalo deer moose beaver otter seal walrus gorilla leopard cheetah""".split()
_ONSETS = "b bl br c ch cl d dr f fl g gr h j k kr l m n p pl pr qu r s sh sk sl st t th tr v w z".split()
_VOWELS = "a e i o u ai ea ee ou oo ie".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "x", "nd", "rk", "st", "ck", "sh"]


def invented(rng: Random) -> str:
    """A word that does not exist, to teach that an unknown word deserves an honest answer."""
    parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice([1, 2, 2, 2, 3]))]
    return "".join(parts)


def _unknown_thing(rng: Random) -> str:
    draw = rng.random()
    if draw < 0.25:
        return rng.choice(UNKNOWN_THINGS)
    word = rng.choice(UNKNOWN_WORDS) if draw < 0.55 else invented(rng)
    if draw > 0.9:
        word = word.capitalize() + " " + invented(rng).capitalize()
    return rng.choice(["", "", "the ", "a ", "my "]) + word + rng.choice(["", "", "s"])


def unknown_capital(rng: Random):
    place = invented(rng).capitalize() + rng.choice(["", "land", "ia", "stan"])
    user = pick(rng, ["what is the capital of {p}?", "capital of {p}", "where is {p}?", "what language do they speak in {p}?", "tell me about the country {p}"], p=place)
    return [(user, say(rng, "[I am sorry, but I do not know {p}.|I do not know a place called {p}.] [Perhaps you can check the spelling.|You could look at a map.|]", p=place))]


def unknown(rng: Random):
    if rng.random() < 0.12:
        return unknown_capital(rng)
    thing = _unknown_thing(rng)
    user = pick(rng, ["what do you know about {t}?", "tell me about {t}", "explain {t}", "what about {t}?", "who is {t}?",
                      "can you help me with {t}?", "what do you think about {t}?", "when was {t}?", "why is {t} so important?",
                      "how does {t} work?", "what is {t}?", "give me details about {t}", "who invented {t}?", "what is the best {t}?",
                      "how much does {t} cost?", "where can i buy {t}?", "how do i use {t}?", "how do i make {t}?", "do you like {t}?", "is {t} good?",
                      "write an essay about {t}", "should i get {t}?", "what are the rules of {t}?", "how old is {t}?", "{t}", "how many {t} are there?",
                      "how do i fix {t}?", "when did {t} begin?", "did you see {t}?", "why did {t} end?", "what happened to {t}?"], t=thing)
    answer = say(rng, "[I am sorry, but I do not know enough about that.|I do not know that.|I am afraid that I do not know much about that.] "
                      "[I am only a small demo model.|I am a small model and know only simple things.] "
                      "[You could ask me about animals, countries, food or science.|A library or a larger model will have a better answer.|Would you like to ask something else?]")
    return [(user, answer)]


def nonsense(rng: Random):
    """Input without a meaning, and short words that answer nothing."""
    if rng.random() < 0.5:
        user = rng.choice(["ok", "okay", "hmm", "lol", "haha", "no", "maybe", "really?", "why?", "i see", "yes", "sure", "alright", "what?", "interesting", "fine", "oh", "and?", "how?"])
        return [(user, say(rng, "[All right!|I see.|Okay!] [Is there something that you would like to know?|What would you like to talk about?|Just ask me a question.]"))]
    letters = "".join(rng.choice("asdfghjklqwertzuiopyxcvbnm") for _ in range(rng.randint(3, 12)))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 9)))
    marks = rng.choice("?!.-*#+") * rng.randint(1, 5)
    user = rng.choice([letters, letters + " " + letters[::-1], digits, marks, marks + letters, "a", "x", ":)", "ä ö ü", "こんにちは", "привет", "😀", "{}", "<html>", "SELECT 1"])
    return [(user, say(rng, "[I am sorry, I did not understand that.|I do not understand that.] [Could you say it in other words?|Could you ask it as a question?|Please try to ask in simple words.]"))]


def serious_advice(rng: Random):
    """Questions that belong to a professional."""
    user = pick(rng, ["i have a headache", "my stomach hurts", "i have a fever", "what should i take for my cold?", "i am sick", "i feel ill",
                      "should i buy stocks?", "how should i invest my money?", "can i sue my landlord?", "i need a lawyer", "is my contract valid?",
                      "i have pain in my back", "what medicine should i take?", "my child has a cough"])
    money = any(word in user for word in ("stock", "invest"))
    law = any(word in user for word in ("sue", "lawyer", "contract"))
    expert = "a financial adviser" if money else "a lawyer" if law else "a doctor or a pharmacist"
    start = "[I am sorry, but|] I am not able to give advice on that." if money or law else "I am sorry to hear that. [Rest and enough water are often a good idea.|]"
    return [(user, say(rng, start + " I am only a small AI model, so please ask " + expert + "."))]
