"""Divide SST-2's training rows into a part to learn from and sentences to compare attempts on.

    python scripts/hold_out_sentences.py ../shared/data/sst2/train.tsv runs/held-out [--sentences 1500]
    python scripts/hold_out_sentences.py ../shared/data/sst2/train.tsv runs/held-out --sources ../shared/data

Writes part.tsv and held_out.tsv. The rows of SST-2 are phrases of the same sentences, so a random division would ask
about what was learnt. Here whole sentences are held out, and no row of the part equals, contains or is contained in
one, or shares five words in a row with one; `overlap` says how words are compared.

With --sources the other training sources of that folder are written beside them, in their own folders, without the rows
that have any of this in common with a held-out sentence. What the finished model is measured on is kept apart from all
of them, too. There a few words are no sign: a row is left out that equals such a text, or shares five words in a row
with a sentence; of the whole reviews of IMDB's sample, with which four in five reviews share such a run, only if one
contains the other.
"""

import argparse
import collections
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from default_texts import DATA, EVALUATION
from overlap import REASONS, RUN, KeptTexts, Reason, runs_of, words_of
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import ValenceError

__all__ = ["MEASURED", "SOURCES", "hold_out_sentences", "phrases_of", "untouched", "whole_sentences", "write_source"]

SOURCES = (
    *("sst_phrases/train.parquet", "critics/train.parquet", "goemotions/train.parquet", "yelp/train.parquet"),
    *("pros_cons/train.parquet", "amazon/train.parquet", "amazon/titles.parquet", "imdb/train.parquet"),
    "imdb/unlabelled.parquet",
)
"""What the default may learn from besides SST-2."""
MEASURED = {name: path.relative_to(DATA).as_posix() for name, path in EVALUATION.items()}
"""What it is measured on: names to files of the same folder."""
_WHOLE_REVIEWS = frozenset(("imdb-sample",))
_FEWEST_WORDS = 5  # of a sentence
_ROWS_AT_ONCE = 4096
Counts = collections.Counter[tuple[str, Reason]]
"""Rows left out, by what they touch and how."""


def phrases_of(words: Sequence[str]) -> Iterator[str]:
    """List every run of words.

    Args:
        words: of a sentence.

    Yields:
        The words of each run, with spaces between.
    """
    for first in range(len(words)):
        for end in range(first + 1, len(words) + 1):
            yield " ".join(words[first:end])


def whole_sentences(texts: Iterable[str]) -> list[str]:
    """Find the texts that are part of no other.

    Args:
        texts: words with a space between.

    Returns:
        Those of five words or more, each once.
    """
    contained: set[str] = set()
    sentences: list[str] = []
    for text in sorted(set(texts), key=lambda text: (-len(text.split()), text)):
        if text not in contained:
            sentences.append(text)
            contained.update(phrases_of(text.split()))
    return [text for text in sentences if len(text.split()) >= _FEWEST_WORDS]


def hold_out_sentences(texts: Sequence[str], count: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Choose sentences to hold out, and the rows that may be learnt from.

    Args:
        texts: one per row; words with spaces between.
        count: how many sentences.
        seed: decides which.

    Returns:
        The numbers of the rows to learn from, in order; and of one row per held-out sentence.
    """
    texts = [" ".join(text.split()) for text in texts]
    candidates = sorted(whole_sentences(texts))
    chosen = np.random.default_rng(seed).permutation(len(candidates))[:count]
    held_out = [candidates[index] for index in chosen]
    inside = {phrase for text in held_out for phrase in phrases_of(text.split())}
    row_of = {text: row for row, text in reversed(list(enumerate(texts)))}
    return [row for row, text in enumerate(texts) if text not in inside], [row_of[text] for text in held_out]


def untouched(texts: Iterable[str], kept: Mapping[str, KeptTexts], counts: Counts) -> list[bool]:
    """Find the texts that may be learnt from.

    Args:
        texts: the texts.
        kept: what is kept for measuring, by name.
        counts: gets one more for each text that may not.

    Returns:
        For each text whether it has nothing in common with any of them.
    """
    found = []
    for text in texts:
        words = words_of(text)
        runs = runs_of(words)
        reasons = ((name, reason) for name, one in kept.items() if (reason := one.reason_against(words, runs)))
        first = next(reasons, None)
        if first is not None:
            counts[first] += 1
        found.append(first is None)
    return found


def write_source(source: Path, target: Path, kept: Mapping[str, KeptTexts]) -> tuple[int, Counts]:
    """Write a training source without what it has in common with what is kept, a few rows at a time in memory.

    Args:
        source: Parquet with a column `sentence`.
        target: the file to write; a labels.txt beside the source is copied.
        kept: what is kept for measuring, by name.

    Returns:
        Rows read; and those left out, why.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    counts: Counts = collections.Counter()
    with (
        parquet.ParquetFile(source) as file,
        parquet.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer,
    ):
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
            mask = untouched(batch.column("sentence").to_pylist(), kept, counts)
            writer.write_batch(batch.filter(pa.array(mask)))
        n_rows = file.metadata.num_rows
    if (labels := source.with_name("labels.txt")).is_file():
        shutil.copyfile(labels, target.with_name("labels.txt"))
    return n_rows, counts


def _measured(folder: Path) -> dict[str, KeptTexts]:
    found = {}
    for name, file in MEASURED.items():
        examples = read_examples(find_source(str(folder / file), "eval"), known=("NEGATIVE", "POSITIVE"))
        found[name] = KeptTexts(map(str, examples.texts), fewest=RUN, with_runs=name not in _WHOLE_REVIEWS)
    return found


def _told(counts: Counts) -> str:
    """Say what was left out and why."""
    found = {
        name: [f"{counts[name, reason]:,} {reason}" for reason in REASONS if counts[name, reason]]
        for name in ("held-out", *MEASURED)
    }
    return "; ".join(f"{name}: {', '.join(parts)}" for name, parts in found.items() if parts) or "nothing"


def main() -> None:
    """Write the two parts, and the other sources."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="rows with the labels 0 and 1, such as train.tsv of SST-2")
    parser.add_argument("out", type=Path, help="the folder for part.tsv and held_out.tsv")
    parser.add_argument("--sentences", type=int, default=1500, help="how many are held out (1500)")
    parser.add_argument("--sources", type=Path, help="the folder of the other training sources, such as ../shared/data")
    arguments = parser.parse_args()
    try:
        examples = read_examples(find_source(arguments.data, "train"), known=("NEGATIVE", "POSITIVE"))
        measured = {} if arguments.sources is None else _measured(arguments.sources)
    except ValenceError as problem:
        sys.exit(str(problem))
    texts = [" ".join(text.split()) for text in examples.texts if isinstance(text, str)]
    if len(texts) < len(examples):
        sys.exit(f"{arguments.data}: holds pairs of texts, not single ones")
    if arguments.sentences < 1:
        sys.exit("--sentences must be at least 1")
    sources = {} if arguments.sources is None else {name: arguments.sources / name for name in SOURCES}
    if absent := [path for path in sources.values() if not path.is_file()]:
        sys.exit(f"{absent[0]}: no such file; --sources names a folder that holds {', '.join(SOURCES)}")
    if arguments.sources is not None and arguments.out.resolve() == arguments.sources.resolve():
        sys.exit(f"{arguments.out}: holds the sources themselves; choose another folder")
    arguments.out.mkdir(parents=True, exist_ok=True)
    part, held_out = hold_out_sentences(texts, arguments.sentences)
    kept = {"held-out": KeptTexts(texts[row] for row in held_out), **measured}
    counts: Counts = collections.Counter()
    mask = untouched((texts[row] for row in part), kept, counts)
    part = [row for row, may in zip(part, mask, strict=True) if may]
    for name, rows in (("part", part), ("held_out", held_out)):
        lines = ["sentence\tlabel", *(f"{texts[row]}\t{examples.labels[row]}" for row in rows)]
        (arguments.out / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{arguments.out / name}.tsv: {len(rows):,} rows")
    print(f"left out of the part besides the phrases of held-out sentences: {_told(counts)}")
    for name, path in sources.items():
        try:
            n_rows, counts = write_source(path, arguments.out / name, kept)
        except (pa.ArrowException, KeyError, OSError) as problem:
            sys.exit(f"{path}: expected Parquet with a column 'sentence': {problem}")
        print(
            f"{arguments.out / name}: {n_rows - counts.total():,} of {n_rows:,} rows; left out: {_told(counts)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
