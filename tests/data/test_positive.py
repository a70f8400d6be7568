"""Which class is the positive one."""

import pytest

from valence.data.positive import find_positive, positive_class, positive_sentiment
from valence.errors import InputError


@pytest.mark.parametrize(
    ("labels", "number"),
    [
        (("NEGATIVE", "POSITIVE"), 1),
        (("Positive", "other"), 0),
        (("neg", "pos"), 1),
        (("Yes", "No"), 0),
        (("False", "True"), 1),
        (("0", "1"), 1),
        (("1", "0"), 0),
        (("LABEL_0", "LABEL_1"), 1),
        ((" positive ", "negative"), 0),
        (("abusive", "normal"), None),
        (("ham", "spam"), None),
        (("yes", "positive"), None),  # which?
        (("1", "true"), None),
        (("negative", "neutral", "positive"), None),  # of three, each is one of three
        (("1", "2", "3"), None),
        (("positively", "1 star"), None),
    ],
)
def test_the_name_gives_it_away(labels, number):
    assert positive_class(labels) == number
    assert find_positive(labels, None) == number


@pytest.mark.parametrize(
    ("labels", "name", "number"),
    [
        (("normal", "abusive"), "abusive", 1),
        (("normal", "abusive"), "ABUSIVE", 1),
        (("US", "us"), "us", 1),
        (("US", "us"), "US", 0),
        (("NEGATIVE", "POSITIVE"), "NEGATIVE", 0),
        (("a", "b", "c"), "c", 2),
    ],
)
def test_the_user_names_it(labels, name, number):
    assert find_positive(labels, name) == number


@pytest.mark.parametrize(
    ("labels", "name"), [(("a", "b"), "c"), (("US", "us"), "Us"), (("a", "b"), ""), (("a", "b"), "1")]
)
def test_no_such_class(labels, name):
    with pytest.raises(InputError, match=r"the positive class must be one of .*; found "):
        find_positive(labels, name)


@pytest.mark.parametrize(
    ("labels", "number"),
    [
        (("NEGATIVE", "POSITIVE"), 1),
        (("Positive", "Negative"), 0),
        (("BAD", "POSITIVE"), 1),
        (("pos", "other"), 0),
        (("LABEL_0", "LABEL_1"), 1),
        (("LABEL_1", "LABEL_0"), 0),
        (("1", "0"), 0),
        (("1", "positive"), None),  # which?
        (("no", "yes"), None),  # is it abusive?
        (("True", "False"), None),
        (("spam", "ham"), None),
        (("5 stars", "1 star"), None),
        (("World", "Sports"), None),
        (("a", "b", "c"), None),
        (("negative", "neutral", "positive"), None),
    ],
)
def test_of_feelings_affirming_is_not_praising(labels, number):
    assert positive_sentiment(labels) == number
