"""Two classifiers side by side, through the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")

import valence
from tiny import tiny_config
from valence.checkpoint.checkpoint import save_model
from valence.cli.compare import command
from valence.errors import InputError
from valence.model.heads import TaskModel

TEXTS = [f"{'the film was ' * (n % 5)}{word}" for n in range(12) for word in ("good", "bad", "awful | dog", "a\u202eb")]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "dev.tsv"
    rows = [f"{text}\t{('NEGATIVE', 'POSITIVE')[n % 2]}" for n, text in enumerate(TEXTS)]
    path.write_text("\n".join(["text\tlabel", *rows]) + "\n", encoding="utf-8")
    return path


def make(folder: Path, vocabulary: Path, labels: tuple[str, ...], architecture: str = "bert", seed: int = 1) -> Path:
    model = TaskModel(tiny_config(architecture, initializer_range=0.4), "classification", len(labels))
    model.initialise(seed)
    save_model(model, folder, labels)
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """Another model with the same labels in another order."""
    return make(tmp_path_factory.mktemp("other") / "bert", vocabulary, ("POSITIVE", "NEGATIVE"))


def run(*arguments: object) -> dict:
    result = CliRunner().invoke(command, [*map(str, arguments), "--json", "--rounds", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_report_counts_what_the_classifiers_say(tiny_classifier, bert, dev):
    report = run(tiny_classifier, bert, dev, "--resamples", 200)
    said = [[prediction.label for prediction in valence.load(folder)(TEXTS)] for folder in (tiny_classifier, bert)]
    truth = [("NEGATIVE", "POSITIVE")[n % 2] for n in range(len(TEXTS))]
    right = np.array([[label == true for label, true in zip(labels, truth, strict=True)] for labels in said])
    assert [model["accuracy"]["value"] for model in report["models"]] == pytest.approx(right.mean(axis=1).tolist())
    assert report["difference"]["value"] == pytest.approx(right[1].mean() - right[0].mean())
    assert report["difference"]["low"] <= report["difference"]["value"] <= report["difference"]["high"]
    assert report["mcnemar"]["only_first"] == int((right[0] & ~right[1]).sum())
    assert report["mcnemar"]["only_second"] == int((right[1] & ~right[0]).sum())
    differing = [n for n in range(len(TEXTS)) if said[0][n] != said[1][n]]
    assert 0 < len(differing) < len(TEXTS)
    assert report["agreement"] == pytest.approx(1 - len(differing) / len(TEXTS))
    assert report["differing"] == [
        {"text": TEXTS[n], "label": truth[n], "first": said[0][n], "second": said[1][n]} for n in differing
    ]
    first, second = report["models"]
    assert second["parameters"] > first["parameters"] > 10_000
    assert first["bytes"] == (tiny_classifier / "onnx" / "model.onnx").stat().st_size
    assert second["bytes"] == (bert / "model.safetensors").stat().st_size
    assert first["texts_per_second"] > 0


def test_a_classifier_does_not_differ_from_itself(tiny_classifier, dev, tmp_path):
    copy = shutil.copytree(tiny_classifier, tmp_path / "copy")
    report = run(tiny_classifier, copy, dev)
    assert report["agreement"] == 1.0
    assert report["mcnemar"]["p_value"] == 1.0
    assert report["differing"] == []
    assert report["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


@pytest.mark.slow
def test_the_page_shows_it_and_no_text_breaks_the_table(tiny_classifier, bert, dev, tmp_path):
    out = tmp_path / "comparison.md"
    result = CliRunner().invoke(
        command, [str(tiny_classifier), str(bert), str(dev), "--out", str(out), "--rounds", "1"], catch_exceptions=False
    )
    assert result.exit_code == 0
    page = out.read_text(encoding="utf-8")
    for words in ("McNemar's exact test", "paired bootstrap", "parameters", "size on disk", "texts per second"):
        assert words in page
        assert words in result.stdout
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {4, 5}
    assert "\u202e" not in page
    report = tmp_path / "comparison.json"
    CliRunner().invoke(command, [str(tiny_classifier), str(bert), str(dev), "--out", str(report), "--rounds", "1"])
    assert json.loads(report.read_text())["mcnemar"]["p_value"] <= 1.0


def test_other_labels_must_be_named(tiny_classifier, vocabulary, dev, tmp_path):
    other = make(tmp_path / "other", vocabulary, ("BAD", "GOOD"))
    with pytest.raises(InputError, match=r"different labels: NEGATIVE, POSITIVE and BAD, GOOD; .*--labels-b"):
        CliRunner().invoke(command, [str(tiny_classifier), str(other), str(dev)], catch_exceptions=False)
    report = run(tiny_classifier, other, dev, "--labels-b", "NEGATIVE,POSITIVE")
    assert report["data"]["texts"] == len(TEXTS)
