"""Cards of reports that another version wrote: metrics that it did not have, or had more of; settings and outcomes."""

from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt
from test_card_render import HOSTILE, shown

from valence.card.anchors import read_anchors
from valence.card.check.compare import check_card
from valence.card.check.remeasure import Remeasurer
from valence.card.readme import parse_readme
from valence.card.render import render
from valence.card.sources import read_sources
from valence.files import write_json
from valence.reports.codec import encode_report, read_report
from valence.reports.evaluation import EvaluationReport
from valence.reports.training import TrainingReport

if TYPE_CHECKING:
    from conftest import Carded

NEW = {"title": "balanced accuracy", "kind": "share"}
FIRST_METRICS = ("accuracy", "precision", "recall", "f1", "auc", "loss", "mcc")
METRICS = (*FIRST_METRICS, "brier", "ece", "ece_if_calibrated")


def rewrite(carded: "Carded", name: str = "evaluation-reviews.json", **more: tuple[dict, object]) -> None:
    """Write an evaluation as a version with more metrics would."""
    path = carded.folder / "reports" / "evaluation-reviews.json"
    content = encode_report(read_report(path, EvaluationReport))
    for metric, (about, estimate) in more.items():
        content["metrics"][metric] = about
        content[metric] = estimate
    write_json(carded.folder / "reports" / name, content)


def without(carded: "Carded", lacking: tuple[str, ...], how: str) -> None:
    """Write an evaluation as a version with fewer metrics did, or one in which some are not defined."""
    report = carded.report("evaluation-reviews.json")
    described = report.pop("metrics")
    for name in lacking:
        report[name] = None
        if how != "null":
            del report[name], described[name]
    if how == "format 0":
        report.pop("format")
    else:
        report["metrics"] = described
    write_json(carded.folder / "reports" / "evaluation-reviews.json", report)


def outcomes(carded: "Carded") -> dict[str, str]:
    sources = read_sources(carded.model)
    readme = parse_readme(render(sources), "README.md")
    checked = check_card(sources, readme, Remeasurer(sources, [carded.data]))
    return {one.name: one.outcome for one in checked.statements if "evaluation." in one.name or "index" in one.name}


@pytest.mark.parametrize(
    ("about", "estimate", "cell", "indexed"),
    [
        (NEW, {"value": 0.75, "low": 0.7, "high": 0.8}, "0.7500", 0.75),
        (NEW, {"value": 0.75}, "0.7500", 0.75),
        ({"title": "Brier score", "kind": "loss", "unit": "points"}, {"value": 0.1234567}, "0.1235", 0.123457),
        ({"title": "area", "kind": "auc", "unit": ""}, {"value": 1}, "1.0000", 1.0),
        (NEW, None, None, None),
    ],
)
def test_a_metric_that_this_version_does_not_know_is_shown_as_its_report_says(carded, about, estimate, cell, indexed):
    rewrite(carded, balanced_accuracy=(about, estimate))
    text = render(read_sources(carded.model))
    name = "evaluation.reviews.balanced_accuracy"
    found = {one.name: one.text for one in read_anchors(text).statements}
    results = [one for one in parse_readme(text, "README.md").card.results if one.metric == "balanced_accuracy"]
    if cell is None:
        assert name not in found
        assert results == []
        assert about["title"] not in text
    else:
        assert found[name] == cell
        assert f"| ECE if calibrated | {about['title']} | engine |" in shown(text)
        title = about["title"][0].upper() + about["title"][1:]
        assert [(one.metric_name, one.value) for one in results] == [(title, indexed)]
        assert read_sources(carded.model).statements[name].unit == about.get("unit", "")


@pytest.mark.slow
def test_a_metric_that_this_version_does_not_know_is_not_checked(carded):
    rewrite(carded, balanced_accuracy=(NEW, {"value": 0.75, "low": 0.7, "high": 0.8}))
    checked = outcomes(carded)
    for name in ("", ".low", ".high"):
        assert checked.pop(f"evaluation.reviews.balanced_accuracy{name}", "not checked") == "not checked"
    assert checked.pop("model-index: balanced_accuracy on reviews") == "not checked"
    assert checked["evaluation.reviews.mcc"] == "measured again"
    assert set(checked.values()) == {"measured again", "equal to its report"}


@pytest.mark.parametrize("lacking", [*((name,) for name in METRICS), ("accuracy", "f1"), METRICS])
@pytest.mark.parametrize("how", ["format 0", "format 1", "null"])
def test_a_metric_that_an_old_report_lacks_is_left_out(carded, lacking, how):
    without(carded, lacking, how)
    sources = read_sources(carded.model)
    text = render(sources)
    known = FIRST_METRICS if how == "format 0" else METRICS  # a report of format 0 did not say what others are
    for name in METRICS:
        assert (f"evaluation.reviews.{name}" in sources.statements) == (name in known and name not in lacking)
    metrics = {one.metric for one in parse_readme(text, "README.md").card.results}
    assert metrics == set(known) - set(lacking)
    assert "not defined" not in text


@pytest.mark.slow
@pytest.mark.parametrize("how", ["format 0", "format 1", "null"])
def test_what_an_old_report_has_is_measured_again(carded, how):
    without(carded, ("accuracy", "f1"), how)
    assert set(outcomes(carded).values()) == {"measured again", "equal to its report"}


def test_of_two_reports_one_knows_more(carded):
    rewrite(carded, "evaluation-new.json", balanced_accuracy=(NEW, {"value": 0.75}))
    text = shown(render(read_sources(carded.model)))
    assert "| ECE if calibrated | balanced accuracy | engine |" in text
    assert "| not measured | onnx fp32 |" in text
    assert "| 0.7500 | onnx fp32 |" in text


def test_the_title_of_a_metric_stays_text(carded):
    rewrite(carded, owned=({"title": HOSTILE, "kind": "share", "unit": HOSTILE}, {"value": 0.5}))
    text = parse_readme(render(read_sources(carded.model)), "README.md").card.text
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    for element in ("<script", "<strong>x", 'href="http://b"', "<code>c", "Owned</h2>", "<hr"):
        assert element not in html, element


@pytest.mark.parametrize("key", ["energy", "format_of_state", "notes"])
def test_what_came_of_a_training_is_no_hyper_parameter(carded, key):
    """The report says which keys are: one that another version measures besides is none."""
    report = read_report(carded.folder / "reports" / "training.json", TrainingReport)
    content = encode_report(report)
    write_json(carded.folder / "reports" / "training.json", {**content, key: 3.5})
    before = {name for name in read_sources(carded.model).statements if name.startswith("hyper-parameter.")}
    assert "hyper-parameter.learning_rate" in before
    assert f"hyper-parameter.{key}" not in before
    content["hyper_parameters"].append(key)
    write_json(carded.folder / "reports" / "training.json", {**content, key: 3.5})
    assert f"hyper-parameter.{key}" in read_sources(carded.model).statements


@pytest.mark.slow
def test_a_reference_of_no_speed_is_no_reference(carded):
    report = carded.report("comparison.json")
    report["models"][1]["texts_per_second"] = 0
    carded.change("comparison.json", models=report["models"])
    sources = read_sources(carded.model)
    assert "comparison.speed_ratio" not in sources.statements
    remeasurer = Remeasurer(sources, [carded.data, carded.other])
    checked = check_card(sources, parse_readme(render(sources), "README.md"), remeasurer)
    found = {one.name: one for one in checked.statements}
    assert found["comparison.first.texts_per_second"].outcome == "not checked"
    assert "the speed of the reference" in found["comparison.first.texts_per_second"].detail
