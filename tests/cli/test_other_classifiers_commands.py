"""Every command with a classifier that another program exported to ONNX: it works, or says in one line why not."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from valence.cli import cli
from valence.errors import ValenceError
from valence.files import read_json, sha256

pytest.importorskip("sklearn")
pytest.importorskip("scipy")

ROWS = ["good film\tPOSITIVE", "bad film\tNEGATIVE", "the acting is awful\tNEGATIVE", "very good\tPOSITIVE"]


@pytest.fixture
def model(modern_bert, tmp_path) -> Path:
    return Path(shutil.copytree(modern_bert, tmp_path / "model", ignore=shutil.ignore_patterns("reference")))


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "films.tsv"
    path.write_text("\n".join(["text\tlabel", *ROWS]) + "\n")
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def run(*arguments: object) -> str:
    done = invoke(*arguments)
    assert done.exit_code == 0, f"{arguments}: {done.output} {done.exception!r}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*no text is said to be")  # a random model may say one class alone
def test_what_needs_logits_alone(model, data, tmp_path):
    assert json.loads(run("explain", model, "good film", "--method", "leave-one-out", "--json"))["engine"] == "onnx"
    run("evaluate", model, data)
    report = read_json(model / "reports" / "evaluation-films.json")["model"]
    file = sha256(model / "onnx" / "model.onnx")
    assert report == {"name": "model", "engine": "onnx", "engine_sha256": file, "weights_sha256": file}
    compared = json.loads(run("compare", model, "default", data, "--json", "--out", tmp_path / "comparison.json"))
    assert compared["models"][0]["weights_sha256"] == file
    assert compared["models"][0]["bytes"] == (model / "onnx" / "model.onnx").stat().st_size
    run("audit", model, "--probe", "names", "--out", tmp_path / "audit")
    assert read_json(model / "reports" / "audit.json")["model"]["weights_sha256"] == file
    run("card", model)
    checked = json.loads(run("card", model, "--check", "--data", tmp_path, "--json"))
    assert {finding["outcome"] for finding in checked["findings"]} <= {"measured again", "equal to its report"}
    with (model / "onnx" / "model.onnx").open("ab") as changed:
        changed.write(b"\x00")
    assert "other" in invoke("card", model).output


@pytest.mark.parametrize(
    "command",
    [
        ("train", "{data}", "--base", "{model}", "--out", "{out}"),
        ("pretrain", "{data}", "--base", "{model}", "--out", "{out}"),
        ("distill", "{data}", "--teacher", "{model}", "--base", "{model}", "--out", "{out}"),
        ("fill-mask", "--model", "{model}", "a [MASK] film"),
        ("pseudo-log-likelihood", "--model", "{model}", "a film"),
        ("next-sentence", "--model", "{model}", "one", "two"),
        ("explain", "{model}", "good film", "--method", "integrated-gradients"),
        ("export", "{model}"),
        ("classify", "--model", "{model}", "--engine", "torch", "good film"),
        ("classify", "--model", "{model}", "--engine", "native", "good film"),
        ("classify", "--model", "{model}", "--engine", "openvino", "good film"),
    ],
    ids=lambda command: " ".join(part for part in command if "{" not in part),
)
def test_what_needs_weights_says_so(model, data, tmp_path, command):
    pytest.importorskip("openvino")
    places = {"model": model, "data": data, "out": tmp_path / "out"}
    done = invoke(*(part.format(**places) for part in command))
    assert isinstance(done.exception, ValenceError), repr(done.exception)
    assert done.exit_code == 1
    assert "modernbert" in str(done.exception)
    assert "\n" not in str(done.exception)
