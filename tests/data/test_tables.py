"""Files to rows: every format read whole, and everything unreadable named with its line."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valence.data.columns import choose_columns
from valence.data.examples import read_examples, read_texts
from valence.data.labels import read_label_names
from valence.data.sources import find_source
from valence.data.tables import TableOptions, open_table
from valence.errors import DataError, InputError

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


@settings(deadline=None)  # files are written and read
@given(texts=st.lists(st.tuples(TSV_TEXT, TSV_TEXT)))
def test_tsv_gives_back_what_was_written(scratch, texts):
    path = write(scratch, "a.tsv", "text\tlabel\n" + "".join(f"{text}\tx{label}\n" for text, label in texts))
    assert rows(path) == [{"text": text, "label": f"x{label}"} for text, label in texts]


@settings(deadline=None)  # files are written and read
@given(texts=st.lists(st.tuples(ANY_TEXT, ANY_TEXT)), line_end=st.sampled_from(["\n", "\r\n"]))
def test_csv_gives_back_what_was_written(scratch, texts, line_end):
    path = scratch / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label"), *texts])
    filled = [(text, label) for text, label in texts if text.strip() or label.strip()]  # other rows are a sheet's rest
    assert rows(path) == [{"text": text, "label": label} for text, label in filled]


@settings(deadline=None)  # files are written and read
@given(texts=st.lists(ANY_TEXT, min_size=1), escaped=st.booleans())
def test_jsonl_gives_back_what_was_written(scratch, texts, escaped):
    content = "".join(json.dumps({"text": text}, ensure_ascii=escaped) + "\n" for text in texts)
    assert rows(write(scratch, "a.jsonl", content)) == [{"text": text} for text in texts]


@settings(deadline=None)  # files are written and read
@given(texts=st.lists(ANY_TEXT))
def test_parquet_gives_back_what_was_written(scratch, texts):
    path = scratch / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, row_group_size=3)
    assert rows(path) == [{"text": text} for text in texts]


@settings(deadline=None)  # files are written and read
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")), min_size=1))
def test_txt_is_one_text_a_line(scratch, texts):
    texts = ["first", *texts]  # a file must not be empty
    assert rows(write(scratch, "a.txt", "".join(f"{text}\n" for text in texts))) == [{"text": text} for text in texts]


def test_tsv_quotation_marks_are_ordinary(tmp_path):
    path = write(tmp_path, "a.tsv", 'text\tlabel\n"a\t0\nb "" c\t1\n')
    assert rows(path) == [{"text": '"a', "label": "0"}, {"text": 'b "" c', "label": "1"}]


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
    path = write(tmp_path, "a.csv", 'text,label\nplain,0\na "b" c,1\n ,0\n')
    assert rows(path)[0] == {"text": "plain", "label": "0"}
    assert rows(path)[1:] == [{"text": 'a "b" c', "label": "1"}, {"text": " ", "label": "0"}]


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
    assert "save the sheet as CSV" in str(refusal(write(tmp_path, "a.xlsx", "x")))
    assert "unknown kind of file" in str(refusal(write(tmp_path, "a.docx", "x")))
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tabs.csv", "id\ttext\tlabel\n1\tGreat, really\tgood\n2\tNever again\tbad\n"),
        ("pipes.csv", "id|text|label\n1|Great, really|good\n2|Never again|bad\n"),
        ("semicolons.csv", "id;text;label\n1;Great, really;good\n2;Never again;bad\n"),
        ("quoted.csv", 'id\ttext\tlabel\n1\t"Great, really"\tgood\n2\t"Never again"\tbad\n'),
        ("commas.tsv", 'id,text,label\n1,"Great, really",good\n2,Never again,bad\n'),
        ("pipes.tsv", "id|text|label\n1|Great, really|good\n2|Never again|bad\n"),
        ("semicolons.tab", "id;text;label\n1;Great, really;good\n2;Never again;bad\n"),
    ],
)
def test_the_delimiter_is_found(tmp_path, name, content):
    path = write(tmp_path, name, content)
    assert [row["text"] for row in rows(path)] == ["Great, really", "Never again"]
    assert [row["label"] for row in rows(path)] == ["good", "bad"]


def test_the_delimiter_that_fits_the_rows(tmp_path):
    path = write(tmp_path, "a.csv", "text, in short;label\ngood;1\nbad;0\n")
    assert rows(path)[0] == {"text, in short": "good", "label": "1"}
    path = write(tmp_path, "b.csv", "text;note,label\ngood;x,1\n")  # both would do: the comma, as the name says
    assert rows(path)[0] == {"text;note": "good;x", "label": "1"}
    path = write(tmp_path, "c.tsv", "one, two and three\nfour\nfive, six, seven\n")  # a column of texts
    assert len(rows(path)) == 2


@pytest.mark.parametrize("delimiter", ["|", "pipe", "tab", "\\t", "comma", ";", "~"])
def test_the_delimiter_that_the_user_names(tmp_path, delimiter):
    character = {"pipe": "|", "tab": "\t", "\\t": "\t", "comma": ","}.get(delimiter, delimiter)
    path = write(tmp_path, "a.csv", f"text{character}label\ngood{character}1\n")
    table = open_table(path, TableOptions(delimiter=delimiter))
    assert [dict(row.values) for row in table.rows()] == [{"text": "good", "label": "1"}]


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "\r"])
def test_what_is_no_delimiter(delimiter):
    with pytest.raises(InputError, match="the delimiter must be one character"):
        TableOptions(delimiter=delimiter)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sms.txt", "ham\tsee you at five\nspam\tWIN now\n", "--format tsv"),
        ("sms.txt", "text,label\ngood,1\n", "--format csv"),
        ("sms.txt", "label|sentence\n1|good\n", "--format csv"),
        ("one.csv", "text\ngood\t1\nbad\t0\n", "the same number of tabs: name what divides the columns"),
        ("one.tsv", "text\ngood|1\nbad|0\n", "the same number of vertical bars: name what divides the columns"),
    ],
)
def test_a_table_in_disguise_is_noticed(tmp_path, name, content, message):
    assert message in str(refusal(write(tmp_path, name, content)))


def test_a_table_in_disguise_is_read_where_the_user_says_what_it_is(tmp_path):
    path = write(tmp_path, "sms.txt", "ham\tsee you at five\nspam\tWIN now\n")
    as_table = open_table(path, TableOptions(format="tsv", header=False))
    assert [tuple(row.values.values()) for row in as_table.rows()] == [("ham", "see you at five"), ("spam", "WIN now")]
    as_text = open_table(path, TableOptions(format="txt"))
    assert [row.values["text"] for row in as_text.rows()] == ["ham\tsee you at five", "spam\tWIN now"]


@pytest.mark.parametrize("name", ["a.txt", "b.txt"])
def test_texts_with_tabs_are_no_table(tmp_path, name):
    content = {"a.txt": "one\ttwo\nthree\n", "b.txt": "a\tb\n"}[name]
    assert len(rows(write(tmp_path, name, content))) == content.count("\n")


@pytest.mark.parametrize(
    "content",
    [
        "text,label,\nGreat,good,\nBad,bad,\n",
        "text,label,,,\nGreat,good,,,\nBad,bad\n",
        "text,label\nGreat,good,\nBad,bad,,\n",
        ",text,label\n0,Great,good\n1,Bad,bad\n",
        ",Unnamed: 0,text,label\n0,0,Great,good\n1,1,Bad,bad\n",
        "text,label\nGreat,good\n,\nBad,bad\n , \n,\n",
        "text,notes,label,notes\nGreat,a,good,b\nBad,c,bad,d\n",
        "\u200btext, label \nGreat,good\nBad,bad\n",
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_leave_behind(tmp_path, content, delimiter):
    for name in ("a.csv", *(["a.tsv"] if delimiter == "\t" else [])):
        found = rows(write(tmp_path, name, content.replace(",", delimiter)))
        assert [(row["text"], row["label"]) for row in found] == [("Great", "good"), ("Bad", "bad")]


@pytest.mark.parametrize(
    "content", ["text,label\na,b,c\n", "text,label,\na,b,,d\n", "text,label,notes\na,b\n", "text,,label\na,b\n"]
)
def test_a_cell_too_many_or_too_few_is_still_refused(tmp_path, content):
    assert refusal(write(tmp_path, "a.csv", content)).line == 2


@pytest.mark.parametrize("again", ["text,label", "\ufefftext,label", ' text ,"label"'])
def test_a_header_that_stands_there_again_is_no_row(tmp_path, again):
    path = write(tmp_path, "a.csv", f"\ufefftext,label\nhello,good\n{again}\nbye,bad\n")
    with pytest.warns(UserWarning, match="line 3: the header stands here again"):
        assert [row["text"] for row in rows(path)] == ["hello", "bye"]


def test_a_text_that_equals_the_header_of_its_only_column_is_a_row(tmp_path):
    assert [row["text"] for row in rows(write(tmp_path, "a.csv", "text\ntext\nmore text\n"))] == ["text", "more text"]


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"He said ""never"" to me"\tbad\nfine\tgood\n',
        'text\tlabel\n"Great film"\t"good"\n"Bad film"\t"bad"\n',
        'text\n"A ""great"" film"\nplain\n',
    ],
)
def test_a_quoted_tsv_is_said_and_can_be_read(tmp_path, content):
    path = write(tmp_path, "a.tsv", content)
    with pytest.warns(UserWarning, match="line 2: a field stands in quotation marks") as caught:
        kept = rows(path)
    assert len(caught) == 1
    assert kept[0]["text"].startswith('"')
    as_csv = [row.values["text"] for row in open_table(path, TableOptions(format="csv")).rows()]
    assert as_csv[0] in ('He said "never" to me', "Great film", 'A "great" film')


def test_a_tsv_whose_header_is_quoted_is_quoted(tmp_path):
    path = write(tmp_path, "a.tsv", '"text"\t"label"\n"Great ""film"""\t"good"\n"two\nlines"\t"bad"\n')
    assert [row["text"] for row in rows(path)] == ['Great "film"', "two\nlines"]


@pytest.mark.parametrize("text", ['"Unclosed quote here', '"one" film', '"A" or "B"', '""', '"', 'say "hi"'])
def test_other_quotation_marks_of_a_tsv_are_ordinary(tmp_path, text):
    assert rows(write(tmp_path, "a.tsv", f"text\tlabel\n{text}\tbad\n"))[0]["text"] == text


def test_messages_of_quoting_say_what_to_do(tmp_path):
    assert "doubled" in str(refusal(write(tmp_path, "a.csv", 'text,label\n"He said \\"no\\" twice",bad\n')))
    assert "--format csv" in str(refusal(write(tmp_path, "a.tsv", 'text\tlabel\n"Two\nlines"\tgood\n')))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_arrays(tmp_path, name, indent):
    values = [{"text": "one"}, {"text": "two"}]
    path = write(tmp_path, name, json.dumps(values, indent=indent))
    assert rows(path) == values
    assert lines(path) == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}, 5]', "line 2: expected a JSON object, found int"),
        ('[{"text": "a"}', "not readable as JSON"),
        ("[]", "holds no rows"),
        ('{\n "text": "a"\n}', "an object a line, or an array of objects"),
        ('{"text": {"0": "a"}}', "must be a text"),
    ],
)
def test_json_of_another_shape(tmp_path, content, message):
    path = write(tmp_path, "a.json", content)
    with pytest.raises(DataError, match=message):
        [*read_texts(table := open_table(path), choose_columns(table, labelled=False))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "id,text,label\n1,good,x\n2,,y\n"),
        ("a.tsv", "id\ttext\tlabel\n1\tgood\tx\n2\t\ty\n"),
        ("a.jsonl", '{"text": "good", "label": "x"}\n{"text": null, "label": "y"}\n'),
        ("b.jsonl", '{"text": "good", "label": "x"}\n{"text": NaN, "label": "y"}\n'),
        ("a.parquet", None),
    ],
)
def test_a_missing_text_is_an_empty_text_in_every_format(tmp_path, name, content):
    if content is None:
        path = tmp_path / name
        pq.write_table(pa.table({"text": ["good", None], "label": ["x", "y"]}), path)
    else:
        path = write(tmp_path, name, content)
    table = open_table(path)
    assert [text for _, text, _ in read_texts(table, choose_columns(table, labelled=False))] == ["good", ""]
    with pytest.warns(UserWarning, match="1 row has an empty text"):
        assert read_examples(find_source(str(path), "eval")).texts == ["good", ""]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\ngood,x\nbad,\n"),
        ("a.jsonl", '{"text": "good", "label": "x"}\n{"text": "bad", "label": null}\n'),
        ("b.jsonl", '{"text": "good", "label": "x"}\n{"text": "bad", "label": NaN}\n'),
    ],
)
def test_a_missing_label_is_refused_in_every_format(tmp_path, name, content):
    with pytest.raises(DataError, match="the row has no label"):
        read_examples(find_source(str(write(tmp_path, name, content)), "eval"))


def test_words_that_mean_nothing_elsewhere_are_texts(tmp_path):
    content = "id,text,label\n" + "".join(f"{n},{word},x\n" for n, word in enumerate(("NA", "null", "NaN", "None")))
    assert [row["text"] for row in rows(write(tmp_path, "a.csv", content))] == ["NA", "null", "NaN", "None"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.txt", "a.parquet", "a.csv.gz", "labels.txt"])
def test_a_git_lfs_pointer_is_named(tmp_path, name):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 123456789\n"
    path = write(tmp_path, name, pointer)
    read = read_label_names if name == "labels.txt" else rows
    with pytest.raises(DataError, match=r"git-lfs pointer.*git lfs pull"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        'text\n"first line\nsecond line"\nplain\n',
        'label\ttext\ngood\t"line one\nline\ttwo"\nbad\tb\n',
    ],
)
def test_a_quoted_text_over_several_lines_of_a_tsv_is_said(tmp_path, content):
    path = write(tmp_path, "a.tsv", content)
    with pytest.warns(UserWarning, match="line 3: a field stands in quotation marks"):
        rows(path)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv"])
@pytest.mark.parametrize("letter", ["word ", "é"])
def test_a_first_line_of_megabytes(tmp_path, name, letter):
    long = letter * 700_000
    content = {
        "a.txt": f"{long}\nb\n",
        "a.jsonl": f'{{"text": "{long}"}}\n{{"text": "b"}}\n',
        "a.json": f'[{{"text": "{long}"}}, {{"text": "b"}}]',
        "a.csv": f'text,{"x" * 1_200_000}\n"{long}",1\nb,2\n',
        "a.tsv": f"text\t{'x' * 1_200_000}\n{long}\t1\nb\t2\n",
    }[name]
    assert [row["text"] for row in rows(write(tmp_path, name, content))] == [long, "b"]


@pytest.mark.parametrize(("name", "bad"), [("a.tsv", "a film\rb film\t1"), ("one.tsv", "a film\rb film")])
def test_carriage_returns_within_a_row_of_a_tsv_are_refused(tmp_path, name, bad):
    header = "text\tlabel" if name == "a.tsv" else "text"
    problem = refusal(write(tmp_path, name, f"{header}\n{bad}\n"))
    assert problem.line == 2
    assert "carriage returns within the row" in str(problem)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["sep={}", "\ufeffsep={}", '"sep={}"'])
def test_the_delimiter_that_excel_writes_first(tmp_path, delimiter, first):
    content = f"{first.format(delimiter)}\r\ntext{delimiter}label\r\ngood{delimiter}1\r\nbad\r\n"
    path = write(tmp_path, "a.csv", content)
    assert next(open_table(path).rows()).values == {"text": "good", "label": "1"}
    assert refusal(path).line == 4


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("id;text,orig;label\n1;Great, really;good\n2;Bad, really;bad\n", ("id", "text,orig", "label")),
        ("text\tlabel\tdate, time\nGreat\tgood\tMon, 3\nBad\tbad\tTue, 4\n", ("text", "label", "date, time")),
    ],
)
def test_the_delimiter_of_the_most_columns_is_taken(tmp_path, content, columns):
    assert open_table(write(tmp_path, "a.csv", content)).columns == columns


def test_json_columns_are_those_of_the_first_rows(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "text": "b", "text_pair": "c"}\n')
    assert open_table(path).columns == ("id", "text", "text_pair")
    with pytest.raises(DataError, match="line 1: no 'text_pair' in this row"):
        [*read_texts(table := open_table(path), choose_columns(table, labelled=False))]


def test_a_header_in_another_case_is_no_row(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\nhello,good\nText,Label\nbye,bad\n")
    with pytest.warns(UserWarning, match="line 3: the header stands here again"):
        assert [row["text"] for row in rows(path)] == ["hello", "bye"]


def test_a_first_column_without_a_name_is_hinted_at(tmp_path):
    problem = refusal(write(tmp_path, "a.csv", 'text,label\n"1",good,x\n"2",bad,y\n'))
    assert "if the first column has no name, as R writes tables" in str(problem)
