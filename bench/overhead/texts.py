"""What is asked and what is answered: one chat of about 940 characters, one answer of 120 tokens.

Plain prose that no rule minds, so that every request takes the whole way. Every server in front of or behind the
gateway sends the same bytes.
"""

import json

TOKENS = 120

QUESTION = (
    "We moved to a small town last spring, and my sister asked me how we plan to heat the old house next winter. The "
    "boiler is from 1987; it makes a noise like a kettle, and the man who checked it said that parts are hard to find. "
    "Could you explain what a heat pump costs to run, and how it compares with a pellet stove? The house has nine rooms "
    "on two floors, thick stone walls, and windows that were replaced about ten years ago. Three rooms are used every "
    "day, the others only when guests come. There is a dry cellar with enough space for a tank or for two tons of "
    "pellets, and a garden on the north side where an outdoor unit would not disturb the neighbours. Electricity costs "
    "thirty cents here, and pellets about three hundred and forty a ton. Please compare both over fifteen years, tell "
    "me which numbers you are unsure of, and which questions I should put to the installer before I sign anything."
)

_ANSWER = (
    "A heat pump moves heat instead of making it, so one unit of electricity gives about three units of warmth in a "
    "house like yours. With thick stone walls the rooms stay warm for hours, which suits slow and even heating. The "
    "pellet stove is cheaper to buy and likes a dry cellar, but it wants to be cleaned every week and serviced every "
    "year. Over fifteen years the two end close together; the price of electricity decides. I am unsure about your "
    "radiators: if they are small, the water has to be hotter and the pump works harder. "
)


def tokens():
    """The answer's pieces: words with the space before them, repeated until there are TOKENS of them."""
    words = _ANSWER.split()
    pieces = [" " + words[index % len(words)] for index in range(TOKENS)]
    pieces[0] = pieces[0].lstrip()
    return pieces


def answer():
    return "".join(tokens())


def request(model, stream, ticket=None):
    """The body of the request. A ticket lets the paced server tell one stream from another."""
    system = "You are a helpful assistant. Answer in plain words."
    question = QUESTION if ticket is None else f"{QUESTION} Ticket number {ticket}."
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    return json.dumps({"model": model, "messages": messages, "stream": stream, "max_tokens": 256})


def _event(delta, finish=None, usage=None):
    chunk = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    if usage:
        chunk |= {"choices": [], "usage": usage}
    return f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n".encode()


def opening():
    return _event({"role": "assistant", "content": ""})


def closing():
    usage = {"prompt_tokens": 220, "completion_tokens": TOKENS, "total_tokens": 220 + TOKENS}
    return _event({}, finish="stop") + _event({}, usage=usage) + b"data: [DONE]\n\n"


def text_events():
    return [_event({"content": piece}) for piece in tokens()]


def stream_in_chunks():
    """The whole answer as a server streams it: one event a token."""
    return opening() + b"".join(text_events()) + closing()


def stream_at_once():
    """The same answer in a single event: what a request costs without its tokens."""
    return opening() + _event({"content": answer()}) + closing()
