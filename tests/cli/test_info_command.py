"""`valence info`: what a model is, what its folder holds, which engine runs it and why."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from valence.folder import ModelFolder
from valence.runtime.load import load


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


def rows(output: bytes) -> dict[str, str]:
    """The lines of the human form by their title, first lines only."""
    lines = [line for line in output.decode().splitlines() if not line.startswith(" ")]
    return {line[:14].strip(): line[14:] for line in lines}


def test_the_default_model(run):
    done = run("info")
    assert (done.returncode, done.stderr) == (0, b"")
    said = rows(done.stdout)
    assert said["architecture"] == "DistilBERT, layers 6, width 384, heads 12, feed forward width 1536"
    assert said["classes"] == "NEGATIVE, POSITIVE"
    assert said["problem type"] == "single_label_classification"
    assert said["token limit"] == "512"
    assert said["weights"] == "none"
    assert "onnx agrees on 99." in done.stdout.decode()


def test_json_says_the_same(run, model):
    facts = json.loads(run("info", model, "--json").stdout)
    assert facts["name"] == facts["path"] == str(model)
    assert facts["shape"] == {"layers": 2, "width": 32, "heads": 4, "feed_forward_width": 64}
    assert facts["weights"] == ["model.safetensors"]
    assert facts["classes"] == ["NEGATIVE", "POSITIVE"]
    assert facts["max_tokens"] == 64
    assert [export["precision"] for export in facts["exports"]] == ["fp32"]
    assert facts["exports"][0]["agreement"]["onnx"]["labels"] == 1.0
    assert facts["machine"]["usable"] <= facts["machine"]["processors"] == os.cpu_count()


@pytest.mark.slow
def test_parameters_are_those_of_the_model(run, model):
    from valence.checkpoint.checkpoint import load_model

    parameters = load_model(ModelFolder(model, "tiny"), "classification").parameters()
    expected = sum(parameter.numel() for parameter in parameters)
    assert json.loads(run("info", model, "--json").stdout)["parameters"] == expected
    assert rows(run("info", model).stdout)["parameters"] == f"{expected:,}"


@pytest.mark.slow
def test_the_engine_named_is_the_one_that_runs(run, model):
    engine = json.loads(run("info", model, "--json").stdout)["engine"]
    assert load(model).engine.name.split()[0] == engine["name"]
    assert engine["reason"]
    assert {engine["name"], *engine["others"]} == {"native", "onnx", "openvino", "torch"}
    assert all(engine["others"].values())
    text = run("info", model).stdout.decode()
    for name, reason in engine["others"].items():
        assert f"not {name}: {reason}" in text
    shutil.rmtree(model / "onnx")
    assert json.loads(run("info", model, "--json").stdout)["engine"]["name"] == "torch"
    assert rows(run("info", model).stdout)["exports"] == "none"


def test_a_model_that_nothing_can_run(run, model):
    shutil.rmtree(model / "onnx")
    (model / "model.safetensors").unlink()
    done = run("info", model)
    assert done.returncode == 0
    assert rows(done.stdout)["runs here"].startswith("nothing: ")


def test_a_model_of_unnamed_classes(run, model):
    config = json.loads((model / "config.json").read_text())
    for key in ("id2label", "label2id", "num_labels", "problem_type"):
        config.pop(key, None)
    (model / "config.json").write_text(json.dumps(config))
    said = rows(run("info", model).stdout)
    assert (said["classes"], said["problem type"]) == ("not named", "not stated")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 40, (2).to_bytes(8, "little") + b"{]", (7).to_bytes(8, "little") + b'{"a":1}'], ids=repr
)
def test_damaged_weights(run, model, content):
    (model / "model.safetensors").write_bytes(content)
    done = run("info", model)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "model.safetensors: not a readable safetensors file" in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.slow
def test_models_that_are_not_there(run, tmp_path):
    done = run("info", tmp_path / "absent")
    assert done.returncode == 1
    assert b"no such model folder" in done.stderr
    done = run("info", tmp_path)
    assert done.returncode == 1
    assert b"not a model folder" in done.stderr


def test_names_cannot_steer_a_terminal(run, model):
    config = json.loads((model / "config.json").read_text())
    config["id2label"] = {"0": "\x1b[2Jbad", "1": "two\nlines"}
    (model / "config.json").write_text(json.dumps(config))
    output = run("info", model).stdout.decode()
    assert "\x1b" not in output
    assert "two\\nlines" in output


def test_info_of_the_default_needs_no_extra(run):
    """It runs where neither torch nor OpenVINO can be imported."""
    code = (
        "import sys\n"
        "for name in ('torch', 'openvino', 'safetensors', 'onnx'): sys.modules[name] = None\n"
        "from valence.cli import cli; cli.main(['info', '--json'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["engine"]["name"] in ("native", "onnx")
