"""F1 of which class? Of the one that is named, everywhere; where none is, the mean over classes stands in front."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import torch
from sklearn import metrics as sk

from tiny import tiny_config
from valence.checkpoint.checkpoint import save_model
from valence.cli.compare import command as compare_command
from valence.cli.evaluate import command as evaluate_command
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import InputError
from valence.evaluation.evaluate import evaluate
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.reports.codec import encode_report
from valence.runtime.load import load_folder

KEYS = ("value", "low", "high")


def make(folder: Path, vocabulary: Path, labels: tuple[str, ...], always: int | None = None) -> Path:
    """A random classifier; one that always gives the same answer if `always` says which."""
    model = TaskModel(tiny_config(initializer_range=0.4), "classification", len(labels))
    model.initialise(1)
    if always is not None:
        with torch.no_grad():
            model.head.classifier.bias[always] = 100.0
    save_model(model, folder, labels)
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return folder


def table(path: Path, rows: list[str]) -> Path:
    path.write_text("text\tlabel\n" + "".join(f"the film {n}\t{label}\n" for n, label in enumerate(rows)))
    return path


def measured(folder: Path, data: Path, positive: str | None = None) -> dict:
    classifier = load_folder(ModelFolder(folder, folder.name))
    examples = read_examples(find_source(str(data), "eval"), known=classifier.labels)
    return encode_report(evaluate(classifier, examples, resamples=20, positive=positive))


@pytest.mark.filterwarnings("ignore:.*no text is:UserWarning", "ignore:.*does not name its classes:UserWarning")
@pytest.mark.parametrize(
    ("labels", "named", "positive"),
    [
        (("NEGATIVE", "POSITIVE"), None, "POSITIVE"),
        (("POSITIVE", "NEGATIVE"), None, "POSITIVE"),
        (("POSITIVE", "NEGATIVE"), "negative", "NEGATIVE"),
        (("yes", "no"), None, "yes"),
        (("True", "False"), None, "True"),
        (("LABEL_1", "LABEL_0"), None, "LABEL_1"),
        (("abusive", "normal"), None, None),
        (("abusive", "normal"), "abusive", "abusive"),
        (("abusive", "normal"), "normal", "normal"),
        (("negative", "neutral", "positive"), None, None),
        (("negative", "neutral", "positive"), "positive", "positive"),
    ],
)
def test_what_the_keys_hold(vocabulary, tmp_path, labels, named, positive):
    folder = make(tmp_path / "model", vocabulary, labels)
    data = table(tmp_path / "data.tsv", [labels[n % len(labels)] for n in range(5)] + [labels[0]] * 7)
    report = measured(folder, data, named)
    counts = np.array(report["confusion_matrix"]["counts"])
    truth, said = (np.repeat(grid.ravel(), counts.ravel()) for grid in np.indices(counts.shape))
    expected = sk.classification_report(
        truth, said, labels=range(len(labels)), target_names=labels, output_dict=True, zero_division=0.0
    )
    assert report["positive"] == positive
    front = expected["macro avg" if positive is None else positive]
    for name, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert report[name]["value"] == pytest.approx(front[key])
        assert report[f"macro_{name}"]["value"] == pytest.approx(expected["macro avg"][key])
        assert tuple(report[f"macro_{name}"]) == KEYS
        for label, one in zip(labels, report["per_class"], strict=True):
            assert one["label"] == label
            assert one["support"] == expected[label]["support"]
            assert one["predicted"] == (said == labels.index(label)).sum()
            assert one[name]["value"] == pytest.approx(expected[label][key])
            assert one[name]["low"] <= one[name]["value"] <= one[name]["high"]


@pytest.fixture(params=[("abusive", "normal"), ("normal", "abusive"), ("abusive", "clean")])
def detector(request, vocabulary, tmp_path):
    """One that never finds abuse, whichever name sorts first, and its texts: ten normal to one abusive."""
    labels = request.param
    other = next(number for number, label in enumerate(labels) if label != "abusive")
    folder = make(tmp_path / "detector", vocabulary, labels, always=other)
    return folder, table(tmp_path / "comments.tsv", ([labels[other]] * 10 + ["abusive"]) * 3)


def run(command, *arguments: object):
    with pytest.warns(UserWarning, match="no text is said to be abusive, though some are"):
        return CliRunner().invoke(command, [*map(str, arguments), "--resamples", "50"], catch_exceptions=False)


def test_a_detector_that_never_finds_abuse_does_not_look_good(detector):
    folder, data = detector
    shown = run(evaluate_command, folder, data)
    first, second = shown.stdout.splitlines()[2:4]
    assert first.split() == ["macro", "f1", "0.4762", "95", "%", "interval", *first.split()[6:]]
    assert second.startswith("accuracy ")
    assert "0.4762" not in second
    for line in shown.stdout.splitlines():
        assert "0.9524" not in line or line.split()[0] in ("normal", "clean"), "a figure without the name of its class"
    (abusive,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("abusive ")][:1]
    assert abusive == ["abusive", "3", "0", "0.0000", "0.0000", "0.0000"]
    named = run(evaluate_command, folder, data, "--positive", "abusive").stdout
    for name in ("precision", "recall", "f1"):
        assert f"\n{name} of abusive " in named
    assert json.loads(run(evaluate_command, folder, data, "--json").stdout)["f1"]["value"] == pytest.approx(10 / 21)


def test_a_comparison_names_the_class(detector, tmp_path):
    folder, data = detector
    arguments = (folder, folder, data, "--rounds", 1)
    page = run(compare_command, *arguments).stdout
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert rows[2].startswith("| macro F1 (95 % interval) | 0.4762 (")
    assert rows[3].startswith("| accuracy (95 % interval) | 0.9091 (")
    assert "| precision, recall, F1 of abusive | 0.0000, 0.0000, 0.0000 |" in page
    page = run(compare_command, *arguments, "--positive", "abusive").stdout
    assert "| F1 of abusive (95 % interval) | 0.0000 (" in page
    report = json.loads(run(compare_command, *arguments, "--positive", "abusive", "--json").stdout)
    assert report["positive"] == "abusive"
    alone = json.loads(run(evaluate_command, folder, data, "--positive", "abusive", "--json").stdout)
    for model in report["models"]:
        assert model["per_class"] == alone["per_class"]
        assert {key: model[key] for key in ("f1", "macro_f1")} == {key: alone[key] for key in ("f1", "macro_f1")}


@pytest.mark.parametrize("command", [evaluate_command, compare_command])
def test_no_such_class_is_refused_before_the_work(command, tiny_classifier, tmp_path):
    data = table(tmp_path / "a.tsv", ["NEGATIVE", "POSITIVE"])
    models = [tiny_classifier] * (1 + (command is compare_command))
    with pytest.raises(InputError, match="one of NEGATIVE, POSITIVE; found 'abusive'"):
        CliRunner().invoke(command, [*map(str, models), str(data), "--positive", "abusive"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a", "a", "a"], ["no text is b or c: "]),
        (["a", "b", "b"], ["no text is said to be b, though some are: ", "no text is c: "]),
        (["a", "b", "c"], ["no text is said to be b or c, though some are: "]),
    ],
)
def test_warnings_of_classes(vocabulary, tmp_path, rows, said):
    folder = make(tmp_path / "model", vocabulary, ("a", "b", "c"), always=0)
    with pytest.warns(UserWarning, match="no text is") as warned:
        measured(folder, table(tmp_path / "x.tsv", rows))
    found = [str(one.message) for one in warned]
    assert len(found) == len(said)
    for one, start in zip(found, said, strict=True):
        assert one.startswith(f"x: {start}")
