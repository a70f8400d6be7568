"""A calibration changes scores and nothing else, wherever they come from; one that is not of the model is left out."""

import json
import pickle
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import valence
from valence.errors import ModelError
from valence.folder import ModelFolder
from valence.runtime.calibration import CALIBRATION, Calibration, calibration_fingerprint, read_calibration
from valence.runtime.classifier import Classifier
from valence.runtime.scores import aggregate, scores_of

TEXTS = ["good film", "the plot was awful and the acting bad", "a dog", "good " * 90]


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


def entry(folder: Path, **changes: object) -> dict[str, object]:
    classifier = valence.load(folder, calibrated=False)
    fingerprint = calibration_fingerprint(ModelFolder(folder, "m"), classifier.engine)
    return {"temperature": 2.5, "fingerprint": fingerprint, **changes}


def write(folder: Path, **engines: object) -> None:
    names = {name.replace("_", " "): one for name, one in engines.items()}
    (folder / CALIBRATION).write_text(json.dumps({"format": 1, "engines": names}))


def softmax(logits: np.ndarray) -> np.ndarray:
    return scores_of(logits, None)


def test_scores_are_calibrated_and_logits_are_not(model, tiny_classifier):
    write(model, onnx_fp32=entry(model))
    raw, calibrated = valence.load(tiny_classifier), valence.load(model)
    logits = calibrated.logits(TEXTS)
    assert np.array_equal(logits, raw.logits(TEXTS))
    expected = softmax(logits.astype(float) / 2.5)
    found = calibrated(TEXTS)
    assert np.array([list(one.scores.values()) for one in found]) == pytest.approx(expected, abs=1e-6)
    assert [one.label for one in found] == [one.label for one in raw(TEXTS)]
    assert [one.score for one in found] == [max(one.scores.values()) for one in found]
    assert np.array_equal(calibrated.probabilities(logits), expected)
    assert list(calibrated.stream(TEXTS)) == found
    assert calibrated(TEXTS[3]).windows is not None
    assert valence.load(model, calibrated=False)(TEXTS) == raw(TEXTS)
    assert pickle.loads(pickle.dumps(calibrated))(TEXTS) == found


def test_windows_have_calibrated_scores_of_their_own(model):
    write(model, onnx_fp32=entry(model))
    calibrated = valence.load(model)
    windows = calibrated(TEXTS[3]).windows
    for window in windows:
        assert window.scores == pytest.approx(calibrated(TEXTS[3][window.start : window.end]).scores, abs=1e-6)


def test_a_model_without_the_file_gives_the_same_bits(tiny_classifier):
    classifier = valence.load(tiny_classifier)
    assert classifier.calibration is None
    logits = classifier.logits(TEXTS).astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.array_equal(classifier.probabilities(logits), exponentials / exponentials.sum(axis=1, keepdims=True))


LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.3, -0.4], [-3.0, 1.0, 1.1]], dtype=np.float32)
TOKENS = np.array([30, 20, 5])


@pytest.mark.parametrize("problem_type", [None, "single_label_classification", "multi_label_classification"])
def test_windows_are_aggregated_before_they_are_calibrated(problem_type):
    calibration = Calibration(1.7)
    mean = np.average(LOGITS, axis=0, weights=TOKENS)[None]
    found, winner = aggregate(LOGITS, TOKENS, "mean", problem_type, calibration)
    assert found == pytest.approx(scores_of(mean / 1.7, problem_type)[0])
    assert winner == aggregate(LOGITS, TOKENS, "mean", problem_type)[1]
    highest, winner = aggregate(LOGITS, TOKENS, "max", problem_type)
    found, again = aggregate(LOGITS, TOKENS, "max", problem_type, calibration)
    odds = highest if problem_type != "multi_label_classification" else highest / (1 - highest)
    powers = odds ** (1 / 1.7)
    by_hand = powers / (powers.sum() if problem_type != "multi_label_classification" else 1 + powers)
    assert found == pytest.approx(by_hand)
    assert again == winner
    votes = aggregate(LOGITS, TOKENS, "vote", problem_type, calibration)
    assert np.array_equal(votes[0], aggregate(LOGITS, TOKENS, "vote", problem_type)[0])


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("problem_type", [None, "multi_label_classification"])
def test_a_temperature_of_one_changes_nothing_to_speak_of(aggregation, problem_type):
    far = np.array([[800.0, -800.0], [-3.0, 5.0]], dtype=np.float32)
    for logits in (LOGITS, far):
        found = aggregate(logits, TOKENS[: len(logits)], aggregation, problem_type, Calibration(1.0))
        expected = aggregate(logits, TOKENS[: len(logits)], aggregation, problem_type)
        assert found[0] == pytest.approx(expected[0], abs=1e-12)
        assert found[1] == expected[1]


def test_biases_of_a_multi_label_model():
    found = scores_of(LOGITS, "multi_label_classification", Calibration(2.0, (0.5, 0.0, -1.0)))
    assert found == pytest.approx(1 / (1 + np.exp(-(LOGITS / 2.0 + [0.5, 0.0, -1.0]))))


def test_a_regression_is_never_calibrated(tiny_classifier, model):
    assert np.array_equal(scores_of(LOGITS, "regression", Calibration(2.0)), LOGITS.astype(float))
    write(model, onnx_fp32=entry(model))
    engine = valence.load(model).engine
    with pytest.warns(UserWarning, match=r"^m: calibration.json is not applied: the model is a regression"):
        assert read_calibration(ModelFolder(model, "m"), engine, "regression") is None


def test_leave_one_out_explains_calibrated_scores(model):
    from valence.explain.leave_one_out import leave_one_out

    write(model, onnx_fp32=entry(model))
    calibrated = valence.load(model)
    for text in (TEXTS[1], "good film " + "the " * 70):
        found = leave_one_out(calibrated, text)
        assert found.target_score == found.score == pytest.approx(calibrated(text).score)
    found = leave_one_out(calibrated, TEXTS[1])
    first = calibrated("plot was awful and the acting bad").scores[found.target]
    assert found.words[0].attribution == pytest.approx(found.score - first, abs=1e-5)


def test_integrated_gradients_explain_calibrated_log_odds(model):
    pytest.importorskip("captum")
    from valence.explain.integrated_gradients import integrated_gradients

    raw = valence.load(model, engine="torch", precision="fp32")
    calibrated = Classifier(raw.tokenizer, raw.engine, raw.labels, raw.problem_type, calibration=Calibration(2.5))
    before, after = (integrated_gradients(one, TEXTS[1]) for one in (raw, calibrated))
    assert after.is_complete
    assert after.score == pytest.approx(before.score / 2.5, abs=1e-5)
    assert after.target_score == pytest.approx(1 / (1 + np.exp(-after.score)), abs=1e-5)
    assert after.total == pytest.approx(before.total / 2.5, abs=1e-2)


@pytest.mark.parametrize(
    ("engines", "why"),
    [
        ({}, "it is of no engine; "),
        ({"native_int8": {"temperature": 2.0}}, "it is for native int8, and onnx fp32 runs here; "),
        ({"\x1b[2J\n": {}}, r"it is for '\\x1b\[2J\\n', and onnx fp32 runs here; "),
        (
            {"onnx_fp32": {"temperature": 2.0, "fingerprint": "0" * 64}},
            "it was fitted to other files than those that onnx fp32 runs now; ",
        ),
    ],
)
def test_what_is_not_of_this_engine_or_these_weights_is_left_out(model, tiny_classifier, engines, why):
    write(model, **engines)
    advice = f"fit it with: valence calibrate {model} DATA --engine onnx$"
    with pytest.warns(UserWarning, match=f"^{model}: calibration.json is not applied: {why}{advice}") as said:
        classifier = valence.load(model)
    assert len(said) == 1
    assert classifier.calibration is None
    assert classifier(TEXTS) == valence.load(tiny_classifier)(TEXTS)


def test_an_export_of_other_weights_is_not_calibrated(model, every_engine):
    write(model, onnx_fp32=entry(model))
    assert valence.load(model).calibration == Calibration(2.5)
    shutil.rmtree(model / "onnx")
    pytest.importorskip("torch")
    from tiny import make_model, tiny_config
    from valence.runtime.export.export import export_model

    vocabulary = Path(shutil.copy(model / "vocab.txt", model.parent / "vocab.txt"))
    make_model(model, vocabulary, tiny_config(), "classification", ("NEGATIVE", "POSITIVE"), seed=8)
    export_model(ModelFolder(model, str(model)))
    with pytest.warns(UserWarning, match="it was fitted to other files"):
        assert valence.load(model).calibration is None


BROKEN = {
    "nothing": ("", "not readable as JSON: Expecting value: line 1 column 1"),
    "no JSON": ("{'format': 1}", "not readable as JSON"),
    "not UTF-8": (b"\xff\xfe\x00", "not readable as JSON"),
    "a list": ("[1]", "expected a JSON object, found list"),
    "no format": ('{"engines": {}}', "expected format 1, found None"),
    "format as text": ('{"format": "1", "engines": {}}', "expected format 1, found '1'"),
    "format true": ('{"format": true, "engines": {}}', "expected format 1, found True"),
    "no engines": ('{"format": 1}', "expected an object of engines, found None"),
    "engines as a list": ('{"format": 1, "engines": [1]}', "expected an object of engines, found \\[1\\]"),
    "entry as a number": ('{"format": 1, "engines": {"onnx fp32": 2}}', "expected an object for onnx fp32, found 2"),
}
TEMPERATURES = ["NaN", "Infinity", "-Infinity", "0", "-1", "1e9", "1e-9", "1" + "0" * 400, '"2"', "[2]", "true", "null"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_a_line(model, name):
    content, expected = BROKEN[name]
    (model / CALIBRATION).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ModelError, match=expected) as problem:
        valence.load(model)
    message = str(problem.value)
    assert message.startswith(f"{model / CALIBRATION}: ")
    advice = (
        f"; `valence calibrate {model} DATA` writes it anew, and without calibration.json scores are not calibrated"
    )
    assert message.endswith(advice)
    assert "\n" not in message


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_temperature_that_is_none(model, temperature):
    content = f'{{"format": 1, "engines": {{"onnx fp32": {{"temperature": {temperature}, "fingerprint": "a"}}}}}}'
    (model / CALIBRATION).write_text(content)
    with pytest.raises(ModelError, match=r"expected a temperature from 0\.01 to 100 for onnx fp32, found") as problem:
        valence.load(model)
    assert len(str(problem.value)) < 500


@pytest.mark.parametrize("biases", [[0.1], [0.1, "a"], [0.1, float("nan")], [0.1, 1e9], {}, "ab", 0, [True, False]])
def test_biases_that_are_none(model, biases):
    write(model, onnx_fp32=entry(model, biases=biases))
    with pytest.raises(ModelError, match="expected 2 biases for onnx fp32, or none, found"):
        valence.load(model)


def test_a_missing_fingerprint_and_a_later_format(model):
    write(model, onnx_fp32={"temperature": 2.0})
    with pytest.raises(ModelError, match="expected the fingerprint of what onnx fp32 ran from, found None"):
        valence.load(model)
    (model / CALIBRATION).write_text('{"format": 2}')
    with pytest.raises(ModelError, match="of format 2, and this version of valence reads up to 1"):
        valence.load(model)


def test_what_else_the_file_holds_does_not_matter(model):
    write(model, onnx_fp32=entry(model, biases=None, anything=[1]), other={"temperature": "broken"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert valence.load(model).calibration == Calibration(2.5)


def test_a_calibration_is_compared_and_replaced_like_any_value():
    assert replace(Calibration(2.0), biases=(1.0,)) == Calibration(2.0, (1.0,))


@pytest.mark.parametrize("engine", ["native", "onnx", "openvino", "torch"])
def test_every_engine_has_its_own_entry(every_engine, tmp_path, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    model = Path(shutil.copytree(every_engine, tmp_path / "model"))
    precision = "fp32" if engine == "torch" else None
    raw = valence.load(model, engine=engine, precision=precision)
    fingerprint = calibration_fingerprint(ModelFolder(model, "m"), raw.engine)
    write(model, **{raw.engine.name: {"temperature": 3.0, "fingerprint": fingerprint}})
    calibrated = valence.load(model, engine=engine, precision=precision)
    logits = raw.logits(TEXTS)
    assert np.array_equal(calibrated.logits(TEXTS), logits)
    assert np.array_equal(calibrated.probabilities(logits), softmax(logits.astype(float) / 3.0))
