"""A classifier over labelled texts, and the report of it."""

import warnings

import msgspec
import numpy as np
import pytest

import valence
from valence import InputError
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.evaluation.evaluate import evaluate
from valence.evaluation.measure import measure
from valence.evaluation.metrics import METRICS
from valence.folder import ModelFolder
from valence.reports.codec import encode_report


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "reviews.tsv"
    texts = [f"{'good ' * (n % 9)}film {'bad ' * (n % 5)}" for n in range(45)] + ["great " * 80]
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{n % 2}\n" for n, text in enumerate(texts)))
    return path


@pytest.fixture(scope="module")
def examples(data):
    return read_examples(find_source(str(data), "eval"), known=("NEGATIVE", "POSITIVE"))


def test_report(tiny_classifier, examples, data):
    classifier = valence.load(tiny_classifier)
    seen = []
    folder = ModelFolder(tiny_classifier, "m")
    report = encode_report(evaluate(classifier, examples, folder, 200, lambda *told: seen.append(told)))
    probabilities = classifier.probabilities(classifier.logits(examples.texts))
    expected = measure(examples.labels, probabilities, 200, positive=1)
    for name in METRICS:
        assert list(report[name]) == ["value", "low", "high"]
        assert tuple(report[name].values()) == pytest.approx(msgspec.structs.astuple(expected.by_name[name]), abs=1e-5)
    predicted = [prediction.label for prediction in classifier(examples.texts)]
    for row, true in enumerate(("NEGATIVE", "POSITIVE")):
        for column, label in enumerate(("NEGATIVE", "POSITIVE")):
            expected_count = sum(
                found == label and examples.names[number] == true
                for found, number in zip(predicted, examples.labels, strict=True)
            )
            assert report["confusion_matrix"]["counts"][row][column] == expected_count
    assert report["confusion_matrix"]["labels"] == ["NEGATIVE", "POSITIVE"]
    assert (report["n_texts"], report["n_truncated"], report["n_windowed"], report["max_length"]) == (46, 0, 1, 64)
    assert report["long_text"] == {"how": "window", "stride": 0, "aggregation": "mean"}
    assert report["texts_per_second"] > 0
    assert report["tokens_per_second"] > report["texts_per_second"]
    columns = {"text": ["text"], "pair": None, "label": "label"}
    assert report["data"] == {"name": "reviews", "sha256": examples.source.sha256(), "columns": columns}
    assert report["model"]["engine"] == "onnx fp32"
    assert report["model"]["weights_sha256"] == ModelFolder(tiny_classifier, "m").weights_hash()
    assert seen[-1] == (46, 46)


@pytest.mark.slow
def test_engines_give_the_same_figures(tiny_classifier, examples):
    classifiers = [valence.load(tiny_classifier, engine=engine) for engine in ("onnx", "torch")]
    reports = [encode_report(evaluate(classifier, examples)) for classifier in classifiers]
    for name in METRICS:
        assert reports[0][name]["value"] == pytest.approx(reports[1][name]["value"], abs=1e-5)
    assert reports[0]["model"]["name"] is None


def test_a_class_without_texts_leaves_auc_undefined(tiny_classifier, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\ngood\t1\nbad\t1\n")
    examples = read_examples(find_source(str(path), "eval"), known=("NEGATIVE", "POSITIVE"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = encode_report(evaluate(valence.load(tiny_classifier), examples))
    assert any(str(warning.message).startswith("a: no text is NEGATIVE: ") for warning in caught)
    assert report["auc"] is None
    assert report["accuracy"]["value"] in (0, 0.5, 1)


@pytest.mark.parametrize("problem_type", ["multi_label_classification", "regression"])
def test_other_problems_are_refused(tiny_classifier, examples, problem_type):
    classifier = valence.load(tiny_classifier)
    classifier.problem_type = problem_type
    with pytest.raises(InputError, match=f"one label per text; this one is {problem_type}"):
        evaluate(classifier, examples)


def test_more_texts_than_are_run_at_once(tiny_classifier, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{'good' if n % 3 else 'bad'}\t{n % 2}\n" for n in range(5000)))
    examples = read_examples(find_source(str(path), "eval"), known=("NEGATIVE", "POSITIVE"))
    classifier = valence.load(tiny_classifier)
    seen = []
    with pytest.warns(UserWarning, match="a: no text is said to be POSITIVE, though some are: "):
        found = evaluate(classifier, examples, resamples=1, on_progress=lambda *told: seen.append(told))
    report = encode_report(found)
    right = np.mean([classifier.labels.index(p.label) for p in classifier(examples.texts)] == examples.labels)
    assert report["accuracy"]["value"] == pytest.approx(right)
    assert seen == [(4096, 5000), (5000, 5000)]
