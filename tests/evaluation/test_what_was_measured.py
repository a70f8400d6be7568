"""A report says which model it is of, what really ran, and on which machine."""

import json
import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("sklearn")

import valence
from valence.cli import cli
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.evaluation.compare import Contestant, as_markdown, compare
from valence.evaluation.evaluate import evaluate
from valence.folder import ModelFolder
from valence.processors import available_cpus, processor_name

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def snapshot(tiny_classifier: Path, tmp_path: Path) -> Path:
    """A model as the hub's cache holds it: in a folder that is called after its commit."""
    return Path(shutil.copytree(tiny_classifier, tmp_path / "models--someone--reviews" / "snapshots" / COMMIT))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.tsv"
    path.write_text("text\tlabel\ngood film\tPOSITIVE\nthe plot was awful\tNEGATIVE\n", encoding="utf-8")
    return path


def examples(data: Path):
    return read_examples(find_source(str(data), "eval"), known=("NEGATIVE", "POSITIVE"))


def test_a_model_of_the_hub_is_called_by_its_id(snapshot, data):
    folder = ModelFolder(snapshot, "someone/reviews")
    report = evaluate(valence.load(snapshot), examples(data), folder, 5)
    assert report.model.name == "someone/reviews"
    both = (Contestant(valence.load(snapshot), folder),) * 2
    comparison = compare(*both, examples(data), 5, 1)
    assert [model.name for model in comparison.models] == ["someone/reviews"] * 2
    assert as_markdown(comparison).startswith("## someone/reviews and someone/reviews on reviews, 2 texts\n")
    assert COMMIT not in as_markdown(comparison)


@pytest.mark.parametrize("called", [".", "./", "../tiny", "~/tiny"])
def test_a_folder_is_called_by_its_name_however_it_is_reached(tiny_classifier, data, tmp_path, monkeypatch, called):
    home = tmp_path / "home"
    model = Path(shutil.copytree(tiny_classifier, home / "tiny"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(model)
    done = CliRunner().invoke(cli, ["evaluate", called, str(data), "--json", "--resamples", "5"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"]["name"] == "tiny"


@pytest.mark.parametrize(("engine", "package"), [("torch", "torch"), ("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_the_versions_are_those_of_what_ran(every_engine, tmp_path, engine, package):
    if find_spec(package) is None:
        pytest.skip(f"needs {package}")
    path = tmp_path / "abc.tsv"
    path.write_text("text\tlabel\ngood film\ta\nbad film\tb\nthe plot\tc\n", encoding="utf-8")
    classifier = valence.load(every_engine, engine=engine)
    report = evaluate(classifier, read_examples(find_source(str(path), "eval"), known=("a", "b", "c")), resamples=5)
    assert report.model.engine.startswith(engine)
    assert report.versions[package] == version(package)
    assert report.versions["valence"] == valence.__version__
    others = {"torch", "openvino"} - {package}
    assert not others & report.versions.keys()


def test_the_machine_is_what_the_process_may_use(tiny_classifier, data, monkeypatch):
    report = evaluate(valence.load(tiny_classifier), examples(data), resamples=5)
    assert report.machine.processors == available_cpus()
    assert report.machine.processor == processor_name()
    monkeypatch.setattr("valence.processors.cgroup_cpus", lambda: 1.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert evaluate(valence.load(tiny_classifier), examples(data), resamples=5).machine.processors == 1
