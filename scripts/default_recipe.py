"""How the weights of the embedded default come about, stage by stage; a stage that is finished is not repeated.

1. Four teachers are fine-tuned on SST-2 from the base encoder; they differ in the seed alone.
2. Texts are gathered: SST-2 and short texts of other labelled reviews; sentences of reviews whose labels are not read.
3. A student as large as one teacher starts from the same base and learns, of all these texts, the teachers' mean
   probabilities, and the labels where there are any. This is done with two seeds, one epoch each.

Nothing is chosen on any data but SST-2 dev, on which the better of the two students is kept.
"""

import json
import os
import re
import subprocess
import sys
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
    "EVALUATION",
    "LABELLED_TEXTS",
    "MORE_LABELLED",
    "NAMES",
    "SHARED",
    "STUDENT_SEEDS",
    "gather_texts",
    "make_student",
    "make_teachers",
    "opinion_sentences",
]

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
BASE = SHARED / "models" / "all-MiniLM-L6-v2"
DATA = SHARED / "data"
TRAIN, DEV = DATA / "sst2" / "train.tsv", DATA / "sst2" / "dev.tsv"
# What the finished model is measured on: never learnt from, and nothing but one of two students is chosen on the first.
EVALUATION = {
    "sst2-dev": DEV,
    "imdb-sample": DATA / "imdb" / "sample.tsv",
    "yelp-dev": DATA / "yelp" / "dev.parquet",
    "pros_cons-dev": DATA / "pros_cons" / "dev.parquet",
}
NAMES = ("NEGATIVE", "POSITIVE")
# How many rows of each; a prefix of these files is a random sample.
MORE_LABELLED = {"yelp/train.parquet": 15_000, "pros_cons/train.parquet": 12_000, "amazon/titles.parquet": 6_500}
SENTENCES = {"imdb/unlabelled.parquet": 17_000, "amazon/train.parquet": 3_000}
FEWEST_WORDS, MOST_WORDS = 5, 45  # of a sentence
TEACHER_SEEDS = (1, 2, 3, 4)
STUDENT_SEEDS = (42, 43)
TEACHER = ("--recipe", "small", "--epochs", "1")
DISTILLING = (
    "--layers",
    "6",
    "--epochs",
    "1",
    "--learning-rate",
    "8e-5",
    "--temperature",
    "1",
    "--soft-weight",
    "0.5",
    "--teacher-engine",
    "native",
)

LABELLED_TEXTS, UNLABELLED_TEXTS = "labelled.parquet", "sentences.parquet"
_BREAK = re.compile(r"<br\s*/?>")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def make_teachers(work: Path) -> list[Path]:
    """Fine-tune the teachers, two at a time on half of the processors each, and export them to int8.

    Args:
        work: the folder of the recipe.

    Returns:
        Their model folders.
    """
    folders = [work / f"teacher-{seed}" for seed in TEACHER_SEEDS]
    _train_side_by_side(
        [
            ["train", str(TRAIN), "--base", str(BASE), "--out", str(folder), *TEACHER, "--seed", str(seed)]
            for folder, seed in zip(folders, TEACHER_SEEDS, strict=True)
        ]
    )
    for folder in folders:
        if not list(folder.glob("onnx/*int8*")):
            # They only teach: what the mean of four says of a text hardly depends on the precision.
            _valence("export", str(folder), "--precision", "int8", "--allow-disagreement")
    return folders


def gather_texts(work: Path) -> None:
    """Write the labelled texts and the sentences that the student learns from.

    Args:
        work: the folder of the recipe.
    """
    measured_on = {_plain(text) for path in EVALUATION.values() for text in _rows(path)[0]}
    texts, labels = _rows(TRAIN)
    for name, count in MORE_LABELLED.items():
        rows = [row for row in zip(*_rows(DATA / name), strict=True) if _plain(row[0]) not in measured_on][:count]
        texts += [text for text, _ in rows]
        labels += [label for _, label in rows]
    _write(work / LABELLED_TEXTS, {"sentence": texts, "label": labels})
    chosen: list[str] = []
    random = np.random.default_rng(STUDENT_SEEDS[0])
    for name, count in SENTENCES.items():
        reviews = parquet.read_table(DATA / name).column("sentence").to_pylist()
        found = [sentence for sentence in opinion_sentences(reviews) if _plain(sentence) not in measured_on]
        chosen += [found[index] for index in random.permutation(len(found))[:count]]
    _write(work / UNLABELLED_TEXTS, {"sentence": chosen})


def opinion_sentences(reviews: Sequence[str]) -> Iterator[str]:
    """Cut reviews into sentences that are neither exclamations nor lists.

    Args:
        reviews: whole reviews, with their HTML line breaks.

    Yields:
        Sentences, each once.
    """
    seen: set[str] = set()
    for review in reviews:
        for sentence in split_sentences(_CONTROL.sub(" ", _BREAK.sub("\n", review))):
            if FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS and sentence not in seen:
                seen.add(sentence)
                yield sentence


def make_student(work: Path, teachers: Sequence[Path]) -> Path:
    """Teach one student per seed, two at a time, and choose the better on SST-2 dev.

    Args:
        work: the folder of the recipe.
        teachers: their model folders.

    Returns:
        The model folder of the better student.
    """
    folders = [work / f"student-{seed}" for seed in STUDENT_SEEDS]
    texts = [str(work / LABELLED_TEXTS), "--unlabelled", str(work / UNLABELLED_TEXTS), "--eval", str(DEV)]
    taught = [word for teacher in teachers for word in ("--teacher", str(teacher))]
    _train_side_by_side(
        [
            ["distill", *texts, *taught, "--base", str(BASE), "--out", str(folder), *DISTILLING, "--seed", str(seed)]
            for folder, seed in zip(folders, STUDENT_SEEDS, strict=True)
        ]
    )
    return max(folders, key=_accuracy_on_dev)


def _accuracy_on_dev(folder: Path) -> tuple[float, float]:
    report = json.loads((folder / "reports" / "training.json").read_text(encoding="utf-8"))
    figures = report["epochs_done"][-1]
    return figures["accuracy"], -figures["loss"]


def _rows(path: Path) -> tuple[list[str], list[int]]:
    examples = read_examples(find_source(str(path), "train"), known=NAMES)
    return [str(text).strip() for text in examples.texts], examples.labels.tolist()


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _write(path: Path, columns: dict[str, list[str] | list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path, compression="zstd")


def _is_trained(folder: Path) -> bool:
    return (folder / "reports" / "training.json").is_file()


def _resume(folder: Path) -> list[str]:
    return ["--resume"] if (folder / "training_state").is_dir() else []


def _valence(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "valence", *arguments], check=True)


def _train_side_by_side(commands: Sequence[Sequence[str]]) -> None:
    """Run the trainings that are not finished, two at once: faster than one after the other on all processors."""
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2))}
    outs = [Path(command[command.index("--out") + 1]) for command in commands]
    left = [(command, out) for command, out in zip(commands, outs, strict=True) if not _is_trained(out)]
    for first in range(0, len(left), 2):
        processes = []
        for number, (command, out) in enumerate(left[first : first + 2]):
            words = [sys.executable, "-m", "valence", *command, *_resume(out)]
            quiet = None if number == 0 else subprocess.DEVNULL  # one progress bar is enough
            processes.append(subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet))
        try:
            codes = [process.wait() for process in processes]
        except KeyboardInterrupt:
            for process in processes:
                process.wait()  # each has the signal, too, and saves its state
            raise
        if any(codes):
            sys.exit("a training did not finish; give the command again to go on")
