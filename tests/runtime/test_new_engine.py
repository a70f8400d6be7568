"""An engine of one's own: registered, listed, chosen, run; no other file is touched."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import valence
from valence.errors import EngineError, InputError
from valence.folder import ModelFolder
from valence.runtime.choice import choose_engine
from valence.runtime.registry import engine_names, register_engine

TOY = """
import json
import numpy as np
from valence.errors import EngineError
from valence.runtime.engine import Candidate, EngineRecord


class ParityEngine:
    # Tells texts of an even number of tokens from the others; toy.json says by how much.
    name, sessions, n_classes = "parity", 1, 2

    def __init__(self, path):
        self.files = (path,)
        self._strength = json.loads(path.read_text())["strength"]

    def logits(self, batch, side_by_side=False):
        odd = batch.attention_mask.sum(axis=1) % 2
        return (self._strength * np.stack([1 - odd, odd], axis=1)).astype(np.float32)


def find(request):
    path = request.folder.path / "toy.json"
    if not path.is_file():
        raise EngineError(f"{request.folder.name}: no toy.json")
    return Candidate(lambda threads: ParityEngine(path), "toys come first", rank=1)


RECORD = EngineRecord("parity", find)
"""


@pytest.fixture
def parity():
    made: dict[str, object] = {}
    exec(TOY, made)
    before = engine_names()
    take_back = register_engine(made["RECORD"])
    yield made["RECORD"]
    take_back()
    assert engine_names() == before


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


def test_it_is_asked_for_and_chosen_like_any_other(parity, model):
    assert engine_names() == ("auto", "native", "onnx", "openvino", "torch", "parity")
    folder = ModelFolder(model, "m")
    choice = choose_engine(folder)
    assert (choice.name, choice.others["parity"]) == ("onnx", "m: no toy.json")
    with pytest.raises(EngineError, match=r"m: no toy\.json"):
        choose_engine(folder, "parity")
    (model / "toy.json").write_text('{"strength": 3}')
    choice = choose_engine(folder)
    assert (choice.name, choice.reason, choice.export) == ("parity", "toys come first", None)
    assert choice.others["onnx"] == "parity is preferred"
    for classifier in (valence.load(model), valence.load(model, engine="parity")):
        assert classifier.engine.name == "parity"
        np.testing.assert_array_equal(classifier.logits(["good", "good film"]), [[0, 3], [3, 0]])
        assert classifier("good film").label == "NEGATIVE"
    with pytest.raises(InputError, match="engine must be one of auto, native, onnx, openvino, torch, parity, found"):
        valence.load(model, engine="nobody's")
    with pytest.raises(InputError, match="there is an engine 'parity' already"):
        register_engine(parity)


def test_the_command_line_has_it(model):
    (model / "toy.json").write_text('{"strength": 3}')
    code = (
        TOY + "import sys\nfrom valence.runtime.registry import register_engine\nregister_engine(RECORD)\n"
        "from valence.cli import cli; cli.main(sys.argv[1:], standalone_mode=False)"
    )

    def run(*arguments: object) -> str:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    assert run("classify", "--model", model, "--engine", "parity", "good film") == "NEGATIVE\t0.952574\tgood film\n"
    assert "parity" in run("classify", "--help")
    engine = json.loads(run("info", model, "--json"))["engine"]
    assert (engine["name"], engine["reason"]) == ("parity", "toys come first")
    assert set(engine["others"]) == {"native", "onnx", "openvino", "torch"}
