"""Every figure equals scikit-learn's, and every interval that of a bootstrap written out in the plainest way."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tiers import examples
from valence.errors import InputError
from valence.evaluation.measure import f1_of_classes, measure, measure_classes
from valence.evaluation.metrics import CLASS_METRICS, METRICS, Draw, MetricDefinition, Predictions, _WeightedAuc
from valence.reports.estimate import Estimate

RESAMPLED = [name for name, one in METRICS.items() if one.on_draw is not None]


def scale(n_classes) -> dict:
    """scikit-learn takes the side of two classes, and all sides of more."""
    return {} if n_classes == 2 else {"scale_by_half": False}


def reference(labels, probabilities, positive=None) -> dict:
    """The figures as scikit-learn's documentation says to compute them; None where AUC has a class missing."""
    n_classes = probabilities.shape[1]
    classes = list(range(n_classes))
    predicted = probabilities.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            labels, predicted, labels=classes, zero_division=0.0
        )
        if set(labels) != set(classes):
            auc = None
        elif n_classes == 2:
            auc = sk.roc_auc_score(labels, probabilities[:, 1])
        else:
            auc = sk.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
        choose = np.mean if positive is None else (lambda per_class: per_class[positive])
        return {
            "accuracy": sk.accuracy_score(labels, predicted),
            "precision": choose(precision),
            "recall": choose(recall),
            "f1": choose(f1),
            "auc": auc,
            "loss": sk.log_loss(labels, probabilities, labels=classes),
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "brier": sk.brier_score_loss(
                labels, probabilities[:, 1] if n_classes == 2 else probabilities, labels=classes, **scale(n_classes)
            ),
        }


@st.composite
def cases(draw):
    """Labels and probabilities; few distinct scores, so that ties are common, and classes may be absent."""
    n_classes = draw(st.integers(2, 5))
    n_texts = draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    present = draw(st.sets(st.integers(0, n_classes - 1), min_size=1))
    labels = random.choice(sorted(present), n_texts)
    logits = random.integers(-draw(st.integers(0, 3)), 4, (n_texts, n_classes)) * draw(
        st.sampled_from([0.5, 3.0, 40.0])
    )
    if draw(st.booleans()):
        logits[np.arange(n_texts), labels] += draw(st.sampled_from([-100.0, 2.0, 100.0]))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return labels.astype(np.int64), exponentials / exponentials.sum(axis=1, keepdims=True)


def assert_equal(found: dict, expected: dict) -> None:
    assert list(found) == list(METRICS)
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        else:
            assert found[name].value == pytest.approx(value, abs=1e-12), name
            assert type(found[name].value) is float


@settings(deadline=None, max_examples=examples(150))
@given(cases(), st.sampled_from([None, 0, 1]))
def test_figures_are_those_of_scikit_learn(case, positive):
    labels, probabilities = case
    figures = measure(labels, probabilities, resamples=2, positive=positive)
    assert_equal(figures.by_name, reference(labels, probabilities, positive))
    classes, predicted = range(probabilities.shape[1]), probabilities.argmax(axis=1)
    assert np.array_equal(figures.confusion, sk.confusion_matrix(labels, predicted, labels=classes))
    table = sk.classification_report(labels, predicted, labels=classes, output_dict=True, zero_division=0.0)
    for number, found in enumerate(figures.classwise.per_class):
        expected = table[str(number)]
        assert (found.support, found.predicted) == (expected["support"], (predicted == number).sum())
        for name, key in zip(CLASS_METRICS, ("precision", "recall", "f1-score"), strict=True):
            assert found.estimates[name].value == pytest.approx(expected[key], abs=1e-12)
            assert figures.classwise.macro[name].value == pytest.approx(table["macro avg"][key], abs=1e-12)
    plain = f1_of_classes(labels, predicted, len(classes))
    assert plain == pytest.approx([table[str(number)]["f1-score"] for number in classes], abs=1e-12)


@settings(deadline=None, max_examples=examples(60))
@given(cases())
def test_resampled_figures_of_the_sample_itself_are_the_figures(case):
    """A resample that draws every text once must give what scikit-learn gives."""
    labels, probabilities = case
    expected = reference(labels, probabilities)
    draw = Draw(Predictions(labels, probabilities), np.ones(len(labels)))
    for name, value in expected.items():
        found = METRICS[name].on_draw(draw)
        if value is None:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(value, abs=1e-12), name


@pytest.mark.slow
@pytest.mark.parametrize(("n_classes", "n_texts"), [(2, 40), (2, 9), (4, 60)])
def test_intervals_are_those_of_a_plain_bootstrap(n_classes, n_texts):
    random = np.random.default_rng(n_texts)
    labels = np.concatenate([np.arange(n_classes), random.integers(0, n_classes, n_texts - n_classes)])
    probabilities = random.dirichlet(np.ones(n_classes), n_texts).round(1) + 0.05
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    positive = 1 if n_classes == 2 else None
    figures = measure(labels, probabilities, resamples=120, seed=11, positive=positive)
    generator = np.random.default_rng(11)
    drawn = [generator.integers(0, n_texts, n_texts) for _ in range(120)]

    def holds(found, positive, names):
        samples = [reference(labels[one], probabilities[one], positive) for one in drawn]
        for name in names:
            defined = [sample[name] for sample in samples if sample[name] is not None]
            low, high = np.quantile(defined, [0.025, 0.975])
            assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=1e-12), name
            assert low < high or found is not figures.by_name

    holds(figures.by_name, positive, RESAMPLED)
    holds(figures.classwise.macro, None, CLASS_METRICS)
    for number, one in enumerate(figures.classwise.per_class):
        holds(one.estimates, number, CLASS_METRICS)
    assert measure_classes(labels, probabilities.argmax(axis=1), n_classes, 120, 11) == figures.classwise


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
def test_weighted_auc_is_that_of_texts_repeated(rows):
    positive, scores, weights = (np.array(column) for column in zip(*rows, strict=True))
    area = _WeightedAuc(positive.astype(bool), scores.astype(float))(weights.astype(float))
    repeated = np.repeat(positive, weights)
    if len(set(repeated.tolist())) < 2:
        assert np.isnan(area)
    else:
        assert area == pytest.approx(sk.roc_auc_score(repeated, np.repeat(scores, weights)), abs=1e-12)


def test_perfect_and_worst():
    labels = np.array([0, 1] * 20)
    right = np.eye(2)[labels]
    perfect, worst = (measure(labels, scores, positive=1).by_name for scores in (right, 1 - right))
    for name in ("accuracy", "precision", "recall", "f1", "auc", "mcc"):
        assert perfect[name] == type(perfect[name])(1.0, 1.0, 1.0)
        assert worst[name].value == (-1.0 if name == "mcc" else 0.0)
        assert worst[name].low == worst[name].high == worst[name].value
    assert perfect["loss"].value == pytest.approx(0, abs=1e-15)
    assert worst["loss"].value == pytest.approx(sk.log_loss(labels, 1 - right), abs=1e-12)
    assert worst["loss"].value > 30
    assert (perfect["brier"].value, worst["brier"].value) == (0, 1)
    assert (perfect["ece"].value, worst["ece"].value) == (0, 1)
    assert perfect["ece_if_calibrated"].value == worst["ece_if_calibrated"].value == 0


def test_one_text_and_one_class():
    figures = measure(np.array([1]), np.array([[0.2, 0.8]])).by_name
    assert figures["auc"] is None
    assert (figures["accuracy"].value, figures["accuracy"].low, figures["accuracy"].high) == (1, 1, 1)
    assert figures["mcc"].value == 0


def test_same_seed_same_interval():
    random = np.random.default_rng(0)
    labels, probabilities = random.integers(0, 2, 50), random.dirichlet([1, 1], 50)
    assert measure(labels, probabilities, 50).by_name == measure(labels, probabilities, 50).by_name
    assert measure(labels, probabilities, 50).by_name != measure(labels, probabilities, 50, seed=1).by_name


@pytest.mark.slow
def test_interval_covers():
    """The 95 % interval of the accuracy of many samples holds the true one about as often as it says."""
    random = np.random.default_rng(0)
    held = 0
    for seed in range(150):
        labels = random.integers(0, 2, 100)
        right = random.random(100) < 0.8
        figure = measure(labels, np.eye(2)[np.where(right, labels, 1 - labels)], 100, seed).by_name["accuracy"]
        held += figure.low <= 0.8 <= figure.high
    assert 0.90 <= held / 150 <= 0.99


def test_a_metric_is_resampled_or_brings_its_own_interval():
    with pytest.raises(InputError, match=r"^the metric 'a' needs either on_draw or estimate$"):
        MetricDefinition("a", "A")
    own = MetricDefinition("a", "A", estimate=lambda one, resamples, seed: Estimate(1.0, resamples, seed))
    predictions = Predictions(np.array([0, 1]), np.eye(2))
    assert own.estimate_of(predictions, 7, 3) == Estimate(1.0, 7, 3)
    assert own.measure(predictions) == 1.0
    assert METRICS["accuracy"].estimate_of(predictions) == Estimate(1.0)
