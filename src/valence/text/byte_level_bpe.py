"""Byte-level BPE: the words are in a vocab.json, and a merges.txt says which of them are joined to longer ones.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; Radford et al. 2019,
"Language Models are Unsupervised Multitask Learners" (bytes, and where a text is divided before any are joined).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as RustTokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from valence.errors import ModelError
from valence.files import read_json, refuse_lfs_pointer
from valence.text.token_model import TokenModel, Words

__all__ = ["BYTE_LEVEL_BPE"]

_WORDS, _MERGES = "vocab.json", "merges.txt"
_SETTINGS = {"add_prefix_space": False, "trim_offsets": True}


def _read(folder: Path) -> Words:
    file = folder / _WORDS
    refuse_lfs_pointer(file)
    found = read_json(file)
    ids = {word: index for word, index in found.items() if type(index) is int and 0 <= index < 1 << 32}
    if wrong := found.keys() - ids.keys():
        word = min(wrong)
        raise ModelError(
            f"{file}: not a vocabulary that can be read: {word!r:.80} must have a number, found {found[word]!r:.80}"
        )
    return Words(ids, _merges(folder / _MERGES))


def _merges(file: Path) -> list[tuple[str, str]]:
    refuse_lfs_pointer(file)
    try:
        lines = file.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as problem:
        raise ModelError(f"{file}: not UTF-8 text: {problem.reason} at byte {problem.start + 1:,}") from None
    merges = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#version"):
            continue
        first, *second = line.removesuffix("\r").split(" ")
        if not first or len(second) != 1 or not second[0]:
            raise ModelError(
                f"{file}: line {number}: expected two tokens with a space between them, found {line!r:.80}"
            )
        merges.append((first, second[0]))
    return merges


def _build(words: Words, settings: Mapping[str, Any], unk: str) -> RustTokenizer:
    """Build it without an unknown token, as `transformers` does: bytes that are no token are left out."""
    absent = {token for one, two in words.merges for token in (one, two, one + two)} - words.ids.keys()
    if absent:
        merge = next(merge for merge in words.merges if absent & {*merge, "".join(merge)})
        raise ValueError(f"its merges join {merge[0]!r} and {merge[1]!r}, and it has no {min(absent)!r}")
    rust = RustTokenizer(
        BPE(words.ids, words.merges, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False)
    )
    rust.pre_tokenizer = ByteLevel(add_prefix_space=settings["add_prefix_space"])
    rust.decoder = ByteLevelDecoder()
    return rust


def _settings_in(content: Mapping[str, Any]) -> dict[str, bool | None]:
    before, behind = content["pre_tokenizer"] or {}, content["post_processor"] or {}
    return {
        "add_prefix_space": before.get("add_prefix_space", _SETTINGS["add_prefix_space"]),
        "trim_offsets": behind.get("trim_offsets", _SETTINGS["trim_offsets"]),
    }


def _written(content: Mapping[str, Any]) -> dict[str, str]:
    """Write both files, unless the tokens are no bytes, which a space or line break in one shows."""
    model = content["model"]
    if (content["pre_tokenizer"] or {}).get("type") != "ByteLevel":
        return {}
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    if any(len(merge) != 2 or any(token.split() != [token] for token in merge) for merge in merges):
        return {}
    words = dict(sorted(model["vocab"].items(), key=lambda item: item[1]))
    lines = ["#version: 0.2", *map(" ".join, merges)]
    return {_WORDS: json.dumps(words, ensure_ascii=False), _MERGES: "".join(f"{line}\n" for line in lines)}


BYTE_LEVEL_BPE = TokenModel(
    settings=_SETTINGS,
    files=(_WORDS, _MERGES),
    read=_read,
    build=_build,
    settings_in=_settings_in,
    written=_written,
)
