"""Divide SST-2's training rows into a part to learn from and sentences to compare attempts on.

    python scripts/hold_out_sentences.py ../shared/data/sst2/train.tsv runs/held-out [--sentences 1500]

Writes part.tsv and held_out.tsv. The rows of SST-2 are phrases of the same sentences, so a random division would ask
about what was learnt. Here whole sentences are held out, and every row that is a phrase of one of them is left out of
the part: no row of it contains a held-out sentence or is contained in one.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import ValenceError

__all__ = ["hold_out_sentences", "phrases_of", "whole_sentences"]

_FEWEST_WORDS = 5  # of a sentence


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


def main() -> None:
    """Write the two parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="rows with the labels 0 and 1, such as train.tsv of SST-2")
    parser.add_argument("out", type=Path, help="the folder for part.tsv and held_out.tsv")
    parser.add_argument("--sentences", type=int, default=1500, help="how many are held out (1500)")
    arguments = parser.parse_args()
    try:
        examples = read_examples(find_source(arguments.data, "train"), known=("NEGATIVE", "POSITIVE"))
    except ValenceError as problem:
        sys.exit(str(problem))
    texts = [" ".join(text.split()) for text in examples.texts if isinstance(text, str)]
    if len(texts) < len(examples):
        sys.exit(f"{arguments.data}: holds pairs of texts, not single ones")
    if arguments.sentences < 1:
        sys.exit("--sentences must be at least 1")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, rows in zip(("part", "held_out"), hold_out_sentences(texts, arguments.sentences), strict=True):
        lines = ["sentence\tlabel", *(f"{texts[row]}\t{examples.labels[row]}" for row in rows)]
        (arguments.out / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{arguments.out / name}.tsv: {len(rows):,} rows")


if __name__ == "__main__":
    main()
