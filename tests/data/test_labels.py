"""What a label means: names, numbers, both, and neither."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.data.labels import check_label, class_numbers, find_names, parse_label_names, read_label_names, translate
from valence.errors import DataError, InputError

FILE = Path("data.tsv")


def places(labels) -> list[tuple[Path, int]]:
    return [(FILE, line) for line in range(2, len(labels) + 2)]


def names_of(*labels) -> tuple[str, ...]:
    return find_names(labels, places(labels))


def numbers_of(labels, names) -> list[int]:
    return class_numbers(labels, places(labels), names).tolist()


def test_names_in_alphabetical_order():
    assert names_of("pos", "neg", "pos", "mixed") == ("mixed", "neg", "pos")
    assert names_of(True, False) == ("False", "True")


@pytest.mark.parametrize(
    "labels", [("0", "1", "2"), (0, 1, 2), (0.0, 1.0, 2.0), ("2.0", "0.0", "1.00"), (2, "1", "0.0")]
)
def test_numbers_become_names_with_one_warning(labels):
    with pytest.warns(UserWarning, match="called 0 to 2") as caught:
        assert names_of(*labels) == ("0", "1", "2")
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("labels", "line", "message"),
    [
        (("0", "1", "-1"), 4, "label -1: class numbers start at 0"),
        (("1", "2", "3"), None, "no row has 0"),
        (("0", "3", "2"), None, "no row has 1"),
        (("0", "1000000"), None, "no row has 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;"),
        ((*map(str, range(1000)), "5000"), None, "no row has 1000, 1001"),
        (("0", "0"), None, "only one class, '0'"),
        (("pos", "pos"), None, "only one class, 'pos'"),
        (("0", "1", "label"), 4, "some labels are numbers and some are names"),
        (("pos", "neg", "1"), 4, "some labels are numbers and some are names"),
        ((0, 0.5), 3, "some labels are numbers"),
        ((0.5, 1.5), 2, "expected a name or a whole number"),
        (("0.25", ".5"), 2, "expected a name or a whole number"),
        (("Pos", "pos", "neg"), None, "differ only in case: 'Pos', 'pos'"),
        (tuple(f"text {n}" for n in range(100)), None, "100 different labels in 100 rows"),
    ],
)
def test_labels_that_do_not_make_classes(labels, line, message):
    with pytest.raises(DataError) as caught:
        names_of(*labels)
    assert message in str(caught.value)
    assert caught.value.line == line


def test_numbers_of_names_in_any_case_and_of_numbers():
    names = ("NEGATIVE", "POSITIVE")
    assert numbers_of(["POSITIVE", "negative", "1", "0.0", 1, 1.0, True, "Positive"], names) == [1, 0, 1, 0, 1, 1, 1, 1]


def test_case_matters_where_names_differ_in_it_alone():
    assert numbers_of(["us", "US"], ("US", "us")) == [1, 0]


def test_a_label_that_equals_a_name_is_that_class():
    assert numbers_of(["1", 0, "0.0", 1.0], ("1", "0")) == [0, 1, 1, 0]
    assert numbers_of([5, "5.0", "1", 1.0], ("1", "2", "3", "4", "5")) == [4, 4, 0, 0]
    assert numbers_of([True, False], ("true", "false")) == [0, 1]
    assert numbers_of(["-1", 1, -1.0], ("-1", "1")) == [0, 1, 0]


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("POSITIV", ("NEGATIVE", "POSITIVE")),
        ("2", ("NEGATIVE", "POSITIVE")),
        (-1, ("NEGATIVE", "POSITIVE")),
        (0.5, ("NEGATIVE", "POSITIVE")),
        ("1e0", ("NEGATIVE", "POSITIVE")),
        ("٣", ("a", "b", "c", "d")),
        ("9" * 5000, ("NEGATIVE", "POSITIVE")),
        ("0", ("1", "2", "3")),
    ],
)
def test_unknown_label(label, names):
    with pytest.raises(DataError, match="unknown label") as caught:
        class_numbers([names[0], label], places("ab"), names)
    assert caught.value.line == 3
    assert names[0] in str(caught.value)
    assert ("a number from 0 to" in str(caught.value)) == (names[0] != "1")
    assert len(str(caught.value)) < 300


@given(
    st.lists(st.integers(0, 5), min_size=1),
    st.sampled_from([str, int, float, lambda n: f"{n}.0", "abcdef".__getitem__]),
)
def test_every_spelling_of_a_class(numbers, spell):
    assert numbers_of([spell(number) for number in numbers], tuple("abcdef")) == numbers


def test_translate_by_name():
    numbers = np.array([0, 1, 2, 0])
    names, known = ("pos", "neg", "neutral"), ("NEG", "NEUTRAL", "POS", "MIXED")
    assert translate(numbers, places(numbers), names, known).tolist() == [2, 0, 1, 2]


def test_translate_by_number_warns_once():
    with pytest.warns(UserWarning, match="matched to the model's .*by number") as caught:
        assert translate(np.array([0, 1]), places("ab"), ("bad", "good"), ("NEGATIVE", "POSITIVE")).tolist() == [0, 1]
    assert len(caught) == 1


def test_translate_to_a_class_the_model_lacks():
    with pytest.raises(DataError, match="'neutral' is none of the model's: NEG, POS") as caught:
        translate(np.array([0, 1]), places("ab"), ("neg", "neutral", "pos"), ("NEG", "POS"))
    assert caught.value.line == 3
    # A class that no row has may be absent from the model.
    assert translate(np.array([0, 2]), places("ab"), ("neg", "neutral", "pos"), ("NEG", "POS")).tolist() == [0, 1]


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")])
def test_no_label(value):
    with pytest.raises(DataError, match="line 7: the row has no label"):
        check_label(value, FILE, 7)


@pytest.mark.parametrize("value", [["pos"], {"a": 1}, b"pos"])
def test_what_is_no_label(value):
    with pytest.raises(DataError, match="line 7: a label must be a name or a whole number"):
        check_label(value, FILE, 7)


def test_spaces_around_a_label_are_not_part_of_it():
    assert check_label(" pos ", FILE, 7) == "pos"


def test_option_labels_as_list_and_as_file(tmp_path):
    assert parse_label_names("NEGATIVE, POSITIVE") == ("NEGATIVE", "POSITIVE")
    path = tmp_path / "names"
    path.write_bytes("\ufeffWorld\r\nSports, outdoors\r\n Ça va \r\n\r\n\n".encode())
    assert parse_label_names(str(path)) == ("World", "Sports, outdoors", "Ça va")
    many = ",".join(f"a class with a long name, {n}".replace(",", "") for n in range(500))
    assert len(parse_label_names(many)) == 500  # longer than a file name may be


@pytest.mark.parametrize("option", ["A,A", "A,,B", "A,", ""])
def test_option_labels_of_no_use(option):
    with pytest.raises(InputError, match="different names"):
        parse_label_names(option)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [("a\n\nb\n", 2, "blank line"), ("a\nb\na\n", 3, "second time"), ("\n\n", None, "found none"), ("a\n\xff", 2, "")],
)
def test_labels_file_of_no_use(tmp_path, content, line, message):
    path = tmp_path / "labels.txt"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        read_label_names(path)
    assert message in str(caught.value)
    assert caught.value.line == line
