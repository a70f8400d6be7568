"""Small tokenizers of RoBERTa's and MPNet's kinds, trained in memory and saved by `transformers`."""

import json
from pathlib import Path

from tokenizers import AddedToken, decoders, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import BPE, WordPiece
from tokenizers.trainers import BpeTrainer, WordPieceTrainer

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
SENTENCES = [
    "this film was great, and the acting was good; he said she was not bad.",
    "She's a nurse and he is a doctor: her film, his plot, their dogs don't care!",
    "it cost 35 dollars in 1999 ... well-made\nand very\tcute  films, plots, acting, acted",
    "é É naïve Ünï İ ß 電影 中文 🙂 👩‍👩‍👧 new york London",
    "(good)(bad)(great)(film)(he)(she)(him)(his)(her) (good)(bad)(he)(she)(her)",
    "goodness greatness nursing doctoring filming unbelievable hello",
]


def train_bpe(size: int = 500, all_bytes: bool = True) -> RustTokenizer:
    """Byte-level BPE; without all bytes some texts hold what it does not know."""
    rust = RustTokenizer(BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rust.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet()) if all_bytes else []
    trainer = BpeTrainer(vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    rust.train_from_iterator([f" {sentence}" for sentence in SENTENCES] * 3 + SENTENCES, trainer)
    return rust


def train_wordpiece(size: int = 260, lowercase: bool = True) -> RustTokenizer:
    """WordPiece with MPNet's special tokens."""
    rust = RustTokenizer(WordPiece(unk_token="[UNK]"))
    rust.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [*SPECIAL[:3], "[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "<mask>"]
    rust.train_from_iterator(
        SENTENCES * 3, WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    )
    return rust


def write_config(folder: Path, model_type: str, **config: object) -> Path:
    """Write a config.json, as far as a tokenizer asks it: positions for 64 tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {"model_type": model_type, "max_position_embeddings": 66, "pad_token_id": 1, **config}
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def write_roberta(folder: Path, form: str = "words", rust: RustTokenizer | None = None, **settings: object) -> Path:
    """Write a RoBERTa's tokenizer.

    In the form "words" as vocab.json and merges.txt alone; "saved" as `transformers` saves it; "published" as old
    repositories have it, with a tokenizer.json and the mask that takes the space before it, beside the words.
    """
    import transformers

    write_config(folder, "roberta")
    rust = rust or train_bpe()
    rust.model.save(str(folder))
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    if form == "words":
        return folder
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    theirs = transformers.RobertaTokenizer.from_pretrained(
        str(folder), **({"mask_token": mask} if form == "published" else {})
    )
    theirs.save_pretrained(folder)
    if form == "saved":
        (folder / "vocab.json").unlink()
        (folder / "merges.txt").unlink()
    else:
        (folder / "tokenizer_config.json").write_text(json.dumps({"max_len": 512, **settings}), encoding="utf-8")
    return folder


def write_mpnet(folder: Path, form: str = "words", lowercase: bool = True, **settings: object) -> Path:
    """Write an MPNet's tokenizer; for the forms see `write_roberta`."""
    import transformers

    write_config(folder, "mpnet")
    words = train_wordpiece(lowercase=lowercase).get_vocab()
    lines = "".join(f"{word}\n" for word in sorted(words, key=lambda word: words[word]))
    (folder / "vocab.txt").write_text(lines, encoding="utf-8")
    settings |= {} if lowercase else {"do_lower_case": False}
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    if form != "words":
        transformers.MPNetTokenizer.from_pretrained(str(folder)).save_pretrained(folder)
        if form == "saved":
            (folder / "vocab.txt").unlink()
    return folder
