"""valence calibrate: what it writes, what it prints, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("sklearn")

import valence
from valence.cli import cli
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.errors import ValenceError
from valence.evaluation.calibrate import calibrate_multi_label
from valence.folder import ModelFolder
from valence.reports.calibration import CalibrationReport
from valence.reports.codec import read_report
from valence.reports.data_ref import DataRef
from valence.runtime.calibration import CALIBRATION
from valence.statistics.calibration import fit_temperature

CHOICES = ["good", "bad", "awful", "great", "film", "plot", "acting", "dog"]


def some_texts(n_texts: int) -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(CHOICES, 1 + n % 9)) for n in range(n_texts)]


def write_data(path: Path, model: Path, n_texts: int = 300, temperature: float = 1.6) -> Path:
    """Texts whose labels come true as often as the model says at a temperature."""
    random = np.random.default_rng(1)
    texts = some_texts(n_texts)
    logits = valence.load(model, calibrated=False).logits(texts) / temperature
    positive = random.random(n_texts) < 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    rows = [f"{text}\t{('NEGATIVE', 'POSITIVE')[int(one)]}" for text, one in zip(texts, positive, strict=True)]
    path.write_text("\n".join(["text\tlabel", *rows, ""]))
    return path


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


@pytest.fixture
def data(tiny_classifier, tmp_path) -> Path:
    return write_data(tmp_path / "held-out.tsv", tiny_classifier)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_it_writes_what_it_prints_and_scores_change(model, data):
    raw = valence.load(model)
    printed = json.loads(run("calibrate", model, data, "--json"))
    assert json.loads((model / CALIBRATION).read_text()) == printed
    assert printed["format"] == 1
    entry = printed["engines"]["onnx fp32"]
    examples = read_examples(find_source(str(data), "eval"), known=raw.labels)
    assert entry["temperature"] == pytest.approx(fit_temperature(raw.logits(examples.texts), examples.labels))
    assert entry["biases"] is None
    assert entry["n_texts"] == 300
    assert (entry["data"]["name"], entry["data"]["sha256"]) == ("held-out", examples.source.sha256())
    assert entry["model"]["weights_sha256"] == ModelFolder(model, "m").weights_hash()
    assert {"valence", "scipy", "onnxruntime"} <= set(entry["versions"])
    assert entry["after"]["loss"] <= entry["before"]["loss"]
    calibrated = valence.load(model)
    assert calibrated.calibration.temperature == entry["temperature"]
    assert np.array_equal(calibrated.logits(["good film"]), raw.logits(["good film"]))
    assert calibrated("good film").score != raw("good film").score


def test_evaluate_measures_calibrated_scores(model, data, tmp_path):
    before = json.loads(run("evaluate", model, data, "--resamples", 20, "--json", "--out", tmp_path / "a.json"))
    entry = json.loads(run("calibrate", model, data, "--json"))["engines"]["onnx fp32"]
    after = json.loads(run("evaluate", model, data, "--resamples", 20, "--json", "--out", tmp_path / "b.json"))
    assert (before["temperature"], after["temperature"]) == (None, entry["temperature"])
    for report, figures in ((before, entry["before"]), (after, entry["after"])):
        for name in ("loss", "brier", "ece"):
            assert report[name]["value"] == pytest.approx(figures[name], abs=1e-6)
    assert after["accuracy"] == before["accuracy"]
    assert sum(one["texts"] for one in after["reliability"]) == 300


def test_a_readable_answer(model, data):
    lines = run("calibrate", model, data).splitlines()
    temperature = read_report(model / CALIBRATION, CalibrationReport).engines["onnx fp32"].temperature
    assert f"held-out: 300 texts; engine onnx fp32; temperature {temperature:.4f}" in lines
    titles = ["NLL (nats)", "Brier score", "ECE", "ECE if calibrated", "  95 % of such"]
    assert [next(line for line in lines if line.startswith(title)) for title in titles]
    assert lines[-1] == f"calibration: {model / CALIBRATION}"


def test_again_is_the_same_although_the_file_is_there(model, data):
    first = json.loads(run("calibrate", model, data, "--json"))
    assert json.loads(run("calibrate", model, data, "--json")) == first


def test_engines_have_entries_beside_each_other_and_what_is_unknown_stays(model, data):
    run("calibrate", model, data)
    content = json.loads((model / CALIBRATION).read_text())
    content["note"], content["engines"]["onnx fp32"]["note"] = "ours", "theirs"
    (model / CALIBRATION).write_text(json.dumps(content))
    both = json.loads(run("calibrate", model, data, "--engine", "torch", "--precision", "fp32", "--json"))
    assert list(both["engines"]) == ["onnx fp32", "torch fp32"]
    assert (both["note"], both["engines"]["onnx fp32"]["note"]) == ("ours", "theirs")
    assert valence.load(model, engine="torch", precision="fp32").calibration is not None


def test_entries_of_other_weights_go(model, data):
    run("calibrate", model, data)
    content = json.loads((model / CALIBRATION).read_text())
    content["engines"]["onnx fp32"]["model"]["weights_sha256"] = "0" * 64
    (model / CALIBRATION).write_text(json.dumps(content))
    report = json.loads(run("calibrate", model, data, "--engine", "torch", "--precision", "fp32", "--json"))
    assert list(report["engines"]) == ["torch fp32"]


@pytest.mark.parametrize("content", ["", "[1]", '{"format": 1, "engines": {"onnx fp32": {"temperature": NaN}}}'])
def test_a_broken_file_is_written_anew(model, data, content):
    (model / CALIBRATION).write_text(content)
    with pytest.warns(UserWarning, match=f"^{model / CALIBRATION}: .*; it is written anew$"):
        run("calibrate", model, data)
    assert valence.load(model).calibration is not None


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(cli, ["calibrate", *map(str, arguments)])
    assert done.exit_code == 1
    assert isinstance(done.exception, ValenceError)
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_the_embedded_default_is_never_written_to(data):
    said = refused("default", data)
    assert said == (
        "the embedded default is never written to: expected a model folder of your own, such as a copy of it"
    )


def change(model: Path, **config: object) -> None:
    content = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(content | config))


@pytest.mark.parametrize(
    ("problem_type", "said"),
    [
        ("regression", "a regression predicts numbers, and these have no temperature: expected a classifier"),
        ("multi_label_classification", "a table has one label per text, and this model is multi-label: in Python, "),
    ],
)
def test_other_models_are_refused(model, data, problem_type, said):
    change(model, problem_type=problem_type)
    assert refused(model, data).startswith(said)
    assert not (model / CALIBRATION).exists()


def test_data_that_cannot_do(model, tiny_classifier, tmp_path):
    few = write_data(tmp_path / "few.tsv", tiny_classifier, 99)
    assert refused(model, few) == "99 texts are too few to fit a temperature: expected 100 at least"
    texts = some_texts(150)
    one, right, wrong = (tmp_path / f"{name}.tsv" for name in ("one", "right", "wrong"))
    answers = [prediction.label for prediction in valence.load(model)(texts)]
    assert len(set(answers)) == 2
    against = [{"NEGATIVE": "POSITIVE", "POSITIVE": "NEGATIVE"}[answer] for answer in answers]
    for path, labels in ((one, ["POSITIVE"] * 150), (right, answers), (wrong, against)):
        path.write_text(
            "".join(f"{row}\n" for row in ("text\tlabel", *map("\t".join, zip(texts, labels, strict=True))))
        )
    assert refused(model, one) == "all texts are POSITIVE: expected texts of two classes at least"
    assert refused(model, right).startswith("the model labels all 150 texts rightly, so that no temperature is best")
    assert refused(model, wrong).endswith("is best on these texts: the scores say nothing about these labels")
    assert not (model / CALIBRATION).exists()


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(model, data):
    (model / CALIBRATION).mkdir()
    assert "cannot be written: it is a folder" in refused(model, data)


def test_a_multi_label_model_in_python(model):
    change(model, problem_type="multi_label_classification")
    raw, texts = valence.load(model), some_texts(400)
    logits = raw.logits(texts).astype(float)
    biases = np.array([0.8, -0.5])
    truth = np.random.default_rng(2).random((400, 2)) < 1 / (1 + np.exp(-(logits / 1.5 + biases)))
    folder, name = ModelFolder(model, str(model)), DataRef(name="ours", sha256="0" * 64)
    entry = calibrate_multi_label(raw, texts, truth, folder, name)
    assert entry.biases == pytest.approx(biases.tolist(), abs=0.5)
    assert entry.after.loss < entry.before.loss
    from valence.evaluation.calibrate import with_entry
    from valence.reports.codec import write_report

    write_report(model / CALIBRATION, with_entry(model / CALIBRATION, entry))
    calibrated = valence.load(model)
    expected = 1 / (1 + np.exp(-(logits[0] / entry.temperature + np.array(entry.biases))))
    assert list(calibrated(texts[0]).scores.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    with pytest.raises(valence.InputError, match=r"for each: POSITIVE$"):
        calibrate_multi_label(raw, texts, truth & [True, False], folder, name)
    with pytest.raises(valence.InputError, match=r"expected the truth of 400 texts and 2 classes, found \(400,\)"):
        calibrate_multi_label(raw, texts, truth[:, 0], folder, name)


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_reliability_diagram(model, data, tmp_path, ending):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    picture = tmp_path / "new" / f"reliability.{ending}"
    run("evaluate", model, data, "--resamples", 20, "--out", tmp_path / "a.json", "--reliability", picture)
    start = picture.read_bytes()[:8]
    assert start.startswith(b"<svg" if ending == "svg" else b"\x89PNG")
    if ending == "svg":
        assert "share of answers that are right" in picture.read_text()


def test_a_picture_of_another_kind_is_refused(model, data, tmp_path):
    done = CliRunner().invoke(cli, ["evaluate", str(model), str(data), "--reliability", str(tmp_path / "a.pdf")])
    assert str(done.exception) == f"{tmp_path / 'a.pdf'}: expected a file that ends in .svg or .png"
