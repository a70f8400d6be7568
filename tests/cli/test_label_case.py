"""Classes that differ in case alone: every command scores against the class that is meant."""

import json
import shutil
from pathlib import Path

import pytest

PAIRS = [("US", "us"), ("it", "IT")]
TEXTS = ["call in", "call us", "good film", "the plot was bad", "my dog", "bad bad film", "was good", "film and plot"]


def model_with(tiny_classifier: Path, path: Path, labels: tuple[str, str]) -> Path:
    shutil.copytree(tiny_classifier, path)
    config = json.loads((path / "config.json").read_text())
    config |= {"id2label": dict(enumerate(labels)), "label2id": {name: n for n, name in enumerate(labels)}}
    (path / "config.json").write_text(json.dumps(config))
    return path


def answers(run, model: Path) -> list[str]:
    done = run("classify", "--model", model, "--json", stdin="\n".join(TEXTS).encode())
    return [json.loads(line)["label"] for line in done.stdout.splitlines()]


@pytest.fixture(params=PAIRS, ids="-".join)
def labels(request) -> tuple[str, str]:
    return request.param


@pytest.fixture
def model(tiny_classifier, tmp_path, labels) -> Path:
    return model_with(tiny_classifier, tmp_path / "model", labels)


@pytest.fixture
def data(run, model, tmp_path, labels) -> tuple[Path, float]:
    """Texts of which the model has three in four right, and its accuracy."""
    given = answers(run, model)
    other = {labels[0]: labels[1], labels[1]: labels[0]}
    true = [other[label] if n % 4 == 0 else label for n, label in enumerate(given)]
    assert len(set(true)) == 2
    path = tmp_path / "dev.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in zip(TEXTS, true, strict=True)))
    return path, sum(one == two for one, two in zip(given, true, strict=True)) / len(true)


@pytest.mark.slow
def test_evaluate(run, model, data, labels):
    path, accuracy = data
    for named in ([], ["--data-labels", ",".join(labels)], ["--data-labels", ",".join(reversed(labels))]):
        done = run("evaluate", model, path, "--json", "--resamples", "10", *named)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["accuracy"]["value"] == accuracy == 0.75
        assert report["confusion_matrix"]["labels"] == list(labels)


@pytest.mark.slow
def test_compare(run, tiny_classifier, model, data, labels, tmp_path):
    path, accuracy = data
    turned = model_with(tiny_classifier, tmp_path / "turned", (labels[1], labels[0]))
    for named in ([], ["--data-labels", ",".join(labels)], ["--data-labels", ",".join(reversed(labels))]):
        done = run("compare", model, turned, path, "--json", "--rounds", "1", "--resamples", "10", *named)
        assert done.returncode == 0, done.stderr
        one, other = json.loads(done.stdout)["models"]
        assert (one["accuracy"]["value"], other["accuracy"]["value"]) == (accuracy, 1 - accuracy)


@pytest.mark.parametrize("command", ["train", "distill"])
@pytest.mark.slow
def test_training_is_measured_on_the_right_classes(run, model, data, labels, tmp_path, command):
    path, _ = data
    out = tmp_path / "out"
    start = ["--base", model] if command == "train" else ["--teacher", model, "--layers", "1"]
    done = run(
        command, path, "--eval", path, *start, "--out", out, "--labels", ",".join(labels), "--epochs", "1",
        "--precision", "fp32", "--json", env={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    true = [line.split("\t")[1] for line in path.read_text().splitlines()[1:]]
    right = sum(one == two for one, two in zip(answers(run, out), true, strict=True)) / len(true)
    measured = json.loads(done.stdout)["evaluations"][-1]
    assert measured["accuracy"] == right
