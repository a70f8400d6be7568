"""What a label means: names, numbers, both, and neither."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.data.labels import (
    check_label,
    class_numbers,
    find_names,
    match_names,
    parse_label_names,
    read_label_names,
    translate,
)
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
    assert numbers_of(["Positive", "negative", "1", "0.0", 1, 1.0, True], names) == [1, 0, 1, 0, 1, 1, 1]
    with pytest.warns(UserWarning, match="the labels 'POSITIVE', 'Positive' are read as one class, 'POSITIVE'"):
        assert numbers_of(["POSITIVE", "Positive"], names) == [1, 1]


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


CASE_PAIRS = [("US", "us"), ("IT", "it"), ("Polish", "polish"), ("ß", "ss"), ("May", "may"), ("ﬁ", "fi"), ("İ", "i̇")]


@pytest.mark.parametrize(("one", "other"), CASE_PAIRS)
def test_classes_that_differ_in_case_keep_their_rows(one, other):
    for names in ((one, other), (other, one), (one, "else", other)):
        assert numbers_of([one, other, one], names) == [names.index(one), names.index(other), names.index(one)]
        numbers = np.arange(len(names))
        for known in itertools.permutations(names):
            assert [known[n] for n in translate(numbers, places(names), names, known)] == list(names)


@pytest.mark.parametrize(("one", "other"), CASE_PAIRS)
def test_another_case_is_a_class_only_where_that_is_unambiguous(one, other):
    assert match_names([one, "Else"], ["else", other]) == [1, 0]
    assert match_names([one, other], [one, "else"]) == [0, None]
    assert match_names(["Us", "uS"], ["US", "else"]) == [None, None]
    assert match_names(["US", "Us"], ["US", "us"]) == [0, None]
    with pytest.raises(DataError, match="unknown label"):
        numbers_of(["uS"], ("US", "us"))
    assert numbers_of(["ELSE", one, other], (one, other, "else")) == [2, 0, 1]


INVISIBLE = {
    "zero-width space": ("spam", "spam\u200b"),
    "zero-width joiner": ("spam", "sp\u200dam"),
    "byte order mark": ("spam", "\ufeffspam"),
    "word joiner": ("spam", "spam\u2060"),
    "soft hyphen": ("spam", "sp\u00adam"),
    "direction mark": ("spam", "\u200espam\u200f"),
    "non-breaking space": ("not spam", "not\u00a0spam"),
    "narrow space": ("not spam", "not\u202fspam"),
    "ideographic space": ("not spam", "not\u3000spam"),
    "tab": ("not spam", "not\tspam"),
    "double space": ("not spam", "not  spam"),
    "spaces around": ("spam", "\u00a0spam\u2003"),
    "decomposed": ("café", "cafe\u0301"),
    "variation selector": ("❤", "❤\ufe0f"),
}


@pytest.mark.parametrize(("plain", "other"), INVISIBLE.values(), ids=INVISIBLE)
def test_labels_that_look_alike_are_one_class(plain, other):
    labels = [check_label(label, FILE, 2) for label in (plain, other, "ham", plain)]
    if labels[0] != labels[1]:
        with pytest.warns(UserWarning, match="look alike and are read as one class") as caught:
            names = names_of(*labels)
        assert ascii(other).strip("'") in str(caught[0].message)
    else:
        names = names_of(*labels)
    assert names == tuple(sorted([plain, "ham"]))
    assert numbers_of(labels, names) == [names.index(plain), names.index(plain), names.index("ham"), names.index(plain)]
    assert numbers_of(labels, ("ham", other)) == [1, 1, 0, 1]  # however a model's own name is written
    assert match_names([plain, "ham"], ["HAM", other]) == [1, 0]


@pytest.mark.parametrize(("plain", "other"), INVISIBLE.values(), ids=INVISIBLE)
def test_two_class_names_that_look_alike_are_refused(tmp_path, plain, other):
    with pytest.raises(InputError, match="different names"):
        parse_label_names(f"{plain},{other}")
    path = tmp_path / "labels.txt"
    path.write_text(f"{plain}\n{other}\n", encoding="utf-8")
    with pytest.raises(DataError, match="a second time"):
        read_label_names(path)


@pytest.mark.parametrize("label", ["\u200b", "\ufeff", "\u00ad\u200e"])
def test_a_label_that_cannot_be_seen_is_none(label):
    with pytest.raises(DataError, match="the row has no label"):
        check_label(label, FILE, 7)


def test_many_classes_of_a_row_each_where_the_user_names_the_column():
    labels = [f"intent {n}" for n in range(77)]
    with pytest.raises(DataError, match=r"is this the label column\? If it is, name it with --label-column"):
        names_of(*labels)
    assert find_names(labels, places(labels), is_sure=True) == tuple(sorted(labels))


def test_a_class_called_none_is_no_catch_all():
    with pytest.raises(DataError, match="unknown label 'foo'"):
        numbers_of(["1", "None", "foo"], ("1", "2", "None"))
    assert numbers_of(["1", "None", 2], ("1", "2", "None")) == [0, 2, 1]
