"""The texts: short ones, long ones, single ones of an exact length."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from valence.data.columns import choose_columns
from valence.data.examples import read_examples, read_texts
from valence.data.sources import find_source
from valence.data.tables import open_table
from valence.errors import DataError
from valence.text.tokenizer import Tokenizer

__all__ = ["LENGTHS", "Workload", "calibration_texts", "read_workloads", "texts_of_length", "write_texts"]

LENGTHS = (8, 16, 32, 64, 128, 256, 512)
"""Tokens of the single texts, special tokens included."""
_SHORT, _LONG, _CALIBRATION = Path("sst2/dev.tsv"), Path("imdb/sample.tsv"), Path("sst2/train.tsv")
_CLASSES = ("NEGATIVE", "POSITIVE")
_LONG_TEXTS = 200
_CALIBRATION_TEXTS = 300


@dataclass(frozen=True)
class Workload:
    """Texts with their labels.

    Args:
        name: "short" or "long".
        title: for tables.
        texts: the texts.
        labels: the name of each text's class in the data.
    """

    name: str
    title: str
    texts: list[str]
    labels: list[str]


def read_workloads(data: Path, quick: bool = False) -> list[Workload]:
    """Read the dev set of SST-2 and the first reviews of the IMDB sample.

    Args:
        data: the folder that holds sst2/dev.tsv and imdb/sample.tsv.
        quick: a few of each.

    Returns:
        The short texts and the long ones.

    Raises:
        DataError: if a file is not there.
    """
    short = _read(data / _SHORT, 64 if quick else None)
    long = _read(data / _LONG, 8 if quick else _LONG_TEXTS)
    return [
        Workload("short", f"SST-2 dev, {len(short[0]):,} sentences", *short),
        Workload("long", f"IMDB sample, first {len(long[0]):,} reviews", *long),
    ]


def _require(path: Path) -> Path:
    if not path.is_file():
        raise DataError("no such file; --data names the folder that holds sst2/ and imdb/", path)
    return path


def _read(path: Path, most: int | None) -> tuple[list[str], list[str]]:
    examples = read_examples(find_source(str(_require(path)), "eval"), known=_CLASSES)
    texts = [text for text in examples.texts[:most] if isinstance(text, str)]
    return texts, [examples.names[label] for label in examples.labels[:most]]


def calibration_texts(data: Path) -> list[str]:
    """Read the texts that static quantisation looks at: the first of SST-2's training set.

    Args:
        data: the folder that holds sst2/train.tsv.

    Returns:
        The texts.

    Raises:
        DataError: if the file is not there.
    """
    table = open_table(_require(data / _CALIBRATION))
    rows = read_texts(table, choose_columns(table, labelled=False))
    return [str(text) for _, text, _ in islice(rows, _CALIBRATION_TEXTS)]


def texts_of_length(tokenizer: Tokenizer, source: Sequence[str], n_tokens: int, count: int = 8) -> list[str]:
    """Cut texts of an exact number of tokens out of others.

    Args:
        tokenizer: what counts them.
        source: texts to take words from.
        n_tokens: special tokens included.
        count: how many.

    Returns:
        Different texts.
    """
    words = [word for text in source for word in text.split()]
    found = []
    for number in range(count):
        start = number * len(words) // count
        some = [words[(start + index) % len(words)] for index in range(n_tokens)]
        counts = [text.n_tokens for text in tokenizer([" ".join(some[:n]) for n in range(n_tokens)])]
        longest = max(n for n, size in enumerate(counts) if size <= n_tokens)
        found.append(" ".join(some[:longest] + ["."] * (n_tokens - counts[longest])))
    return found


def write_texts(texts: Sequence[str], path: Path) -> str:
    """Write texts where a worker reads them.

    Args:
        texts: the texts.
        path: the file.

    Returns:
        Its path.
    """
    path.write_text(json.dumps(list(texts)), encoding="utf-8")
    return str(path)
