"""A vocabulary small enough to read: special tokens, letters, word pieces and a few whole words."""

WORDS = (
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    + [chr(letter) for letter in range(ord("a"), ord("z") + 1)]
    + [f"##{chr(letter)}" for letter in range(ord("a"), ord("z") + 1)]
    + list("0123456789.,!?'-")
    + [
        "the",
        "a",
        "film",
        "was",
        "is",
        "good",
        "bad",
        "great",
        "awful",
        "plot",
        "acting",
        "and",
        "not",
        "very",
        "this",
        "dog",
        "cute",
        "my",
        "hello",
        "##ing",
        "##ed",
        "##s",
    ]
)
