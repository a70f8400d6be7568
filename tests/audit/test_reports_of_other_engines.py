"""What another engine said of a model, and what is damaged, is set aside and never lost."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("altair")

import valence
from valence.cli.audit import command


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


def audit(model: Path, tmp_path: Path, *options: str, said: str = "") -> dict:
    (tmp_path / "mine.txt").write_text("I flew to {country}.\nThe film from {country} was good.\n")
    own = [] if "kept-labels" in options else ["--probe", "own-templates", "--templates", str(tmp_path / "mine.txt")]
    done = CliRunner().invoke(
        command, [str(model), *own, "--out", str(tmp_path / "out"), *options, "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    notes = [line for line in done.stderr.splitlines() if line.startswith("valence: ")]
    assert len(notes) == bool(said)
    assert said in "".join(notes)
    return json.loads(done.stdout)


def kept(model: Path) -> dict[str, dict]:
    return {path.name: json.loads(path.read_text()) for path in sorted((model / "reports").iterdir())}


def names(report: dict) -> list[str]:
    return [probe["name"] for probe in report["probes"]]


@pytest.mark.slow
@pytest.mark.parametrize("other", [("--engine", "torch"), ("--labels", "POSITIVE,NEGATIVE")])
def test_another_engine_or_another_positive_class(model, tmp_path, other):
    first = audit(model, tmp_path)
    second = audit(model, tmp_path, *other, said="audit.json was there already (it is of model, onnx fp32: ")
    ((aside, earlier), (_, latest)) = kept(model).items()
    assert (earlier, latest) == (first, second)
    # back again: its earlier probes come back, and nothing piles up
    audit(model, tmp_path, "--probe", "kept-labels", said="): kept as audit-")
    (other_aside, of_other), (_, latest) = kept(model).items()
    assert other_aside != aside
    assert of_other == second
    assert names(latest) == ["kept-labels", "own-templates"]
    assert latest["model"] == first["model"]
    audit(model, tmp_path, *other, said=f"kept as {aside}")
    assert set(kept(model)) == {"audit.json", aside}


@pytest.mark.slow
def test_other_weights_write_over_what_is_gone(model, tmp_path):
    report = audit(model, tmp_path)
    path = model / "reports" / "audit.json"
    gone = {"weights_sha256": "0" * 64, "engine_sha256": "1" * 64}
    path.write_text(json.dumps(report | {"model": report["model"] | gone}))
    latest = audit(model, tmp_path)
    assert kept(model) == {"audit.json": latest}


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": 1, "probes": []}', '{"model": {}, "probes": [1]}'])
def test_a_damaged_report_is_set_aside(model, tmp_path, content):
    path = model / "reports" / "audit.json"
    path.parent.mkdir()
    path.write_text(content)
    latest = audit(model, tmp_path, said="(it is damaged, or no report of an audit): kept as audit-")
    assert json.loads(path.read_text()) == latest
    (aside,) = set(path.parent.iterdir()) - {path}
    assert aside.read_text() == content


@pytest.mark.slow
def test_what_this_version_does_not_know_of_a_kept_probe_stays_with_it(model, tmp_path):
    audit(model, tmp_path)
    path = model / "reports" / "audit.json"
    report = json.loads(path.read_text())
    report["probes"][0]["remark"] = {"mine": [1]}
    del report["format"]  # as an earlier version wrote it
    path.write_text(json.dumps(report))
    audit(model, tmp_path, "--probe", "kept-labels")
    first, second = json.loads(path.read_text())["probes"]
    assert (first["name"], second["name"]) == ("kept-labels", "own-templates")
    assert "remark" not in first
    assert second["remark"] == {"mine": [1]}


@pytest.mark.slow
def test_every_key_of_earlier_reports_is_still_there(model, tmp_path):
    shipped = json.loads((Path(valence.__file__).parent / "default_model" / "reports" / "audit.json").read_text())
    latest = audit(model, tmp_path, "--probe", "kept-labels")
    assert latest["format"] == 1
    assert shipped.keys() <= latest.keys()
    for part in ("model", "interval", "machine"):
        assert shipped[part].keys() - {"kept_as"} <= latest[part].keys()
    assert {"valence", "onnxruntime", "tokenizers", "Python", "numpy", "scipy"} <= latest["versions"].keys()
    earlier = next(probe for probe in shipped["probes"] if probe["name"] == "kept-labels")
    (probe,) = latest["probes"]
    assert earlier.keys() <= probe.keys()
    assert earlier["figures"].keys() == probe["figures"].keys()
    assert earlier["details"].keys() == probe["details"].keys()
    assert all(figure.keys() == {"value", "low", "high"} for figure in probe["figures"].values())


@pytest.mark.slow
def test_the_versions_of_what_ran_are_named(model, tmp_path):
    assert "torch" not in audit(model, tmp_path)["versions"]
    other = audit(model, tmp_path, "--engine", "torch", said="kept as audit-")
    assert "torch" in other["versions"]
    assert other["machine"]["processor"]
