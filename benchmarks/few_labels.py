"""A handful of labels: `valence train` beside logistic regression on the same encoder's frozen embeddings.

    python benchmarks/few_labels.py [--sizes 8 16 64] [--draws 2 3 5]

AG News (four topics) and SST-2 (sentiment; whole sentences, for most rows of its training file are phrases of others).
A draw takes so many rows per class from one half of the training file; both learn from the very same rows and answer
the same texts: 1,000 of AG News' test file, all of SST-2's dev file. `valence train` runs as it is without options,
from all-MiniLM-L6-v2. The embeddings are made as sentence-transformers makes them for this model (the mean of the
tokens' vectors, at most 256 tokens), as they are and at length 1; the regression is scikit-learn's with its defaults
and enough iterations. Accuracies do not depend on how busy the machine is.

What is done is kept in runs/few_labels/, and the same command goes on from there. When both data sets are done it
writes benchmarks/results/few_labels.json.

With --choose nothing of the test files is read: draws and texts come from the other half of the training files, which
is there to choose the values of a recipe on; --options are given to `valence train`. Nothing is written.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import warnings
from dataclasses import asdict
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import valence
from valence.cli.train import command as train_command
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.files import write_json
from valence.folder import ModelFolder
from valence.training.recipe import RECIPES
from valence.versions import installed_versions

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
from hold_out_sentences import whole_sentences

RESULTS = Path(__file__).parent / "results" / "few_labels.json"
DONE = Path("runs") / "few_labels"
DATA = {"agnews": ("test.tsv", 1000), "sst2": ("dev.tsv", 872)}
"""Folder -> the file of test texts, and how many of them are asked."""
OURS, RAW, UNIT = "valence train", "logistic regression", "logistic regression, embeddings of length 1"
_HALVES, _TEST_SEED, _DRAWS = 2026, 7, 1001  # seeds
_MOST_DRAWS = 5
_CHOOSING_TEXTS = 600
_EMBEDDED_LENGTH = 256  # sentence_bert_config.json of the model
_EMBEDDED_AT_ONCE = 64


class Task:
    """A data set, divided.

    Args:
        folder: with train.tsv and a file of test texts.
        base: the encoder.
        choose: use the half of the training file that is there to choose on.
    """

    def __init__(self, folder: Path, base: str, choose: bool) -> None:
        self.base = base
        test_file, n_test = DATA[folder.name]
        self.train = read_examples(find_source(str(folder / "train.tsv"), "train"))
        texts = [" ".join(str(text).split()) for text in self.train.texts]
        if folder.name == "sst2":
            row_of = {text: row for row, text in reversed(list(enumerate(texts)))}
            rows = np.array(sorted(row_of[text] for text in whole_sentences(texts)))
        else:
            rows = np.arange(len(texts))
        shuffled = np.random.default_rng(_HALVES).permutation(rows)
        first, second = shuffled[: len(rows) // 2], shuffled[len(rows) // 2 :]
        if choose:
            test, self.test_rows, self.pool = self.train, first[:_CHOOSING_TEXTS], first[_CHOOSING_TEXTS:]
        else:
            test = read_examples(find_source(str(folder / test_file), "eval"), known=self.train.names)
            self.test_rows = np.random.default_rng(_TEST_SEED).permutation(len(test))[:n_test]
            self.pool = second
        self.test_name = test.source.title
        self.test_texts = [str(test.texts[row]) for row in self.test_rows]
        self.test_labels = test.labels[self.test_rows]

    @cached_property
    def test_embeddings(self) -> NDArray[np.float32]:
        """[N, D], of the test texts."""
        return embeddings(self.test_texts, self.base)

    def draw(self, per_class: int, seed: int) -> NDArray[np.int64]:
        """Draw rows to learn from; a smaller draw of the same seed is part of a larger one.

        Args:
            per_class: rows of each class.
            seed: of the draw.

        Returns:
            Numbers of rows.
        """
        rows = np.random.default_rng([_DRAWS, seed]).permutation(self.pool)
        chosen = [rows[self.train.labels[rows] == number][:per_class] for number in range(len(self.train.names))]
        return np.concatenate(chosen)


def embeddings(texts: list[str], base: str) -> NDArray[np.float32]:
    """Embed texts with transformers, as sentence-transformers does.

    Args:
        texts: N texts.
        base: the encoder.

    Returns:
        [N, D].
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    encoder = transformers.AutoModel.from_pretrained(base).eval()
    found = []
    with torch.inference_mode():
        for first in range(0, len(texts), _EMBEDDED_AT_ONCE):
            batch = texts[first : first + _EMBEDDED_AT_ONCE]
            tokens = tokenizer(batch, padding=True, truncation=True, max_length=_EMBEDDED_LENGTH, return_tensors="pt")
            mask = tokens["attention_mask"].unsqueeze(-1)
            found.append(((encoder(**tokens).last_hidden_state * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(found)


def regress(task: Task, rows: NDArray[np.int64]) -> dict[str, float]:
    """Learn from frozen embeddings.

    Args:
        task: the data.
        rows: to learn from.

    Returns:
        Accuracy with the embeddings as they are, and at length 1.
    """
    from sklearn.linear_model import LogisticRegression

    learnt, asked = embeddings([str(task.train.texts[row]) for row in rows], task.base), task.test_embeddings
    accuracies = {}
    for name in (RAW, UNIT):
        if name == UNIT:
            learnt, asked = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (learnt, asked))
        regression = LogisticRegression(max_iter=10_000).fit(learnt, task.train.labels[rows])
        accuracies[name] = float(regression.score(asked, task.test_labels))
    return accuracies


def fine_tune(task: Task, rows: NDArray[np.int64], seed: int, options: list[str]) -> dict[str, Any]:
    """Run `valence train`.

    Args:
        task: the data.
        rows: to learn from.
        seed: of the run.
        options: more of them.

    Returns:
        Accuracy, steps, epochs and seconds.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = [f"{task.train.texts[row]}\t{task.train.labels[row]}" for row in rows]
        (folder / "train.tsv").write_text("\n".join(["sentence\tlabel", *lines]) + "\n", encoding="utf-8")
        (folder / "labels.txt").write_text("".join(f"{name}\n" for name in task.train.names), encoding="utf-8")
        out = folder / "model"
        arguments = ["--base", task.base, "--out", str(out), "--seed", str(seed), *options]
        train_command.main([str(folder / "train.tsv"), *arguments], standalone_mode=False)
        report = json.loads((out / "reports" / "training.json").read_text(encoding="utf-8"))
        classifier = valence.load(out)
        predictions = [classifier.labels.index(prediction.label) for prediction in classifier(task.test_texts)]
    accuracy = float((np.array(predictions) == task.test_labels).mean())
    return {OURS: accuracy, "steps": report["steps"], "epochs": report["epochs"], "seconds": report["seconds"]}


def measure(arguments: argparse.Namespace, tasks: dict[str, Task], settings: dict[str, Any]) -> dict[str, Any]:
    """Do what is not done yet.

    Args:
        arguments: of the command line.
        tasks: by name.
        settings: what the figures depend on.

    Returns:
        Figures by "task-size-draw".
    """
    done: dict[str, Any] = {}
    for size in sorted(arguments.sizes, reverse=True):
        for seed, (name, task) in product(range(_MOST_DRAWS), tasks.items()):
            key = f"{name}-{size}-{seed}"
            file = DONE / f"{key}.json"
            kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() and not arguments.choose else {}
            if kept.get("settings") == settings:
                done[key] = kept["figures"]
                continue
            if seed >= arguments.draws[size]:  # more than was asked for, and not there
                continue
            rows = task.draw(size, seed)
            done[key] = regress(task, rows) | fine_tune(task, rows, seed, arguments.options.split())
            print(f"{key}: {done[key]}", file=sys.stderr, flush=True)
            if not arguments.choose:
                DONE.mkdir(parents=True, exist_ok=True)
                write_json(file, {"settings": settings, "figures": done[key]})
    return done


def summary(figures: list[float]) -> dict[str, Any]:
    """Describe the accuracies of all draws.

    Args:
        figures: one per draw.

    Returns:
        Mean, median, lowest, highest, and each.
    """
    return {
        "mean": statistics.mean(figures),
        "median": statistics.median(figures),
        "min": min(figures),
        "max": max(figures),
        "draws": figures,
    }


def rows_of(arguments: argparse.Namespace, name: str, done: dict[str, Any]) -> dict[str, Any]:
    """Summarise one data set.

    Args:
        arguments: of the command line.
        name: of the data set.
        done: from `measure`.

    Returns:
        By rows per class.
    """
    table = {}
    for size in arguments.sizes:
        keys = [f"{name}-{size}-{seed}" for seed in range(_MOST_DRAWS)]
        runs = [done[key] for key in keys if key in done]
        row: dict[str, Any] = {who: summary([run[who] for run in runs]) for who in (OURS, RAW, UNIT)}
        row["difference"] = row[OURS]["mean"] - max(row[RAW]["mean"], row[UNIT]["mean"])
        row["steps"], row["epochs"] = runs[0]["steps"], runs[0]["epochs"]
        row["seconds"] = statistics.median(run["seconds"] for run in runs)
        table[str(size)] = row
    return table


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--base", default="../shared/models/all-MiniLM-L6-v2")
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 64], help="rows per class")
    parser.add_argument(
        "--draws",
        type=int,
        nargs="+",
        default=[2, 3, 5],
        help="at least, of each size or of all",
    )
    parser.add_argument("--only", choices=list(DATA), help="one data set, such as in a process beside another")
    parser.add_argument("--choose", action="store_true", help="on the other half of the training files")
    parser.add_argument("--options", default="", help='of valence train, such as "--epochs 20", with --choose')
    arguments = parser.parse_args()
    if arguments.options and not arguments.choose:
        parser.error("--options goes with --choose")
    if len(arguments.draws) not in (1, len(arguments.sizes)):
        parser.error("--draws takes one number, or one for each of --sizes")
    each = arguments.draws if len(arguments.draws) > 1 else arguments.draws * len(arguments.sizes)
    arguments.draws = dict(zip(arguments.sizes, each, strict=True))
    warnings.simplefilter("ignore")  # that labels are few
    os.environ["HF_HUB_OFFLINE"] = "1"
    tasks = {
        name: Task(arguments.data / name, arguments.base, arguments.choose)
        for name in DATA
        if arguments.only in (None, name)
    }
    settings = {"base": ModelFolder(Path(arguments.base), "").weights_hash(), "recipe": asdict(RECIPES["small"]())}
    done = measure(arguments, tasks, settings)
    report: dict[str, Any] = {
        "base": Path(arguments.base).name,
        "data": {
            name: {"train": task.train.source.title, "test": task.test_name, "texts": len(task.test_texts)}
            for name, task in tasks.items()
        },
        "rows": {name: rows_of(arguments, name, done) for name in tasks},
        "processors": os.cpu_count(),
        "versions": installed_versions("torch", "transformers", "scikit-learn"),
    }
    for name, rows in report["rows"].items():
        for size, row in rows.items():
            means = "  ".join(f"{who} {row[who]['mean']:.4f}" for who in (OURS, RAW, UNIT))
            print(f"{name:8} {size:>3} per class  {means}  difference to the better {row['difference']:+.4f}")
    if not arguments.choose and arguments.only is None:
        write_json(RESULTS, report)


if __name__ == "__main__":
    main()
