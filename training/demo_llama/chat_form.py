"""The Llama 2 chat form as token ids, exactly as Meta's reference assembles it.

Each turn is BOS + encode("[INST] user [/INST] answer ") + EOS. A system text is put in front of the first user text.
"""

import sentencepiece as spm

BOS, EOS = 1, 2
IGNORED = -100


def first_user_text(system: str | None, user: str) -> str:
    return user if system is None else f"<<SYS>>\n{system}\n<</SYS>>\n\n{user}"


def prompt_ids(tokenizer: spm.SentencePieceProcessor, turns: list[tuple[str, str | None]], system: str | None = None) -> list[int]:
    """Ids that ask for the answer of the last turn (whose answer is None)."""
    ids: list[int] = []
    for index, (user, answer) in enumerate(turns):
        text = first_user_text(system, user) if index == 0 else user
        if answer is None:
            ids += [BOS, *tokenizer.encode(f"[INST] {text.strip()} [/INST]")]
        else:
            ids += [BOS, *tokenizer.encode(f"[INST] {text.strip()} [/INST] {answer.strip()} "), EOS]
    return ids


def training_ids(tokenizer: spm.SentencePieceProcessor, sample: dict) -> tuple[list[int], list[int]]:
    """Ids and labels of one corpus line. Only answers, their EOS and plain text carry a loss.

    Meta's form has a space between the answer and EOS. It stays in the ids, but the label of the token before it is EOS
    already: the model learns to stop without writing a space that nobody wants to read.
    """
    if "text" in sample:
        ids = [BOS, *tokenizer.encode(sample["text"]), EOS]
        return ids, [IGNORED, *ids[1:]]
    ids: list[int] = []
    labels: list[int] = []
    for index, (user, answer) in enumerate(sample["turns"]):
        text = first_user_text(sample["system"], user) if index == 0 else user
        asked = [BOS, *tokenizer.encode(f"[INST] {text.strip()} [/INST]")]
        turn = [BOS, *tokenizer.encode(f"[INST] {text.strip()} [/INST] {answer.strip()} "), EOS]
        # BPE merges do not cross the space after [/INST], so the prompt's ids are a prefix of the turn's ids.
        assert turn[: len(asked)] == asked
        ids += turn
        labels += [IGNORED] * len(asked) + turn[len(asked) : -2] + [EOS, EOS]
    return ids, labels
