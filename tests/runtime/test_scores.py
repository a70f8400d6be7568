"""From logits to scores: every aggregation against its formula written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from valence.errors import InputError
from valence.reading import Reading
from valence.runtime.scores import aggregate, check_aggregation, scores_of

LOGIT = st.integers(-3000, 3000).map(lambda hundredths: hundredths / 100)


@st.composite
def windows(draw, fewest_classes=2):
    """Logits [W, C] and tokens [W]."""
    count, width = draw(st.integers(1, 6)), draw(st.integers(fewest_classes, 4))
    return draw(arrays(np.float32, (count, width), elements=LOGIT)), np.array(
        draw(st.lists(st.integers(1, 510), min_size=count, max_size=count))
    )


def softmax(row):
    top = max(row)
    exponentials = [math.exp(value - top) for value in row]
    return [value / sum(exponentials) for value in exponentials]


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


@given(windows())
def test_mean(data):
    logits, tokens = data
    mean = [
        sum(float(logits[w, c]) * int(tokens[w]) for w in range(len(tokens))) / int(sum(tokens))
        for c in range(logits.shape[1])
    ]
    scores, winner = aggregate(logits, tokens, "mean", None)
    assert scores.tolist() == pytest.approx(softmax(mean), abs=1e-9)
    assert scores[winner] == max(scores)
    assert aggregate(logits, tokens, "mean", "regression")[0].tolist() == pytest.approx(mean, abs=1e-9)
    several = aggregate(logits, tokens, "mean", "multi_label_classification")[0]
    assert several.tolist() == pytest.approx([sigmoid(value) for value in mean], abs=1e-9)


@given(windows())
def test_max(data):
    logits, tokens = data
    highest = np.array([softmax(map_float(row)) for row in logits]).max(axis=0)
    scores, winner = aggregate(logits, tokens, "max", "single_label_classification")
    assert scores.tolist() == pytest.approx((highest / highest.sum()).tolist(), abs=1e-9)
    assert highest[winner] == pytest.approx(highest.max(), abs=1e-12)
    assert aggregate(logits, tokens, "max", "regression")[0].tolist() == logits.max(axis=0).astype(float).tolist()
    several = aggregate(logits, tokens, "max", "multi_label_classification")[0]
    assert several.tolist() == pytest.approx([sigmoid(float(value)) for value in logits.max(axis=0)], abs=1e-9)


def map_float(row):
    return [float(value) for value in row]


@given(windows())
def test_vote(data):
    logits, tokens = data
    scores, winner = aggregate(logits, tokens, "vote", None)
    means = np.array([softmax(map_float(row)) for row in logits]).mean(axis=0)
    probabilities = scores_of(logits, None)
    for c in range(logits.shape[1]):
        assert scores[c] == pytest.approx(sum(row.argmax() == c for row in probabilities) / len(logits))
    tied = [c for c in range(logits.shape[1]) if scores[c] == scores.max()]
    assert winner in tied
    assert means[winner] == pytest.approx(max(means[c] for c in tied), abs=1e-9)


@given(windows(fewest_classes=1))
def test_vote_where_classes_do_not_exclude_each_other(data):
    logits, tokens = data
    scores, _ = aggregate(logits, tokens, "vote", "multi_label_classification")
    assert scores.tolist() == pytest.approx([(logits[:, c] >= 0).mean() for c in range(logits.shape[1])])


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("problem_type", [None, "multi_label_classification", "regression"])
@given(row=st.lists(LOGIT, min_size=1, max_size=4), tokens=st.integers(1, 510))
def test_one_window_is_the_text_itself(aggregation, problem_type, row, tokens):
    logits = np.array([row], dtype=np.float32)
    scores, _ = aggregate(logits, np.array([tokens]), aggregation, problem_type)
    assert scores.tolist() == pytest.approx(scores_of(logits, problem_type)[0].tolist(), abs=1e-9)


def test_a_tied_vote_goes_to_the_surer_windows():
    logits = np.array([[3, 0], [0, 1]], dtype=np.float32)
    assert aggregate(logits, np.array([1, 1]), "vote", None)[1] == 0
    assert aggregate(logits[:, ::-1], np.array([1, 1]), "vote", None)[1] == 1


def test_what_there_is_not():
    with pytest.raises(InputError, match="aggregation must be one of 'mean', 'max', 'vote', found 'median'"):
        Reading(aggregation="median")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a regression has no classes to vote for"):
        check_aggregation("vote", "regression")
    check_aggregation("max", "regression")
