"""Counterfactual versions of texts: what is swapped, and what is left alone."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.templates.countries import COUNTRIES
from valence.templates.people import NAMES
from valence.templates.swaps import SWAPS, swap_countries, swap_gender, swap_names

TRAINED = {one.name for one in COUNTRIES if one.used_in_training}
KEPT_OUT = {one.name for one in COUNTRIES if not one.used_in_training}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("she loves him", "he loves her"),
        ("She saw her.", "He saw him."),
        ("her best film , and she knows it", "his best film , and he knows it"),
        ("I gave her two stars", "I gave his two stars"),  # by form alone, as the module says
        ("The actress thanked the policeman.", "The actor thanked the policewoman."),
        ("HE", "She"),
        ("himself or herself", "herself or himself"),
    ],
)
def test_gender(text, expected):
    assert swap_gender(text, Random(0)) == expected


@pytest.mark.parametrize("text", ["", "the film", "the theme of heresy", "sheep and shell", "hers"])
def test_texts_without_such_words_have_no_other_version(text):
    assert all(swap(text, Random(0)) is None for swap in SWAPS.values())


def test_countries_become_countries_and_adjectives_adjectives():
    swapped = swap_countries("A German film from Brazil, as brazil is.", Random(1))
    assert swapped is not None
    words = swapped.removesuffix(" is.").split(", as ")
    assert words[0].split(" from ")[1].lower() == words[1], "equal names stay equal"
    assert words[1].islower(), "and keep small letters"
    assert words[0].split(" from ")[1] in TRAINED
    assert words[0].split()[1] in {one.adjective for one in COUNTRIES if one.used_in_training}


def test_no_country_that_is_kept_out_is_found_or_put_in():
    for one in sorted(KEPT_OUT):
        assert swap_countries(f"made in {one}", Random(0)) is None, one
    text = " ".join(f"from {one} ," for one in sorted(TRAINED))
    for seed in range(50):
        found = swap_countries(text, Random(seed)) or ""
        for one in KEPT_OUT:
            assert f"from {one} ," not in found


def test_no_name_of_the_audit_is_found_or_put_in():
    audit = {one.subject for one in NAMES if one.use == "audit"}
    assert swap_names(" and ".join(sorted(audit)), Random(0)) is None
    for seed in range(50):
        assert not set((swap_names("Kevin met Fatima", Random(seed)) or "").split()) & audit


def test_words_that_mean_something_else_too_are_left_alone():
    assert swap_countries("this turkey lacks polish , said chad jordan of georgia", Random(0)) is None


def test_the_choice_is_the_random_numbers_alone():
    text = "Kevin of Brazil met a German king"
    for swap in SWAPS.values():
        assert swap(text, Random(5)) == swap(text, Random(5))


@given(st.text(max_size=80), st.integers(0, 3))
def test_any_text_can_be_asked_about(text, seed):
    for swap in SWAPS.values():
        swapped = swap(text, Random(seed))
        assert swapped is None or swapped != text


@given(st.lists(st.sampled_from(["he", "she", "film", "king", "queen", "good"]), max_size=12))
def test_swapping_gender_twice_gives_the_text_again(words):
    text = " ".join(words)
    swapped = swap_gender(text, Random(0))
    assert swapped is None or swap_gender(swapped, Random(0)) == text
