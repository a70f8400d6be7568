"""The texts that the embedded default learns from, and those it is measured on."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.text.sentences import split_sentences

__all__ = [
    "DATA",
    "DEV",
    "EVALUATION",
    "FEWER",
    "LABELLED",
    "LABELS",
    "SHARED",
    "TRAIN",
    "UNLABELLED",
    "gather_texts",
    "opinion_sentences",
]

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
DATA = SHARED / "data"
TRAIN, DEV = DATA / "sst2" / "train.tsv", DATA / "sst2" / "dev.tsv"
EVALUATION = {
    "sst2-dev": DEV,
    "imdb-sample": DATA / "imdb" / "sample.tsv",
    "yelp-dev": DATA / "yelp" / "dev.parquet",
    "pros_cons-dev": DATA / "pros_cons" / "dev.parquet",
}
"""What the finished model is measured on, and never learns from."""
LABELS = ("NEGATIVE", "POSITIVE")
LABELLED, FEWER, UNLABELLED = "labelled.parquet", "fewer.parquet", "sentences.parquet"
SST2_ROWS, SST2_WORDS = 30_000, 4  # so many rows of so many words and more
SHORT_REVIEWS = {"yelp/train.parquet": 15_000, "pros_cons/train.parquet": 12_000, "amazon/titles.parquet": 6_500}
IMDB_REVIEWS = 5_000
IMDB_SENTENCES = 8_000
FEWER_ROWS = 30_000
FEWEST_WORDS, MOST_WORDS = 5, 45  # of a sentence
_SEED = 42
_BREAK = re.compile(r"<br\s*/?>")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
Row = tuple[str, int]


def gather_texts(work: Path) -> None:
    """Write the labelled texts, a sample of them, and sentences whose labels are not read.

    Args:
        work: the folder to write to; files that are there stay as they are.
    """
    if all((work / name).is_file() for name in (LABELLED, FEWER, UNLABELLED)):
        return
    measured_on = {_plain(text) for path in EVALUATION.values() for text, _ in _rows(path)}
    rows = [row for row in _rows(TRAIN) if len(row[0].split()) >= SST2_WORDS]
    chosen = [rows[index] for index in sorted(_random().permutation(len(rows))[:SST2_ROWS].tolist())]
    for name, count in SHORT_REVIEWS.items():  # a prefix of these files is a random sample
        chosen += [row for row in _rows(DATA / name) if _plain(row[0]) not in measured_on][:count]
    imdb = parquet.read_table(DATA / "imdb" / "train.parquet").to_pylist()
    sample = _random().permutation(len(imdb))[:IMDB_REVIEWS]
    chosen += [(_clean(imdb[index]["sentence"]), imdb[index]["label"]) for index in sample]
    _write(work / LABELLED, chosen)
    fewer = np.random.default_rng(_SEED + 1).permutation(len(chosen))[:FEWER_ROWS]
    _write(work / FEWER, [chosen[index] for index in fewer])
    reviews = parquet.read_table(DATA / "imdb" / "unlabelled.parquet").column("sentence").to_pylist()
    found = [sentence for sentence in opinion_sentences(reviews) if _plain(sentence) not in measured_on]
    _write(work / UNLABELLED, [found[index] for index in _random().permutation(len(found))[:IMDB_SENTENCES]])


def opinion_sentences(reviews: Sequence[str]) -> Iterator[str]:
    """Cut reviews into sentences that are neither exclamations nor lists.

    Args:
        reviews: whole reviews, with their HTML line breaks.

    Yields:
        Sentences, each once.
    """
    seen: set[str] = set()
    for review in reviews:
        for sentence in split_sentences(_clean(review)):
            if FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS and sentence not in seen:
                seen.add(sentence)
                yield sentence


def _rows(path: Path) -> list[Row]:
    examples = read_examples(find_source(str(path), "train"), known=LABELS)
    return [(str(text).strip(), int(label)) for text, label in zip(examples.texts, examples.labels, strict=True)]


def _random() -> np.random.Generator:
    return np.random.default_rng(_SEED)


def _clean(review: str) -> str:
    return _CONTROL.sub(" ", _BREAK.sub("\n", review))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _write(path: Path, rows: Sequence[Row] | Sequence[str]) -> None:
    columns: dict[str, list[str | int]] = {"sentence": [row if isinstance(row, str) else row[0] for row in rows]}
    labels: list[str | int] = [row[1] for row in rows if not isinstance(row, str)]
    parquet.write_table(pa.table(columns | ({"label": labels} if labels else {})), path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)
