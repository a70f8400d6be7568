"""A base whose classes stand in another order, case or number than the data's: its trained head goes on."""

import json
import shutil
import signal
from pathlib import Path

import click
import numpy as np
import pytest
from processes import train_here

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

import valence  # noqa: E402
from valence.cli.training_monitor import TrainingMonitor  # noqa: E402
from valence.errors import InputError  # noqa: E402

pytest_plugins = ("training_fixtures",)

_TEXTS = ["good film", "bad film", "this plot was very bad", "a good dog"]
# So little that the model stays what the base was.
_STILL = ("--epochs", 1, "--batch-size", 50, "--learning-rate", 1e-9, "--precision", "fp32")


@pytest.fixture(scope="module")
def trained(bert_base: Path, train_tsv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of NEGATIVE, POSITIVE that knows them."""
    out = tmp_path_factory.mktemp("trained") / "model"
    settings = ("--batch-size", 8, "--epochs", 4, "--learning-rate", 3e-3, "--precision", "fp32")
    train_here(train_tsv, "--base", bert_base, "--out", out, *settings)
    return out


def base_with(trained: Path, path: Path, names: tuple[str, ...] | None, turned: bool) -> Path:
    """The same classifier with its classes called and placed otherwise."""
    shutil.copytree(trained, path, ignore=shutil.ignore_patterns("onnx", "reports"))
    config = json.loads((path / "config.json").read_text())
    del config["label2id"], config["id2label"]
    if names is not None:
        config["id2label"] = dict(enumerate(names))
    (path / "config.json").write_text(json.dumps(config))
    tensors = load_file(path / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        tensors[name] = tensors[name].flip(0).contiguous() if turned else tensors[name]
    save_file(tensors, path / "model.safetensors")
    return path


def write_named(path: Path, names: tuple[str, str] = ("NEGATIVE", "POSITIVE")) -> Path:
    """Rows whose labels are names, and no labels.txt."""
    rows = [f"{text},{names[label]}" for text, label in (("good film", 1), ("bad film", 0), ("a good dog", 1))]
    path.parent.mkdir(exist_ok=True)
    path.write_text("text,label\n" + "\n".join(rows * 12) + "\n")
    return path


def report(folder: Path) -> dict:
    return json.loads((folder / "reports" / "training.json").read_text(encoding="utf-8"))


def check_kept(out: Path, trained: Path, labels: list[str], columns: list[int]) -> None:
    """The model says what the classifier said, by name."""
    found = report(out)
    assert found["labels"] == labels
    assert (found["left_out"], found["initialised"]) == ([], [])
    assert found["base_head"].startswith("kept")
    classifier = valence.load(out)
    assert list(classifier.labels) == labels
    assert np.abs(classifier.logits(_TEXTS) - valence.load(trained).logits(_TEXTS)[:, columns]).max() < 1e-4


@pytest.mark.parametrize(
    ("names", "turned", "options", "labels", "columns", "said"),
    [
        (
            ("POSITIVE", "NEGATIVE"),
            True,
            (),
            ["POSITIVE", "NEGATIVE"],
            [1, 0],
            "in the base's order: POSITIVE, NEGATIVE",
        ),
        (
            ("Positive", "Negative"),
            True,
            (),
            ["Positive", "Negative"],
            [1, 0],
            "in the base's order: Positive, Negative",
        ),
        (
            ("negative", "positive"),
            False,
            (),
            ["negative", "positive"],
            [0, 1],
            "in the base's order: negative, positive",
        ),
        (
            ("POSITIVE", "NEGATIVE"),
            True,
            ("--labels", "NEGATIVE,POSITIVE"),
            ["NEGATIVE", "POSITIVE"],
            [0, 1],
            "the base's head is kept, its rows in the order NEGATIVE, POSITIVE (in the base: POSITIVE, NEGATIVE)",
        ),
        (
            ("NEGATIVE", "POSITIVE"),
            False,
            ("--labels", "POSITIVE,NEGATIVE"),
            ["POSITIVE", "NEGATIVE"],
            [1, 0],
            "the base's head is kept, its rows in the order POSITIVE, NEGATIVE (in the base: NEGATIVE, POSITIVE)",
        ),
        (
            None,
            False,
            ("--labels", "NEGATIVE,POSITIVE"),
            ["NEGATIVE", "POSITIVE"],
            [0, 1],
            "--labels names the base's classes by number",
        ),
        (
            ("LABEL_0", "LABEL_1"),
            True,
            ("--labels", "POSITIVE,NEGATIVE"),
            ["POSITIVE", "NEGATIVE"],
            [1, 0],
            "--labels names the base's classes by number",
        ),
        (
            ("POSITIVE", "NEGATIVE"),
            True,
            ("--debias", "countries"),
            ["POSITIVE", "NEGATIVE"],
            [1, 0],
            "the base's order",
        ),
    ],
)
@pytest.mark.slow
def test_the_head_goes_on(trained, tmp_path, capsys, names, turned, options, labels, columns, said):
    base = base_with(trained, tmp_path / "base", names, turned)
    data, out = write_named(tmp_path / "train.csv"), tmp_path / "out"
    train_here(data, "--eval", data, "--base", base, "--out", out, *_STILL, *options)
    spoken = capsys.readouterr().err
    assert said in spoken
    assert "another task's head" not in spoken
    check_kept(out, trained, labels, columns)
    assert report(out)["epochs_done"][-1]["accuracy"] == 1.0  # the evaluation data follow the order


def test_the_shared_case(trained, tmp_path, shared):
    base = base_with(trained, tmp_path / "base", ("POSITIVE", "NEGATIVE"), True)
    train_here(shared / "cases/label-order/train.csv", "--base", base, "--out", tmp_path / "out", *_STILL)
    check_kept(tmp_path / "out", trained, ["POSITIVE", "NEGATIVE"], [1, 0])


@pytest.mark.parametrize("where", ["beside the data", "elsewhere"])
def test_numbers_mean_what_they_mean_in_the_data(trained, tmp_path, where):
    """The order of labels.txt counts for numbers, also in evaluation data that have no labels.txt."""
    base = base_with(trained, tmp_path / "base", ("POSITIVE", "NEGATIVE"), True)
    data = write_named(tmp_path / "train.csv", ("0", "1"))
    (tmp_path / "labels.txt").write_text("NEGATIVE\nPOSITIVE\n")
    dev = write_named((tmp_path if where == "beside the data" else tmp_path / "dev") / "dev.csv", ("0", "1"))
    train_here(data, "--eval", dev, "--base", base, "--out", tmp_path / "out", *_STILL)
    check_kept(tmp_path / "out", trained, ["POSITIVE", "NEGATIVE"], [1, 0])
    assert report(tmp_path / "out")["epochs_done"][-1]["accuracy"] == 1.0


@pytest.mark.filterwarnings("ignore:.*the classes have no names")
def test_numbers_alone_from_a_base_of_numbers(trained, tmp_path, capsys):
    base = base_with(trained, tmp_path / "base", None, False)
    train_here(write_named(tmp_path / "train.csv", ("0", "1")), "--base", base, "--out", tmp_path / "out", *_STILL)
    assert "the base's head is kept, class by number, for 0, 1" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="does not name its classes"):
        check_kept(tmp_path / "out", trained, ["0", "1"], [0, 1])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("LABEL_0", "LABEL_1"), "left out: its config does not name its classes (LABEL_0, LABEL_1)"),
        (("good", "bad"), "left out: its classes are good, bad, and wanted are NEGATIVE, POSITIVE"),
    ],
)
def test_a_head_that_is_left_out_is_explained(trained, tmp_path, capsys, names, said):
    base = base_with(trained, tmp_path / "base", names, False)
    train_here(write_named(tmp_path / "train.csv"), "--base", base, "--out", tmp_path / "out", *_STILL)
    spoken = capsys.readouterr().err
    assert f"the base's head is {said}" in spoken
    assert "left out of the base: classifier.bias" in spoken
    assert report(tmp_path / "out")["base_head"].startswith(said)
    assert report(tmp_path / "out")["labels"] == ["NEGATIVE", "POSITIVE"]


@pytest.mark.parametrize("options", [(), ("--labels", "NEGATIVE,POSITIVE")])
@pytest.mark.slow
def test_such_a_run_can_be_resumed(trained, tmp_path, monkeypatch, capsys, options):
    base = base_with(trained, tmp_path / "base", ("POSITIVE", "NEGATIVE"), True)
    out = tmp_path / "out"
    arguments = (
        write_named(tmp_path / "train.csv"),
        "--base",
        base,
        "--out",
        out,
        *_STILL,
        "--batch-size",
        12,
        *options,
    )

    def interrupt(*_: object) -> None:  # a real signal would end the process that runs the tests if it came too late
        signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingMonitor, "on_step", interrupt)
        with pytest.raises(click.exceptions.Abort):
            train_here(*arguments)
    capsys.readouterr()
    train_here(*arguments, "--resume")
    assert "resumed after step 1" in capsys.readouterr().err
    labels, columns = (["NEGATIVE", "POSITIVE"], [0, 1]) if options else (["POSITIVE", "NEGATIVE"], [1, 0])
    check_kept(out, trained, labels, columns)


def distil(*arguments: object) -> None:
    from valence.cli.distill import command

    command.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.slow(keep=2)
@pytest.mark.parametrize(
    ("names", "turned", "options", "labels", "columns"),
    [
        (("POSITIVE", "NEGATIVE"), True, (), ["POSITIVE", "NEGATIVE"], [1, 0]),
        (("positive", "Negative"), True, (), ["positive", "Negative"], [1, 0]),
        (None, False, ("--labels", "NEGATIVE,POSITIVE"), ["NEGATIVE", "POSITIVE"], [0, 1]),
        (None, True, ("--labels", "POSITIVE,NEGATIVE"), ["POSITIVE", "NEGATIVE"], [1, 0]),
    ],
)
@pytest.mark.parametrize("base", ["the teacher", "of its own order"])
def test_a_student_keeps_the_head(trained, tmp_path, base, names, turned, options, labels, columns):
    teacher = base_with(trained, tmp_path / "teacher", names, turned)
    data, out = write_named(tmp_path / "train.csv"), tmp_path / "out"
    more = () if base == "the teacher" else ("--base", trained)
    distil(data, "--eval", data, "--teacher", teacher, "--out", out, "--layers", 2, *_STILL, *options, *more)
    check_kept(out, trained, labels, columns)
    kept = report(out)["kept"]
    assert kept["teacher"]["figure"] == kept["student"]["figure"] == 1.0


def test_teachers_in_different_orders_and_cases_are_averaged_by_name(trained, tmp_path):
    teachers = [
        base_with(trained, tmp_path / "one", ("POSITIVE", "NEGATIVE"), True),
        base_with(trained, tmp_path / "two", ("negative", "positive"), False),
    ]
    data, out = write_named(tmp_path / "train.csv"), tmp_path / "out"
    named = [part for teacher in teachers for part in ("--teacher", teacher)]
    distil(data, "--eval", data, *named, "--out", out, "--layers", 2, *_STILL)
    check_kept(out, trained, ["POSITIVE", "NEGATIVE"], [1, 0])
    assert report(out)["kept"]["teacher"]["figure"] == 1.0


def test_a_teacher_of_other_classes_is_refused(trained, tmp_path):
    teacher = base_with(trained, tmp_path / "one", ("POSITIVE", "NEGATIVE"), True)
    other = base_with(trained, tmp_path / "two", ("good", "bad"), True)
    data = write_named(tmp_path / "train.csv")
    with pytest.raises(InputError, match="has the labels good, bad, the data POSITIVE, NEGATIVE"):
        distil(data, "--teacher", teacher, "--teacher", other, "--out", tmp_path / "out", *_STILL)
