"""Small data sets: enough steps without being asked, as many as asked, and plain words about what to expect."""

import dataclasses
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import run, train_here, valence

pytest.importorskip("torch")

import valence as library
from valence.cli.distill import command as distill_command
from valence.data.examples import Examples
from valence.data.sources import DataSource
from valence.errors import DataError, TrainingError
from valence.training.few_labels import EXPECTED, warn_of_few_labels
from valence.training.recipe import RECIPES
from valence.training.run import with_enough_steps

pytest_plugins = ("training_fixtures",)
RESULTS = Path(__file__).parent.parent.parent / "benchmarks" / "results" / "few_labels.json"


_STOP_AFTER = """
import os, sys
from valence.training.state import RunState
save = RunState.save
def save_and_die(self, model, optimizer, progress):
    save(self, model, optimizer, progress)
    if progress.step == {step}:
        os._exit(9)
RunState.save = save_and_die
from valence.cli.train import command
command.main(sys.argv[1:], standalone_mode=False)
"""


def stopping_after(step: int, *arguments: object) -> list[str]:
    """`valence train` that dies at once after the state of a step was saved."""
    return [sys.executable, "-c", _STOP_AFTER.format(step=step), *map(str, arguments)]


def table(path: Path, rows: dict[str, int]) -> Path:
    """Write so many rows of each class, whose label is a word of the text."""
    lines = [f"the {name} was number {number},{name}" for name, count in rows.items() for number in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return path


def report(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "reports" / "training.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", list(RECIPES))
@pytest.mark.parametrize("n_examples", [1, 2, 31, 32, 33, 128, 500, 1000])
def test_a_small_set_makes_enough_steps_and_no_epoch_too_many(name: str, n_examples: int) -> None:
    recipe = RECIPES[name]().with_enough_steps(n_examples)
    per_epoch = math.ceil(n_examples / 32)
    assert recipe.least_steps <= recipe.total_steps(n_examples) < recipe.least_steps + per_epoch
    assert recipe.epochs_raised_from == 3
    assert recipe.warmup_steps is None, "600 steps of warm-up would never end"
    assert len(recipe.measured_epochs) == 3
    assert recipe.measured_epochs[-1] == recipe.epochs


@pytest.mark.parametrize(
    ("name", "n_examples"), [("small", 1_100), ("sst2", 3_200), ("small", 67_349), ("sst2", 67_349)]
)
def test_a_set_of_many_steps_is_left_alone(name: str, n_examples: int) -> None:
    recipe = RECIPES[name]()
    assert recipe.with_enough_steps(n_examples) == recipe
    assert recipe.measured_epochs == (1, 2, 3)


@pytest.mark.parametrize("raised_from", [1, 2, 3, 5])
@pytest.mark.parametrize("epochs", [5, 6, 7, 100])
def test_raised_epochs_are_measured_as_often_as_before_and_evenly(raised_from: int, epochs: int) -> None:
    recipe = dataclasses.replace(RECIPES["small"](), epochs=epochs, epochs_raised_from=raised_from)
    gaps = np.diff([0, *recipe.measured_epochs])
    assert len(gaps) == raised_from
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("given", [{"epochs": 3}, {"epochs": 1}])
def test_epochs_that_are_given_win(given: dict[str, int], tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPES["small"](), **given)  # type: ignore[arg-type]
    assert with_enough_steps(recipe, 32, given, tmp_path / "model", resume=False) == recipe


def test_a_warm_up_that_is_given_stays(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPES["sst2"](), warmup_steps=7)
    found = with_enough_steps(recipe, 32, {"warmup_steps"}, tmp_path / "model", resume=False)
    assert (found.warmup_steps, found.epochs) == (7, 300)


@pytest.mark.slow
def test_32_texts_are_learnt(
    bert_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """The tiny base is random: 3 steps leave its answers where they were."""
    data = table(tmp_path / "train.csv", {"good": 16, "bad": 16})
    train_here(data, "--eval", data, "--base", bert_base, "--out", tmp_path / "model", "--learning-rate", 3e-3)
    found = report(tmp_path / "model")
    assert {name: found[name] for name in ("epochs", "epochs_raised_from", "least_steps", "steps")} == {
        "epochs": 100,
        "epochs_raised_from": 3,
        "least_steps": 100,
        "steps": 100,
    }
    assert [one["epoch"] for one in found["epochs_done"]] == [34, 67, 100]
    assert len(found["evaluations"]) == 3
    assert found["kept_epoch"] in (34, 67, 100)
    said = capsys.readouterr().err
    assert "recipe small, 100 epochs instead of 3 to make at least 100 steps of so few examples" in said
    assert "(--epochs decides otherwise): 100 steps" in said
    assert "few labels: 32 rows for 2 classes, 16 for the middle one" in str(recwarn.pop(UserWarning).message)
    classifier = library.load(tmp_path / "model")
    assert [one.label for one in classifier(["the good was number 3", "the bad was number 3"])] == ["good", "bad"]


@pytest.mark.slow
def test_the_loss_of_raised_epochs_is_the_mean_since_the_last_measured_one(bert_base: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "train.csv", {"good": 20, "bad": 20})
    train_here(data, "--base", bert_base, "--out", tmp_path / "model")
    found = report(tmp_path / "model")
    assert (found["epochs"], found["steps"]) == (50, 100)
    ends = [2 * int(one["epoch"]) for one in found["epochs_done"]]
    assert ends == [34, 68, 100]
    losses = [point["train_loss"] for point in found["curve"]]  # one a step, for there are a hundred
    means = [np.mean(losses[first:last]) for first, last in zip([0, *ends], ends, strict=False)]
    assert [one["train_loss"] for one in found["epochs_done"]] == pytest.approx(means)


@pytest.mark.slow
def test_a_student_of_few_texts_makes_enough_steps(
    tiny_classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path / "train.csv", {"POSITIVE": 10, "NEGATIVE": 10})
    more = tmp_path / "more.csv"
    more.write_text("text\n" + "".join(f"a film of the year {number}\n" for number in range(20)), encoding="utf-8")
    arguments = [data, "--unlabelled", more, "--teacher", tiny_classifier, "--out", tmp_path / "model", "--layers", 1]
    distill_command.main([str(argument) for argument in arguments], standalone_mode=False)
    found = report(tmp_path / "model")
    assert (found["epochs"], found["epochs_raised_from"], found["steps"]) == (50, 3, 100)
    assert "50 epochs instead of 3" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_run_of_raised_epochs_ends_in_the_same_weights(bert_base: Path, tmp_path: Path) -> None:
    """Its state lies within a span of epochs that ends with no evaluation."""
    data = table(tmp_path / "train.csv", {"good": 20, "bad": 20})
    command = ("train", data, "--eval", data, "--base", bert_base, "--save-every", 7, "--precision", "fp32")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(valence(*command, "--out", whole)).returncode == 0
    for step in (14, 42):  # an epoch's end, and one within
        stopping = _STOP_AFTER.format(step=step)
        assert (
            run([*valence()[:1], "-c", stopping, *map(str, (*command[1:], "--out", parts, "--resume"))]).returncode == 9
        )
        assert (parts / "training_state" / f"step-{step:08d}").is_dir()
    assert run(valence(*command, "--out", parts, "--resume")).returncode == 0
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    found, expected = report(parts), report(whole)
    for name in ("epochs_done", "evaluations", "curve", "kept_epoch", "epochs"):
        assert found[name] == expected[name], name


@pytest.mark.slow
def test_a_run_begun_before_epochs_were_raised_goes_on_as_it_began(bert_base: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "train.csv", {"good": 20, "bad": 20})
    command = (data, "--base", bert_base, "--precision", "fp32", "--save-every", 1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_here(*command, "--out", whole, "--epochs", 3)
    assert run(stopping_after(3, *command, "--out", parts, "--epochs", 3)).returncode == 9
    begun = json.loads((parts / "training_state" / "run.json").read_text(encoding="utf-8"))
    assert not {"epochs_raised_from", "least_steps"} & begun.keys(), "the state must be what it was before"
    train_here(*command, "--out", parts, "--resume")
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_raised_run_is_not_resumed_as_another(bert_base: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "train.csv", {"good": 20, "bad": 20})
    command = (data, "--base", bert_base, "--out", tmp_path / "model", "--save-every", 1)
    assert run(stopping_after(3, *command)).returncode == 9
    with pytest.raises(TrainingError, match="epochs: begun with 50, now 3"):
        train_here(*command, "--resume", "--epochs", 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", 3), r"few steps: 3 epochs of 32 examples are 3 steps.*fewer than 100.*give --epochs 100"),
        (("--epochs", 1), r"few steps: 1 epoch of 32 examples is 1 step,"),
        (("--epochs", 5, "--batch-size", 4), r"few steps: .* are 40 steps.*give --epochs 13"),
        (("--epochs", 2, "--recipe", "sst2", "--warmup-steps", 0), r"few steps: .* are 2 steps.*give --epochs 300"),
    ],
)
@pytest.mark.slow
def test_very_few_steps_that_are_asked_for_are_warned_of(
    bert_base: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    data = table(tmp_path / "train.csv", {"good": 16, "bad": 16})
    with pytest.warns(UserWarning, match=said):
        train_here(data, "--base", bert_base, "--out", tmp_path / "model", *options)
    assert report(tmp_path / "model")["epochs"] == options[1]


def warnings_of(counts: dict[str, int]) -> list[str]:
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    data = Examples(["a text"] * len(labels), labels, tuple(counts), DataSource("train.csv", (Path("train.csv"),)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_few_labels(data)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    ("counts", "size"), [((8, 8, 8, 8), 8), ((15, 15), 8), ((16, 17), 16), ((31, 31, 31), 16), ((5, 5), 8), ((2, 2), 8)]
)
def test_few_rows_of_all_classes_come_with_the_figure_to_expect(counts: tuple[int, ...], size: int) -> None:
    (said,) = warnings_of({f"class {number}": count for number, count in enumerate(counts)})
    assert said.startswith(f"few labels: {sum(counts)} rows for {len(counts)} classes")
    assert f"With {size} per class" in said
    for name, (mean, low, high) in EXPECTED[size].items():
        assert f"{mean:.2f} on {name} ({low:.2f} to {high:.2f}" in said
    assert ("expect no more" if np.median(counts) < 8 else "expect the like") in said
    assert "More labels help most" in said


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": 32, "b": 32}, []),
        ({"a": 500, "b": 500}, []),
        ({"a": 500, "b": 60}, []),
        ({"a": 500, "b": 500, "c": 20}, ["far fewer rows than the middle class (500) have c (20): they will"]),
        ({"a": 500, "b": 500, "c": 20, "d": 30}, ["far fewer rows than the middle class (265) have c (20): they will"]),
        ({"a": 500, "b": 500, "c": 1}, ["one row is too few to learn a class from: c"]),
        ({"a": 500, "b": 500, "c": 0}, ["no row at all has the label c"]),
        ({"a": 500, "b": 500, "c": 400, "d": 3, "e": 1}, ["the middle class (400) have d (3):", "class from: e"]),
        ({f"{n}": 1 for n in range(77)}, ["77 rows for 77 classes, 1 for", "class from: 0, 1, 2, 3, 4, 5 and 71 more"]),
    ],
)
def test_classes_with_far_fewer_rows_are_named(counts: dict[str, int], said: list[str]) -> None:
    found = warnings_of(counts)
    assert len(found) == len(said)
    for text, part in zip(found, said, strict=True):
        assert part in text


@pytest.mark.slow
def test_77_classes_of_one_row_each_are_learnt_by_heart(bert_base: Path, tmp_path: Path) -> None:
    names = {f"intent {number}": 1 for number in range(77)}
    data = table(tmp_path / "train.csv", names)
    arguments = (data, "--base", bert_base, "--out", tmp_path / "model")
    with pytest.raises(DataError, match=r"77 different labels in 77 rows: is this the label column\?"):
        train_here(*arguments)
    listed = tmp_path / "names.txt"
    listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    with pytest.warns(UserWarning, match="one row is too few to learn a class from: intent 0, .* and 71 more"):
        train_here(*arguments, "--labels", listed)
    found = report(tmp_path / "model")
    assert (found["epochs"], found["steps"], len(found["labels"])) == (34, 102, 77)
    assert len(library.load(tmp_path / "model").labels) == 77


@pytest.mark.slow
def test_a_classifier_that_is_trained_further_is_not_called_new(
    bert_base: Path, train_tsv: Path, tmp_path: Path
) -> None:
    """What to expect of few labels says nothing of a model that knows its classes."""
    train_here(train_tsv, "--base", bert_base, "--out", tmp_path / "first")
    data = table(tmp_path / "train.csv", {"NEGATIVE": 8, "POSITIVE": 8})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_here(data, "--base", tmp_path / "first", "--out", tmp_path / "second", "--epochs", 1)
        train_here(data, "--base", tmp_path / "first", "--out", tmp_path / "third")
    report = json.loads((tmp_path / "third" / "reports" / "training.json").read_text(encoding="utf-8"))
    assert (report["epochs"], report.get("epochs_raised_from")) == (3, None)  # it is trained further, not anew


def test_the_figures_to_expect_are_those_measured() -> None:
    measured = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    assert {int(size) for rows in measured.values() for size in rows} == EXPECTED.keys()
    names = {"agnews": "AG News", "sst2": "SST-2"}
    for folder, rows in measured.items():
        for size, row in rows.items():
            ours = row["valence train"]
            figures = [round(ours[name], 2) for name in ("mean", "min", "max")]
            assert list(EXPECTED[int(size)][names[folder]]) == figures, (folder, size)


def test_64_rows_per_class_are_as_good_as_a_regression_on_frozen_embeddings() -> None:
    for rows in json.loads(RESULTS.read_text(encoding="utf-8"))["rows"].values():
        assert rows["64"]["difference"] >= -0.02


_CHOSEN_ON_TEST = "the best epoch is chosen on test.csv, so an accuracy on it flatters the model"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "options", "warned"),
    [
        (("train", "test"), (), True),
        (("train", "test"), ("--keep", "last"), False),
        (("train", "dev", "test"), (), False),
        (("train", "validation", "test"), (), False),
        (("train", "val"), (), False),
    ],
)
def test_the_best_epoch_chosen_on_test_is_warned_of(
    bert_base: Path, tmp_path: Path, files: tuple[str, ...], options: tuple[str, ...], warned: bool
) -> None:
    for name in files:
        table(tmp_path / "data" / f"{name}.csv", {"good": 40, "bad": 40})
    arguments = (tmp_path / "data", "--base", bert_base, "--out", tmp_path / "model", *options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train_here(*arguments)
    assert any(_CHOSEN_ON_TEST in str(one.message) for one in caught) == warned


@pytest.mark.slow
def test_a_student_chosen_on_test_is_warned_of(tiny_classifier: Path, tmp_path: Path) -> None:
    for name in ("train", "test"):
        table(tmp_path / "data" / f"{name}.csv", {"POSITIVE": 40, "NEGATIVE": 40})
    arguments = [tmp_path / "data", "--teacher", tiny_classifier, "--out", tmp_path / "model", "--layers", 1]
    with pytest.warns(UserWarning, match=_CHOSEN_ON_TEST):
        distill_command.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "warned"), [("test.csv", True), ("test-00000-of-00001.csv", True), ("ab-tests.csv", False)]
)
def test_a_test_file_named_with_eval_is_warned_of(bert_base: Path, tmp_path: Path, file: str, warned: bool) -> None:
    data = table(tmp_path / "train.csv", {"good": 40, "bad": 40})
    evaluation = table(tmp_path / "elsewhere" / file, {"good": 40, "bad": 40})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train_here(data, "--eval", evaluation, "--base", bert_base, "--out", tmp_path / "model", "--epochs", 20)
    assert any("flatters the model" in str(one.message) for one in caught) == warned


@pytest.mark.slow
def test_a_warning_is_a_line_on_the_terminal(bert_base: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "train.csv", {"good": 8, "bad": 8})
    done = run(valence("train", data, "--base", bert_base, "--out", tmp_path / "model"))
    assert done.returncode == 0, done.stderr
    assert "valence: warning: few labels: 16 rows for 2 classes" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'model'}: epoch 100 kept")
