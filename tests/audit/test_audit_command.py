"""valence audit: what a user gets, and how it is refused."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_suites import write_winogender

from hub_server import HubServer

pytest.importorskip("scipy")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from one_thread import usual_environment
from valence.audit.plan import PROBES
from valence.cli.audit import command
from valence.hub import find_model

MAIN = [sys.executable, "-m", "valence", "audit"]


def audit(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*MAIN, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, cwd=cwd, env=usual_environment(**environment),
    )  # fmt: skip


def audit_here(*arguments: object) -> str:
    """In this process, which has imported everything already."""
    done = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(done: subprocess.CompletedProcess, *said: str, code: int = 1) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "auditing" not in done.stderr, "it must be refused before the work"
    for words in said:
        assert words in done.stderr
    if code == 1:
        assert done.stderr.startswith("valence: error: ")
        assert done.stderr.count("\n") == 1


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


@pytest.fixture
def own(tmp_path) -> list[object]:
    """Options for a probe of six sentences."""
    (tmp_path / "mine.txt").write_text("I flew to {city}.\nThe train to {city} was late.\n")
    (tmp_path / "cities.csv").write_text("word,group\nLima,south\nOslo,north\nPerth,south\n")
    words = f"city={tmp_path / 'cities.csv'}"
    return ["--probe", "own-templates", "--templates", tmp_path / "mine.txt", "--words", words]


@pytest.mark.slow
def test_the_embedded_default(tmp_path):
    folder = find_model("default").path
    if not (folder / "onnx").is_dir():
        pytest.skip("needs the embedded model")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    out = tmp_path / "new" / "audit"
    done = audit("default", "--probe", "countries", "--out", out)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert {path.name for path in out.iterdir()} == {
        "audit.html", "audit.json", "map.png", "map.svg", "map-2.png", "map-2.svg",
    }  # fmt: skip
    assert (out / "map.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads((out / "audit.json").read_text())
    france = content["probes"][0]["figures"]["card_template_france"]["value"]
    assert 0 < france < 1
    page = (out / "audit.html").read_text()
    assert "Audit of default" in page
    assert "This film was filmed in COUNTRY" in page
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"default, \w+ int8: the probability of POSITIVE", lines[0])
    assert f"  card template france       {france:.3f}" in lines
    assert re.search(r"^  standard deviation mean +0\.\d+ +\(0\.\d+ to 0\.\d+\)$", done.stdout, re.MULTILINE)
    assert f"page: {out / 'audit.html'}" in lines
    assert f"map: {out / 'map.png'}" in lines
    assert lines[-1] == "no report in the model's folder: the model is part of the package, which is never written to"
    assert done.stderr.splitlines() == ["auditing: countries"]


@pytest.mark.slow
def test_own_templates_and_the_report_in_the_models_folder(model, own, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "audit.html").write_text("old")
    done = audit(model, *own, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (out / "notes.txt").read_text() == "mine"
    assert "Own templates" in (out / "audit.html").read_text()
    assert {path.name for path in out.iterdir()} == {"notes.txt", "audit.html", "audit.json"}
    assert done.stdout.endswith(f"report: {model / 'reports' / 'audit.json'}\n")
    written = (out / "audit.json").read_text()
    assert (model / "reports" / "audit.json").read_text() == written
    (groups,) = json.loads(written)["probes"][0]["details"]["differences"].values()
    assert set(groups) == {"north", "south"}


@pytest.mark.slow
def test_json_prints_what_the_file_holds(model, own, tmp_path):
    assert audit_here(model, *own, "--out", tmp_path / "out", "--json") == (tmp_path / "out" / "audit.json").read_text()


@pytest.mark.slow
def test_two_models_side_by_side(model, tiny_classifier, own, tmp_path):
    out = tmp_path / "out"
    done = audit(model, *own, "--against", tiny_classifier, "--out", out)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "A: model, onnx fp32: the probability of POSITIVE",
        "B: classifier, onnx fp32: the probability of POSITIVE",
    ]
    (row,) = [line for line in lines if line.startswith("  city mean absolute difference")]
    first, second = re.split(r" {2,}", row.strip())[1:]
    assert first == second, "they are the same model"
    assert done.stderr.splitlines() == ["auditing: own-templates", "auditing: own-templates, the other model"]
    assert "Audit of model and classifier" in (out / "audit.html").read_text()
    assert json.loads((out / "audit.json").read_text())["against"]["model"]["name"] == "classifier"
    assert "against" not in json.loads((model / "reports" / "audit.json").read_text())


@pytest.mark.slow
def test_maps_of_two_models_are_one_picture(model, tiny_classifier, tmp_path):
    (tmp_path / "mine.txt").write_text("the film was good in {country}\n")
    options = ["--probe", "own-templates", "--templates", tmp_path / "mine.txt", "--against", tiny_classifier]
    audit_here(model, *options, "--out", tmp_path / "out")
    drawn = (tmp_path / "out" / "map.svg").read_text()
    assert ">A: model<" in drawn
    assert ">B: classifier<" in drawn


@pytest.mark.slow
def test_probes_of_an_earlier_report_on_the_same_model_are_kept(model, own, tmp_path):
    report = model / "reports" / "audit.json"
    audit_here(model, *own, "--out", tmp_path / "out")
    content = json.loads(report.read_text())
    content["probes"].insert(0, {"name": "kept-labels"})
    report.write_text(json.dumps(content))
    audit_here(model, "--probe", "names", "--out", tmp_path / "other")
    found = json.loads(report.read_text())
    assert [probe["name"] for probe in found["probes"]] == ["kept-labels", "names", "own-templates"]
    assert [probe["name"] for probe in json.loads((tmp_path / "other" / "audit.json").read_text())["probes"]] == [
        "names"
    ]
    for old in ({**content, "model": {"weights_sha256": "other"}}, {"probes": 7}, []):
        report.write_text(json.dumps(old))
        audit_here(model, *own, "--out", tmp_path / "out")
        assert len(json.loads(report.read_text())["probes"]) == 1, "of other weights, or no report at all"


@pytest.mark.slow
def test_maps_of_an_earlier_audit_go(model, own, tmp_path):
    (tmp_path / "countries.txt").write_text("the film was good in {country}\n")
    out = tmp_path / "out"
    audit_here(model, "--probe", "own-templates", "--templates", tmp_path / "countries.txt", "--out", out)
    assert (out / "map.svg").is_file()
    (out / "map-of-mine.png").write_bytes(b"mine")
    audit_here(model, *own, "--out", out)
    assert sorted(path.name for path in out.iterdir()) == ["audit.html", "audit.json", "map-of-mine.png"]
    (model / "map.png").write_bytes(b"of a card")
    audit_here(model, *own, "--out", model)
    assert (model / "map.png").read_bytes() == b"of a card", "no audit was there before"


@pytest.mark.slow
def test_out_may_be_the_folder_of_reports(model, own, tiny_classifier):
    said = audit_here(model, *own, "--against", tiny_classifier, "--out", model / "reports")
    assert said.endswith(f"report: {model / 'reports' / 'audit.json'}\n")
    assert "against" in json.loads((model / "reports" / "audit.json").read_text())


@pytest.mark.slow
def test_a_model_of_the_hub_is_not_written_to(tiny_classifier, own, tmp_path):
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    with HubServer() as hub:
        hub.add("someone/reviews", tiny_classifier)
        done = audit(
            "someone/reviews", *own, "--out", tmp_path / "out",
            HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0", **environment,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("someone/reviews, onnx fp32: the probability of POSITIVE\n")
    assert done.stdout.endswith("the model lies in the hub's cache, which is never written to\n")
    assert list((tmp_path / "hf").rglob("audit.json")) == []


@pytest.mark.slow
def test_suites_are_looked_for_in_the_working_directory(model, tmp_path):
    place = tmp_path / "place"
    (place / "data").mkdir(parents=True)
    write_winogender(place / "data" / "winogender")
    done = audit(model, "--probe", "winogender", "--out", "out", cwd=place)
    assert done.returncode == 0, done.stderr
    assert json.loads((place / "out" / "audit.json").read_text())["probes"][0]["n_texts"] == 720


@pytest.mark.slow
def test_what_did_not_run_is_said_once_for_each_reason(model, own, tmp_path):
    write_winogender(tmp_path / "winogender")
    options = [one for one in own if one not in ("--probe", "own-templates")]
    done = audit(model, *options, "--data", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    left_out = [line for line in done.stdout.splitlines() if line.startswith("not run: ")]
    assert len(left_out) == 3
    assert left_out[0].startswith(f"not run: winobias: not found in {tmp_path}: get it from https://")
    assert left_out[2] == (
        "not run: winobias-masked-lm, winogender-masked-lm, stereoset, crows-pairs: needs a masked LM: name a raw "
        "model with --masked-lm"
    )
    ran = [probe["name"] for probe in json.loads((tmp_path / "out" / "audit.json").read_text())["probes"]]
    assert ran == ["countries", "kept-labels", "names", "identities", "behaviour", "own-templates", "winogender"]


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_behind(model, tmp_path):
    with subprocess.Popen(
        [*MAIN, str(model), "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stderr is not None
        while b"auditing" not in started.stderr.readline():
            pass
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert said.endswith(b"valence: interrupted\n")
    assert b"Traceback" not in said
    assert not (tmp_path / "out").exists()
    assert not (model / "reports" / "audit.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["{model}"], "Missing option '--out'", 2),
        (["--out", "{out}"], "Missing argument 'MODEL'", 2),
        (["{model}", "--out", "{out}", "--probe", "countrys"], "'countrys' is not one of 'countries', 'kept-la", 2),
        (["{model}", "--out", "{out}", "--words", "city=x"], "--words goes with --templates", 2),
        (["{model}", "--out", "{out}", "--probe", "own-templates"], "own-templates goes with --templates", 2),
        (["{model}", "--out", "{out}", "--templates", "x", "--words", "city"], "expected SLOT=FILE, found 'city'", 2),
        (["{tmp}/none", "--out", "{out}"], "{tmp}/none: no such model folder", 1),
        (["{model}", "--out", "{tmp}/file"], "{tmp}/file/audit.json: cannot be written", 1),
        (["{model}", "--out", "{out}", "--data", "{tmp}/none"], "{tmp}/none: no such folder", 1),
        (["{model}", "--out", "{out}", "--data", "{tmp}/file"], "{tmp}/file: not a folder", 1),
        (["{model}", "--out", "{out}", "--data", "{tmp}", "--probe", "winobias"], "winobias cannot run: not found", 1),
        (["{model}", "--out", "{out}", "--probe", "stereoset"], "name a raw model with --masked-lm", 1),
        (["{model}", "--out", "{out}", "--templates", "{tmp}/none.txt"], "{tmp}/none.txt: no such file", 1),
        (["{model}", "--out", "{out}", "--templates", "{tmp}/slots.txt"], "line 2: no words for the slot {nam}", 1),
        (["{model}", "--out", "{out}", "--templates", "{tmp}/latin.txt"], "latin.txt, line 1", 1),
        (
            ["{model}", "--out", "{out}", "--templates", "{tmp}/fine.txt", "--words", "name={tmp}/one.txt"],
            "expected at least two words",
            1,
        ),
        (
            ["{model}", "--out", "{out}", "--templates", "{tmp}/fine.txt", "--words", "city={tmp}/fine.txt"],
            "words for the slot {city}, which no template",
            1,
        ),
        (["{model}", "--out", "{out}", "--masked-lm", "{model}"], "it has no masked-LM head", 1),
        (["{model}", "--out", "{out}", "--against", "{tmp}/none"], "{tmp}/none: no such model folder", 1),
        (["{model}", "--out", "{out}", "--engine", "native"], "the native engine", 1),
    ],
)
def test_bad_input(model, tmp_path, arguments, said, code):
    (tmp_path / "file").write_text("one\n")
    (tmp_path / "one.txt").write_text("one\n")
    (tmp_path / "fine.txt").write_text("I met {name}.\nI saw {name}.\n")
    (tmp_path / "slots.txt").write_text("I met {name}.\nI saw {nam}.\n")
    (tmp_path / "latin.txt").write_bytes("Caf\xe9 {city}\n".encode("latin-1"))
    places = {"{model}": str(model), "{out}": str(tmp_path / "out"), "{tmp}": str(tmp_path)}

    def filled(text: str) -> str:
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    if "native" in arguments:
        said = ""  # either the processor or the missing export is at fault
    refused(audit(*map(filled, arguments), cwd=tmp_path), filled(said), code=code)
    assert not (tmp_path / "out").exists()
    assert not (model / "reports").exists()


@pytest.mark.slow
def test_a_broken_suite_is_named_with_file_and_line(model, tmp_path):
    folder = write_winogender(tmp_path / "winogender")
    sentences = (folder / "all_sentences.tsv").read_text().splitlines()
    sentences[4] = "job0\tbroken"
    (folder / "all_sentences.tsv").write_text("\n".join(sentences) + "\n")
    said = "all_sentences.tsv, line 5: expected an id such as nurse.patient.0.female.txt", "github.com/rudinger"
    refused(audit(model, "--data", tmp_path, "--out", tmp_path / "out"), *said)


@pytest.mark.slow
def test_without_the_extra_nothing_is_begun(tmp_path):
    code = "import sys; sys.modules['altair'] = None; from valence.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "audit", str(tmp_path / "no model"), "--out", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    refused(done, "Auditing needs more than the base install: pip install 'valence-text[audit]'")


@pytest.mark.slow
def test_help_lists_the_probes():
    said = " ".join(audit("--help").stdout.split()).replace("- ", "-")
    assert ", ".join(PROBES) in said
    assert "Examples: valence audit default --out ./audit" in said
