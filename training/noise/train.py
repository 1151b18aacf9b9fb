"""Makes src/detect/noise/table.bin: how surprising each class of character is after two others.

Only this repository's own text goes in: its sources, tests, documents, the demo model's corpus, and the lines of
other_writing.txt (other languages, formulas, code in other languages), which were written for this purpose and
count several times. No dependency beyond Python; the same tree gives the same table.
"""

import math
import pathlib
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
TABLE = ROOT / "src/detect/noise/table.bin"

CLASSES = 32
SPACE, NEWLINE, DIGIT, SYMBOL, OTHER_LETTER = 0, 20, 21, 30, 31
PUNCTUATION = {
    ".": 1, ",": 2, ";": 3, ":": 4, "!": 5, "?": 5, "'": 6, '"': 6, "`": 6, "-": 7, "–": 7, "—": 7, "_": 8, "/": 9,
    "\\": 10, "(": 11, "[": 12, "{": 12, "<": 13, ">": 13, ")": 14, "]": 15, "}": 15, "=": 16, "+": 16, "*": 17,
    "#": 18, "%": 19, "&": 19, "|": 19, "~": 19, "^": 19, "@": 19, "$": 19,
}  # fmt: skip
# Small letters, capitals; by sound, so that languages share them.
LETTERS = [("aeiouy", 22, 27), ("lrmnh", 23, 28), ("stc", 24, 28), ("bdfgkpvw", 25, 28), ("jqxz", 26, 29)]
BASES = dict(zip("ıøđßłæœðþəØĐŁÆŋ", "iodslaodteODLAn"))

FILES = [
    "src/**/*.rs", "tests/**/*.rs", "benches/*.rs", "tests/**/*.py", "tests/**/*.mjs", "training/**/*.py",
    "training/**/*.md", "training/demo_llama/**/*.txt", "docs/**/*.md", "policies/**/*.md", "*.md", "*.toml",
]  # fmt: skip
OTHER_WEIGHT = 40
SMOOTHING = 50
# The table's unit: 1/16 bit.
UNIT = 16


def class_of(char: str) -> int:
    if char == "\n":
        return NEWLINE
    if char.isspace():
        return SPACE
    if char in PUNCTUATION:
        return PUNCTUATION[char]
    if char.isdigit():
        return DIGIT
    base = BASES.get(char) or unicodedata.normalize("NFD", char)[0]
    if ord(base) > 127:
        return OTHER_LETTER if base.isalpha() else SYMBOL
    for letters, small, capital in LETTERS:
        if base.lower() in letters:
            return capital if base.isupper() else small
    return SYMBOL


def corpus():
    paths = {path for pattern in FILES for path in ROOT.glob(pattern) if "target" not in path.parts}
    for path in sorted(paths):
        yield path.read_text(encoding="utf-8"), 1
    yield (HERE / "other_writing.txt").read_text(encoding="utf-8").replace("\\n", "\n"), OTHER_WEIGHT


def main() -> None:
    threes, twos, ones, after_two, after_one = {}, {}, {}, {}, {}
    for text, weight in corpus():
        ids = [NEWLINE, NEWLINE, *map(class_of, text), NEWLINE]
        for a, b, c in zip(ids, ids[1:], ids[2:]):
            for table, key in ((threes, (a, b, c)), (twos, (b, c)), (ones, c), (after_two, (a, b)), (after_one, b)):
                table[key] = table.get(key, 0) + weight
    total = sum(ones.values())

    def surprise(a: int, b: int, c: int) -> int:
        p = (ones.get(c, 0) + 1) / (total + CLASSES)
        p = (twos.get((b, c), 0) + SMOOTHING * p) / (after_one.get(b, 0) + SMOOTHING)
        p = (threes.get((a, b, c), 0) + SMOOTHING * p) / (after_two.get((a, b), 0) + SMOOTHING)
        return min(255, round(-math.log2(p) * UNIT))

    every = range(CLASSES)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_bytes(bytes(surprise(a, b, c) for a in every for b in every for c in every))
    print(f"{TABLE.relative_to(ROOT)}: {total} characters")


if __name__ == "__main__":
    main()
