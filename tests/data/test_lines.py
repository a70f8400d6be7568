"""Bytes to lines: compression, encodings and line ends, in every format of text."""

import bz2
import gzip
import itertools
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from valence.data.lines import read_lines
from valence.data.tables import TableOptions, open_table
from valence.errors import DataError, InputError

CONTENT = {
    "a.csv": 'text,label\n"good, café",1\nnaïve,0\n',
    "a.tsv": "text\tlabel\ngood, café\t1\nnaïve\t0\n",
    "a.jsonl": '{"text": "good, café", "label": "1"}\n{"text": "naïve", "label": "0"}\n',
    "a.json": '[{"text": "good, café", "label": "1"},\n {"text": "naïve", "label": "0"}]\n',
    "a.txt": "good, café\nnaïve\n",
}
TEXTS = ["good, café", "naïve"]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


def texts(path: Path, **options) -> list[str]:
    return [row.values["text"] for row in open_table(path, TableOptions(**options)).rows()]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-be", "utf-32", "mac-roman", "utf-8-sig"])
def test_other_encodings(tmp_path, name, encoding):
    path = write(tmp_path / name, CONTENT[name].encode(encoding))
    assert texts(path, encoding=encoding) == TEXTS


@pytest.mark.parametrize("name", [name for name in CONTENT if name != "a.json"])
@pytest.mark.parametrize("advised", ["cp1252", "utf-16"])
def test_another_encoding_is_refused_and_the_advice_helps(tmp_path, name, advised):
    path = write(tmp_path / name, CONTENT[name].encode(advised))
    with pytest.raises(DataError, match=f"--encoding.*{advised}|{advised}"):
        texts(path)
    assert texts(path, encoding=advised) == TEXTS


def test_a_wrong_encoding_is_named_with_its_line(tmp_path):
    path = write(tmp_path / "a.txt", b"one\ntwo\n\x81\n")
    with pytest.raises(DataError, match=r"a\.txt, line 3: not cp1252: .*another --encoding"):
        texts(path, encoding="cp1252")


@pytest.mark.parametrize("encoding", ["rot13", "base64", "no-such", "", "zip", "a" * 1000])
def test_what_is_no_encoding(encoding):
    with pytest.raises(InputError, match="unknown encoding") as caught:
        TableOptions(encoding=encoding)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed(tmp_path, name, ending):
    content = COMPRESS[ending](CONTENT[name].encode())
    assert texts(write(tmp_path / f"{name}{ending}", content)) == TEXTS
    assert texts(write(tmp_path / name, content)) == TEXTS  # the first bytes say it, too


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_and_cut_off(tmp_path, ending):
    whole = COMPRESS[ending](b"text,label\n" + b"".join(b"a text %d,1\n" % n for n in range(20_000)))
    path = write(tmp_path / f"a.csv{ending}", whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.csv\..*(damaged|cannot be read)"):
        texts(path)


def test_archives_and_spreadsheets_are_named(tmp_path):
    for name in ("a.csv", "a.tsv", "a.txt", "a.jsonl"):
        with pytest.raises(DataError, match="ZIP archive or a spreadsheet"):
            texts(write(tmp_path / name, b"PK\x03\x04" + b"\0" * 100))


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize(("end", "last"), [*itertools.product(["\r", "\r\n", "\n"], [True, False])])
def test_line_ends(tmp_path, name, end, last):
    content = CONTENT[name].replace("\n", end)
    assert texts(write(tmp_path / name, (content if last else content.removesuffix(end)).encode())) == TEXTS


@pytest.mark.slow
def test_carriage_returns_alone_in_a_large_file(tmp_path):
    path = write(tmp_path / "a.csv", b"text,label\r" + b"".join(b"text %d,1\r" % n for n in range(200_000)))
    assert path.stat().st_size > 2 << 20  # more than is looked at before anything is read
    found = [(row.line, row.values["text"]) for row in open_table(path).rows()]
    assert found == [(n + 2, f"text {n}") for n in range(200_000)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"text\tlabel\rgood\t1\rbad\t0\n", "carriage returns within the names of the columns"),
        ("a.csv", b"text,label\rgood,1\rbad,0\n", "not readable as CSV"),
        ("a.csv", b"text,label\r" + b"good,1\r" * 200_000 + b"bad,0\nmore,1\r", "some with a line feed"),
    ],
)
@pytest.mark.slow
def test_mixed_line_ends_of_tables_are_refused(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        texts(write(tmp_path / name, content))


def test_a_carriage_return_within_a_line_of_text_is_said(tmp_path):
    path = write(tmp_path / "a.txt", b"one\rtwo\rthree\n")
    with pytest.warns(UserWarning, match=r"a\.txt, line 1: carriage returns within the line"):
        assert texts(path) == ["one\rtwo\rthree"]


def test_a_carriage_return_within_quotes_is_part_of_the_text(tmp_path):
    path = write(tmp_path / "a.csv", b'text,label\n"one\rtwo",1\nx,0\n')
    assert texts(path) == ["one\rtwo", "x"]


def test_numbers_of_lines(tmp_path):
    for end in (b"\n", b"\r\n", b"\r"):
        path = write(tmp_path / "a.txt", end.join([b"one", b"", b"three", b"four"]))
        assert [(number, line.strip()) for number, line in read_lines(path)] == [
            (1, "one"), (2, ""), (3, "three"), (4, "four"),
        ]  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.txt"])
@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
def test_utf_32_is_named_where_it_says_so(tmp_path, name, encoding):
    mark = "" if encoding == "utf-32" else "\ufeff"
    path = write(tmp_path / name, (mark + CONTENT[name]).encode(encoding))
    with pytest.raises(DataError, match=r"UTF-32.*--encoding utf-32"):
        texts(path)
    assert texts(path, encoding="utf-32") == TEXTS


def test_spreadsheets_are_named_by_their_ending_too(tmp_path):
    for name in ("a.xlsx", "a.xls", "a.zip"):
        with pytest.raises(DataError, match="save the sheet as CSV"):
            texts(write(tmp_path / name, b"x"))
    with pytest.raises(DataError, match="save the sheet as CSV"):
        texts(write(tmp_path / "a.csv", b"\xd0\xcf\x11\xe0" + b"\0" * 100))
