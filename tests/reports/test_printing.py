"""Numbers as people read them."""

import math

import pytest

from valence.reports.estimate import Estimate
from valence.reports.printing import (
    bounds,
    count,
    interval,
    markdown_table,
    megabytes,
    plain_table,
    rounded,
    significant,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "infinite"),
        (True, "yes"),
        (0, "0"),
        (0.0, "0"),
        (-1234, "−1,234"),
        (0.000001, "1.0e−06"),
        (0.0123, "0.0123"),
        (0.5, "0.500"),
        (50.0, "50"),
        (12.345, "12.35"),
        (12345.6, "12,346"),
        ("a text", "a text"),
    ],
)
def test_cells(value, text):
    assert rounded(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1234, "1,234"), (0.123456, "0.1235"), (1234.5, "1,234"), (0.00001234, "1.234e-05")]
)
def test_significant_digits(value, text):
    assert significant(value) == text


def test_estimates():
    assert interval(Estimate(0.9025, 0.8819, 0.922)) == "0.9025 (0.8819 to 0.9220)"
    assert interval(Estimate(0.9025)) == "0.9025"
    assert interval(None) == bounds(Estimate(1)) == "–"
    assert interval(Estimate(-0.1, -0.2, 0.1), "{:+.1f}".format) == "-0.1 (-0.2 to +0.1)"


def test_counts_sizes_and_tables():
    assert (count(None), count(22713218), megabytes(23616656)) == ("not known", "22,713,218", "23.6 MB")
    assert markdown_table([("a", "b"), ("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert plain_table([("class", "n"), ("x", "1,000")]) == ["class      n", "x      1,000"]
