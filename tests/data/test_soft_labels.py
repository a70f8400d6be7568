"""Files of soft labels: what is read alike from JSON Lines and Parquet, and what is refused with file and line."""

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from valence.data.columns import ColumnNames
from valence.data.soft_labels import SoftLabels, classes_named_in, plain, read_soft_labels
from valence.data.sources import find_source
from valence.errors import DataError

NAMES = ("NEGATIVE", "POSITIVE")
GOOD = {"text": "a good film", "probabilities": {"NEGATIVE": 0.25, "POSITIVE": 0.75}}
EVEN = {"text": "the meeting is in room four", "probabilities": {"POSITIVE": 0.5, "NEGATIVE": 0.5}}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path, *rows: object, names: tuple[str, ...] = NAMES, **options) -> SoftLabels:
    if rows:
        write(path, *rows)
    return read_soft_labels(find_source(str(path), "train"), names, **options)


def same(one: SoftLabels, other: SoftLabels) -> None:
    assert one.texts == other.texts
    assert np.array_equal(one.probabilities, other.probabilities)
    assert np.array_equal(one.weights, other.weights)


def test_rows_are_in_the_order_of_the_classes(tmp_path):
    found = read(tmp_path / "a.jsonl", GOOD, EVEN | {"weight": 3, "id": 7})
    assert found.texts == ["a good film", "the meeting is in room four"]
    assert found.probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert found.probabilities.dtype == np.float32
    assert found.weights.tolist() == [1, 3]
    assert str(found.columns) == "text from 'text', label from 'probabilities'; not read: 'id'"


def test_every_form_is_read_alike(tmp_path):
    wanted = read(tmp_path / "a.jsonl", GOOD, EVEN)
    same(read(tmp_path / "b.json", [GOOD, EVEN]), wanted)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    same(read(tmp_path / "c.jsonl.gz"), wanted)
    texts = [GOOD["text"], EVEN["text"]]
    columns = {
        "struct": {"probabilities": [GOOD["probabilities"], EVEN["probabilities"]]},
        "column a class": {"POSITIVE": [0.75, 0.5], "NEGATIVE": [0.25, 0.5]},
        "other spelling": {"positive": [0.75, 0.5], "Negative": [0.25, 0.5]},
        "half precision": {name: pa.array(np.array(values, np.float16)) for name, values in
                           {"POSITIVE": [0.75, 0.5], "NEGATIVE": [0.25, 0.5]}.items()},
    }  # fmt: skip
    for name, more in columns.items():
        pq.write_table(pa.table({"text": texts} | more), tmp_path / f"{name}.parquet")
        same(read(tmp_path / f"{name}.parquet"), wanted)
    lists = [
        {"text": text, "probabilities": values} for text, values in zip(texts, ([0.75, 0.25], [0.5, 0.5]), strict=True)
    ]
    same(read(tmp_path / "d.jsonl", *lists, order=("POSITIVE", "NEGATIVE")), wanted)
    # as `valence classify --json` writes it
    answers = [{"text": row["text"], "label": "POSITIVE", "score": 0.75, "scores": row["probabilities"]} for row in
               (GOOD, EVEN)]  # fmt: skip
    same(read(tmp_path / "e.jsonl", *answers), wanted)


def test_pairs_weights_and_columns_by_name(tmp_path):
    pair = {"text": "a", "text_pair": "b", "probabilities": GOOD["probabilities"]}
    assert read(tmp_path / "a.jsonl", pair).texts == [("a", "b")]
    odd = {"title": "a", "body": "b", "probabilities": GOOD["probabilities"], "weight": None}
    found = read(tmp_path / "b.jsonl", odd, columns=ColumnNames("title", label="absent here"))
    assert (found.texts, found.weights.tolist()) == (["a"], [1])
    pq.write_table(pa.table({"text": ["a"], "weight": [0.25], "height": [0.75]}), tmp_path / "c.parquet")
    found = read(tmp_path / "c.parquet", names=("height", "weight"))
    assert found.probabilities.tolist() == [[0.75, 0.25]]
    assert found.weights.tolist() == [1], "a class that is called so"


def test_what_is_nearly_1_is_made_1(tmp_path):
    found = read(tmp_path / "a.jsonl", GOOD | {"probabilities": {"NEGATIVE": 0.333, "POSITIVE": 0.666}})
    assert np.allclose(found.probabilities, [[1 / 3, 2 / 3]], atol=1e-7)
    assert read(tmp_path / "b.jsonl", GOOD | {"probabilities": {"NEGATIVE": 0, "POSITIVE": 1}}).probabilities[0, 1] == 1


def test_a_text_that_stands_there_twice_is_kept_twice(tmp_path):
    found = read(tmp_path / "a.jsonl", GOOD, GOOD | {"probabilities": {"NEGATIVE": 1, "POSITIVE": 0}})
    assert found.probabilities.tolist() == [[0.25, 0.75], [1, 0]]


def test_classes_that_nothing_else_names(tmp_path):
    path = write(tmp_path / "a.jsonl", EVEN)
    assert classes_named_in(find_source(str(path), "train")) == NAMES
    for row in ({"text": "a", "probabilities": [0.5, 0.5]}, {"text": "a", "POSITIVE": 1.0}):
        path = write(tmp_path / "a.jsonl", row)
        with pytest.raises(DataError, match=r"a\.jsonl: it does not name the classes.* or list them with --labels"):
            classes_named_in(find_source(str(path), "train"))
    path = write(tmp_path / "a.jsonl", {"text": "a", "probabilities": {"POSITIVE": 1.0}})
    with pytest.raises(DataError, match="line 1: expected at least two classes"):
        classes_named_in(find_source(str(path), "train"))


def of(**probabilities: object) -> dict[str, object]:
    return {"text": "a", "probabilities": probabilities}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (of(POSITIVE=1.0), "line 2: no probability of the class 'NEGATIVE'"),
        (of(POSITIVE=1.0, NEGATIVE=None), "line 2: no probability of the class 'NEGATIVE'"),
        (of(POSITIVE=0.5, NEGATIVE=0.5, NEUTRAL=0), "line 2: unknown class 'NEUTRAL': expected NEGATIVE, POSITIVE"),
        (of(POSITIVE=0.5, Positive=0.5), "line 2: unknown class 'Positive'"),
        (
            of(POSITIVE=float("nan"), NEGATIVE=0.5),
            "line 2: the probability of 'POSITIVE' must lie in .0, 1., found nan",
        ),
        (of(POSITIVE=float("inf"), NEGATIVE=0.5), "line 2: .* must lie in .0, 1., found inf"),
        (of(POSITIVE=-0.5, NEGATIVE=1.5), "line 2: the probability of 'NEGATIVE' must lie in .0, 1., found 1.5"),
        (of(POSITIVE=1.0, NEGATIVE=-0.1), "line 2: .* must lie in .0, 1., found -0.1"),
        (of(POSITIVE=10**400, NEGATIVE=0), "line 2: the probability of 'POSITIVE' must lie in .0, 1., found 1000"),
        (of(POSITIVE=0.5, NEGATIVE=0.4), "line 2: the probabilities must sum to 1, found 0.9"),
        (of(POSITIVE=0, NEGATIVE=0), "line 2: the probabilities must sum to 1, found 0$"),
        (of(POSITIVE="0.5", NEGATIVE=0.5), "line 2: the probability of 'POSITIVE' must be a number, found '0.5'"),
        (of(POSITIVE=True, NEGATIVE=0), "line 2: the probability of 'POSITIVE' must be a number, found True"),
        (of(), "line 2: no probability of the class 'NEGATIVE'"),
        ({"text": "a"}, "line 2: no 'probabilities' in this row"),
        ({"text": "a", "probabilities": 0.5}, "line 2: 'probabilities' must hold a probability for each class, found"),
        ({"text": "a", "probabilities": None}, "line 2: 'probabilities' must hold a probability for each class, found"),
        ({"text": "a", "probabilities": [0.5, 0.5]}, "line 2: probabilities in a list are in the order of --labels"),
        ({"text": 3, "probabilities": GOOD["probabilities"]}, "line 2: 'text' must be a text, found 3"),
        ({"probabilities": GOOD["probabilities"]}, "line 2: no 'text' in this row"),
        (GOOD | {"weight": 0}, "line 2: 'weight' must be a positive number, found 0"),
        (GOOD | {"weight": float("nan")}, "line 2: 'weight' must be a positive number, found nan"),
        (GOOD | {"weight": "much"}, "line 2: 'weight' must be a positive number, found 'much'"),
        (GOOD | {"weight": 10**400}, "line 2: 'weight' must be a positive number, found 1000"),
        ("POSITIVE\n", "line 2: not readable as JSON"),
        ("[1]\n", "line 2: expected a JSON object, found list"),
        ("[" * 100_000 + "\n", "line 2: not readable as JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_that_is_no_soft_label_is_named(tmp_path, row, message):
    with pytest.raises(DataError, match=rf"soft\.jsonl, {message}") as refusal:
        read(tmp_path / "soft.jsonl", GOOD | {"weight": 2}, row)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_lists_of_another_length(tmp_path):
    row = {"text": "a", "probabilities": [0.5, 0.25, 0.25]}
    with pytest.raises(DataError, match="line 1: expected 2 probabilities, as many as --labels, found 3"):
        read(tmp_path / "a.jsonl", row, order=NAMES)
    with pytest.raises(DataError, match="line 1: unknown class 'OTHER'"):
        read(tmp_path / "a.jsonl", row | {"probabilities": [0.5, 0.5]}, order=("NEGATIVE", "OTHER"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "a.jsonl: the file is empty"),
        ("a.jsonl", b"\n\n", "a.jsonl: the file holds no rows"),
        ("a.json", b"[]", "a.json: the file holds no rows"),
        ("a.jsonl", b'{"text": "caf\xe9"}\n', "a.jsonl, line 1: not UTF-8: byte 14 of the line is 0xe9"),
        ("a.tsv", b"text\tPOSITIVE\ngood\t0.5\n", r"a.tsv: soft labels are read from JSON Lines \(.jsonl\) or Parquet"),
        ("a.parquet", b"PAR1 and nothing more", "a.parquet: not readable as Parquet"),
        ("a.jsonl", b'{"text": "a", "POSITIVE": 1}\n', "no column 'probabilities', and none for the class 'NEGATIVE'"),
        ("a.jsonl", b'{"a": "b", "c": "d", "probabilities": {}}\n', "which column is the text"),
    ],
)
def test_a_file_that_holds_none_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_parquet_without_rows_and_with_a_column_twice(tmp_path):
    schema = pa.schema([("text", pa.string()), ("POSITIVE", pa.float32()), ("NEGATIVE", pa.float32())])
    pq.write_table(schema.empty_table(), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: the file has no rows"):
        read(tmp_path / "a.parquet")
    columns = [pa.array(["a"]), pa.array([0.5]), pa.array([0.5]), pa.array([0.5])]
    pq.write_table(pa.table(columns, ["text", "POSITIVE", "NEGATIVE", "POSITIVE"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="two columns are called 'POSITIVE'"):
        read(tmp_path / "b.parquet")


def test_an_empty_text_is_said(tmp_path):
    with pytest.warns(UserWarning, match=r"a\.jsonl: 1 row has an empty text \(line 2\)"):
        assert read(tmp_path / "a.jsonl", GOOD, GOOD | {"text": ""}).texts[1] == ""


def test_a_line_of_ten_megabytes(tmp_path):
    found = read(tmp_path / "a.jsonl", GOOD, GOOD | {"text": "film " * 2_000_000}, EVEN)
    assert [len(text) for text in found.texts] == [11, 10_000_000, 27]


def test_memory_is_that_of_what_is_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for number in range(4_000):
            file.write(json.dumps(GOOD | {"text": f"film {number}", "reasons": "because " * 100}) + "\n")
    tracemalloc.start()
    found = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 4_000
    assert peak < 1.5e6, "of a file of 3.4 MB"


def test_texts_are_compared_without_white_space_around_them():
    assert plain(" a film \n") == "a film"
    assert plain(("a ", " b")) == ("a", "b")
