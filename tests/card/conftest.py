"""A model folder with every kind of report, and commands as a user starts them."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from one_thread import usual_environment
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.files import write_json
from valence.folder import ModelFolder
from valence.reports.codec import encode_report
from valence.runtime.load import load_folder

Run = Callable[..., subprocess.CompletedProcess]

AUDIT = {
    "probes": [
        {
            "name": "countries",
            "title": "Countries",
            "asks": "Does the score of a neutral sentence depend on the country it names?",
            "figures": {
                "standard_deviation": {"value": 0.0125, "low": 0.0101, "high": 0.0153},
                "worst_standard_deviation": {"value": 0.0321, "low": None, "high": None},
            },
            "cannot_show": "That there is no bias.",
            "source": "the card's own template",
            "n_texts": 2080,
            "tables": [],
            "details": {},
        },
        {
            "name": "names",
            "title": "Names",
            "figures": {"mean_difference": {"value": -0.004}, "p_value": {"value": 2e-9}},
        },
    ]
}
TRAINING = {
    "recipe": "small",
    "learning_rate": 5e-05,
    "epochs": 3,
    "batch_size": 32,
    "warmup_steps": None,
    "layer_by_layer": False,
    "debias": {"weight": 0.5, "swapped": ["countries", "names"], "never_trained_on": list("abcdefghijklmnop")},
    "labels": ["NEGATIVE", "POSITIVE"],
    "base": "some-encoder",
    "train": {"name": "reviews-train", "examples": 1234},
    "unlabelled": {"documents": 77},
    "teachers": [{"name": "one"}, {"name": "two"}],
    "steps": 345,
    "kept_epoch": 2,
    "chosen_on": "reviews",
    "seconds": 98.7,
    "tokens_per_second": 4321.0,
    "machine": {"device": "cpu", "processors": 2},
}
ORIGIN = {
    "title": "Tiny reviews",
    "language": ["en"],
    "licence": "Apache-2.0",
    "licence_note": "Offered as far as its authors can.",
    "made_again_by": "make tiny",
    "sources": [{"what": "training data", "origin": "sentences made up in 2026", "licence": "none is stated"}],
}


@dataclasses.dataclass(frozen=True)
class Carded:
    """A model with reports, its data, and the model that it was compared with."""

    folder: Path
    data: Path
    other: Path

    @property
    def model(self) -> ModelFolder:
        return ModelFolder(self.folder, str(self.folder))

    def report(self, name: str) -> dict:
        return json.loads((self.folder / "reports" / name).read_text(encoding="utf-8"))

    def change(self, name: str, **changes: object) -> None:
        write_json(self.folder / "reports" / name, {**self.report(name), **changes})


@pytest.fixture(scope="session")
def other_classifier(tmp_path_factory: pytest.TempPathFactory, tiny_classifier: Path) -> Path:
    """A classifier like the tiny one, with other weights and no export."""
    pytest.importorskip("torch")
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    folder = tmp_path_factory.mktemp("other") / "other"
    model = TaskModel(tiny_config(classifier_dropout=0.2), "classification", 2)
    model.initialise(seed=8)
    save_model(model, folder, ("NEGATIVE", "POSITIVE"))
    shutil.copy(tiny_classifier / "vocab.txt", folder / "vocab.txt")
    return folder


@pytest.fixture(scope="session")
def _carded(tmp_path_factory: pytest.TempPathFactory, tiny_classifier: Path, other_classifier: Path) -> Carded:
    pytest.importorskip("sklearn")
    from valence.evaluation.compare import Contestant, compare
    from valence.evaluation.evaluate import evaluate

    root = tmp_path_factory.mktemp("carded")
    folder = Path(shutil.copytree(tiny_classifier, root / "tiny-reviews"))
    data = root / "data"
    data.mkdir()
    rows = [f"{'good ' * (n % 7)}film {'bad ' * (n % 5)}was {n}\t{int(n % 3 == 0)}" for n in range(80)]
    (data / "reviews.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    (data / "nothing.tsv").write_text("text\tlabel\nnothing\t1\n")
    model = ModelFolder(folder, str(folder))
    classifier = load_folder(model)
    examples = read_examples(find_source(str(data / "reviews.tsv"), "eval"), known=classifier.labels)
    write_json(folder / "reports" / "evaluation-reviews.json", encode_report(evaluate(classifier, examples, model, 50)))
    other = ModelFolder(other_classifier, str(other_classifier))
    pair = Contestant(classifier, model), Contestant(load_folder(other), other)
    comparison = encode_report(compare(*pair, examples, 50, 1))
    for side, speed in zip(comparison["models"], (3000.0, 1000.0), strict=True):  # a busy machine shall not decide
        side["texts_per_second"] = speed
    write_json(folder / "reports" / "comparison.json", comparison)
    own = json.loads((folder / "reports" / "evaluation-reviews.json").read_text())["model"]
    write_json(folder / "reports" / "audit.json", {"model": own, **AUDIT})
    before = json.loads(json.dumps(AUDIT).replace("0.0125", "0.2551").replace("0.0321", "0.3003"))
    write_json(
        folder / "reports" / "audit-before.json", {"model": {"name": "before", "weights_sha256": "another"}, **before}
    )
    write_json(folder / "reports" / "training.json", {**TRAINING, "weights_sha256": model.weights_hash()})
    write_json(folder / "reports" / "origin.json", ORIGIN)
    for name in ("map", "map-before"):
        (folder / "reports" / f"{name}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return Carded(folder, data, other_classifier)


@pytest.fixture
def carded(_carded: Carded, tmp_path: Path) -> Carded:
    """A copy that may be changed."""
    folder = Path(shutil.copytree(_carded.folder, tmp_path / _carded.folder.name))
    return dataclasses.replace(_carded, folder=folder)


@pytest.fixture(scope="session")
def unchanged(_carded: Carded) -> Carded:
    """The model itself. Do not write to it."""
    return _carded


@pytest.fixture(scope="session")
def card() -> Run:
    """Run `valence card` in a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "valence", "card", *map(str, arguments)],
            capture_output=True, text=True, timeout=120, check=False, env=usual_environment(), **options,
        )  # fmt: skip

    return run
