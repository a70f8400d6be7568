"""Files to rows: every format read whole, and everything unreadable named with its line."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.data.tables import open_table
from valence.errors import DataError

# All of Unicode but lone surrogates, which no UTF-8 file can hold.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
TSV_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), max_size=40)


def rows(path: Path) -> list[dict]:
    return [dict(row.values) for row in open_table(path).rows()]


def lines(path: Path) -> list[int]:
    return [row.line for row in open_table(path).rows()]


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        rows(path)
    assert str(path) in str(caught.value)
    return caught.value


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tables")


@given(texts=st.lists(st.tuples(TSV_TEXT, TSV_TEXT)))
def test_tsv_gives_back_what_was_written(scratch, texts):
    path = write(scratch, "a.tsv", "text\tlabel\n" + "".join(f"{text}\tx{label}\n" for text, label in texts))
    assert rows(path) == [{"text": text, "label": f"x{label}"} for text, label in texts]


@given(texts=st.lists(st.tuples(ANY_TEXT, ANY_TEXT)), line_end=st.sampled_from(["\n", "\r\n"]))
def test_csv_gives_back_what_was_written(scratch, texts, line_end):
    path = scratch / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label"), *texts])
    assert rows(path) == [{"text": text, "label": label} for text, label in texts]


@given(texts=st.lists(ANY_TEXT, min_size=1), escaped=st.booleans())
def test_jsonl_gives_back_what_was_written(scratch, texts, escaped):
    content = "".join(json.dumps({"text": text}, ensure_ascii=escaped) + "\n" for text in texts)
    assert rows(write(scratch, "a.jsonl", content)) == [{"text": text} for text in texts]


@given(texts=st.lists(ANY_TEXT))
def test_parquet_gives_back_what_was_written(scratch, texts):
    path = scratch / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, row_group_size=3)
    assert rows(path) == [{"text": text} for text in texts]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")), min_size=1))
def test_txt_is_one_text_a_line(scratch, texts):
    texts = ["first", *texts]  # a file must not be empty
    assert rows(write(scratch, "a.txt", "".join(f"{text}\n" for text in texts))) == [{"text": text} for text in texts]


def test_tsv_quotation_marks_are_ordinary(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"a\t0\nb "" c"\t1\n')
    assert rows(path) == [{"text": '"a', "label": "0"}, {"text": 'b "" c"', "label": "1"}]


@pytest.mark.parametrize("bad", ["too few", "too\tmany\tfields"])
def test_tsv_wrong_number_of_fields(tmp_path, bad):
    problem = refusal(write(tmp_path, "a.tsv", f"text\tlabel\na\t0\n{bad}\nb\t1\n"))
    assert problem.line == 3
    assert f"expected 2 fields (text, label), found {1 + bad.count(chr(9))}" in str(problem)


def test_csv_wrong_number_of_fields_counts_lines_within_quotes(tmp_path):
    problem = refusal(write(tmp_path, "a.csv", 'text,label\r\n"one\r\ntwo\r\nthree",0\r\nx,y,z\r\n'))
    assert problem.line == 5


def test_csv_line_of_a_row_is_its_first(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"one\ntwo",0\nx,1\n')
    assert lines(path) == [2, 4]
    assert rows(path)[0]["text"] == "one\ntwo"


def test_csv_unclosed_quote_is_named_where_it_opens(tmp_path):
    problem = refusal(write(tmp_path, "a.csv", 'text,label\na,0\n"b,1\nc,0\n'))
    assert problem.line == 3
    assert "not readable as CSV" in str(problem)


def test_csv_without_quotes_where_none_are_needed(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\nplain,0\na "b" c,1\n , \n')
    assert rows(path)[0] == {"text": "plain", "label": "0"}
    assert rows(path)[1:] == [{"text": 'a "b" c', "label": "1"}, {"text": " ", "label": " "}]


def test_csv_carriage_return_outside_quotes_is_refused(tmp_path):
    assert refusal(write(tmp_path, "a.csv", "text,label\na,0\nb\rc,1\n")).line == 3


def test_csv_text_after_a_quote_is_refused(tmp_path):
    assert refusal(write(tmp_path, "a.csv", 'text,label\n"a"b,0\n')).line == 2


def test_csv_huge_field(tmp_path):
    text = "long " * 100_000  # csv's own limit is 131,072 characters
    assert rows(write(tmp_path, "a.csv", f"text,label\n{text},0\n"))[0]["text"] == text


def test_csv_nul_is_a_character(tmp_path):
    assert rows(write(tmp_path, "a.csv", "text,label\na\0b,0\n"))[0]["text"] == "a\0b"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
def test_blank_lines_are_no_rows(tmp_path, name):
    content = {
        "a.tsv": "text\tlabel\n\na\t0\n\n\nb\t1\n\n",
        "a.csv": "text,label\n\na,0\n\n\nb,1\n\n",
        "a.jsonl": '\n{"text": "a"}\n  \n\n{"text": "b"}\n\n',
    }[name]
    path = write(tmp_path, name, content)
    assert [row["text"] for row in rows(path)] == ["a", "b"]
    assert lines(path)[-1] == (6 if name != "a.jsonl" else 5)


def test_blank_lines_of_a_single_column_are_empty_texts(tmp_path):
    assert rows(write(tmp_path, "a.tsv", "text\na\n\nb\n")) == [{"text": "a"}, {"text": ""}, {"text": "b"}]
    assert rows(write(tmp_path, "a.txt", "a\n\nb")) == [{"text": "a"}, {"text": ""}, {"text": "b"}]
    assert rows(write(tmp_path, "a.csv", 'text\na\n""\nb\n')) == [{"text": "a"}, {"text": ""}, {"text": "b"}]


def test_windows_line_ends_and_no_last_one(tmp_path):
    assert rows(write(tmp_path, "a.tsv", "text\tlabel\r\na\t0\r\nb\t1"))[1] == {"text": "b", "label": "1"}
    assert rows(write(tmp_path, "a.txt", "a\r\nb"))[0] == {"text": "a"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tsv", "text\tlabel\na\t0\n"), ("a.csv", "text,label\na,0\n"), ("a.jsonl", '{"text": "a", "label": "0"}\n')],
)
def test_a_byte_order_mark_is_no_text(tmp_path, name, content):
    path = write(tmp_path, name, b"\xef\xbb\xbf" + content.encode())
    assert open_table(path).columns == ("text", "label")
    assert rows(path) == [{"text": "a", "label": "0"}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.txt"])
def test_utf16_is_named(tmp_path, name, encoding):
    problem = refusal(write(tmp_path, name, '{"text": "good film"}\ttext\n'.encode(encoding)))
    if encoding != "utf-32":
        assert "UTF-16" in str(problem)
    assert "UTF-8" in str(problem)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.txt"])
def test_latin1_is_named_with_line_and_byte(tmp_path, name):
    header = '{"text": "a"}' if name == "a.jsonl" else "text"
    problem = refusal(write(tmp_path, name, f"{header}\n{header}\ncaf\xe9 au lait\n".encode("latin-1")))
    assert problem.line == 3
    assert "byte 4 of the line is 0xe9" in str(problem)


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.ndjson", "a.parquet", "a.txt"])
def test_empty_file(tmp_path, name):
    assert "empty" in str(refusal(write(tmp_path, name, b"")))


@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_blank_header(tmp_path, name):
    problem = refusal(write(tmp_path, name, "\ntext\n"))
    assert problem.line == 1
    assert "names of the columns" in str(problem)


def test_jsonl_of_blank_lines(tmp_path):
    assert "no rows" in str(refusal(write(tmp_path, "a.jsonl", "\n \n")))


@pytest.mark.parametrize(("name", "divider"), [("a.tsv", "\t"), ("a.csv", ",")])
def test_repeated_column(tmp_path, name, divider):
    problem = refusal(write(tmp_path, name, divider.join(["text", "label", "text"]) + "\n"))
    assert "twice: 'text'" in str(problem)
    assert problem.line == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "b"', "not readable as JSON"),
        ("not json", "not readable as JSON"),
        ('["b"]', "expected a JSON object, found list"),
        ('"b"', "expected a JSON object, found str"),
        ("null", "expected a JSON object, found NoneType"),
        ('{"text": "a\tb"}', "not readable as JSON"),
        ('{"text": ' + "9" * 5000 + "}", "not readable as JSON"),
        ('{"text": ' + "[" * 200_000, "not readable as JSON"),
    ],
)
def test_jsonl_bad_line(tmp_path, line, message):
    problem = refusal(write(tmp_path, "a.jsonl", f'{{"text": "a"}}\n{line}\n{{"text": "c"}}\n'))
    assert problem.line == 2
    assert message in str(problem)


def test_jsonl_escapes(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "caf\\u00e9 \\ud83d\\ude00"}\n')
    assert rows(path) == [{"text": "café \U0001f600"}]


def test_parquet_kinds_of_columns(tmp_path):
    texts = ["a", "b", "a"]
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"text": pa.array(texts).cast(kind), "label": [0, 1, 0]}), path)
        assert rows(path) == [{"text": text, "label": label} for text, label in zip(texts, [0, 1, 0], strict=True)]


def test_parquet_truncated_or_something_else(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {n}" for n in range(1000)]}), path)
    whole = path.read_bytes()
    for content in (whole[:-10], whole[: len(whole) // 2], whole[:4] + b"\0" * 100 + whole[104:], b"text\tlabel\n"):
        assert "not readable as Parquet" in str(refusal(write(tmp_path, "a.parquet", content)))


def test_parquet_rows_are_numbered_across_batches(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [str(n) for n in range(10_000)]}), path, row_group_size=3000)
    assert lines(path) == list(range(1, 10_001))


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder.tsv").mkdir()
    assert "not a file" in str(refusal(tmp_path / "folder.tsv"))
    assert "no such file" in str(refusal(tmp_path / "absent.tsv"))
    assert "no such file" in str(refusal(tmp_path / ("x" * 300 + ".tsv")))
    assert "unknown kind of file" in str(refusal(write(tmp_path, "a.xlsx", "x")))
    assert "unknown kind of file" in str(refusal(write(tmp_path, "a", "x")))


def test_ending_in_capitals(tmp_path):
    assert rows(write(tmp_path, "A.TSV", "text\tlabel\na\t0\n")) == [{"text": "a", "label": "0"}]


def test_an_empty_line_of_a_csv_of_one_column_is_an_empty_text(tmp_path):
    path = write(tmp_path, "one.csv", 'text\na\n\n""\nb\n')
    assert rows(path) == [{"text": "a"}, {"text": ""}, {"text": ""}, {"text": "b"}]
    assert lines(path) == [2, 3, 4, 5]


def test_a_csv_divided_by_semicolons(tmp_path):
    path = write(tmp_path, "sheet.csv", 'text;label\r\n"good; or not, film";1\r\n2,5 stars;0\r\n')
    assert rows(path) == [{"text": "good; or not, film", "label": "1"}, {"text": "2,5 stars", "label": "0"}]
    ragged = write(tmp_path, "ragged.csv", "text;label\ngood\n")
    assert "expected 2 fields (text, label), found 1: a comma or semicolon too many or too few" in str(refusal(ragged))


def test_a_control_character_is_not_taken_for_utf_16(tmp_path):
    assert rows(write(tmp_path, "nul.txt", b"a\0b good\n")) == [{"text": "a\0b good"}]
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        assert "UTF-16" in str(refusal(write(tmp_path, "wide.txt", "good film\n".encode(encoding))))
