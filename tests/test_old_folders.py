"""Folders, reports and unfinished runs that an earlier version wrote are still read, and go on; see old/README.md."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import valence
from valence.cli import _LazyGroup
from valence.folder import ModelFolder
from valence.runtime.manifest import read_manifest

_TRAIN = ("--batch-size", 8, "--learning-rate", 2e-2, "--precision", "fp32")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy: reports name their data after the folder."""
    return Path(shutil.copytree(Path(__file__).parent / "old", tmp_path / "old"))


def run(*arguments: object) -> None:
    """Run a command in this process; errors come out as they are."""
    _LazyGroup("valence").main([str(argument) for argument in arguments], standalone_mode=False)


def training_report(out: Path) -> dict:
    return json.loads((out / "reports" / "training.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ["auto", "onnx", "torch"])
def test_a_model_answers_as_it_did(old: Path, engine: str) -> None:
    answers = json.loads((old / "answers.json").read_text(encoding="utf-8"))
    classifier = valence.load(old / "model", engine=engine)
    assert np.abs(classifier.logits(answers["texts"]) - np.array(answers["logits"])).max() < 1e-4
    assert classifier.labels == ("NEGATIVE", "POSITIVE")


def test_its_manifest_and_report_are_read(old: Path) -> None:
    folder = ModelFolder(old / "model", "model")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.exports["model.onnx"].source_sha256 == folder.weights_hash()
    assert folder.n_parameters == 1898


def test_it_is_measured_again_and_its_card_is_written(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    run("card", old / "model", "--json")  # from the reports as they are
    facts = {fact["name"]: fact["value"] for fact in json.loads(capsys.readouterr().out)["facts"]}
    assert facts["evaluation.old-dev.accuracy"] == 1.0
    assert facts["training.steps"] == 180
    assert any(name.startswith("bias.") for name in facts)
    run("evaluate", old / "model", old / "dev.tsv")
    assert "report: " in capsys.readouterr().out
    (old / "model" / "README.md").unlink()
    run("card", old / "model")
    assert (old / "model" / "README.md").is_file()


@pytest.mark.slow
def test_its_card_is_checked(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    run("card", old / "model")  # a card is compared to the letter, and is written anew from the same old reports
    capsys.readouterr()
    with pytest.raises(SystemExit):  # some figures are not checked, and the speed is that of another machine
        run("card", old / "model", "--check", "--data", old, "--json")
    found = json.loads(capsys.readouterr().out)
    failed = [one["name"] for one in found["findings"] if one["outcome"] == "fails"]
    assert not [name for name in failed if not name.endswith(("speed_ratio", "texts_per_second"))]
    assert found["counts"]["measured again"] > 20


def test_training_goes_on_from_it(old: Path) -> None:
    run("train", old / "train.tsv", "--base", old / "model", "--out", old / "more", "--epochs", 1, *_TRAIN)
    report = training_report(old / "more")
    assert (report["left_out"], report["initialised"]) == ([], [])


def check_resumed(out: Path, capsys: pytest.CaptureFixture[str], step: int) -> None:
    assert f"resumed after step {step}" in capsys.readouterr().err
    assert not (out / "training_state").exists()


@pytest.mark.slow
def test_an_unfinished_training_goes_on(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = old / "unfinished-train"
    data = (old / "train.tsv", "--eval", old / "dev.tsv")
    run("train", *data, "--base", old / "base", "--out", out, "--epochs", 12, "--resume", *_TRAIN)
    check_resumed(out, capsys, 7)
    finished = training_report(old / "model")  # the same run, not interrupted
    report = training_report(out)
    assert report["steps"] == finished["steps"]
    assert report["epochs_done"][-1]["accuracy"] == 1.0
    assert report["epochs_done"][0]["train_loss"] == pytest.approx(finished["epochs_done"][0]["train_loss"], rel=1e-3)


@pytest.mark.slow
def test_an_unfinished_training_from_a_base_in_another_order_goes_on(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was begun with a fresh head and the data's order, and ends with them."""
    out = old / "unfinished-flipped"
    settings = ("--epochs", 2, "--debias", "countries", *_TRAIN)
    data = (old / "train.tsv", "--eval", old / "dev.tsv")
    run("train", *data, "--base", old / "flipped", "--out", out, "--resume", *settings)
    check_resumed(out, capsys, 20)
    report = training_report(out)
    assert report["labels"] == ["NEGATIVE", "POSITIVE"]
    assert "classifier.weight" in report["left_out"]
    assert "classifier.weight" in report["initialised"]
    assert valence.load(out)("a good film").label == "POSITIVE"


@pytest.mark.slow
def test_an_unfinished_distillation_goes_on(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = old / "unfinished-distill"
    settings = ("--layers", 1, "--epochs", 8, *_TRAIN)
    data = (old / "train.tsv", "--eval", old / "dev.tsv")
    run("distill", *data, "--teacher", old / "model", "--out", out, "--resume", *settings)
    check_resumed(out, capsys, 7)
    assert training_report(out)["kept"]["student"]["figure"] > 0.9


def test_an_unfinished_pretraining_goes_on(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = old / "unfinished-pretrain"
    run("pretrain", old / "texts.txt", "--base", old / "base", "--out", out, "--epochs", 4, "--resume", *_TRAIN)
    check_resumed(out, capsys, 7)
    assert valence.load_masked_lm(out).fill("the [MASK] was good")


def test_what_differs_from_an_old_run_is_still_named(old: Path) -> None:
    arguments = ("train", old / "train.tsv", "--eval", old / "dev.tsv", "--base", old / "base", *_TRAIN, "--resume")
    with pytest.raises(valence.TrainingError) as refusal:
        run(*arguments, "--out", old / "unfinished-train", "--epochs", 11, "--debias", "names")
    assert [line.split(":")[0].strip() for line in str(refusal.value).splitlines()[1:]] == [
        "consistency_weight",
        "debias",
        "epochs",
    ]
