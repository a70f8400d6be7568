"""Plain text to documents."""

import pytest

from valence.data.documents import read_documents
from valence.data.sources import find_source
from valence.errors import DataError


def read(path, column=None):
    return read_documents([find_source(str(path), "train")], column)


@pytest.mark.parametrize(
    ("content", "documents"),
    [
        ("A title\nA line.\n\nAnother\nOne.\n", ["A title\nA line.", "Another\nOne."]),
        ("\n\n\nA\n\n\n\nB\n\n", ["A", "B"]),
        ("one\ntwo\nthree\n", ["one", "two", "three"]),
        ("one\ntwo\n\n", ["one", "two"]),
        ("one", ["one"]),
        ("\ufeffone\r\n\r\ntwo\r\n", ["one", "two"]),
    ],
)
def test_a_blank_line_ends_a_document(tmp_path, content, documents):
    path = tmp_path / "text.txt"
    path.write_bytes(content.encode())
    assert read(path) == documents


def test_rows_of_a_table_are_documents(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"One, two.",1\n,0\nThree.,0\n')
    assert read(path) == ["One, two.", "Three."]
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("premise\thypothesis\nA man.\tA person.\n")
    assert read(pairs) == ["A man.\nA person."]


def test_files_follow_each_other(tmp_path):
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "b.jsonl").write_text('{"text": "two"}\n')
    sources = [find_source(str(tmp_path / name), "train") for name in ("a.txt", "b.jsonl")]
    assert read_documents(sources) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("blank.txt", b"\n \n\n", "no text in it"),
        ("latin.txt", b"caf\xe9\n", "latin.txt, line 1: not UTF-8: byte 4"),
        ("empty.txt", b"", "the file is empty"),
        ("wide.txt", "one".encode("utf-16"), "not UTF-8 but UTF-16"),
        ("rows.csv", b"a,b\n1,2\n", "which column is the text"),
        ("image.png", b"\x89PNG", "unknown kind of file"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)
