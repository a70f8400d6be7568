"""A user's templates and words: probed like the built-in ones, and refused with file and line when broken."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valence.audit.probe import ProbeReport, Scorer, Subject
from valence.audit.probes.own_templates import OwnTemplatesProbe, SlotWord, built_in_words, read_templates, read_words
from valence.errors import DataError, InputError
from valence.templates.template import Template

SLOTS = built_in_words()
CITIES = (SlotWord("Paris", "north"), SlotWord("Lima", "south"), SlotWord("Oslo", "north"), SlotWord("Perth", "south"))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(read, path: Path, *arguments) -> str:
    with pytest.raises(DataError) as caught:
        read(path, *arguments)
    assert str(path) in str(caught.value)
    return str(caught.value)


def ask(templates: Sequence[Template], words, scorer: Scorer, resamples: int = 50) -> ProbeReport:
    result = OwnTemplatesProbe(templates, words, resamples).run(Subject(positive=scorer))
    json.dumps(result.details, allow_nan=False)
    return result


def table(result: ProbeReport, title: str) -> list[dict]:
    (found,) = [one for one in result.tables if one.title == title]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def lowers(word: str) -> Scorer:
    return lambda texts: np.array([0.4 if re.search(rf"\b{word}\b", text) else 0.6 for text in texts])


@pytest.mark.parametrize(
    ("header", "reader", "meant"),
    [("word,grp", read_words, "group"), ("template,polarty", lambda path: read_templates(path, ["a"]), "polarity")],
)
def test_a_column_that_is_nearly_called_right_is_asked_about(tmp_path, header, reader, meant):
    path = tmp_path / "list.csv"
    path.write_text(f"{header}\nto {{a}},x\nfrom {{a}},y\n")
    with pytest.raises(DataError, match=f"did you mean '{meant}'"):
        reader(path)


def test_a_template_a_line(tmp_path):
    path = write(tmp_path / "own.txt", "I flew to {city}\n\n  {name} met {name} in {city}.  \r\n")
    assert read_templates(path, {"city", "name"}) == (
        Template("I flew to {city}"),
        Template("{name} met {name} in {city}."),
    )


def test_a_table_of_templates(tmp_path):
    path = write(
        tmp_path / "own.csv", 'polarity,template\nPositive,"Lovely, {city}!"\n,In {city}\nnegative,Bad {city}\n'
    )
    assert read_templates(path, {"city"}) == (
        Template("Lovely, {city}!", "positive"),
        Template("In {city}", "neutral"),
        Template("Bad {city}", "negative"),
    )


def test_a_list_of_words(tmp_path):
    assert read_words(write(tmp_path / "a.txt", "Paris\nNew York\n\nOslo")) == (
        SlotWord("Paris"),
        SlotWord("New York"),
        SlotWord("Oslo"),
    )
    table = write(tmp_path / "a.csv", "word,group\nParis,north\nLima,south\n")
    assert read_words(table) == (SlotWord("Paris", "north"), SlotWord("Lima", "south"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("I like {cuontry}\n", "line 1: no words for the slot {cuontry}: did you mean {country}? there are words for"),
        ("In {city} and {x}\n\nIn {country}", "line 1: no words for the slot {x}: there are words for"),
        ("\nno slot here\n", "line 2: expected a slot, such as {name}, in 'no slot here'"),
        ("In {city\n", "line 1: a brace that belongs to no slot"),
        ("In {city} {}\n", "line 1: a brace that belongs to no slot"),
        ("In {city:>999999999}\n", "line 1: a brace that belongs to no slot"),
        ("In {city}\nTo {city}\nIn {city}\n", "line 3: the template of line 1 comes again"),
        ("\n \n", "the file holds no templates"),
        ("", "the file is empty"),
        (b"In {city}\n\xe9{city}\n", "line 2: not UTF-8: byte 1 of the line is 0xe9; save the file as UTF-8"),
        ("In {city}\n".encode("utf-16"), "not UTF-8 but UTF-16"),
    ],
)
def test_broken_template_files(tmp_path, content, message):
    path = write(tmp_path / "own.txt", content)
    assert message in refusal(read_templates, path, {"city", "country"})


def test_huge_files(tmp_path):
    path = write(tmp_path / "own.txt", "In {city} " + "x" * 10_000)
    assert "line 1: 10,010 characters: expected at most 10,000" in refusal(read_templates, path, {"city"})
    write(path, "x" * (1 << 24) + "{city}")
    assert "17 MB are too many" in refusal(read_templates, path, {"city"})
    assert "17 MB are too many" in refusal(read_words, path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("own.csv", "sentence\nIn {city}\n", "no column 'template': the columns are 'sentence'"),
        ("own.csv", "template,polarity\nIn {city},good\n", "line 2: polarity must be neutral, positive, negative or"),
        ("own.csv", 'template,polarity\n"In {city},\n', "line 2: the row from here on is not readable as CSV"),
        ("own.csv", "template,polarity\nIn {city}\n", "line 2: expected 2 fields"),
        ("own.jsonl", '{"template": 7}\n', "line 1: expected text, found 7"),
        ("own.jsonl", '{"template": "In {city} \\ud800"}\n', "line 1: expected text"),
        ("own.docx", "In {city}", "unknown kind of file"),
    ],
)
def test_broken_template_tables(tmp_path, name, content, message):
    assert message in refusal(read_templates, write(tmp_path / name, content), {"city"})


def test_no_file(tmp_path):
    assert "no such file" in refusal(read_templates, tmp_path / "none.txt", {"city"})
    assert "no such file" in refusal(read_words, tmp_path / "none.txt")
    (tmp_path / "folder.txt").mkdir()
    assert "not a file" in refusal(read_words, tmp_path / "folder.txt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "the file is empty"),
        ("a.txt", "\n\n", "expected at least two words to compare, found 0"),
        ("a.txt", "Paris\n", "expected at least two words to compare, found 1"),
        ("a.txt", "Paris\nOslo\nParis\n", "line 3: the word 'Paris' of line 1 comes again"),
        ("a.txt", b"Paris\nS\xe3o Paulo\n", "line 2: not UTF-8"),
        ("a.csv", "city,group\nParis,a\n", "no column 'word': the columns are 'city', 'group'"),
    ],
)
def test_broken_word_lists(tmp_path, name, content, message):
    assert message in refusal(read_words, write(tmp_path / name, content))


@settings(deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_the_files_name(tmp_path_factory, content):
    path = write(tmp_path_factory.getbasetemp() / "any.txt", content)
    for read in (read_words, lambda one: read_templates(one, {"city"})):
        try:
            found = read(path)
        except DataError as problem:
            found = str(problem)
        assert str(path) in found if isinstance(found, str) else len(found) > 0


def test_a_constant_classifier_gives_zero():
    templates = [Template("In {city}"), Template("{name} is in {city}"), Template("Hello {name}")]
    result = ask(templates, SLOTS | {"city": CITIES}, lambda texts: np.full(len(texts), 0.7301))
    for name, figure in result.figures.items():
        assert (figure.value, figure.low or 0, figure.high or 0) == (0, 0, 0), name
    assert result.n_texts == 4 + 96 * 4 + 96


def test_a_bias_against_a_word_and_its_group_is_seen():
    templates = [Template(text) for text in ("In {city}", "From {city}", "{city} is a town", "A train to {city}")]
    result = ask(templates, {"city": CITIES}, lowers("Lima"))
    assert result.figures["city_mean_absolute_difference"].value == pytest.approx((0.15 + 3 * 0.05) / 4)
    assert result.figures["city_label_flip_rate"].value == 0.25
    assert result.figures["city_significant"].value == 4
    first = table(result, "Word by word")[0]
    assert (first["Slot"], first["Word"]) == ("city", "Lima")
    assert first["Mean difference"] == pytest.approx(-0.15)
    assert first["p (Holm)"] < 1e-6
    groups = {row["Group"]: row["Mean difference"] for row in table(result, "Group by group")}
    assert groups == pytest.approx({"south": -0.1, "north": 0.1})
    assert table(result, "Most extreme")[0]["Lowest"] == "In Lima"
    assert result.details["templates"]["In {city}"] == pytest.approx(
        {"Paris": 0.6, "Lima": 0.4, "Oslo": 0.6, "Perth": 0.6}
    )


def test_each_slot_is_told_apart_from_the_others():
    people = (SlotWord("Ann"), SlotWord("Bob"), SlotWord("Eve"))
    result = ask([Template("{name} went from {city} to {city}")], {"city": CITIES, "name": people}, lowers("Bob"))
    assert result.n_texts == 12
    assert result.figures["city_mean_absolute_difference"].value == 0
    words = {row["Word"]: row["Mean difference"] for row in table(result, "Word by word")}
    assert words["Bob"] == pytest.approx(-0.2 * 2 / 3)
    assert words["Oslo"] == 0
    assert {row["p (Holm)"] for row in table(result, "Word by word")} == {1}  # one template proves nothing


def test_polarity_says_which_labels_are_to_be_kept():
    templates = [Template("Great {city}", "positive"), Template("Awful {city}", "negative"), Template("In {city}")]
    result = ask(templates, {"city": CITIES}, lambda texts: np.array([0.9 if "Great" in one else 0.6 for one in texts]))
    assert result.figures["kept"].value == 0.5


def test_built_in_lists_serve_own_templates():
    assert {"country", "name", "nationality", "religion", "orientation", "disability", "age", "ethnicity"} == set(SLOTS)
    assert len(SLOTS["country"]) == 208
    templates = [Template("A postcard from {country}"), Template("The {religion} baker")]
    result = ask(templates, SLOTS, lowers("the Netherlands"))
    assert table(result, "Word by word")[0]["Word"] == "the Netherlands"
    (places,) = result.details["maps"].values()
    place = next(one for one in places if one["name"] == "Netherlands")
    assert place["value"] == pytest.approx(0.4)
    assert place["iso_numeric"] == "528"


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(InputError, match="at least one template with a slot"):
        OwnTemplatesProbe([], {})
    with pytest.raises(InputError, match=r"the slot \{city\} needs at least two words"):
        OwnTemplatesProbe([Template("In {city}")], {"city": CITIES[:1]})
    with pytest.raises(InputError, match="more than 300,000: use shorter word lists"):
        OwnTemplatesProbe([Template("{country} {nationality} {name}")], SLOTS)
