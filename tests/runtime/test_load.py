"""Which engine runs, what the classes are called, and what is said where neither can be told."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import valence
from valence import ConfigError, EngineError, InputError, ModelError, ValenceError
from valence.folder import ModelFolder
from valence.runtime.choice import choose_engine

SOURCE = Path(valence.__file__).parent.parent


@pytest.fixture
def model(tiny_classifier, tmp_path) -> Path:
    """A copy of the tiny classifier that a test may change."""
    return Path(shutil.copytree(tiny_classifier, tmp_path / "model"))


def edit(path: Path, **changes) -> None:
    """Change keys of a JSON file; None removes one."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def test_the_manifest_names_the_engine(model):
    assert valence.load(model).engine.name == "onnx fp32"
    assert valence.load(model, engine="onnx").engine.name == "onnx fp32"
    assert valence.load(model, engine="torch").engine.name == "torch fp32"
    shutil.rmtree(model / "onnx")
    assert valence.load(model).engine.name == "torch fp32"


def test_engine_asked_for_and_not_there(model):
    (model / "model.safetensors").unlink()
    assert valence.load(model).engine.name == "onnx fp32"
    with pytest.raises(EngineError, match="holds exported engines only, so torch cannot run it"):
        valence.load(model, engine="torch")
    shutil.rmtree(model / "onnx")
    with pytest.raises(EngineError, match="no ONNX export; make one with: valence export"):
        valence.load(model, engine="onnx")
    with pytest.raises(EngineError, match="nothing to run: expected weights"):
        valence.load(model)


def test_options_of_no_use(model):
    with pytest.raises(InputError, match="one of auto, native, onnx, openvino, torch, found 'tensorflow'"):
        valence.load(model, engine="tensorflow")
    with pytest.raises(InputError, match="threads must be a whole number from 1, found 0"):
        valence.load(model, threads=0)
    with pytest.raises(InputError, match="max length must lie between 3 and the model's 64 positions, found 65"):
        valence.load(model, max_length=65)


def test_threads_change_nothing(model):
    texts = ["good film", "the plot was awful " * 5]
    assert (
        np.abs(valence.load(model, threads=1).logits(texts) - valence.load(model, threads=2).logits(texts)).max() < 1e-5
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable as JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "format None is not 2"),
        ('{"format": 1}', "format 1 is not 2"),
        ('{"format": 2}', "not a manifest"),
        ('{"format": 2, "exports": []}', "not a manifest"),
        ('{"format": 2, "exports": {"model.onnx": {}}, "default": "model.onnx"}', "not a manifest"),
        ('{"format": 2, "exports": {"model.onnx": 5}, "default": "model.onnx"}', "not a manifest"),
        ('{"format": 2, "exports": {}, "default": "model.onnx"}', "which it does not list"),
        ('{"format": 2, "exports": {}, "default": ["model.onnx"]}', "which it does not list"),
        ('{"format": 2, "exports": {}}', "not a manifest"),
    ],
)
def test_corrupt_manifest(model, content, message):
    (model / "onnx" / "manifest.json").write_text(content)
    with pytest.raises(ValenceError, match=r"manifest\.json: ") as caught:
        valence.load(model)
    assert message in str(caught.value)


def manifest_of(model: Path, key: str, file: str) -> None:
    path = model / "onnx" / "manifest.json"
    content = json.loads(path.read_text())
    entry = next(iter(content["exports"].values())) | {"file": file}
    path.write_text(json.dumps(content | {"exports": {key: entry}, "default": key}))


def test_manifest_names_a_file_that_is_not_there(model):
    manifest_of(model, "other.onnx", "other.onnx")
    with pytest.raises(EngineError, match=r"manifest\.json: other\.onnx is not there"):
        valence.load(model)


@pytest.mark.parametrize("outside", ["../model.onnx", "/tmp/model.onnx", "..", "sub/model.onnx"])
def test_manifest_names_a_file_elsewhere(model, outside):
    shutil.copy(model / "onnx" / "model.onnx", model / "model.onnx")
    manifest_of(model, outside, outside)
    with pytest.raises(EngineError, match=r"must lie beside its manifest|is not there"):
        valence.load(model)
    manifest_of(model, "model.onnx", outside)
    with pytest.raises(EngineError, match="must lie beside its manifest"):
        valence.load(model)


@pytest.mark.parametrize("keep", [0, 100, 5000, -1])
def test_damaged_onnx_file(model, keep):
    path = model / "onnx" / "model.onnx"
    path.write_bytes(path.read_bytes()[:keep] if keep >= 0 else b"not a graph" * 1000)
    with pytest.raises(EngineError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        valence.load(model)


def test_onnx_file_of_another_graph(model):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "other",
        [value("x", onnx.TensorProto.FLOAT, [1])], [value("y", onnx.TensorProto.FLOAT, [1])],
    )  # fmt: skip
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        model / "onnx" / "model.onnx",
    )
    with pytest.raises(
        EngineError, match=r"expected inputs input_ids and attention_mask and an output logits, found x and y"
    ):
        valence.load(model)


def test_int8_can_be_asked_for(every_engine, model):
    """Whichever export is the default."""
    assert valence.load(every_engine, engine="onnx", precision="int8").engine.name == "onnx int8"
    assert valence.load(every_engine, precision="int8", labels=["x", "y", "z"]).engine.name.endswith(" int8")
    assert valence.load("default", precision="int8").engine.name.endswith(" int8")
    for engine in ("auto", "onnx"):
        with pytest.raises(EngineError, match=r"no ONNX export in int8; make one with: valence .* int8"):
            valence.load(model, engine=engine, precision="int8")
    with pytest.raises(EngineError, match="torch runs weights in fp32 or bf16, and int8 was asked for"):
        valence.load(model, engine="torch", precision="int8")


def test_labels_override(model):
    assert valence.load(model, labels=["bad", "good"]).labels == ("bad", "good")
    assert valence.load(model, labels=iter_once(("bad", "good"))).labels == ("bad", "good")
    for labels in (["bad"], ["a", "b", "c"], "ab", [1, 2], []):
        with pytest.raises(InputError, match="has 2 classes; expected as many labels"):
            valence.load(model, labels=labels)
    with pytest.raises(InputError, match="expected 2 different labels"):
        valence.load(model, labels=["a", "a"])


def iter_once(names):
    return dict.fromkeys(names).keys()


@pytest.mark.parametrize("id2label", [{"0": "LABEL_0", "1": "LABEL_1"}, {"0": "0", "1": "1"}, None])
@pytest.mark.parametrize("load", ["load", "load_folder"])
def test_placeholder_names_get_one_warning(model, id2label, load):
    edit(model / "config.json", id2label=id2label, label2id=None)
    from valence.folder import ModelFolder
    from valence.runtime.load import load_folder

    def start(**options):
        return valence.load(model, **options) if load == "load" else load_folder(ModelFolder(model, "m"), **options)

    with pytest.warns(UserWarning, match="does not name its classes") as caught:
        classifier = start()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert classifier("good").label in (id2label or {"0": "LABEL_0", "1": "LABEL_1"}).values()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert start(labels=["bad", "good"]).labels == ("bad", "good")


def test_names_that_do_not_fit_the_model(model):
    edit(model / "config.json", id2label={"0": "a", "1": "b", "2": "c"}, label2id=None)
    with pytest.raises(ModelError):
        valence.load(model)
    edit(model / "config.json", id2label={"0": "a", "1": "a"})
    with pytest.raises(ConfigError, match="share a name"):
        valence.load(model)


def test_problem_type(model):
    for problem_type in ("multi_label_classification", "regression", "single_label_classification"):
        edit(model / "config.json", problem_type=problem_type)
        assert valence.load(model).problem_type == problem_type
    edit(model / "config.json", problem_type="nonsense")
    with pytest.raises(ConfigError, match=r"problem_type must be one of .*, found 'nonsense'"):
        valence.load(model)


@pytest.fixture(scope="module")
def base_install(tmp_path_factory) -> dict[str, str]:
    """An environment in which only the packages of the base install can be found."""
    packages = tmp_path_factory.mktemp("base") / "packages"
    packages.mkdir()
    left_out = ("torch", "safetensors", "sklearn", "scikit", "scipy", "onnx-", "onnx_", "transformers", "accelerate")
    for entry in Path(np.__file__).parent.parent.iterdir():
        if not entry.name.startswith(left_out) and entry.name != "onnx":
            (packages / entry.name).symlink_to(entry)
    return {"PYTHONPATH": f"{packages}{os.pathsep}{SOURCE}", "HF_HUB_OFFLINE": "1", "PATH": os.environ["PATH"]}


def without_extras(base_install, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-S", "-m", "valence", *map(str, arguments)],
        env=base_install, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_base_install_classifies(model, base_install):
    done = without_extras(base_install, "classify", "--model", model, "good film")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\tgood film\n")


@pytest.mark.slow
def test_base_install_says_what_torch_needs(model, base_install):
    asked = without_extras(base_install, "classify", "--model", model, "--engine", "torch", "good film")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.strip().endswith("running weights with torch needs more than the base install: "
                                         "pip install 'valence-text[train]'")  # fmt: skip
    shutil.rmtree(model / "onnx")
    needed = without_extras(base_install, "classify", "--model", model, "good film")
    assert needed.returncode == 1
    assert "has no ONNX export" in needed.stderr
    assert "pip install 'valence-text[train]'" in needed.stderr
    assert needed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("evaluate", "default", "absent.tsv"), "evaluate"),
        (("export", "absent"), "train"),
        (("train", "absent.tsv", "--base", "absent", "--out", "x"), "train"),
    ],
)
def test_base_install_says_what_a_command_needs(base_install, command, extra):
    done = without_extras(base_install, *command)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"pip install 'valence-text[{extra}]'" in done.stderr


def test_the_reason_of_a_choice(model):
    choice = choose_engine(ModelFolder(model, "m"))
    assert (choice.name, choice.export.file) == ("onnx", "model.onnx")
    assert "every processor" in choice.reason
    assert choice.others["torch"] == "onnx is preferred"
    assert "m: no OpenVINO export" in choice.others["openvino"]
    assert set(choice.others) == {"native", "openvino", "torch"}
    assert choose_engine(ModelFolder(model, "m"), "torch").export is None


def test_an_engine_that_was_not_compared_is_not_chosen(model):
    path = model / "onnx" / "manifest.json"
    content = json.loads(path.read_text())
    content["exports"]["model.onnx"]["agreement"] = {}
    path.write_text(json.dumps(content))
    choice = choose_engine(ModelFolder(model, "m"))
    assert choice.name == "torch"
    assert choice.others["onnx"] == "model.onnx was not found to agree with its source in this engine"
    assert valence.load(model, engine="onnx").engine.name == "onnx fp32"


def test_no_engine_that_agreed(model):
    path = model / "onnx" / "manifest.json"
    content = json.loads(path.read_text())
    content["exports"]["model.onnx"]["agreement"] = {}
    path.write_text(json.dumps(content))
    (model / "model.safetensors").unlink()
    with pytest.raises(EngineError, match=r"was not found to agree .* --engine onnx runs it all the same"):
        valence.load(model)
    assert valence.load(model, engine="onnx").engine.name == "onnx fp32"


@pytest.mark.parametrize(
    "changes",
    [
        {"bytes": None},
        {"agreement": {"onnx": {}}},
        {"agreement": {"onnx": None}},
        {"agreement": [1]},
        {"agreement": {"onnx": {"n_texts": 1, "labels": "all", "largest_difference": 0, "p99_difference": 0}}},
    ],
    ids=str,
)
def test_a_manifest_without_figures(model, changes):
    path = model / "onnx" / "manifest.json"
    content = json.loads(path.read_text())
    content["exports"]["model.onnx"] |= changes
    path.write_text(json.dumps(content))
    with pytest.raises(EngineError, match="expected its size and the agreement of each engine as numbers"):
        valence.load(model)


def test_weights_of_another_family_are_not_for_torch(model):
    shutil.rmtree(model / "onnx")
    edit(model / "config.json", model_type="gpt2")
    with pytest.raises(ConfigError, match="model_type 'gpt2' is not supported"):
        valence.load(model)


def test_an_export_of_other_weights_is_refused(model):
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    save_file(
        {name: tensor + 0.01 * torch.ones_like(tensor) for name, tensor in weights.items()}, model / "model.safetensors"
    )
    with pytest.raises(EngineError, match=r"model\.onnx was exported from other weights .* valence export"):
        valence.load(model)
    assert valence.load(model, engine="torch").engine.name == "torch fp32"


def test_arguments_of_the_wrong_kind(model):
    for arguments in (
        {"max_length": 3.5},
        {"max_length": "8"},
        {"threads": "2"},
        {"threads": 1.5},
        {"labels": ["", "a"]},
    ):
        with pytest.raises(InputError, match="found"):
            valence.load(model, **arguments)
    for name in (3, b"default", None):
        with pytest.raises(InputError, match="must be a text or a path"):
            valence.load(name)
    with pytest.raises(InputError, match="expected a text"):
        valence.load(model)(np.array("x"))


def test_predictions_can_be_counted(model):
    classifier = valence.load(model)
    assert len({classifier("good"), classifier("good"), classifier("bad film")}) == 2
