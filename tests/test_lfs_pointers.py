"""A clone without git-lfs leaves pointers in place of large files: every reader says so, and what to type."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

import valence
from valence import hub
from valence.audit.suites.crows_pairs import read_crows_pairs
from valence.audit.suites.stereoset import read_stereoset
from valence.checkpoint.checkpoint import load_base, load_model
from valence.cli import _LazyGroup
from valence.errors import CheckpointError, ConfigError, DataError, EngineError, ModelError, TrainingError
from valence.files import lfs_pointer, refuse_lfs_pointer, tensor_shapes
from valence.folder import ModelFolder
from valence.text.tokenizer import Tokenizer
from valence.training.state import Progress, RunState

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 267832558\n".format("4d7a" * 16)
ADVICE = (
    r"a git-lfs pointer stands in place of the file \(267\.8 MB\): in its folder run `git lfs install && git lfs pull`"
)


def to_pointer(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(POINTER, encoding="ascii")
    return path


@pytest.fixture
def model(tiny_classifier: Path, tmp_path: Path) -> Path:
    """A model with everything a folder may hold."""
    folder = Path(shutil.copytree(tiny_classifier, tmp_path / "model"))
    Tokenizer.from_folder(ModelFolder(folder, "model")).save(folder)
    return folder


def refused(error: type[Exception], file: str, call, *arguments) -> None:
    """One line that names the file and the advice."""
    with pytest.raises(error) as caught:
        call(*arguments)
    assert type(caught.value) is error
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(rf"{file}: {ADVICE}", message), message


def run(*arguments: object) -> None:
    _LazyGroup("valence").main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (POINTER, 267832558),
        (POINTER.replace("\n", "\r\n"), 267832558),
        ("\ufeff" + POINTER, 267832558),
        (POINTER.replace("v1\n", "v1\next-0-foo sha256:00\n"), 267832558),
        (POINTER.replace("size 267832558\n", ""), None),
        (POINTER + "x" * 2000, None),
        ("text,label\nversion https://git-lfs.github.com/spec/v1,0\n", None),
        ("", None),
    ],
)
def test_what_is_a_pointer(tmp_path: Path, content: str, size: int | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(content.encode())
    assert lfs_pointer(path) == size


def test_no_file_is_no_pointer(tmp_path: Path) -> None:
    assert lfs_pointer(tmp_path) is None
    assert lfs_pointer(tmp_path / "none") is None
    refuse_lfs_pointer(tmp_path / "none")


def test_a_small_file_is_counted_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(POINTER.replace("267832558", "1234"))
    with pytest.raises(DataError, match=r"data\.csv: a git-lfs pointer .* \(1,234 bytes\)") as caught:
        refuse_lfs_pointer(path, DataError)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("file", "error", "engine"),
    [
        ("config.json", ConfigError, "auto"),
        ("model.safetensors", CheckpointError, "auto"),
        ("model.safetensors", CheckpointError, "torch"),
        ("model.safetensors", CheckpointError, "onnx"),
        ("tokenizer.json", ModelError, "auto"),
        ("tokenizer.json", ModelError, "torch"),
        ("onnx/manifest.json", ModelError, "auto"),
        ("onnx/model.onnx", EngineError, "auto"),
        ("onnx/model.onnx", EngineError, "onnx"),
    ],
)
def test_a_classifier_of_pointers(model: Path, file: str, error: type[Exception], engine: str) -> None:
    to_pointer(model / file)
    refused(error, file, lambda: valence.load(model, engine=engine))


@pytest.mark.parametrize("file", ["vocab.txt", "tokenizer_config.json"])
def test_a_vocabulary_of_pointers(model: Path, file: str) -> None:
    (model / "tokenizer.json").unlink()
    to_pointer(model / file)
    refused(ModelError, file, valence.load, model)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("model.safetensors", CheckpointError),
        ("pytorch_model.bin", CheckpointError),
        ("model.safetensors.index.json", ConfigError),
        ("pytorch_model.bin.index.json", ConfigError),
        ("model-00001-of-00002.safetensors", CheckpointError),
        ("pytorch_model-00002-of-00002.bin", CheckpointError),
    ],
)
@pytest.mark.parametrize("task", ["classification", "masked-lm", "base", "info"])
def test_weights_of_pointers(model: Path, file: str, error: type[Exception], task: str) -> None:
    shutil.rmtree(model / "onnx")
    (model / "model.safetensors").unlink()
    kind = "model.safetensors" if file.endswith("safetensors") else "pytorch_model.bin"
    if "-of-" in file:
        stem, _, ending = kind.rpartition(".")
        shards = [f"{stem}-0000{n}-of-00002.{ending}" for n in (1, 2)]
        (model / f"{kind}.index.json").write_text(json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}))
        for shard in shards:
            (model / shard).write_bytes(b"\0" * 64)
    to_pointer(model / file)
    folder = ModelFolder(model, "model")
    if task == "base":
        refused(error, file, load_base, folder, "distilbert", ("A", "B"), 0)
    elif task == "info":
        refused(error, file, run, "info", model)
    else:
        refused(error, file, load_model, folder, task)


def test_a_header_of_a_pointer(tmp_path: Path) -> None:
    refused(CheckpointError, "x.safetensors", tensor_shapes, to_pointer(tmp_path / "x.safetensors"))


@pytest.mark.parametrize("engine", ["NativeEngine", "OnnxEngine"])
def test_an_engine_that_is_opened_by_itself(tmp_path: Path, engine: str) -> None:
    from valence.runtime import native_engine, onnx_engine

    if engine == "NativeEngine" and (reason := native_engine.why_not_native()):
        pytest.skip(reason)
    made = {"NativeEngine": native_engine.NativeEngine, "OnnxEngine": onnx_engine.OnnxEngine}[engine]
    refused(EngineError, "engine", made, to_pointer(tmp_path / "engine"))


@pytest.mark.parametrize("part", [".xml", ".bin"])
def test_an_openvino_engine(model: Path, part: str) -> None:
    openvino = pytest.importorskip("openvino")
    from valence.runtime.openvino_engine import OpenVinoEngine

    path = model / "onnx" / "model.xml"
    openvino.save_model(openvino.Core().read_model(model / "onnx" / "model.onnx"), path, compress_to_fp16=False)
    to_pointer(path.with_suffix(part))
    refused(EngineError, f"model{part}", OpenVinoEngine, path)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("config.json", ConfigError),
        ("tokenizer.json", ModelError),
        ("onnx/manifest.json", ModelError),
        ("onnx/model_int8.onnx", EngineError),
        ("onnx/model_int8.safetensors", EngineError),
    ],
)
def test_the_embedded_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, error: type[Exception]
) -> None:
    folder = Path(shutil.copytree(hub._DEFAULT_FOLDER, tmp_path / "default"))
    to_pointer(folder / file)
    monkeypatch.setattr(hub, "_DEFAULT_FOLDER", folder)
    refused(error, file, valence.load)


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("reports/training.json", ()),
        ("reports/evaluation-sst2-dev.json", ()),
        ("reports/comparison-reference.json", ()),
        ("reports/audit.json", ()),
        ("reports/audit-before.json", ()),
        ("reports/origin.json", ()),
        ("README.md", ()),
        ("README.md", ("--check",)),
    ],
)
@pytest.mark.slow
def test_a_card_of_pointers(tmp_path: Path, file: str, options: tuple[str, ...]) -> None:
    pytest.importorskip("sklearn")
    folder = Path(shutil.copytree(hub._DEFAULT_FOLDER, tmp_path / "default"))
    to_pointer(folder / file)
    refused(DataError if file == "README.md" else ModelError, file, run, "card", folder, *options)
    assert lfs_pointer(folder / file)  # and it is not written over


@pytest.mark.slow
def test_a_map_that_is_a_pointer_is_left_out_of_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    folder = Path(shutil.copytree(hub._DEFAULT_FOLDER, tmp_path / "default"))
    to_pointer(folder / "reports" / "map.png")
    run("card", folder, "--out", tmp_path / "card")
    assert "map.png: a git-lfs pointer" in capsys.readouterr().out
    assert not (tmp_path / "card" / "map.png").exists()


@pytest.mark.parametrize("file", ["run.json", "state.json", "weights.safetensors", "optimizer.safetensors"])
def test_a_state_of_pointers(tmp_path: Path, file: str) -> None:
    state = RunState(tmp_path / "training_state")
    state.start({"seed": 1})
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state.save(network, optimizer, Progress(step=1))
    path = next(state.folder.rglob(file))
    to_pointer(path)
    wanted, error = (state.check, ModelError) if file == "run.json" else (state.restore, TrainingError)
    with pytest.raises(error, match=ADVICE):
        wanted(*([{"seed": 1}] if file == "run.json" else [network, optimizer]))


@pytest.mark.parametrize("read", [read_stereoset, read_crows_pairs])
def test_suites_of_pointers(tmp_path: Path, read) -> None:
    with pytest.raises(DataError, match=ADVICE):
        read(to_pointer(tmp_path / ("dev.json" if read is read_stereoset else "crows_pairs.csv")))


@pytest.mark.parametrize(
    "command",
    [
        ("classify", "--model", "MODEL", "hello"),
        ("evaluate", "MODEL", "DATA"),
        ("train", "DATA", "--base", "MODEL", "--out", "OUT"),
        ("distill", "DATA", "--teacher", "MODEL", "--out", "OUT"),
        ("pretrain", "DATA", "--base", "MODEL", "--out", "OUT"),
        ("export", "MODEL"),
        ("audit", "MODEL", "--out", "OUT"),
        ("card", "MODEL"),
        ("explain", "MODEL", "hello"),
        ("fill-mask", "a [MASK]", "--model", "MODEL"),
        ("info", "MODEL"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("exported", [True, False])
def test_every_command_says_it(model: Path, tmp_path: Path, command: tuple[str, ...], exported: bool) -> None:
    if not exported:
        shutil.rmtree(model / "onnx")
    to_pointer(model / "model.safetensors")
    data = tmp_path / "data.tsv"
    data.write_text("sentence\tlabel\n" + "good film\tPOSITIVE\nbad film\tNEGATIVE\n" * 4)
    places = {"MODEL": model, "DATA": data, "OUT": tmp_path / "out"}
    refused(CheckpointError, "model.safetensors", run, *[places.get(part, part) for part in command])
