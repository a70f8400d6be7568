"""A card of figures that a class has for itself, of reports of earlier versions, and of several on data of one name."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from test_card_render import shown

from valence.card.anchors import slug
from valence.card.check.compare import check_card
from valence.card.check.remeasure import Remeasurer
from valence.card.readme import parse_readme
from valence.card.render import render
from valence.card.sources import read_sources
from valence.cli.evaluate import command
from valence.errors import ModelError
from valence.folder import ModelFolder

pytestmark = pytest.mark.filterwarnings("ignore:.*no text is:UserWarning", "ignore:.*this report goes to:UserWarning")
NEW = ("positive", "macro_precision", "macro_recall", "macro_f1", "per_class")


@pytest.fixture
def plain(tiny_classifier, tmp_path) -> Path:
    """A model without reports."""
    return Path(shutil.copytree(tiny_classifier, tmp_path / "tiny"))


def evaluate(model: Path, data: Path, *options: object) -> None:
    arguments = [str(model), str(data), "--resamples", "20", *map(str, options)]
    assert CliRunner().invoke(command, arguments, catch_exceptions=False).exit_code == 0


def table(path: Path, n_texts: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{'good ' * (n % 7)}film {'bad ' * (n % 5)}was {n}\t{int(n % 3 == 0)}" for n in range(n_texts)]
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return path


def checked(model: Path, data: Path, text: str | None = None):
    facts = read_sources(ModelFolder(model, str(model)))
    text = text or render(facts)
    return text, check_card(facts, parse_readme(text, "README.md"), Remeasurer(facts, [data]))


def holds(model: Path, data: Path, text: str | None = None) -> str:
    """Every figure of the evaluations is measured again and comes out."""
    text, found = checked(model, data, text)
    mine = [one for one in found.statements if one.name.startswith(("evaluation.", "model-index"))]
    assert len(mine) > 20
    for one in mine:
        assert one.outcome == ("equal to its report" if one.name.endswith(".level") else "measured again"), one
    assert not [one for one in found.statements if one.outcome == "fails"]
    return text


@pytest.mark.parametrize("positive", [None, "NEGATIVE"])
@pytest.mark.slow
def test_the_class_is_named_wherever_one_is_meant(plain, tmp_path, positive):
    evaluate(plain, table(tmp_path / "data" / "dev.tsv", 40), *(["--positive", positive] if positive else []))
    text = holds(plain, tmp_path / "data")
    seen, of = shown(text), positive or "POSITIVE"
    report = json.loads((plain / "reports" / "evaluation-data-dev.json").read_text())
    assert f"| accuracy | precision of {of} | recall of {of} | F1 of {of} | AUC |" in seen
    assert f"texts of data-dev. F1 of {of}: {report['f1']['value']:.4f} (" in seen
    for one in report["per_class"]:
        cells = [f"{one[name]['value']:.4f}" for name in ("precision", "recall", "f1")]
        assert f"| data-dev | {one['label']} | {one['support']} | {' | '.join(cells)} |" in seen
    macro = [f"{report[f'macro_{name}']['value']:.4f}" for name in ("precision", "recall", "f1")]
    assert f"| data-dev | *mean over classes (macro)* |  | {' | '.join(macro)} |" in seen
    (row,) = [one for one in ModelCard(text).data.eval_results if one.metric_type == "f1"]
    assert (row.metric_name, row.metric_value) == (f"F1 of {of}", round(report["f1"]["value"], 6))


@pytest.fixture
def abuse(plain) -> Path:
    config = json.loads((plain / "config.json").read_text())
    config |= {"id2label": {"0": "abusive", "1": "normal"}, "label2id": {"abusive": 0, "normal": 1}}
    (plain / "config.json").write_text(json.dumps(config))
    return plain


@pytest.mark.slow
def test_without_a_positive_class_macro_stands_in_front(abuse, tmp_path):
    evaluate(abuse, table(tmp_path / "data" / "dev.tsv", 40))
    text = holds(abuse, tmp_path / "data")
    report = json.loads((abuse / "reports" / "evaluation-data-dev.json").read_text())
    macro = "{value:.4f} ({low:.4f} to {high:.4f})".format(**report["macro_f1"])
    seen = shown(text)
    assert "| data | texts | macro F1 | accuracy | macro precision | macro recall | AUC |" in seen
    assert f" Macro F1 {macro}, accuracy " in seen
    assert f"| data-dev | 40 | {macro} |" in seen
    (row,) = [one for one in ModelCard(text).data.eval_results if one.metric_type == "f1"]
    assert (row.metric_name, row.metric_value) == ("Macro F1", round(report["macro_f1"]["value"], 6))
    assert "evaluation.data-dev.f1" not in read_sources(ModelFolder(abuse, "m")).statements


def test_a_class_that_is_never_found_is_said(abuse, tmp_path):
    evaluate(abuse, table(tmp_path / "data" / "dev.tsv", 40))
    path = abuse / "reports" / "evaluation-data-dev.json"
    report = json.loads(path.read_text())
    report["per_class"][0]["predicted"] = 0
    report["per_class"][1]["support"] = 0
    path.write_text(json.dumps(report))
    seen = shown(render(read_sources(ModelFolder(abuse, "m"))))
    assert "\nOn data-dev no text is said to be abusive, though some are.\n" in seen
    assert "\nOn data-dev no text is normal: how well that is found is not known, and counts as 0.\n" in seen


@pytest.mark.slow
def test_a_wrong_figure_of_a_class_fails(plain, tmp_path):
    evaluate(plain, table(tmp_path / "data" / "dev.tsv", 40))
    path = plain / "reports" / "evaluation-data-dev.json"
    report = json.loads(path.read_text())
    report["per_class"][0]["f1"]["value"] += 0.3
    report["macro_recall"]["value"] += 0.3
    path.write_text(json.dumps(report))
    _, found = checked(plain, tmp_path / "data")
    failing = {one.name for one in found.statements if one.outcome == "fails"}
    assert failing == {"evaluation.data-dev.class.0.f1", "evaluation.data-dev.macro_recall"}


def test_seventy_classes_make_no_endless_card(plain, tmp_path):
    evaluate(plain, table(tmp_path / "data" / "dev.tsv", 40))
    path = plain / "reports" / "evaluation-data-dev.json"
    report = json.loads(path.read_text())
    one = report["per_class"][0]
    report["per_class"] = [one | {"label": f"c{n}", "f1": {"value": n / 70}} for n in range(70)]
    report["confusion_matrix"]["counts"] = [[1] * 70] * 70
    path.write_text(json.dumps(report))
    seen = shown(render(read_sources(ModelFolder(plain, "m"))))
    assert seen.count("| data-dev | c") == 30
    assert "| data-dev | c29 |" in seen
    assert "Of data-dev the 30 classes of the lowest F1 are shown; the report has all." in seen


@pytest.mark.parametrize("kind", ["binary", "renamed", "mixed"])
@pytest.mark.slow
def test_reports_of_an_earlier_version_are_rendered_and_checked(plain, abuse, tmp_path, kind):
    """Without `positive` f1 is of the class that sorts second, which is said."""
    model = plain if kind == "binary" else abuse
    names = {"binary": ("abusive", "normal")}.get(kind, ("abusive", "normal"))
    evaluate(model, table(tmp_path / "data" / "dev.tsv", 40), "--positive", names[1])
    path = model / "reports" / "evaluation-data-dev.json"
    old = {key: value for key, value in json.loads(path.read_text()).items() if key not in NEW}
    path.write_text(json.dumps(old))
    if kind == "mixed":
        evaluate(model, table(tmp_path / "data" / "test.tsv", 30))
    text = holds(model, tmp_path / "data")
    seen = shown(text)
    if kind == "mixed":
        assert "| precision | recall | F1 |" in seen
        assert f"{old['f1']['value']:.4f} (normal) |" in seen
        assert " (macro) |" in seen
    else:
        assert "| accuracy | precision of normal | recall of normal | F1 of normal | AUC |" in seen
        assert "mean over classes" not in seen


@pytest.mark.slow
def test_a_comparison_of_an_earlier_version(carded):
    report = carded.report("comparison.json")
    report.pop("positive")
    for model in report["models"]:
        for key in (*NEW[1:], "precision", "recall", "f1"):
            model.pop(key)
    carded.change("comparison.json")
    (carded.folder / "reports" / "comparison.json").write_text(json.dumps(report))
    facts = read_sources(carded.model)
    assert "comparison.first.f1" not in facts.statements
    assert "F1 of POSITIVE |" not in shown(render(facts)).split("## Comparison")[1]
    workbench = Remeasurer(facts, [carded.data, carded.other])
    found = check_card(facts, parse_readme(render(facts), "README.md"), workbench)
    mine = [one for one in found.statements if one.name.startswith("comparison.") and "second" not in one.name]
    assert {one.outcome for one in mine if "per_second" not in one.name and "speed" not in one.name} == {
        "measured again"
    }


def test_a_new_comparison_has_f1(carded):
    text = render(read_sources(carded.model))
    seen = shown(text).split("## Comparison")[1]
    assert "| F1 of POSITIVE | 0." in seen
    assert "| macro F1 | 0." in seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "torch"), ("onnx fp32", "torch fp32")),
        (("--max-length", 16), ("64 tokens", "16 tokens")),
        (("--long-text", "truncate"), ("longer ones in windows, stride 0, mean", "longer ones: truncate")),
        (None, ("SHA-256 ", "SHA-256 ")),
    ],
)
def test_two_on_data_of_one_name_are_told_apart(plain, tmp_path, options, said):
    data = tmp_path / "data"
    evaluate(plain, table(data / "uk" / "reviews.tsv", 40))
    if options is None:
        evaluate(plain, table(data / "us" / "reviews.tsv", 30))
    else:
        evaluate(plain, data / "uk" / "reviews.tsv", *options)
    text = holds(plain, data)
    titles = {one.dataset_name for one in ModelCard(text).data.eval_results}
    assert len(titles) == 2
    for start in said:
        assert any(title.startswith(f"reviews ({start}") for title in titles)
    found = ModelCard(text).data
    assert len(found.eval_results) == 2 * len(found.metrics) >= 14
    names = {
        name.split(".")[1] for name in read_sources(ModelFolder(plain, "m")).statements if name.startswith("evaluat")
    }
    assert len(names) == 2
    assert min(names) == "reviews"
    # each is compared with its own report
    other = next(path for path in (plain / "reports").iterdir() if path.name != "evaluation-reviews.json")
    report = json.loads(other.read_text())
    report["accuracy"]["value"] = 0.123
    other.write_text(json.dumps(report))
    _, found = checked(plain, data, text)
    figure, row, line = (one.name for one in sorted(found.statements, key=_place) if one.outcome == "fails")
    assert figure == f"evaluation.{other.stem.removeprefix('evaluation-')}.accuracy"
    assert row.startswith(f"model-index: accuracy on reviews ({said[1]}")
    assert line == "a line"


def _place(finding) -> tuple[bool, bool]:
    return finding.name == "a line", finding.name.startswith("model-index")


@pytest.mark.slow
def test_two_that_nothing_tells_apart_have_the_names_of_their_files(plain, tmp_path):
    evaluate(plain, table(tmp_path / "data" / "dev.tsv", 40))
    reports = plain / "reports"
    shutil.copy(reports / "evaluation-data-dev.json", reports / "evaluation-copy.json")
    text = holds(plain, tmp_path / "data")
    assert {one.dataset_name for one in ModelCard(text).data.eval_results} == {"data-dev [copy]", "data-dev [data-dev]"}


def test_long_names_with_a_hash_stay_two():
    name = "x" * 100
    assert slug(name) == "x" * 80
    assert slug(f"{name}-0123abcd") == "x" * 71 + "-0123abcd"
    assert slug(f"{name}-0123abce") != slug(f"{name}-0123abcd")


def test_how_the_epoch_was_chosen_is_said(carded):
    for chosen_by, positive, words in (
        ("accuracy", None, "by accuracy"),
        ("macro_f1", None, "by macro F1"),
        ("f1", "abusive", "by F1 of abusive"),
    ):
        carded.change("training.json", chosen_by=chosen_by, positive=positive)
        assert f"was kept: the best on reviews {words}, so that" in shown(render(read_sources(carded.model)))
        assert "hyper-parameter.chosen_by" not in read_sources(carded.model).statements


@pytest.mark.parametrize("change", [{"per_class": 1}, {"positive": 3}, {"per_class": [{"support": -1}]}])
def test_broken_ones_are_named(carded, change):
    carded.change("evaluation-reviews.json", **change)
    with pytest.raises(ModelError, match=r"evaluation-reviews\.json: expected "):
        render(read_sources(dataclasses.replace(carded).model))
