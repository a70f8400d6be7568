"""A metric that somebody adds is measured, printed, kept and put on the card, without a change of any file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("sklearn")

from valence.cli import cli
from valence.errors import InputError
from valence.evaluation.metrics import METRICS, Draw, MetricDefinition, Predictions, register_metric

ROWS = [(f"{'good ' * (n % 7)}film {'bad ' * (n % 5)}was {n}", n % 2) for n in range(40)]


def balanced_accuracy(draw: Draw) -> float:
    """The mean of the recalls of those classes that occur."""
    right, true, _ = draw.counts
    return float(np.mean(right[true > 0] / true[true > 0]))


@pytest.fixture
def balanced():
    register_metric(MetricDefinition("balanced_accuracy", "balanced accuracy", balanced_accuracy))
    yield
    del METRICS["balanced_accuracy"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "reviews.tsv"
    path.parent.mkdir()
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in ROWS), encoding="utf-8")
    (path.parent / "labels.txt").write_text("NEGATIVE\nPOSITIVE\n")
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code in (0, 3), done.output
    return done.stdout


@pytest.mark.usefixtures("balanced")
@pytest.mark.slow
def test_a_metric_of_ones_own(tiny_classifier, data, tmp_path):
    from sklearn.metrics import balanced_accuracy_score

    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    report = json.loads(run("evaluate", model, data, "--json", "--resamples", 50))
    found = report["balanced_accuracy"]
    counts = np.array(report["confusion_matrix"]["counts"])
    labels, predicted = np.repeat([0, 0, 1, 1], counts.ravel()), np.repeat([0, 1, 0, 1], counts.ravel())
    assert found["value"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["low"] < found["value"] < found["high"]
    assert report["metrics"]["balanced_accuracy"] == {"title": "balanced accuracy", "kind": "share", "unit": ""}
    assert "balanced accuracy  " in run("evaluate", model, data, "--resamples", 50)
    run("card", model)
    card = (model / "README.md").read_text(encoding="utf-8")
    assert "| balanced accuracy" in card
    assert f"{found['value']:.4f}<!-- end -->" in card
    checked = json.loads(run("card", model, "--check", "--data", data.parent, "--json"))
    outcomes = {one["name"]: one["outcome"] for one in checked["findings"]}
    assert outcomes["evaluation.reviews.balanced_accuracy"] == "measured again"


@pytest.mark.slow
def test_a_card_shows_a_metric_that_only_the_report_knows(tiny_classifier, data, tmp_path, balanced):
    model = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    run("evaluate", model, data, "--resamples", 50)
    definition = METRICS.pop("balanced_accuracy")
    try:
        run("card", model)
        assert "| balanced accuracy" in (model / "README.md").read_text(encoding="utf-8")
        checked = json.loads(run("card", model, "--check", "--data", data.parent, "--json"))
    finally:
        METRICS["balanced_accuracy"] = definition
    outcomes = {one["name"]: one["outcome"] for one in checked["findings"]}
    assert outcomes["evaluation.reviews.balanced_accuracy"] == "not checked"
    assert outcomes["evaluation.reviews.accuracy"] == "measured again"


@pytest.mark.parametrize(
    "name", ["accuracy", "n_texts", "data", "format", "metrics", "level", "class", "two words", "", "a.b", 5, None]
)
def test_a_metric_needs_a_name_of_its_own(name):
    with pytest.raises(InputError, match="a metric needs a name of its own"):
        register_metric(MetricDefinition(name, "title", balanced_accuracy))


@pytest.mark.parametrize("about", [{"kind": "other"}, {"unit": 5}, {"title": None}])
def test_a_metric_says_what_it_is(about):
    with pytest.raises(InputError, match="of a metric"):
        register_metric(MetricDefinition(**{"name": "own", "title": "own", "on_draw": balanced_accuracy} | about))
    assert "own" not in METRICS


@pytest.mark.parametrize(
    ("value", "expected"), [(np.float64(0.5), 0.5), (np.int64(1), 1.0), (np.nan, None), (np.inf, None)]
)
def test_a_value_is_a_number_or_not_defined(value, expected):
    predictions = Predictions(np.array([0, 1]), np.eye(2))
    found = MetricDefinition("own", "own", lambda draw: 0.0, lambda predictions: value).measure(predictions)
    assert found == expected
    assert type(found) in (float, type(None))
