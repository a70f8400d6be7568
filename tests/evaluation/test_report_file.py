"""Each measurement has a file of its own, and keeps it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from valence.cli.evaluate import command


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


@pytest.fixture
def data(tmp_path) -> Path:
    return table(tmp_path / "uk" / "reviews.tsv", ("good film", "bad film", "the plot was great"))


def table(path: Path, texts: tuple[str, ...]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{n % 2}\n" for n, text in enumerate(texts)))
    return path


def evaluate(model: Path, data: Path, *options: object) -> dict:
    arguments = [str(model), str(data), "--resamples", "5", *map(str, options), "--json"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def reports(model: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in (model / "reports").iterdir()}


@pytest.mark.filterwarnings("ignore:.*no text is said:UserWarning")
@pytest.mark.parametrize(
    ("options", "other_data", "said"),
    [
        ((), True, "is of other data of that name"),
        (("--engine", "torch"), False, "is of the engine onnx fp32"),
        (("--max-length", 16), False, "was measured with other --max-length or --long-text"),
        (("--long-text", "truncate"), False, "was measured with other"),
        (("--stride", 3), False, "was measured with other"),
        (("--aggregate", "max"), False, "was measured with other"),
    ],
)
@pytest.mark.slow
def test_another_measurement_gets_a_file_of_its_own(model, data, tmp_path, options, other_data, said):
    first = evaluate(model, data)
    other = table(tmp_path / "us" / "reviews.tsv", ("awful", "great", "good dog", "bad dog")) if other_data else data
    with pytest.warns(UserWarning, match=f"{model / 'reports' / 'evaluation-reviews.json'} {said}.*; this report goes"):
        second = evaluate(model, other, *options)
    found = reports(model)
    assert found.pop("evaluation-reviews.json") == first
    ((name, kept),) = found.items()
    assert kept == second
    assert name.startswith("evaluation-reviews-")
    assert len(name) == len("evaluation-reviews-12345678.json")
    # the same again, in any order, writes over its own file
    with pytest.warns(UserWarning, match="this report goes"):
        evaluate(model, other, *options)
    evaluate(model, data)
    assert set(reports(model)) == {name, "evaluation-reviews.json"}
    # and keeps it where the usual name is free again
    (model / "reports" / "evaluation-reviews.json").unlink()
    evaluate(model, other, *options)
    assert set(reports(model)) == {name}


@pytest.mark.parametrize("options", [("--resamples", 7), ("--positive", "NEGATIVE"), ("--threads", 1)])
@pytest.mark.filterwarnings("ignore:.*no text is said:UserWarning")
def test_the_same_measurement_writes_over_its_own_file(model, data, options):
    evaluate(model, data)
    report = evaluate(model, data, *options)
    assert reports(model) == {"evaluation-reviews.json": report}


@pytest.mark.filterwarnings("ignore:.*no text is said:UserWarning")
def test_other_weights_write_over_the_figures_of_those_that_are_gone(model, data):
    path = model / "reports" / "evaluation-reviews.json"
    report = evaluate(model, data)
    gone = {"engine_sha256": "0" * 64, "weights_sha256": "1" * 64}
    path.write_text(json.dumps(report | {"model": report["model"] | gone}))
    assert reports(model) != {path.name: report}
    again = evaluate(model, data)
    assert reports(model) == {path.name: again}


@pytest.mark.filterwarnings("ignore:.*no text is said:UserWarning")
def test_a_report_of_an_earlier_version_is_known(model, data):
    path = model / "reports" / "evaluation-reviews.json"
    report = evaluate(model, data)
    new = ("positive", "macro_f1", "macro_precision", "macro_recall", "per_class", "max_length", "long_text")
    path.write_text(json.dumps({key: value for key, value in report.items() if key not in new}))
    evaluate(model, data)
    assert set(reports(model)) == {path.name}
    assert "per_class" in reports(model)[path.name]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"data": 1}', '{"data": {"sha256": 1}}', "\x00"])
def test_a_damaged_report_is_left_and_said(model, data, content):
    path = model / "reports" / "evaluation-reviews.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.warns(UserWarning, match="is damaged, or no report of an evaluation, and is left as it is"):
        report = evaluate(model, data)
    assert path.read_text() == content
    (other,) = set(path.parent.iterdir()) - {path}
    assert json.loads(other.read_text()) == report
    other.write_text("{")
    with pytest.warns(UserWarning, match=f"{other} is damaged and will be written anew"):
        report = evaluate(model, data)
    assert json.loads(other.read_text()) == report
