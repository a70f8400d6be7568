"""By what the best epoch is chosen: accuracy where the evaluation data are balanced, else F1."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from click.testing import CliRunner

from valence.cli.distill import command as distill
from valence.cli.train import command as train
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import InputError
from valence.evaluation.measure import f1_of_classes
from valence.training.classification import choose_criterion
from valence.training.loop import chosen_by

pytest_plugins = ["training_fixtures"]


def table(path: Path, counts: dict[str, int]) -> Path:
    words = {"normal": "good", "abusive": "bad"}
    rows = [f"the film was {words.get(label, label)},{label}" for label, count in counts.items() for _ in range(count)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("counts", "positive", "criterion"),
    [
        ({"a": 10, "b": 10}, None, "accuracy"),
        ({"a": 444, "b": 428}, None, "accuracy"),
        ({"a": 15, "b": 10}, None, "accuracy"),
        ({"a": 16, "b": 10}, None, "macro_f1"),
        ({"normal": 10, "abusive": 1}, None, "macro_f1"),
        ({"normal": 10, "abusive": 1}, "abusive", "f1"),
        ({"a": 10, "b": 10}, "b", "f1"),
        ({"a": 10, "b": 10, "c": 4}, None, "macro_f1"),
    ],
)
def test_the_criterion(tmp_path, counts, positive, criterion):
    data = read_examples(find_source(str(table(tmp_path / "x.csv", counts)), "eval"))
    assert choose_criterion(data, positive) == criterion


def test_a_class_that_the_data_lack_makes_them_unbalanced(tmp_path):
    path = table(tmp_path / "x.csv", {"a": 3, "b": 3})
    assert choose_criterion(read_examples(find_source(str(path), "eval"), known=("a", "b", "c")), None) == "macro_f1"


@pytest.mark.parametrize(
    ("history", "wanted", "expected"),
    [
        ([], "macro_f1", "macro_f1"),
        ([{"accuracy": 1.0, "macro_f1": 1.0}], "macro_f1", "macro_f1"),
        (
            [{"accuracy": 1.0}, {"accuracy": 1.0, "macro_f1": 1.0}],
            "macro_f1",
            "accuracy",
        ),  # begun by an earlier version
    ],
)
def test_a_run_of_an_earlier_version_goes_on_by_accuracy(history, wanted, expected):
    assert chosen_by(history, wanted) == expected


def run(command, *arguments: object) -> dict:
    given = [*map(str, arguments), "--precision", "fp32", "--max-length", "16", "--json"]
    done = CliRunner().invoke(command, given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def unbalanced(tmp_path) -> tuple[Path, Path]:
    counts = {"normal": 40, "abusive": 4}
    return table(tmp_path / "train.csv", counts), table(tmp_path / "dev.csv", counts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*never names a class:UserWarning")
@pytest.mark.parametrize("positive", [None, "ABUSIVE"])
def test_the_epoch_with_the_highest_f1_is_kept(bert_base, unbalanced, tmp_path, positive):
    """The learning rate is so high that the epochs differ; the loss decides between equals."""
    more = [] if positive is None else ["--positive", positive]
    rest = ("--base", bert_base, "--out", tmp_path / "model", "--epochs", 4, "--learning-rate", 0.01, *more)
    report = run(train, unbalanced[0], "--eval", unbalanced[1], *rest)
    key = "macro_f1" if positive is None else "f1"
    assert (report["chosen_by"], report.get("positive")) == (key, None if positive is None else "abusive")
    best = max(report["epochs_done"], key=lambda one: (one[key], -one["loss"]))
    assert report["kept_epoch"] == best["epoch"]
    for one in report["epochs_done"]:
        assert {"accuracy", "macro_f1", "loss"} <= one.keys()
        if one.get("classes_never_predicted"):
            assert one["accuracy"] == pytest.approx(40 / 44)
            assert one["macro_f1"] == pytest.approx(40 / 84)


def test_a_model_that_never_finds_a_class_is_warned_of(bert_base, unbalanced, tmp_path):
    unbalanced[1].write_text("text,label\n" + "the film,normal\n" * 10 + "the film,abusive\n")  # one answer for all
    rest = ("--base", bert_base, "--out", str(tmp_path / "model"), "--epochs", 1, "--learning-rate", 1e-9)
    given = [unbalanced[0], "--eval", unbalanced[1], *rest, "--precision", "fp32"]
    with pytest.warns(UserWarning, match="the model never names a class that is in the evaluation data"):
        done = CliRunner().invoke(train, [*map(str, given)], catch_exceptions=False)
    assert ": epoch 1 kept, the best by macro F1 on " in done.stdout
    assert "classes never predicted 1" in done.stderr


@pytest.mark.slow
def test_balanced_data_are_as_they_were(bert_base, train_tsv, dev_tsv, tmp_path):
    report = run(train, train_tsv, "--eval", dev_tsv, "--base", bert_base, "--out", tmp_path / "model", "--epochs", 1)
    assert report["chosen_by"] == "accuracy"
    assert "positive" not in report, "an old state can be resumed: what a run depends on is named as it was"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*never names a class:UserWarning")
@pytest.mark.parametrize(
    ("more", "figure"), [((), "macro F1"), (("--positive", "abusive"), "F1 of abusive")], ids=["macro", "named"]
)
def test_what_a_student_keeps_is_of_the_same_figure(bert_base, unbalanced, tmp_path, more, figure):
    teacher = tmp_path / "teacher"
    run(train, unbalanced[0], "--base", bert_base, "--out", teacher, "--epochs", 1, "--learning-rate", 1e-9)
    rest = ("--teacher", teacher, "--out", tmp_path / "student", "--epochs", 1, *more)
    report = run(distill, unbalanced[0], "--eval", unbalanced[1], *rest)
    assert report["kept"]["figure"].startswith(f"{figure} on ")
    assert report["chosen_by"] == ("f1" if more else "macro_f1")
    found = report["epochs_done"][-1]["f1" if more else "macro_f1"]
    assert report["kept"]["student"]["figure"] == pytest.approx(found)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--positive", "abusive"], "--positive goes with --eval"),
        (["--positive", "rude", "--eval", "{dev}"], "must be one of abusive, normal; found 'rude'"),
    ],
)
@pytest.mark.parametrize("command", [train, distill])
def test_refused(tiny_classifier, bert_base, unbalanced, tmp_path, more, said, command):
    model = (
        ["--base", str(bert_base)]
        if command is train
        else ["--teacher", str(tiny_classifier), "--labels", "abusive,normal"]
    )
    arguments = [str(unbalanced[0]), *(one.format(dev=unbalanced[1]) for one in more), "--out", str(tmp_path / "model")]
    if command is distill:
        table(unbalanced[0], {"NEGATIVE": 2, "POSITIVE": 2})
        table(unbalanced[1], {"NEGATIVE": 2, "POSITIVE": 2})
        model, said = model[:2], said.replace("abusive, normal", "NEGATIVE, POSITIVE")
    with pytest.raises(InputError, match=said):
        CliRunner().invoke(command, [*arguments, *model], catch_exceptions=False)
    assert not (tmp_path / "model").exists()


def test_f1_without_intervals():
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert f1_of_classes(labels, predicted, 4) == pytest.approx([2 / 3, 0.5, 0.0, 0.0])
