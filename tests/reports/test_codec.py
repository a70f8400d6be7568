"""Reports are read as types whatever their age, and nothing that they hold is lost."""

import copy
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples
from valence.errors import ModelError
from valence.reports.audit import AuditReport
from valence.reports.codec import decode_report, encode_report, read_report, write_report
from valence.reports.comparison import ComparisonReport
from valence.reports.estimate import Estimate
from valence.reports.evaluation import EvaluationReport
from valence.reports.training import TrainingReport

OLD = Path(__file__).parent.parent / "old" / "model" / "reports"
KINDS = {
    "evaluation-old-dev.json": EvaluationReport,
    "comparison.json": ComparisonReport,
    "audit.json": AuditReport,
    "training.json": TrainingReport,
}
KINDS_OF_FILES = pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)


def old(name: str) -> dict:
    return json.loads((OLD / name).read_text(encoding="utf-8"))


def assert_holds(report: object, content: object) -> None:
    """Everything of the content is in the report, in its place."""
    if isinstance(content, dict):
        for key, inner in content.items():
            assert_holds(report[key], inner)
    elif isinstance(content, list):
        assert len(report) == len(content)
        for one, other in zip(report, content, strict=True):
            assert_holds(one, other)
    else:
        assert report == content
        assert type(report) is type(content)


@KINDS_OF_FILES
def test_a_report_of_format_0_is_upgraded_and_keeps_every_key(name, kind, tmp_path):
    assert "format" not in old(name)
    report = read_report(OLD / name, kind)
    write_report(tmp_path / name, report)
    written = json.loads((tmp_path / name).read_text(encoding="utf-8"))
    assert written["format"] == 1
    assert next(iter(written)) == "format"
    assert_holds(written, old(name))
    assert read_report(tmp_path / name, kind) == report
    assert encode_report(read_report(tmp_path / name, kind)) == written


@KINDS_OF_FILES
def test_what_nobody_knows_is_kept_at_any_depth(name, kind):
    def add(value: object) -> None:
        if isinstance(value, dict):
            for inner in list(value.values()):
                add(inner)
            value["of a later version"] = {"number": 1, "list": [1, {"a": None}]}
        elif isinstance(value, list):
            for inner in value:
                add(inner)

    content = encode_report(read_report(OLD / name, kind))
    # These objects have any keys, and values of one type.
    free = ("versions", "skipped", "metrics", "figures", "settings")
    keep = {key: copy.deepcopy(content[key]) for key in free if key in content}
    probes = copy.deepcopy(content.get("probes"))
    add(content)
    content |= keep
    if probes:
        for probe, before in zip(content["probes"], probes, strict=True):
            probe["figures"] = before["figures"]
    assert_holds(encode_report(decode_report(content, kind, name)), content)


def test_no_file_is_no_report(tmp_path):
    assert read_report(tmp_path / "absent.json", EvaluationReport) is None


def broken(name: str, place: list, value: object) -> dict:
    content = old(name)
    *keys, last = place
    inner = content
    for key in keys:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("evaluation-old-dev.json", ["n_texts"], -1, "expected a whole number from 0 at n_texts, found -1"),
        ("evaluation-old-dev.json", ["n_texts"], 1.5, "expected a whole number at n_texts, found 1.5"),
        ("evaluation-old-dev.json", ["n_texts"], True, "expected a whole number at n_texts, found True"),
        ("evaluation-old-dev.json", ["n_texts"], 10**30, "expected a number of usual size at n_texts"),
        ("evaluation-old-dev.json", ["accuracy"], 0.9, "expected an object at accuracy, found 0.9"),
        ("evaluation-old-dev.json", ["accuracy", "value"], float("nan"), r"a number at accuracy\.value, found nan"),
        ("evaluation-old-dev.json", ["accuracy", "low"], float("inf"), r"a number at accuracy\.low, found inf"),
        ("evaluation-old-dev.json", ["data", "name"], "\ud800", r"expected a text at data\.name"),
        ("evaluation-old-dev.json", ["data"], ..., "expected a value at data, found None"),
        (
            "evaluation-old-dev.json",
            ["confusion_matrix", "counts"],
            "none",
            r"expected a list at confusion_matrix\.counts",
        ),
        (
            "evaluation-old-dev.json",
            ["confusion_matrix", "labels", 1],
            5,
            r"a text at confusion_matrix\.labels\.1, found 5",
        ),
        ("evaluation-old-dev.json", ["format"], 2, "a report of format 2, and this version of valence reads up to 1"),
        ("evaluation-old-dev.json", ["format"], "1", "expected a whole number from 0 at format, found '1'"),
        ("evaluation-old-dev.json", ["format"], -1, "expected a whole number from 0 at format, found -1"),
        ("comparison.json", ["models"], [], "models"),
        ("comparison.json", ["mcnemar", "p_value"], "0.5", r"expected a number at mcnemar\.p_value, found '0\.5'"),
        ("audit.json", ["probes"], {}, "expected a list at probes"),
        ("audit.json", ["probes", 0, "figures"], [1], r"expected an object at probes\.0\.figures, found \[1\]"),
        ("audit.json", ["probes", 0], 1, r"expected an object at probes\.0, found 1"),
        ("training.json", ["steps"], "many", "expected a whole number at steps, found 'many'"),
        ("training.json", ["train"], [], "expected an object at train"),
    ],
)
def test_damage_is_told_with_file_place_and_what_is_there(name, place, value, said):
    with pytest.raises(ModelError, match=said) as problem:
        decode_report(broken(name, place, value), KINDS[name], f"reports/{name}")
    assert str(problem.value).startswith(f"reports/{name}: ")
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("content", [{}, {"format": 1}, {"format": 1, "metrics": 5}, {"a\nb\x1b[31m": float("inf")}])
@pytest.mark.parametrize("kind", [EvaluationReport, ComparisonReport, AuditReport])
def test_what_holds_next_to_nothing_is_told_in_one_line(kind, content):
    with pytest.raises(ModelError, match=r"a\.json: expected ") as problem:
        decode_report(content, kind, "a.json")
    assert str(problem.value).isprintable()


def test_an_evaluation_names_each_class_once():
    content = encode_report(read_report(OLD / "evaluation-old-dev.json", EvaluationReport))
    estimates = {name: {"value": 1.0} for name in ("precision", "recall", "f1")}
    one = {"label": "a", "support": 1, "predicted": 1, **estimates}
    with pytest.raises(ModelError, match="2 classes in per_class, as the confusion matrix has"):
        decode_report(content | {"per_class": [one] * 3}, EvaluationReport, "a.json")


def test_an_old_distillation_keeps_its_outcome_apart():
    content = {"epochs": 1, "teacher_figures": {"top1": 0.5}, "student_figures": {"top1": 0.4}, "steps": 3}
    report = decode_report(content, TrainingReport, "a.json")
    assert (report.settings, report.teacher_figures) == ({"epochs": 1}, {"top1": 0.5})


class OfNumPy:
    """A number as NumPy has it."""

    ndim = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def item(self) -> float:
        return self.value


def test_numbers_of_others_are_written_plainly():
    report = read_report(OLD / "audit.json", AuditReport)
    probe = msgspec.structs.replace(report.probes[0], figures={"a": Estimate(OfNumPy(0.5))})
    assert encode_report(msgspec.structs.replace(report, probes=(probe,)))["probes"][0]["figures"]["a"]["value"] == 0.5


@pytest.mark.parametrize("content", ["", "[]", "5", "{", '"a"', "\ufeff[1]", "[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path, content):
    path = tmp_path / "evaluation-a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"evaluation-a\.json: "):
        read_report(path, EvaluationReport)


def test_objects_within_objects_without_end():
    content: dict = {}
    inner = content
    for _ in range(5000):
        inner["a"] = {}
        inner = inner["a"]
    with pytest.raises(ModelError, match="too many for a report"):
        decode_report({"deep": content}, EvaluationReport, "a.json")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(200))
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_whatever_is_changed_is_read_or_refused_in_one_line(name, data):
    content = old(name)
    inner: object = content
    for _ in range(data.draw(st.integers(0, 3))):
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner))) if isinstance(inner, list) else []
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()):
            inner[key] = data.draw(ANY_JSON)
            break
        inner = inner[key]
    said, report = "", None
    try:
        report = decode_report(content, KINDS[name], name)
    except ModelError as problem:
        said = str(problem)
    assert "\n" not in said
    if report is not None:
        assert json.loads(json.dumps(encode_report(report), allow_nan=False))["format"] == 1


def test_an_old_report_lacks_metrics_and_a_new_one_has_more():
    content = old("evaluation-old-dev.json")
    del content["mcc"]
    report = decode_report(content, EvaluationReport, "a")
    assert "mcc" not in report.metrics
    newer = encode_report(report) | {"balanced_accuracy": {"value": 0.5, "low": None, "high": None}}
    newer["metrics"]["balanced_accuracy"] = {"title": "balanced accuracy", "kind": "share", "unit": ""}
    metric = decode_report(newer, EvaluationReport, "a").metrics["balanced_accuracy"]
    assert (metric.title, metric.estimate) == ("balanced accuracy", Estimate(0.5))
    assert report.metrics["accuracy"].estimate == Estimate(**content["accuracy"])


def test_settings_and_outcome_of_a_training_are_apart():
    report = decode_report(old("training.json"), TrainingReport, "a")
    assert {"learning_rate", "epochs", "seed"} <= report.settings.keys()
    assert not report.settings.keys() & {"steps", "train", "seconds", "weights_sha256", "labels"}
    later = encode_report(report) | {"peak_memory_mib": 812}
    again = decode_report(later, TrainingReport, "a")
    assert again.settings == report.settings  # what is new is no hyper-parameter
    assert again.extra == {"peak_memory_mib": 812}


def test_an_undefined_estimate_of_a_probe_stays_so():
    content = old("audit.json")
    content["probes"][0]["figures"]["undefined"] = {"value": None, "low": None, "high": None}
    report = decode_report(content, AuditReport, "a")
    assert report.probes[0].figures["undefined"] is None
    assert_holds(encode_report(report), content)
