"""Which columns are read: guessed where the header leaves no doubt, asked for where it does, said in any case."""

from pathlib import Path

import pytest

from valence.data.columns import ColumnNames, choose_columns
from valence.data.examples import read_examples, read_texts
from valence.data.sources import find_source
from valence.data.tables import TableOptions, open_table
from valence.errors import DataError

LONG = "the market fell again on the last day"


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def table(tmp_path: Path, *columns: str, cells: dict[str, str] | None = None, **options):
    row = [(cells or {}).get(column, "x") for column in columns]
    return open_table(
        write(tmp_path / "a.tsv", f"{chr(9).join(columns)}\n{chr(9).join(row)}\n"), TableOptions(**options)
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("question", "sentence"),
        ("text", "text_pair"),
        ("text_a", "text_b"),
        ("Text1", "Text2"),
        ("sentence1", "sentence2"),
        ("sentence_A", "sentence_B"),
        ("premise", "hypothesis"),
        ("question1", "question2"),
        ("query", "passage"),
        ("claim", "evidence"),
        ("Question", "Answer"),
    ],
)
def test_pairs_are_read_as_pairs(tmp_path, first, second):
    for columns in ((first, second), (second, "idx", first)):
        found = choose_columns(table(tmp_path, *columns, "label"))
        assert (found.text, found.pair, found.label) == ((first,), second, "label")
        assert choose_columns(table(tmp_path, *columns, "label"), labelled=False).pair == second


@pytest.mark.parametrize(
    ("columns", "cells", "candidates"),
    [
        (("title", "abstract", "label"), {}, ("title", "abstract")),
        (("Title", "Description", "Class Index"), {}, ("Title", "Description")),
        (("headline", "lede", "label"), {"lede": LONG}, ("headline", "lede")),
        (("text", "review", "label"), {}, ("text", "review")),
        (("sentence1", "sentence2", "text", "label"), {}, ("sentence1", "sentence2", "text")),
        (("a", "b", "label"), {"a": LONG, "b": LONG}, ("a", "b")),
    ],
)
def test_what_is_unclear_is_asked_with_the_candidates(tmp_path, columns, cells, candidates):
    with pytest.raises(DataError, match="which column is the text") as caught:
        choose_columns(table(tmp_path, *columns, cells=cells))
    assert f"it could be {' or '.join(map(repr, candidates))}" in str(caught.value)
    assert f"--text-column {','.join(candidates[:2])}" in str(caught.value)


def test_several_labels_are_named(tmp_path):
    with pytest.raises(DataError, match=r"which column is the label.*it could be 'label' or 'topic'"):
        choose_columns(table(tmp_path, "text", "label", "topic"))


@pytest.mark.parametrize(
    ("columns", "cells", "unread"),
    [
        (("text", "title", "label"), {"title": LONG}, ("title",)),
        (("id", "review_text", "label", "notes"), {"notes": LONG}, ("id", "notes")),
        (("headline", "date", "label"), {}, ("date",)),
        (("label", "tweet"), {}, ()),
    ],
)
def test_what_is_not_read_is_said(tmp_path, columns, cells, unread):
    found = choose_columns(table(tmp_path, *columns, cells=cells))
    assert found.unread == unread
    assert all(f"{column!r}" in str(found) for column in columns)
    assert ("not read" in str(found)) == bool(unread)


def test_columns_are_joined(tmp_path):
    path = write(tmp_path / "a.csv", 'title,"a, b",abstract,label\nOne,x,two,biz\nThree,y,four,sport\n')
    joined = read_examples(find_source(str(path), "train"), ColumnNames(text="title,abstract"))
    assert joined.texts == ["One\ntwo", "Three\nfour"]
    assert joined.columns.text == ("title", "abstract")
    assert read_examples(find_source(str(path), "train"), ColumnNames(text="a, b")).texts == ["x", "y"]
    pairs = read_examples(find_source(str(path), "train"), ColumnNames(text="title", pair="abstract"))
    assert pairs.texts == [("One", "two"), ("Three", "four")]
    with pytest.raises(DataError, match=r"no column 'abstrct'.*did you mean 'abstract'"):
        read_examples(find_source(str(path), "train"), ColumnNames(text="title,abstrct"))
    with pytest.raises(DataError, match="different columns"):
        read_examples(find_source(str(path), "train"), ColumnNames(text="title,title"))


def test_columns_by_number(tmp_path):
    found = choose_columns(table(tmp_path, "v1", "v2"), ColumnNames(text="2", label="1"))
    assert (found.text, found.label) == (("v2",), "v1")
    assert choose_columns(table(tmp_path, "a", "2", "label"), ColumnNames(text="2")).text == ("2",)
    for absent in ("0", "3", "-1", "²"):
        with pytest.raises(DataError, match="no column"):
            choose_columns(table(tmp_path, "v1", "v2"), ColumnNames(text=absent, label="1"))


@pytest.mark.parametrize("divider", ["\t", ",", ";", "|"])
def test_without_a_header(tmp_path, divider):
    ending = "tsv" if divider == "\t" else "csv"
    path = write(tmp_path / f"a.{ending}", f"ham{divider}see you at five\nspam{divider}WIN now\n")
    source = find_source(str(path), "train", TableOptions(header=False))
    found = read_examples(source, ColumnNames(text="2", label="1"))
    assert found.texts == ["see you at five", "WIN now"]
    assert (found.names, found.labels.tolist()) == (("ham", "spam"), [0, 1])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("one.csv", '"Great service"\n"Never again"\n"Lovely staff"\n'),
        ("one.tsv", "Great service\nNever again\n"),
        ("long.csv", '"What a lovely place, we will be back."\n"Never again"\n'),
        ("two.csv", "Great service,good\nNever again,bad\n"),
        ("two.tsv", "ham\tsee you at five\nspam\tWIN now\n"),
        ("words.csv", "Great\nAwful\nLovely\n"),
    ],
)
def test_a_missing_header_is_noticed(tmp_path, name, content):
    path = write(tmp_path / name, content)
    for labelled in (True, False):
        with pytest.raises(DataError, match="If the first row is data and not the names of columns, say --no-header"):
            choose_columns(open_table(path), labelled=labelled)
    opened = open_table(path, TableOptions(header=False))
    rows = list(read_texts(opened, choose_columns(opened, ColumnNames(text="1"), labelled=False)))
    assert len(rows) == content.count("\n")


@pytest.mark.parametrize("header", ["text", "comment_text", "Tweet", "body.clean"])
def test_the_header_of_one_column_is_no_text(tmp_path, header):
    path = write(tmp_path / "a.csv", f"{header}\nGreat service\nfine\n")
    opened = open_table(path)
    assert [text for _, text, _ in read_texts(opened, choose_columns(opened, labelled=False))] == [
        "Great service",
        "fine",
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "text\n"), ("a.csv", "text,label\r\n"), ("a.tsv", "text\tlabel\n\n\n")]
)
def test_a_header_alone(tmp_path, name, content):
    opened = open_table(write(tmp_path / name, content))
    with pytest.raises(DataError, match="no rows, only a header"):
        list(read_texts(opened, choose_columns(opened, labelled=False)))


def test_a_column_of_several_that_share_its_name_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"line 1: the header names a column twice: 'text'"):
        choose_columns(table(tmp_path, "text", "label", "text"))
    found = choose_columns(table(tmp_path, "id", "text", "label", "notes", "notes"))
    assert found.unread == ("id", "notes", "notes (2)")


@pytest.mark.parametrize(
    "content",
    [
        "y,I liked it a lot\nn,I hated this film\ny,fine film indeed\n",
        "message,send this to bob please\nweather,will it rain\nmessage,tell her hello\n",
        "label,What a wonderful evening we had\nx,y\n",
    ],
)
def test_a_row_that_only_looks_like_a_header_is_doubted(tmp_path, content):
    opened = open_table(write(tmp_path / "a.csv", content))
    for labelled in (True, False):
        with pytest.raises(DataError, match=r"--no-header|which column is the label"):
            choose_columns(opened, labelled=labelled)


@pytest.mark.parametrize("columns", [("question", "answer", "passage"), ("question", "answer", "context", "label")])
def test_of_several_pairs_none_is_guessed(tmp_path, columns):
    with pytest.raises(DataError, match="which column is the text"):
        choose_columns(table(tmp_path, *columns), labelled=False)


def test_columns_whose_names_hold_commas_are_joined_in_python(tmp_path):
    path = write(tmp_path / "a.csv", '"title, short",body,label\nOne,two,x\nThree,four,y\n')
    found = read_examples(find_source(str(path), "train"), ColumnNames(text=("title, short", "body")))
    assert found.texts == ["One\ntwo", "Three\nfour"]
