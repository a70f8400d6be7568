"""The report in words: tables that line up, aims that are judged, a chart that names everybody."""

import copy

import pytest

from valence.benchmark import tables
from valence.benchmark.chart import throughput_chart
from valence.benchmark.floor import product_operations
from valence.reports.environment import Environment

pytestmark = pytest.mark.slow  # the report is one of a real run


def cells(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_every_table_lines_up(report):
    for table in (
        tables.throughput_table(report, "short", "classifier"),
        tables.throughput_table(report, "long", "default"),
        tables.single_table(report, "classifier"),
        tables.cold_table(report),
        tables.accuracy_table(report, "classifier"),
        tables.aims_table(report, random="classifier"),
    ):
        rows = cells(table)
        assert len(rows) > 2
        assert len({len(row) for row in rows}) == 1


def test_the_fastest_comes_first_and_ours_are_marked(report):
    rows = cells(tables.throughput_table(report, "short", "classifier"))
    rates = [float(row[2].replace(",", "")) for row in rows[2:]]
    assert rates == sorted(rates, reverse=True)
    assert {row[0] for row in rows[2:]} == {"transformers pipeline fp32", "**valence onnx fp32**"}


def test_the_summary_names_machine_versions_and_who_is_missing(report):
    text = tables.summary(report)
    assert f"tokenizers {report['versions']['tokenizers']}" in text
    assert "cores of" in text
    assert "left out: transformers pipeline fp32, the default model: the package holds engines" in text
    assert "billion operations per second" in text


def test_shapes_that_are_compiled_get_a_column(report):
    changed = copy.deepcopy(report)
    row = next(row for row in changed["rows"] if (row["model"], row["workload"]) == ("classifier", "short"))
    row["first_seconds"] = 4.0
    head, _, *rows = cells(tables.throughput_table(changed, "short", "classifier"))
    assert head[-1] == "texts/s in the first pass, every shape new"
    assert sorted(row[-1] for row in rows)[-1] == "10"


def single(key, ours, p50, p99):
    return {
        "model": "random",
        "key": key,
        "title": key,
        "ours": ours,
        "tokens": 8,
        "calls": 9,
        "p50_ms": p50,
        "p99_ms": p99,
    }


def row(key, ours, mode, rate, model="random", documented=True, **ratios):
    return {
        "workload": "short", "model": model, "key": key, "title": key, "ours": ours, "mode": mode, "budget": None,
        "documented": documented, "texts_per_second": rate, "ratios": ratios,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "met"),
    [(500.0, ["yes", "yes", "yes"]), (430.0, ["yes", "yes", "no"]), (390.0, ["no", "no", "no"])],
)
def test_aims_are_judged(ours, met):
    rows = [
        row("pipeline", False, "list", 20.0, random=1.0),
        row("peer", False, "one", 200.0, random=10.0),
        row("peer", False, "sorted2", 400.0, documented=False, random=20.0),
        row("ours", True, "list", ours, random=ours / 20),
        row("ours, slower", True, "one", 10 * ours, random=ours / 2),  # one at a time is not what is aimed for
        row("small", True, "list", 900.0, model="default", random=45.0),
    ]
    found = cells(
        tables.aims_table({"rows": rows, "singles": [single("ours", True, 1.0, 1.2), single("peer", False, 1.0, 1.2)]})
    )
    assert [line[2] for line in found[2:]] == [*met, "yes", "yes"]


@pytest.mark.parametrize(("p50", "p99", "met"), [(1.02, 1.3, "yes"), (1.04, 1.3, "no"), (1.0, 1.6, "no")])
def test_single_texts_are_judged(p50, p99, met):
    found = cells(
        tables.aims_table({"rows": [], "singles": [single("ours", True, p50, p99), single("peer", False, 1.0, 1.2)]})
    )
    assert found[-1][2] == met


def test_the_floor_where_torch_is_missing(report):
    changed = {**report, "floor": {"shape": [1, 2, 3], "skipped": "not installed: torch"}}
    assert tables.floor_text(changed) == "The int8 product was not measured: not installed: torch"


def test_stream_table():
    few, many = (
        {"texts": n, "texts_per_second": 900.0, "peak_mib": peak, "engine": "native"}
        for n, peak in ((10_000, 150.0), (1_000_000, 170.5))
    )
    text = tables.stream_table({"few": few, "many": many, "difference_mib": 20.5})
    assert "| 1,000,000 | 900 | 170.5 MiB | native |" in text
    assert text.endswith("The difference in peak memory is 20.5 MiB.")


def test_the_chart_names_everybody(report):
    pytest.importorskip("altair")
    svg = throughput_chart(report, "short", "classifier")
    assert svg.startswith("<svg")
    for name in ("valence onnx fp32, all texts in one call", "transformers pipeline fp32, batches of 32, unsorted"):
        assert name in svg
    assert svg == throughput_chart(report, "short", "classifier")


def test_the_floor_of_a_deep_model_is_its_own(report):
    """Of twelve layers the last one is a smaller part than of six."""
    changed = copy.deepcopy(report)
    changed["floor"] = {"shape": [512, 768, 3072], "gops": 700.0, "best_gops": 800.0}
    model = changed["models"]["classifier"]
    shape = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    model["operations_per_token"] = product_operations(shape)
    model["least_operations_per_token"] = product_operations(shape, first_token_alone=True)
    assert "(93 % of the products)" in tables.floor_text(changed)
    del model["least_operations_per_token"]  # as in reports of earlier versions
    text = tables.floor_text(changed)
    assert "texts/s if it did nothing else. " in text.split("The default")[0]


def test_the_machine_is_that_of_every_report(report):
    machine = Environment.now().machine
    assert report["machine"]["cores"] == machine.processors
    assert report["machine"]["processor"] == machine.processor
    text = tables.machine_text(report)
    assert text.count("family") <= 1
    assert f"cores of {machine.processor} (" in text
    old = {**report, "machine": {**report["machine"], "processor": "AMD EPYC", "family": "25.17"}}
    assert "of AMD EPYC (family 25.17; " in tables.machine_text(old)
