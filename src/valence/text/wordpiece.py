"""WordPiece with BERT's normalisation: the words are the lines of a vocab.txt.

Source: Devlin et al. 2019, "BERT".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as RustTokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from valence.errors import ModelError
from valence.files import refuse_lfs_pointer
from valence.rust import explained
from valence.text.token_model import TokenModel, Words

__all__ = ["WORDPIECE", "words_of_lines"]

_FILE = "vocab.txt"
# Keys of tokenizer_config.json, to what a tokenizer.json calls them and to their defaults.
_SETTINGS = {
    "do_lower_case": ("lowercase", True),
    "strip_accents": ("strip_accents", None),
    "tokenize_chinese_chars": ("handle_chinese_chars", True),
}


def words_of_lines(file: Path) -> dict[str, int]:
    """Read a vocab.txt.

    Args:
        file: a word a line.

    Returns:
        Words to the numbers of their lines, from 0.

    Raises:
        ModelError: if it is no such file.
    """
    refuse_lfs_pointer(file)
    with explained(lambda reason: ModelError(f"{file}: not a vocabulary that can be read: {reason}")):
        found: dict[str, int] = WordPiece.read_file(str(file))
        return found


def _build(words: Words, settings: Mapping[str, Any], unk: str) -> RustTokenizer:
    model = WordPiece(  # longer words become [UNK]
        words.ids, unk_token=unk, continuing_subword_prefix="##", max_input_chars_per_word=100
    )
    rust = RustTokenizer(model)
    rust.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings["tokenize_chinese_chars"],
        strip_accents=settings["strip_accents"],
        lowercase=settings["do_lower_case"],
    )
    rust.pre_tokenizer = BertPreTokenizer()
    rust.decoder = WordPieceDecoder()
    return rust


def _settings_in(content: Mapping[str, Any]) -> dict[str, bool | None]:
    normalizer = content["normalizer"] or {}
    return {ours: normalizer.get(theirs, default) for ours, (theirs, default) in _SETTINGS.items()}


def _written(content: Mapping[str, Any]) -> dict[str, str]:
    """Write a vocab.txt, unless a word has a line break, or a blank at its end, which reading takes off."""
    words = {index: word for word, index in content["model"]["vocab"].items()}
    last = max(words)  # of a word that stands there twice the last line counts: a number without a word stays one
    lines = [words.get(index, words[last]) for index in range(last + 1)]
    if any(word != word.rstrip() or "\n" in word for word in lines):
        return {}
    return {_FILE: "".join(f"{word}\n" for word in lines)}


WORDPIECE = TokenModel(
    settings={ours: default for ours, (_, default) in _SETTINGS.items()},
    files=(_FILE,),
    read=lambda folder: Words(words_of_lines(folder / _FILE)),
    build=_build,
    settings_in=_settings_in,
    written=_written,
)
