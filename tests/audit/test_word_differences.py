"""What one word changes, told from what sentences change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from valence.audit.word_differences import by_group, by_word, figures, from_mean, minority_labels, template_means

WORDS = ["a", "b", "c", "d"]
PROBABILITIES = st.floats(0, 1)


@settings(deadline=None)  # the first test loads scipy
@given(st.lists(PROBABILITIES, min_size=1, max_size=12))
def test_a_scorer_that_knows_no_words_gives_zero(rows):
    scores = np.repeat(np.array(rows)[:, None], 4, axis=1)
    templates = list(range(len(rows)))
    for figure in figures(scores, templates, resamples=20).values():
        assert (figure.value, figure.low or 0, figure.high or 0) == (0, 0, 0)
    for one in (*by_word(scores, WORDS, templates, 20), *by_group(scores, ["x", "x", "y", "z"], templates, 20)):
        assert one.difference.value == 0
        assert (one.p_value, one.holm_p_value) == (1, 1)


@settings(deadline=None)
@given(arrays(np.float64, (5, 4), elements=PROBABILITIES), st.permutations(range(4)))
def test_the_order_of_the_words_does_not_matter(scores, order):
    templates = [0, 0, 1, 2, 3]
    one = {word.word: word.difference.value for word in by_word(scores, WORDS, templates, 20)}
    other = by_word(scores[:, order], [WORDS[number] for number in order], templates, 20)
    assert {word.word: word.difference.value for word in other} == pytest.approx(one, abs=1e-12)
    assert sum(one.values()) == pytest.approx(0, abs=1e-12)


def test_a_word_is_compared_with_the_mean_of_its_set():
    scores = np.array([[0.1, 0.3], [0.5, 0.9]])
    assert from_mean(scores) == pytest.approx(np.array([[-0.1, 0.1], [-0.2, 0.2]]))
    found = {one.word: one.difference.value for one in by_word(scores, ["a", "b"], ["s", "t"])}
    assert found == pytest.approx({"a": -0.15, "b": 0.15})
    summary = figures(scores, ["s", "t"])
    assert summary["mean_absolute_difference"].value == pytest.approx(0.15)
    assert summary["standard_deviation"].value == pytest.approx(0.15)
    assert summary["largest_absolute_difference"].value == pytest.approx(0.2)
    assert summary["label_flip_rate"].value == 0.25


def test_a_group_is_compared_with_all_other_words():
    scores = np.array([[0.2, 0.4, 0.9]])
    found = {one.word: one.difference.value for one in by_group(scores, ["x", "x", "y"], ["s"])}
    assert found == pytest.approx({"x": -0.6, "y": 0.6})
    assert by_group(scores, ["x", "x", "x"], ["s"]) == []


def test_the_label_of_few_is_a_flip():
    assert minority_labels(np.array([[0.1, 0.2, 0.6], [0.9, 0.9, 0.2], [0.9, 0.1, 0.1]])).tolist() == [
        [0, 0, 1],
        [0, 0, 1],
        [1, 0, 0],
    ]


def test_tests_count_templates_and_not_sets():
    random = np.random.default_rng(0)
    one = random.uniform(size=(3, 4))
    many = np.repeat(one, 50, axis=0)
    templates = np.repeat([0, 1, 2], 50).tolist()
    assert template_means(many, templates) == pytest.approx(one)
    few = [word.p_value for word in by_word(one, WORDS, [0, 1, 2], 20)]
    assert [word.p_value for word in by_word(many, WORDS, templates, 20)] == pytest.approx(few)


def test_many_words_are_corrected_for():
    random = np.random.default_rng(1)
    scores = random.uniform(0.4, 0.6, size=(12, 200))
    scores[:, 7] -= 0.3
    found = by_word(scores, [str(number) for number in range(200)], list(range(12)), 50)
    assert found[0].word == "7"
    assert found[0].holm_p_value < 0.01
    assert min(one.p_value for one in found[1:]) < 0.05  # by chance
    assert min(one.holm_p_value for one in found[1:]) > 0.05
