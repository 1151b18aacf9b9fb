"""Short stories and poems, told as chat answers and as plain text."""

from random import Random

from .grammar import article, pick, say
from .smalltalk import NAMES

HEROES = {
    "dragon": "who was afraid of the dark", "mouse": "who dreamed of the sea", "fox": "who could not keep a secret", "robot": "who wanted to learn how to dance",
    "cat": "who loved to look at the stars", "bear": "who could not sleep in winter", "owl": "who had lost its glasses", "princess": "who liked to climb trees",
    "knight": "who was afraid of horses", "rabbit": "who was always late", "wizard": "who forgot every spell", "fish": "who wanted to see the mountains",
    "bird": "who could not sing", "boy": "who collected stones", "girl": "who built little boats", "king": "who wanted to bake bread",
    "dog": "who was looking for a friend", "baker": "who made the best cakes in town", "sailor": "who was afraid of the waves", "elephant": "who wanted to be small",
    "penguin": "who wished for summer", "farmer": "who talked to the clouds", "snail": "who dreamed of winning a race", "teacher": "who knew a hundred songs",
}
PLACES = ["in a small village by the sea", "at the edge of a deep forest", "in a quiet valley", "on a little island", "in an old castle on a hill", "in a busy town",
          "near a clear blue lake", "in a tall tree", "behind the high mountains", "in a house with a red door"]
FINDS = {"an old key": "opened a tiny door in the wall", "a golden feather": "glowed softly in the night", "a map": "showed the way to a hidden garden", "a small lamp": "shone brighter than the moon",
         "a letter in a bottle": "asked for help", "a blue stone": "was warm like the sun", "a silver bell": "rang all by itself", "a wooden box": "was full of music"}
HELPERS = ["an old owl", "a kind baker", "a little ant", "a friendly giant", "a wise turtle", "a travelling singer", "the moon", "a grey cat", "a young sailor", "a quiet bee"]
LESSONS = ["a true friend is worth more than gold", "being brave does not mean having no fear", "small steps can lead far", "it is good to ask for help", "kind words open many doors",
           "the best things are found on the way", "everyone is good at something", "patience is a kind of strength"]


def story(rng: Random, hero: str | None = None) -> str:
    hero = hero or rng.choice(list(HEROES))
    find = rng.choice(list(FINDS))
    it = {"princess": "she", "girl": "she", "king": "he", "boy": "he", "knight": "he", "wizard": "he", "baker": "he", "sailor": "he", "farmer": "he", "teacher": "she"}.get(hero, "it")
    opening = rng.choice(["Once upon a time, {p}, there [was|lived] {h} {w}.", "Once upon a time there was {h} {w}. [The {k}|It] lived {p}." if it == "it" else
                          "Once upon a time there was {h} {w}. The {k} lived {p}.", "Once there was {h} {w}."])
    return say(rng, opening +
               " [One morning|One day|One evening|One rainy day] {i} found {f} that {g}."
               " [The {k} did not know what to do, so {i} asked {b} for advice.|On the way {i} met {b}, and they decided to go together.]"
               " [They walked for three days and three nights.|Together they crossed rivers and hills.|It was a long way, but they sang and laughed.]"
               " [In the end {i} learned that {l}.|And so the {k} learned that {l}.|At last the {k} came home and told everyone that {l}.]"
               " [From that day on the {k} was never sad again.|And they stayed friends for ever.|And if you listen at night, you can still hear them laugh.]",
               h=article(hero), k=hero, p=rng.choice(PLACES), w=HEROES[hero], i=it, f=find, g=FINDS[find], b=rng.choice(HELPERS), l=rng.choice(LESSONS))


POEMS = {
    "the sea": ["The sea is wide, the sea is deep,", "it sings the little boats to sleep.", "It comes and goes, it rolls and plays,", "and counts the nights and counts the days."],
    "the moon": ["The moon looks in with silver light,", "and paints the garden soft and white.", "It says good night to bird and tree,", "and keeps a little dream for me."],
    "spring": ["The snow is gone, the birds are back,", "a flower grows along the track.", "The wind is warm, the sky is new,", "and all the world is green and blue."],
    "autumn": ["The leaves turn gold, the leaves turn red,", "the garden slowly goes to bed.", "The wind goes dancing through the wood,", "the soup is warm, and life is good."],
    "winter": ["The snow falls softly through the night,", "and in the morning all is white.", "We drink our tea, we watch it fall,", "and winter makes us small, that's all."],
    "summer": ["The sun is high, the grass is long,", "the river hums an easy song.", "We eat our bread beneath the trees,", "and share the honey with the bees."],
    "rain": ["The rain is tapping on the pane,", "it stops a while and starts again.", "It fills the river, feeds the tree,", "and makes a song for you and me."],
    "a cat": ["A cat sits quiet on the wall,", "and does not seem to move at all.", "It dreams of fish, it dreams of cream,", "and purrs a little in its dream."],
    "friendship": ["A friend is like an open door,", "a little lamp, a friendly shore.", "When days are grey and nights are long,", "a friend will help you with a song."],
    "the night": ["The night comes down on quiet feet,", "it walks along the empty street.", "It lights the stars up, one by one,", "and rests until the night is done."],
    "love": ["Love is a small and steady light,", "that keeps us warm through all the night.", "It needs no gold, it needs no throne,", "it only says: you're not alone."],
    "a tree": ["The old tree stands beside the lane,", "in summer sun, in winter rain.", "It holds the nest, it holds the sky,", "and waves to those who wander by."],
}
HAIKUS = ["Quiet morning rain,\nthe garden opens its eyes.\nA small bird answers.", "Snow on the old bridge,\nno one has crossed it today.\nOnly the moonlight.",
          "A leaf on the pond\nturns slowly toward the shore.\nThe frog does not care.", "Warm tea in my hands,\nthe window fills up with stars.\nThe kettle is still."]


def story_chat(rng: Random):
    hero = rng.choice(list(HEROES))
    if rng.random() < 0.4:
        user = pick(rng, ["tell me a [short |]story", "write a [short |]story", "i want to hear a story", "[can|could] you tell me a [short |]story?", "a bedtime story please",
                          "do you know a story?", "make up a story", "write me a fairy tale"])
    else:
        user = pick(rng, ["tell me a [short |]story about {h}", "write a [short |]story about {h}", "[can|could] you write a story about {h}?", "i want a story about {h}",
                          "a story about {h}", "make up a story about {h}"], h=article(hero))
    turns = [(user, story(rng, hero))]
    if rng.random() < 0.2:
        other = rng.choice(list(HEROES))
        turns.append((pick(rng, ["now one about {h}", "and one about {h}?", "another one about {h}"], h=article(other)), story(rng, other)))
    return turns


def poem_chat(rng: Random):
    if rng.random() < 0.15:
        return [(pick(rng, ["write a haiku", "a haiku please", "can you write a haiku?", "do you know a haiku?", "write a haiku about nature"]), rng.choice(HAIKUS))]
    about = rng.choice(list(POEMS))
    user = pick(rng, ["write a [short |]poem", "tell me a poem", "do you know a poem?", "a poem please"]) if rng.random() < 0.25 else \
        pick(rng, ["write a [short |]poem about {a}", "tell me a poem about {a}", "[can|could] you write a poem about {a}?", "a poem about {a}", "i would like a poem about {a}"], a=about)
    return [(user, "\n".join(POEMS[about]))]
