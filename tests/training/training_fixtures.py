"""A tiny base model and tiny data.

The tests here name this module in `pytest_plugins`, for its fixtures.
"""

import random
from pathlib import Path

import pytest

pytest.importorskip("torch")


def write_rows(path: Path, n_rows: int, seed: int = 0) -> Path:
    """Write a TSV of sentences of many lengths whose label depends on one word."""
    chance = random.Random(seed)
    rows = ["sentence\tlabel"]
    for _ in range(n_rows):
        label = chance.randrange(2)
        words = chance.choices(["the", "film", "plot", "was", "and", "this", "my", "dog"], k=chance.randrange(1, 20))
        words.insert(chance.randrange(len(words) + 1), ("bad", "good")[label])
        rows.append(f"{' '.join(words)}\t{label}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    (path.parent / "labels.txt").write_text("NEGATIVE\nPOSITIVE\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def train_tsv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 examples: with batches of 8 an epoch has 19 steps, the last of 6 examples."""
    return write_rows(tmp_path_factory.mktemp("data") / "train.tsv", 150)


@pytest.fixture(scope="session")
def dev_tsv(train_tsv: Path) -> Path:
    return write_rows(train_tsv.with_name("dev.tsv"), 40, seed=1)


@pytest.fixture(scope="session")
def bert_base(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """A random BERT with a masked-LM head and every kind of dropout."""
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    folder = tmp_path_factory.mktemp("base") / "tiny-bert"
    config = tiny_config("bert", initializer_range=0.2)
    model = TaskModel(config, "masked-lm")
    model.initialise(seed=3)
    save_model(model, folder)
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return folder
