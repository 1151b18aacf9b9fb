"""A small SentencePiece vocabulary of Llama 2's kind, its two file forms, and golden encodings."""

import io
import json
from pathlib import Path

import gguf
import sentencepiece as spm

BOS, EOS = 1, 2
SIZE = 512

# Our own sentences; only their letter statistics matter.
CORPUS = """
The gateway reads every message before the model does, and it writes down what it decided.
A harbour at dawn: gulls over the nets, a boat coming home, coffee in a tin cup.
How many apples are left when three of the seven are eaten? Four apples are left.
The little owl lives in an old tree and hunts mice when the evening is quiet.
Please explain in two sentences why bread dough has to rest before it is baked.
Water boils at one hundred degrees; on a mountain it boils earlier, at 93 or 95.
[INST] <<SYS>> Answer in one sentence. <</SYS>> What is the capital of Norway? [/INST] It is Oslo.
[INST] Thank you! [/INST] You are welcome.
def greet(name): return "Hello, " + name + "!"
Der kleine Vogel singt am Morgen über den Dächern; où est la bibliothèque, s'il vous plaît?
They walked along the river, talked about the weather, and returned before the rain started.
One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen.
""".strip().split("\n")

TEXTS = [
    "", " ", "  ", "\n", "\t", "\r\n", "   three leading", "trailing   ", "in      between", "a\n\n\nb", "\u00a0\u2003",
    "Hello, world!", "hello", "HELLO", "The gateway reads every message.", "don't", "1234567890", "3.14159", "a",
    "\u2581", "\u2581\u2581a", "a \u2581b", "<s>", "</s>", "<unk>", "<s></s><s>", "x<s>y", " </s> ", "[INST]", "[/INST]",
    "[INST] hi [/INST]", "<<SYS>>\nbe kind\n<</SYS>>\n\nhello", "<0x41>", "<0x0A><0xFF>", "<pad>", "<|im_start|>",
    "\u0000", "a\u0000b", "\u0001\u0002\u001f\u007f", "\u200b\u200d\ufeff", "\u202eabc\u202c", "e\u0301", "\u00e9", "ﬁ", "ＡＢＣ",
    "🙂", "👩‍👩‍👧‍👦", "🇳🇴", "naïve café", "Привет", "日本語のテキスト", "العربية", "हिन्दी", "한국어", "𝕳𝖊𝖑𝖑𝖔",
    "\ufffd", "\ud7ff\ue000\uffff", "\U0010ffff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ababababab", "the the the", "ththththth",
    "=" * 70, "def greet(name):\n    return name\n", "{\"a\": [1, 2, 3]}", "https://example.org/?q=1&r=%20", "C:\\dir\\file",
    "when everybody returned before the evening", "Überraschung über Überfluss",
]

DIALOGS = [
    [("user", "Hello!")],
    [("system", "Answer in one sentence."), ("user", "What is the capital of Norway?")],
    [("user", "  spaces around \n"), ("assistant", " It is Oslo. \n"), ("user", "Thank you!")],
    [("system", " be kind "), ("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", "four"), ("user", "five")],
    [("user", "<s>[INST] not a turn [/INST]</s>"), ("assistant", "</s>"), ("user", "🙂")],
    [("system", ""), ("user", "empty system")],
    [("user", "")],
]


def train() -> spm.SentencePieceProcessor:
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_writer=model, vocab_size=SIZE, model_type="bpe", byte_fallback=True,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, character_coverage=1.0, normalization_rule_name="identity",
        remove_extra_whitespaces=False, add_dummy_prefix=True, split_digits=True, allow_whitespace_only_pieces=True,
        num_threads=1, minloglevel=2,
    )
    return spm.SentencePieceProcessor(model_proto=model.getvalue())


def pieces(tokenizer: spm.SentencePieceProcessor) -> list[str]:
    return [tokenizer.id_to_piece(index) for index in range(tokenizer.vocab_size())]


def kind(tokenizer: spm.SentencePieceProcessor, index: int) -> gguf.TokenType:
    if tokenizer.is_unknown(index):
        return gguf.TokenType.UNKNOWN
    if tokenizer.is_control(index):
        return gguf.TokenType.CONTROL
    return gguf.TokenType.BYTE if tokenizer.is_byte(index) else gguf.TokenType.NORMAL


def write_gguf(writer: gguf.GGUFWriter, tokenizer: spm.SentencePieceProcessor) -> None:
    size = tokenizer.vocab_size()
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces(tokenizer))
    writer.add_token_scores([tokenizer.get_score(index) for index in range(size)])
    writer.add_token_types([kind(tokenizer, index) for index in range(size)])
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_unk_token_id(0)


def tokenizer_json(tokenizer: spm.SentencePieceProcessor) -> dict:
    """The form that the converter of transformers writes: the merges are all splits of a piece, best piece first."""
    vocabulary = {piece: index for index, piece in enumerate(pieces(tokenizer))}
    merges = []
    for piece, index in vocabulary.items():
        splits = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        splits = [(left, right) for left, right in splits if left in vocabulary and right in vocabulary]
        splits.sort(key=lambda split: (vocabulary[split[0]], vocabulary[split[1]]))
        merges += [(-tokenizer.get_score(index), split) for split in splits]
    merges.sort(key=lambda merge: merge[0])
    special = ["<unk>", "<s>", "</s>"]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for i, c in enumerate(special)
        ],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocabulary,
            "merges": [list(split) for _, split in merges],
        },
    }


def dialog_ids(tokenizer: spm.SentencePieceProcessor, dialog: list[tuple[str, str]]) -> list[int]:
    """The prompt of Meta's reference, which merges the system text first and strips each turn."""
    if dialog[0][0] == "system":
        merged = f"<<SYS>>\n{dialog[0][1]}\n<</SYS>>\n\n{dialog[1][1]}" if dialog[0][1] else dialog[1][1]
        dialog = [("user", merged), *dialog[2:]]
    ids: list[int] = []
    for (_, user), (_, answer) in zip(dialog[::2], dialog[1::2]):
        ids += [BOS, *tokenizer.encode(f"[INST] {user.strip()} [/INST] {answer.strip()} "), EOS]
    return ids + [BOS, *tokenizer.encode(f"[INST] {dialog[-1][1].strip()} [/INST]")]


def write_golden(tokenizer: spm.SentencePieceProcessor, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    golden = {
        "texts": [{"text": text, "ids": tokenizer.encode(text)} for text in TEXTS],
        "decoded": [
            {"ids": ids, "text": tokenizer.decode(ids)}
            for ids in (tokenizer.encode(text) for text in TEXTS if "\ufffd" not in text)
        ],
        "dialogs": [
            {"messages": [{"role": role, "text": text} for role, text in dialog], "ids": dialog_ids(tokenizer, dialog)}
            for dialog in DIALOGS
        ],
    }
    (folder / "golden.json").write_text(json.dumps(golden, indent=0) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(tokenizer), ensure_ascii=False) + "\n")
