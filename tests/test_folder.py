"""The model folder: what its config says, which files hold its weights, and how files are written."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from valence.errors import ConfigError, ModelNotFoundError
from valence.files import fingerprint, read_json, sha256, write_json, write_text
from valence.folder import ModelFolder


def model(folder: Path, *files: str, **config: Any) -> ModelFolder:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in files:
        (folder / name).write_text(name)
    return ModelFolder(folder, "mine")


# What the config says.


@pytest.mark.parametrize(
    ("config", "labels", "placeholders"),
    [
        ({}, None, False),
        ({"id2label": {"0": "NEGATIVE", "1": "POSITIVE"}}, ("NEGATIVE", "POSITIVE"), False),
        ({"id2label": {"1": "b", "0": "a", "10": "k", **{str(i): f"n{i}" for i in range(2, 10)}}},
         ("a", "b", *(f"n{i}" for i in range(2, 10)), "k"), False),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, ("LABEL_0", "LABEL_1"), True),
        ({"id2label": {"0": "0", "1": "1"}}, ("0", "1"), True),
        ({"id2label": {"0": 0, "1": 1}}, ("0", "1"), True),
        ({"id2label": {"0": "LABEL_0", "1": "other"}}, ("LABEL_0", "other"), False),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2"), True),
        ({"id2label": None, "num_labels": 1}, ("LABEL_0",), True),
        ({"id2label": {"0": "a"}, "num_labels": 5}, ("a",), False),
    ],
)  # fmt: skip
def test_labels(tmp_path: Path, config: dict[str, Any], labels: tuple[str, ...] | None, placeholders: bool):
    folder = model(tmp_path, **config)
    assert folder.labels == labels
    assert folder.labels_are_placeholders == placeholders


@pytest.mark.parametrize(
    "config",
    [
        {"id2label": {"0": "a", "2": "c"}},
        {"id2label": {"1": "a", "2": "b"}},
        {"id2label": {"zero": "a"}},
        {"id2label": ["a", "b"]},
        {"num_labels": 0},
        {"num_labels": "2"},
        {"num_labels": True},
    ],
)
def test_labels_that_make_no_sense(tmp_path: Path, config: dict[str, Any]):
    with pytest.raises(ConfigError, match=r"config.json: (id2label|num_labels) must .*, found"):
        _ = model(tmp_path, **config).labels


def test_two_classes_of_one_name_are_refused(tmp_path: Path):
    from fake_engine import FakeEngine
    from valence.runtime.classifier import Classifier

    folder = model(tmp_path, id2label={"0": "same", "1": "same"})
    assert folder.labels == ("same", "same")
    with pytest.raises(ConfigError, match="two classes share a name: same, same"):
        Classifier(None, FakeEngine(n_classes=2), folder.labels)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, "single_label_classification", "multi_label_classification", "regression"])
def test_problem_type(tmp_path: Path, value: str | None):
    assert model(tmp_path, problem_type=value).problem_type == value


@pytest.mark.parametrize("value", ["classification", "", 1])
def test_problem_type_that_is_none(tmp_path: Path, value: Any):
    with pytest.raises(ConfigError, match=r"problem_type must be one of single_label_classification, .* found"):
        _ = model(tmp_path, problem_type=value).problem_type


def test_a_number_of_labels_that_no_memory_holds(tmp_path: Path):
    with pytest.raises(ConfigError, match="num_labels must be a positive number up to 1,000,000, found 1000000000000"):
        _ = model(tmp_path, num_labels=10**12).labels


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"model_type": "xlm-roberta", "max_position_embeddings": 102, "pad_token_id": 1}, 100),
        ({"model_type": "deberta-v2", "max_position_embeddings": 102, "pad_token_id": 0}, 102),
        ({"model_type": "gpt2", "n_positions": 64}, 64),
        ({"model_type": "t5"}, 512),
    ],
)
def test_the_limit_of_other_families(tmp_path: Path, config: dict[str, Any], limit: int):
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert ModelFolder(tmp_path, "other").max_position_embeddings == limit


@pytest.mark.parametrize("value", [0, 2, "512", 512.0, True, None])
def test_limit_that_makes_no_sense(tmp_path: Path, value: Any):
    with pytest.raises(ConfigError, match="max_position_embeddings must be a number above 2, found"):
        _ = model(tmp_path, max_position_embeddings=value).max_position_embeddings


# Which files hold the weights.

INDEX = {
    "metadata": {},
    "weight_map": {"a": "model-00002-of-00002.safetensors", "b": "model-00001-of-00002.safetensors"},
}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def test_weights_in_the_order_of_preference(tmp_path: Path):
    folder = lambda: ModelFolder(tmp_path, "mine")  # noqa: E731  # read anew
    model(tmp_path)
    assert folder().weight_files == ()
    assert folder().weights_hash() is None
    for name, others in (
        ("pytorch_model.bin.index.json", {"pytorch_model-00001-of-00001.bin"}),
        ("pytorch_model.bin", set()),
        ("model.safetensors.index.json", set(SHARDS)),
        ("model.safetensors", set()),
    ):
        if name.startswith("model.safetensors.index"):
            (tmp_path / name).write_text(json.dumps(INDEX))
        elif name.endswith("index.json"):
            (tmp_path / name).write_text(json.dumps({"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}))
        else:
            (tmp_path / name).write_text("weights")
        for other in others:
            (tmp_path / other).write_text(other)
        assert {path.name for path in folder().weight_files} == (others or {name})
    assert folder().weights_hash() == hashlib.sha256(b"weights").hexdigest()


def test_hash_of_shards_is_that_of_their_bytes_in_order(tmp_path: Path):
    folder = model(tmp_path, *SHARDS)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(INDEX))
    assert folder.weight_files == tuple(tmp_path / name for name in SHARDS)
    assert folder.weights_hash() == hashlib.sha256("".join(SHARDS).encode()).hexdigest()


@pytest.mark.parametrize(
    ("index", "error", "complaint"),
    [
        (INDEX, ModelNotFoundError, "shards named in model.safetensors.index.json are missing: model-00002-of-00002"),
        ({"weight_map": {"a": "../secret.safetensors"}}, ConfigError, "a shard must lie in the model folder"),
        ({"weight_map": {"a": "/etc/passwd"}}, ConfigError, "a shard must lie in the model folder"),
        ({"weight_map": ["a"]}, ConfigError, "expected a weight_map"),
        ({"weight_map": {"a": 1}}, ConfigError, "expected a weight_map"),
        ({}, ConfigError, "expected a weight_map"),
    ],
)  # fmt: skip
def test_broken_shards(tmp_path: Path, index: dict[str, Any], error: type[Exception], complaint: str):
    folder = model(tmp_path, SHARDS[0])
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(error, match=complaint):
        _ = folder.weight_files


# What is no model folder.


def test_what_is_no_model_folder(tmp_path: Path):
    with pytest.raises(ModelNotFoundError, match="nowhere: no such model folder"):
        ModelFolder(tmp_path / "nowhere", "x")
    with pytest.raises(ModelNotFoundError, match=r"it has no config.json \(found: nothing\)"):
        ModelFolder(tmp_path, "x")
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ModelNotFoundError, match=r"it has no config.json \(found: config.json\)"):
        ModelFolder(tmp_path, "x")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not readable as JSON"),
        (b'{"model_type": ', "not readable as JSON"),
        (b"\xff\xfe{}", "not readable as JSON"),
        (b"[1]", "expected a JSON object, found list"),
        (b"[" * 100_000, "not readable as JSON"),
    ],
)
def test_broken_config(tmp_path: Path, content: bytes, complaint: str):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=f"config.json: {complaint}"):
        _ = ModelFolder(tmp_path, "x").config


def test_config_with_a_byte_order_mark(tmp_path: Path):
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"model_type": "bert"}')
    assert ModelFolder(tmp_path, "x").config == {"model_type": "bert"}


# Files.


def test_written_json_is_read_back(tmp_path: Path):
    value = {"a": [1, 2.5, None], "é": "𝒜\u2028"}
    write_json(tmp_path / "deep" / "er" / "x.json", value)
    assert read_json(tmp_path / "deep" / "er" / "x.json") == value
    assert os.listdir(tmp_path / "deep" / "er") == ["x.json"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), {1j: 2}])
def test_value_that_is_no_json_leaves_the_old_file(tmp_path: Path, bad: Any):
    path = tmp_path / "x.json"
    write_json(path, {"old": True})
    with pytest.raises((TypeError, ValueError)):
        write_json(path, bad)
    assert read_json(path) == {"old": True}


def test_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "x.txt"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new " * 100_000 + "\ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "x.txt"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_written_files_have_the_usual_permissions(tmp_path: Path, mask: int, mode: int):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "x.txt", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == mode


def test_sha256(tmp_path: Path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(path.name.encode() * 3_000_000)
    assert sha256(paths[0]) == hashlib.sha256(b"a" * 3_000_000).hexdigest()
    assert sha256(paths) == hashlib.sha256(b"a" * 3_000_000 + b"b" * 3_000_000).hexdigest()
    assert sha256(reversed(paths)) != sha256(paths)


def test_a_label_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(ConfigError, match="id2label holds what is not valid Unicode"):
        _ = model(tmp_path, id2label={"0": "\ud800", "1": "b"}).labels


# Telling files apart.


def test_the_fingerprint_notices_other_weights_and_ignores_dates(tmp_path: Path):
    path = tmp_path / "weights"
    for size in (0, 1, 1 << 14, (1 << 14) + 1, 3_000_000):
        content = bytearray(os.urandom(size))
        path.write_bytes(content)
        before = fingerprint([path])
        os.utime(path, (1, 1))
        assert fingerprint([path]) == before
        path.write_bytes(content + b"x")
        assert fingerprint([path]) != before
        path.write_bytes(bytes(byte ^ 1 for byte in content))
        assert size == 0 or fingerprint([path]) != before
