"""Temperatures equal scikit-learn's; calibration errors and what chance gives of them; intervals of shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax
from scipy.stats import binomtest

from tiers import examples
from valence.statistics.calibration import (
    BINS,
    calibration_error,
    calibration_error_if_calibrated,
    equal_mass_bins,
    fit_multi_label,
    fit_temperature,
    wilson,
)


def drawn(seed, n_texts=400, n_classes=3, temperature=2.5):
    """Logits, and labels that come true as often as the logits say at a temperature."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 3, (n_texts, n_classes)).astype(np.float32)
    labels = np.array([random.choice(n_classes, p=one) for one in softmax(logits.astype(float) / temperature, axis=1)])
    return logits, labels


def loss(logits, labels, temperature):
    return -log_softmax(logits.astype(float) / temperature, axis=1)[np.arange(len(labels)), labels].mean()


def scikit_learn(logits, labels):
    """The mean loss of CalibratedClassifierCV on the texts that it was fitted on."""
    calibration = pytest.importorskip("sklearn.calibration")
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.frozen import FrozenEstimator

    class Logits(ClassifierMixin, BaseEstimator):
        classes_ = np.arange(logits.shape[1])

        def fit(self, values, labels):
            raise AssertionError("it is frozen")

        def __sklearn_is_fitted__(self):
            return True

        def decision_function(self, values):
            return (values[:, 1] - values[:, 0]) / 2 if values.shape[1] == 2 else values

        def predict(self, values):
            return values.argmax(axis=1)

    model = calibration.CalibratedClassifierCV(FrozenEstimator(Logits()), method="temperature")
    scores = model.fit(logits.astype(float), labels).predict_proba(logits.astype(float))
    return -np.log(scores[np.arange(len(labels)), labels]).mean()


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_loss_is_that_of_scikit_learns_temperature(n_classes, temperature):
    logits, labels = drawn(n_classes, 600, n_classes, temperature)
    found = fit_temperature(logits, labels)
    assert abs(loss(logits, labels, found) - scikit_learn(logits, labels)) < 1e-6
    assert 0.7 < found / temperature < 1.4


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.sampled_from([0.1, 1.0, 10.0]))
def test_no_other_temperature_is_better(seed, n_classes, temperature):
    logits, labels = drawn(seed, 120, n_classes, temperature)
    found = fit_temperature(logits, labels)
    for other in (found * 0.99, found * 1.01, 1.0):
        assert loss(logits, labels, found) <= loss(logits, labels, other) + 1e-12


def test_where_no_temperature_is_best():
    logits = np.array([[2.0, -1.0], [-1.0, 2.0], [3.0, 1.0]], dtype=np.float32)
    assert fit_temperature(logits, np.array([0, 1, 0])) < 0.01
    assert fit_temperature(logits, np.array([1, 0, 1])) > 1e4
    assert np.isfinite(fit_temperature(1e30 * logits, np.array([0, 1, 1])))


def test_multi_label_is_a_logistic_regression_with_one_slope():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (500, 3)).astype(np.float32)
    truth = random.random((500, 3)) < expit(logits / 1.7 + np.array([0.5, -1.0, 0.0]))
    temperature, biases = fit_multi_label(logits, truth)
    design = np.concatenate([logits.ravel()[:, None], np.tile(np.eye(3), (500, 1))], axis=1)
    expected = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(design, truth.ravel())
    assert [1 / temperature, *biases] == pytest.approx(expected.coef_[0].tolist(), abs=1e-5)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(st.sampled_from([0.5, 0.6, 0.7, 0.81, 0.9, 0.99, 1.0]), min_size=1, max_size=200))
def test_bins_of_equal_mass(scores):
    scores = np.array(scores)
    bins = equal_mass_bins(scores)
    assert 0 <= bins.min() <= bins.max() < BINS
    order = np.argsort(scores, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    assert len(set(zip(scores.tolist(), bins.tolist(), strict=True))) == len(set(scores.tolist()))


def test_different_scores_are_spread_evenly():
    scores = np.random.default_rng(0).permutation(np.linspace(0.5, 1, 15 * 40))
    assert np.bincount(equal_mass_bins(scores)).tolist() == [40] * 15
    blocks = np.sort(scores).reshape(15, 40)
    right = np.random.default_rng(1).random(600) < 0.8
    expected = np.abs(right[np.argsort(scores)].reshape(15, 40).mean(axis=1) - blocks.mean(axis=1)).mean()
    assert calibration_error(scores, right) == pytest.approx(expected, abs=1e-12)


def test_the_order_of_texts_and_the_last_digits_say_nothing():
    random = np.random.default_rng(2)
    scores, right = random.integers(50, 100, 300) / 100, random.random(300) < 0.7
    order = random.permutation(300)
    found = calibration_error(scores, right)
    assert calibration_error(scores[order], right[order]) == pytest.approx(found, abs=1e-12)
    assert calibration_error(scores + random.normal(0, 1e-9, 300), right) == pytest.approx(found, abs=1e-8)


def test_what_a_perfectly_calibrated_model_shows():
    """Labels that come true as scores say lie within the interval about as often as it says, and shrink with n."""
    random = np.random.default_rng(3)
    held = 0
    for seed in range(100):
        scores = random.beta(8, 1.5, 300) / 2 + 0.5
        chance = calibration_error_if_calibrated(scores, 200, seed)
        held += chance.low <= calibration_error(scores, random.random(300) < scores) <= chance.high
    assert 88 <= held <= 99
    few, many = (calibration_error_if_calibrated(random.beta(8, 1.5, n) / 2 + 0.5, 200) for n in (200, 2000))
    assert few.value > 2 * many.value
    assert calibration_error_if_calibrated(scores, 200) == calibration_error_if_calibrated(scores, 200)


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (3, 10), (58, 58), (700, 900)])
def test_the_score_interval(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.value == successes / trials
