"""How a data set was read, kept and read again."""

from pathlib import Path

import msgspec
import pytest

from valence.data.columns import ColumnNames
from valence.data.examples import read_examples
from valence.data.recorded import describe_data, recorded_columns, recorded_labels, recorded_options
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.reports.data_ref import DataRef


@pytest.mark.parametrize(
    ("content", "columns", "options"),
    [
        ("text,label\ngood,x\nbad,y\n", ColumnNames(), TableOptions()),
        ("title,body,kind\na,b,x\nc,d,y\n", ColumnNames("title,body", "kind"), TableOptions()),
        ('"a, b",kind\na,x\nc,y\n', ColumnNames("a, b", "kind"), TableOptions()),
        ("q~a~label\ncafé~b~x\nc~d~y\n", ColumnNames("q", pair="a"), TableOptions(encoding="cp1252", delimiter="~")),
        ("x\tgood\ny\tbad\n", ColumnNames("2", "1"), TableOptions(header=False)),
    ],
)
def test_what_is_recorded_reads_the_same(tmp_path: Path, content, columns, options):
    path = tmp_path / "data.csv"
    path.write_bytes(content.encode(options.encoding))
    first = read_examples(find_source(str(path), "eval", options), columns)
    described = describe_data(first)
    assert described.name == "data" or described.name.endswith("-data")
    again = read_examples(find_source(str(path), "eval", recorded_options(described)), recorded_columns(described))
    assert (again.texts, again.labels.tolist(), again.names) == (first.texts, first.labels.tolist(), first.names)
    assert (described.reading is not None) == (options != TableOptions())


@pytest.mark.parametrize(
    "described",
    [{}, {"columns": None}, {"columns": {}}, {"columns": {"text": []}}]
    + [{"reading": said} for said in ({"encoding": "rot13"}, {"header": None, "x": True}, {"delimiter": "ab"})],
)
def test_what_older_or_other_reports_hold(described):
    data = msgspec.convert({"name": "a", "sha256": "b"} | described, DataRef)
    assert recorded_columns(data) == ColumnNames()
    assert recorded_options(data) == TableOptions()
    assert recorded_labels(data) is None
