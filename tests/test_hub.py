"""Names: 'default', paths and hub ids, against a stand-in for the hub."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import valence
from hub_server import HubServer
from valence import hub as hub_module
from valence.data.examples import choose_columns, read_texts
from valence.data.sources import find_source
from valence.errors import DataError, HubError, InputError, ModelError, ModelNotFoundError
from valence.hub import fetch_dataset, find_model, search_models

CARD_MODEL = "distilbert-base-uncased-finetuned-sst-2-english"
MAIN = ("-c", "from valence.cli import main; main()")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running hub with nothing on it, that the client in this process asks; its cache is empty."""
    constants = huggingface_hub.constants
    with HubServer() as server:
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_URL_HOSTS": frozenset({"127.0.0.1"}),
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_TOKEN_PATH": str(tmp_path / "token"),
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        huggingface_hub.close_session()  # one that may have been opened with other proxies
        yield server
        huggingface_hub.close_session()


def write_repository(folder: Path, *names: str, config: str = '{"model_type": "distilbert"}') -> Path:
    """A folder of files that say their own names; the hub does not look into them."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config if name == "config.json" else f"{name} " * 500)
    return folder


def held(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(*arguments: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python of its own, as a user would, with the hub's variables set before anything is imported."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=home,
        check=False,
        env={
            **inherited,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            **environment,
        },
    )


def closed_port() -> str:
    """An address at which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


# What is downloaded.


@pytest.mark.parametrize(
    ("on_hub", "needed"),
    [
        (
            "config.json vocab.txt tokenizer.json tokenizer_config.json README.md model.safetensors "
            "pytorch_model.bin tf_model.h5 flax_model.msgpack rust_model.ot .gitattributes map.jpeg "
            "onnx/model.onnx onnx/model_quantized.onnx coreml/x.mlpackage training_args.bin",
            "config.json vocab.txt tokenizer.json tokenizer_config.json README.md model.safetensors",
        ),
        (
            "config.json vocab.txt added_tokens.json special_tokens_map.json tokenizer_config.json model.safetensors",
            "config.json vocab.txt added_tokens.json special_tokens_map.json tokenizer_config.json model.safetensors",
        ),
        ("config.json vocab.txt pytorch_model.bin tf_model.h5", "config.json vocab.txt pytorch_model.bin"),
        (
            "config.json vocab.txt model.safetensors.index.json model-00001-of-00002.safetensors "
            "model-00002-of-00002.safetensors pytorch_model.bin.index.json pytorch_model-00001-of-00001.bin",
            "config.json vocab.txt model.safetensors.index.json model-00001-of-00002.safetensors "
            "model-00002-of-00002.safetensors",
        ),
        (
            "config.json vocab.txt pytorch_model.bin.index.json pytorch_model-00001-of-00002.bin "
            "pytorch_model-00002-of-00002.bin other-00001-of-00002.bin",
            "config.json vocab.txt pytorch_model.bin.index.json pytorch_model-00001-of-00002.bin "
            "pytorch_model-00002-of-00002.bin",
        ),
        (
            "config.json tokenizer.json calibration.json onnx/manifest.json onnx/model.onnx reports/training.json",
            "config.json tokenizer.json calibration.json onnx/manifest.json onnx/model.onnx",
        ),
        (
            "config.json tokenizer.json onnx/manifest.json onnx/model.onnx model.safetensors step/model.safetensors",
            "config.json tokenizer.json onnx/manifest.json onnx/model.onnx model.safetensors",
        ),
    ],
    ids=["full", "added-tokens", "bin", "sharded", "sharded-bin", "engine", "engine-and-weights"],
)
def test_only_the_needed_files_are_downloaded(hub: HubServer, tmp_path: Path, on_hub: str, needed: str):
    source = write_repository(tmp_path / "source", *on_hub.split())
    hub.add("someone/model", source)
    folder = find_model("someone/model")
    assert folder.name == "someone/model"
    assert held(folder.path) == set(needed.split())
    assert hub.downloads() == set(needed.split())
    for name in needed.split():
        assert (folder.path / name).read_bytes() == (source / name).read_bytes()


@pytest.mark.parametrize("name", [CARD_MODEL, f"distilbert/{CARD_MODEL}"])
def test_card_model_is_found_with_and_without_its_owner(hub: HubServer, tmp_path: Path, name: str):
    hub.add(f"distilbert/{CARD_MODEL}", write_repository(tmp_path / "m", "config.json", "model.safetensors"))
    hub.renamed[CARD_MODEL] = f"distilbert/{CARD_MODEL}"
    assert held(find_model(name).path) == {"config.json", "model.safetensors"}


def test_revision_is_honoured(hub: HubServer, tmp_path: Path):
    commits = {
        revision: hub.add("a/b", write_repository(tmp_path / revision, "config.json", weights), revision=revision)
        for revision, weights in (("main", "model.safetensors"), ("old", "pytorch_model.bin"))
    }
    assert held(find_model("a/b").path) == {"config.json", "model.safetensors"}
    assert held(find_model("a/b", "old").path) == {"config.json", "pytorch_model.bin"}
    assert find_model("a/b", commits["old"]).path.name == commits["old"]
    hub.stop()
    assert find_model("a/b", "old").path.name == commits["old"]
    assert find_model("a/b").path.name == commits["main"]
    with pytest.raises(HubError, match="the model a/b at older has to come from the hub"):
        find_model("a/b", "older")


def test_new_commit_on_the_branch_is_fetched(hub: HubServer, tmp_path: Path):
    hub.add("a/b", write_repository(tmp_path / "1", "config.json", "model.safetensors"))
    find_model("a/b")
    second = hub.add("a/b", write_repository(tmp_path / "2", "config.json", "model.safetensors", "vocab.txt"))
    assert find_model("a/b").path.name == second
    hub.stop()
    assert held(find_model("a/b").path) == {"config.json", "model.safetensors", "vocab.txt"}


@pytest.mark.parametrize(
    "files", ["README.md", "config.json", "model.safetensors", "config.json tf_model.h5 onnx/decoder.onnx", ""]
)
def test_repository_without_a_usable_model(hub: HubServer, tmp_path: Path, files: str):
    (tmp_path / "source").mkdir()
    hub.add("a/b", write_repository(tmp_path / "source", *files.split()))
    with pytest.raises(ModelNotFoundError, match=r"a/b on the hub is not a model .* expected config.json and"):
        find_model("a/b")
    assert not hub.downloads()


# Another program's ONNX export.

DEBERTA = '{"model_type": "deberta-v2"}'
SMALL = "config.json tokenizer.json tokenizer_config.json"


@pytest.mark.parametrize(
    ("on_hub", "options", "needed"),
    [
        ("model.safetensors onnx/model.onnx onnx/model_quantized.onnx modeling.py spm.model", {}, "onnx/model.onnx"),
        ("pytorch_model.bin model.onnx", {}, "model.onnx"),
        ("onnx/model.onnx model.onnx", {"engine": "onnx"}, "onnx/model.onnx"),
        ("onnx/model.onnx onnx/model_quantized.onnx", {"precision": "int8"}, "onnx/model_quantized.onnx"),
        ("onnx/model.onnx onnx/model_int8.onnx", {"precision": "int8"}, "onnx/model_int8.onnx"),
        ("model.onnx model_quantized.onnx", {"precision": "int8", "engine": "onnx"}, "model_quantized.onnx"),
        (
            "onnx/model.onnx onnx/model.onnx_data onnx/model.onnx_data_1 onnx/model_q4.onnx onnx/model_q4.onnx_data",
            {},
            "onnx/model.onnx onnx/model.onnx_data onnx/model.onnx_data_1",
        ),
        ("onnx/model.onnx onnx/model.onnx.data model.onnx.data", {}, "onnx/model.onnx onnx/model.onnx.data"),
    ],
)
def test_of_an_unknown_family_the_export_is_downloaded(hub: HubServer, tmp_path: Path, on_hub, options, needed):
    hub.add("a/b", write_repository(tmp_path / "source", *SMALL.split(), *on_hub.split(), config=DEBERTA))
    folder = find_model("a/b", **options).path
    assert held(folder) == hub.downloads() == {*SMALL.split(), *needed.split()}
    hub.stop()
    assert find_model("a/b", **options).path == folder


@pytest.mark.parametrize(
    ("options", "has_torch", "takes_export"),
    [
        ({}, True, False),
        ({}, False, True),
        ({"engine": "torch"}, False, False),
        ({"engine": "onnx"}, True, True),
        ({"precision": "int8"}, True, False),  # of which there is none
    ],
)
def test_of_a_known_family_what_can_be_run_is_downloaded(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options, has_torch, takes_export
):
    monkeypatch.setattr(hub_module, "find_spec", lambda name: has_torch or None)
    hub.add("a/b", write_repository(tmp_path / "source", *SMALL.split(), "model.safetensors", "onnx/model.onnx"))
    large = "onnx/model.onnx" if takes_export else "model.safetensors"
    assert held(find_model("a/b", **options).path) == hub.downloads() == {*SMALL.split(), large}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            "tokenizer.json model.safetensors",
            "a/b on the hub: model_type 'deberta-v2' is not supported: .* ONNX",
        ),
        (
            "spm.model onnx/model.onnx",
            r"a/b on the hub has no tokenizer\.json \(its spm\.model needs sentencepiece\)",
        ),
        ("onnx/model.onnx", r"a/b on the hub has no tokenizer\.json: write one with transformers"),
        (
            "tokenizer.json onnx/model_quantized.onnx",
            r"expected config\.json and .*; onnx/model_quantized\.onnx is there for precision int8",
        ),
    ],
)
def test_what_cannot_run_is_said_before_it_is_downloaded(hub: HubServer, tmp_path: Path, files: str, said: str):
    hub.add("a/b", write_repository(tmp_path / "source", "config.json", *files.split(), config=DEBERTA))
    with pytest.raises(ModelError, match=said) as caught:
        find_model("a/b")
    assert "\n" not in str(caught.value)
    assert hub.downloads() <= {"config.json"}


@pytest.mark.slow
@pytest.mark.parametrize("data", [None, "model.onnx_data"])
def test_classify_with_an_export_from_the_hub(hub: HubServer, tmp_path: Path, deberta: Path, data: str | None):
    """Its code is not run, its weights are not fetched, and its tensors are found through the cache's links."""
    source = Path(shutil.copytree(deberta, tmp_path / "source"))
    (source / "modeling.py").write_text("raise SystemExit('code of the repository runs')")
    config = json.loads((source / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSequenceClassification": "modeling.Model", "AutoTokenizer": "modeling.Tokenizer"}
    (source / "config.json").write_text(json.dumps(config))
    shutil.move(source / "reference" / "model.safetensors", source)
    shutil.rmtree(source / "reference")
    if data is not None:
        onnx = pytest.importorskip("onnx")
        content = onnx.load(source / "onnx" / "model.onnx")
        (source / "onnx" / "model.onnx").unlink()
        onnx.save(content, source / "onnx" / "model.onnx", save_as_external_data=True, location=data, size_threshold=0)
    hub.add("someone/deberta", source, tags=("custom_code",))
    done = run(*MAIN, "classify", "--model", "someone/deberta", "good film", home=tmp_path, HF_ENDPOINT=hub.url)
    assert (done.returncode, done.stderr) == (0, "")
    best = valence.load(deberta)("good film")
    assert done.stdout == f"{best.label}\t{best.score:.6f}\tgood film\n"
    assert not hub.downloads() & {"model.safetensors", "modeling.py"}


# The cache.


@pytest.mark.parametrize("silence", ["stopped", "offline", "failing", "limited"])
def test_second_load_needs_no_hub(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silence: str):
    hub.add("a/b", write_repository(tmp_path / "source", "config.json", "model.safetensors", "tf_model.h5"))
    first = find_model("a/b").path
    hub.requests.clear()
    if silence == "stopped":
        hub.stop()
    elif silence == "offline":
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    else:
        hub.status = 503 if silence == "failing" else 429
    assert find_model("a/b").path == first
    assert len(hub.requests) == (1 if hub.status else 0)


def test_half_a_download_is_no_copy(hub: HubServer, tmp_path: Path):
    source = write_repository(tmp_path / "source", "config.json", "model.safetensors")
    hub.add("a/b", source)
    find_model("a/b").path.joinpath("model.safetensors").unlink()
    hub.stop()
    with pytest.raises(HubError, match="the model a/b has to come from the hub"):
        find_model("a/b")


@pytest.mark.parametrize("lacking", ["added_tokens.json", "special_tokens_map.json", "calibration.json"])
def test_a_copy_of_an_earlier_version_is_used_and_what_it_lacks_is_said(hub: HubServer, tmp_path: Path, lacking: str):
    names = ["config.json", "model.safetensors", "vocab.txt"]
    hub.add("a/b", write_repository(tmp_path / "source", *names, lacking))
    first = find_model("a/b").path
    (first / lacking).unlink()
    hub.stop()
    so = "its scores are not calibrated" if lacking == "calibration.json" else "tokens that were added"
    with pytest.warns(UserWarning, match=f"the copy of a/b on this machine lacks {lacking}, so {so}"):
        assert find_model("a/b").path == first


def test_what_another_program_has_cached_is_used(hub: HubServer, tmp_path: Path):
    hub.add("a/b", write_repository(tmp_path / "source", "config.json", "model.safetensors", "vocab.txt"))
    hub.add("a/half", write_repository(tmp_path / "half", "config.json", "model.safetensors"))
    huggingface_hub.hf_hub_download("a/half", "config.json")
    for name in ("config.json", "model.safetensors"):
        huggingface_hub.hf_hub_download("a/b", name)
    hub.stop()
    assert held(find_model("a/b").path) == {"config.json", "model.safetensors"}
    with pytest.raises(HubError):
        find_model("a/half")


# What goes wrong.


def test_unknown_names_and_revisions(hub: HubServer, tmp_path: Path):
    hub.add("a/b", write_repository(tmp_path / "source", "config.json", "model.safetensors"))
    with pytest.raises(ModelNotFoundError, match="the model a/c: no such folder here and no such repository"):
        find_model("a/c")
    with pytest.raises(ModelNotFoundError, match="the model a/b at v9: the hub has no such revision"):
        find_model("a/b", "v9")


def test_gated_model(hub: HubServer, tmp_path: Path):
    hub.add("a/b", write_repository(tmp_path / "source", "config.json", "model.safetensors"))
    hub.gated.add("a/b")
    with pytest.raises(HubError, match="the model a/b is gated: accept its terms on the hub and log in"):
        find_model("a/b")


@pytest.mark.parametrize(
    ("status", "advice"), [(500, "try again later"), (429, "try again later"), (401, "hf auth login")]
)
def test_hub_in_trouble_says_so_at_once(hub: HubServer, status: int, advice: str):
    hub.status = status
    start = time.monotonic()
    for ask in (lambda: find_model("a/b"), lambda: search_models(), lambda: fetch_dataset("a/b", ("train",))):
        with pytest.raises(HubError, match=f"(?s)refused .*{status}.*{advice}") as caught:
            ask()
        assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 5
    assert len(hub.requests) == 3


@pytest.mark.parametrize("body", [b"<html>Please log in to the Wi-Fi</html>", b"{}"])
def test_something_else_answers_in_the_hubs_place(hub: HubServer, body: bytes):
    hub.body = body
    with pytest.raises(HubError, match=r"the model a/b: .* gave an answer that is not a hub's"):
        find_model("a/b")


@pytest.mark.slow
def test_broken_download_is_resumed_without_a_word(hub: HubServer, tmp_path: Path):
    source = write_repository(tmp_path / "source", "config.json", "model.safetensors")
    hub.add("a/b", source)
    hub.cut["model.safetensors"] = 1
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("huggingface_hub")
    log.addHandler(listener)
    try:
        folder = find_model("a/b").path
    finally:
        log.removeHandler(listener)
    assert said == []
    assert (folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert hub.requests.count(f"GET /a/b/resolve/{folder.name}/model.safetensors") == 2


def test_failed_download_leaves_nothing_that_counts_as_a_model(hub: HubServer, tmp_path: Path):
    source = write_repository(tmp_path / "source", "config.json", "model.safetensors")
    hub.add("a/b", source)
    hub.file_status["model.safetensors"] = 404
    with pytest.raises(HubError, match=r"the model a/b .*404"):
        find_model("a/b")
    hub.status = 503
    with pytest.raises(HubError, match="503"):  # and the half that came is not taken for a copy
        find_model("a/b")
    hub.status = None
    hub.file_status.clear()
    assert (find_model("a/b").path / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


def test_cache_that_cannot_be_written(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub.add("a/b", write_repository(tmp_path / "source", "config.json", "model.safetensors"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(HubError, match=r"the model a/b could not be saved on this machine: .*Not a directory"):
        find_model("a/b")


def test_users_level_for_the_clients_log_is_kept(hub: HubServer):
    log = logging.getLogger("huggingface_hub")
    level = log.level
    with pytest.raises(ModelNotFoundError):
        find_model("a/b")
    assert log.level == level


# Names that are no hub ids.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a model folder `here` that is also the home directory's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return write_repository(tmp_path / "here", "config.json", "model.safetensors")


def test_paths_in_all_spellings(hub: HubServer, folder: Path):
    hub.add("here", folder)
    (folder / "best").mkdir()
    shutil.copy(folder / "config.json", folder / "best")
    for name in (
        "here",
        "./here",
        "here/",
        "~/here",
        str(folder),
        f"{folder}/",
        "../" + folder.parent.name + "/here",
    ):
        assert find_model(name).path.resolve() == folder
        assert find_model(name).name == name
    assert find_model(folder).path == folder
    assert find_model(Path("here")).path == Path("here")
    assert find_model("here/best").path == Path("here/best")
    assert not hub.requests


@pytest.mark.parametrize(
    "name", ["./there", "there/", "/there", "~/there", "a/b/c", Path("a/b"), "../a", Path("default")]
)
def test_path_that_is_absent_is_not_looked_for_on_the_hub(hub: HubServer, folder: Path, name: str | Path):
    with pytest.raises(ModelNotFoundError, match="no such model folder"):
        find_model(name)
    assert not hub.requests


@pytest.mark.parametrize("name", ["here/model.safetensors", "./here/model.safetensors"])
def test_file_instead_of_a_folder(hub: HubServer, folder: Path, name: str):
    with pytest.raises(InputError, match="is a file; a model is the folder that holds it"):
        find_model(name)
    assert not hub.requests


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "two words",
        "a?b",
        "a/b@c",
        "naïve/model",
        "x" * 300,
        "~nobody-of-this-name/x",
        "-x",
        "a\0b",
        "hub:a/b",
    ],
)
def test_names_that_can_be_nothing(hub: HubServer, folder: Path, name: str):
    with pytest.raises(InputError, match=r"name|hub id") as caught:
        find_model(name)
    assert len(str(caught.value)) < 250
    assert not hub.requests


@pytest.mark.parametrize("name", ["a--b", "a/b.git", "a..b", "a/b-", "y" * 97])
def test_names_that_the_hub_forbids(hub: HubServer, folder: Path, name: str):
    with pytest.raises(InputError, match="not a hub id"):
        find_model(name)
    assert not hub.requests


@pytest.mark.parametrize("name", ["default", "here", "./there"])
def test_revision_goes_with_a_hub_id(folder: Path, name: str):
    with pytest.raises(InputError, match="a revision goes with a hub id"):
        find_model(name, "main")


def test_folder_that_is_no_model(folder: Path):
    (folder.parent / "photos").mkdir()
    (folder.parent / "photos" / "cat.jpeg").touch()
    with pytest.raises(ModelNotFoundError, match=r"it has no config.json \(found: cat.jpeg\)"):
        find_model("photos")


def test_default_is_the_packages_own(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write_repository(folder.parent / "default", "config.json")
    package = write_repository(folder.parent / "package", "config.json")
    monkeypatch.setattr(hub_module, "_DEFAULT_FOLDER", package)
    assert find_model("default").path == package
    assert find_model("default").embedded
    assert not find_model("./default").embedded


# Data sets.


def write_parquet(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"sentence": list(texts), "label": [len(text) % 2 for text in texts]}), path)


def texts_of(name: str, split: str) -> list[str]:
    tables = find_source(name, split).tables()  # type: ignore[arg-type]
    return [row[1] for table in tables for row in read_texts(table, choose_columns(table, labelled=False))]


@pytest.mark.parametrize(
    "layout",
    [
        {
            "train": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
            "validation": ["data/validation-00000-of-00001-0a1b2c.parquet"],
            "test": ["data/test-00000-of-00001.parquet"],
        },
        {
            "train": ["default/train/0000.parquet", "default/train/0001.parquet"],
            "validation": ["default/validation/0000.parquet"],
            "test": ["default/test/0000.parquet"],
        },
        {"train": ["train.parquet"], "validation": ["validation.parquet"], "test": ["test.parquet"]},
        {
            "train": ["plain_text/train_0.parquet"],
            "validation": ["plain_text/dev.parquet"],
            "test": ["t.parquet"],
        },
    ],
    ids=["data", "converted", "plain", "mixed"],
)
def test_dataset_layouts(hub: HubServer, tmp_path: Path, layout: dict[str, list[str]]):
    source = tmp_path / "source"
    for split, names in layout.items():
        for index, name in enumerate(names):
            write_parquet(source / name, f"{split} {index}", f"{split} {index} too")
    write_repository(source, "README.md", "train_more.parquet.lock", "data/train_sft.csv")
    write_parquet(source / "other" / "train_sft-00000-of-00001.parquet", "another split")
    hub.add("someone/films", source, kind="datasets")
    wanted = [text for i in range(len(layout["train"])) for text in (f"train {i}", f"train {i} too")]
    assert texts_of("hub:someone/films", "train") == wanted
    assert hub.downloads() == set(layout["train"])
    assert texts_of("hub:someone/films", "eval") == ["validation 0", "validation 0 too"]
    assert texts_of("hub:someone/films:train_sft", "eval") == ["another split"]
    hub.stop()
    assert texts_of("hub:someone/films", "train") == wanted
    assert texts_of("hub:someone/films", "eval") == ["validation 0", "validation 0 too"]


def test_dataset_split_and_revision_by_name(hub: HubServer, tmp_path: Path):
    write_parquet(tmp_path / "new" / "test.parquet", "new")
    write_parquet(tmp_path / "old" / "test.parquet", "old")
    hub.add("a/b", tmp_path / "new", kind="datasets")
    commit = hub.add("a/b", tmp_path / "old", kind="datasets", revision="refs/convert/parquet")
    assert texts_of("hub:a/b:test", "train") == ["new"]
    assert texts_of(f"hub:a/b@{commit}:test", "train") == ["old"]
    assert texts_of("hub:a/b@refs/convert/parquet", "eval") == ["old"]


def test_dataset_that_cannot_be_used(hub: HubServer, tmp_path: Path):
    source = tmp_path / "source"
    for name in ("data/en/train.parquet", "data/fr/train.parquet", "validation_matched.parquet"):
        write_parquet(source / name, "text")
    hub.add("a/b", source, kind="datasets")
    with pytest.raises(DataError, match=r"several configurations \(data/en, data/fr\)"):
        find_source("hub:a/b", "train")
    with pytest.raises(DataError, match=r"split called dev or validation .*\(found: .*validation_matched.parquet"):
        find_source("hub:a/b", "eval")
    with pytest.raises(DataError, match="the data set a/c: no such repository"):
        find_source("hub:a/c", "train")
    with pytest.raises(DataError, match="is not a hub data set: expected hub:OWNER/NAME"):
        find_source("hub:a?b", "train")
    assert not hub.downloads()
    hub.stop()
    with pytest.raises(HubError, match="the data set a/b has to come from the hub"):
        find_source("hub:a/b:train", "train")


def test_half_a_downloaded_split_is_no_copy(hub: HubServer, tmp_path: Path):
    for index in range(2):
        write_parquet(tmp_path / "source" / "default" / "train" / f"000{index}.parquet", f"text {index}")
    hub.add("a/b", tmp_path / "source", kind="datasets")
    fetch_dataset("a/b", ("train",))[1].unlink()
    hub.stop()
    with pytest.raises(HubError):
        fetch_dataset("a/b", ("train",))


# The search.


@pytest.fixture
def library(hub: HubServer, tmp_path: Path) -> HubServer:
    """A hub of several classifiers."""
    source = write_repository(tmp_path / "source", "config.json")
    for name, tags, downloads in (
        ("a/sst2", "text-classification distilbert safetensors", 500),
        ("b/sst2-bert", "text-classification bert pytorch", 900),
        ("c/topics", "text-classification bert safetensors", 700),
        ("d/sst2-keras", "text-classification bert tf", 999),
        ("e/sst2-own", "text-classification bert safetensors custom_code", 998),
        ("f/sst2-xlnet", "text-classification xlnet safetensors", 997),
        ("g/sst2-filler", "fill-mask bert safetensors", 996),
        ("h/sst2-both", "text-classification bert distilbert pytorch", 100),
    ):
        hub.add(name, source, tags=tuple(tags.split()), downloads=downloads, likes=3)
    return hub


@pytest.fixture
def with_exports(library: HubServer, tmp_path: Path) -> HubServer:
    """The same, and some that have an ONNX export, or say so."""
    for name, tags, downloads, files in (
        ("i/sst2-deberta", "text-classification deberta-v2 safetensors onnx custom_code", 800, "onnx/model.onnx"),
        ("j/sst2-onnx-bert", "text-classification bert onnx", 600, "model.onnx"),
        ("k/sst2-both-ways", "text-classification bert safetensors onnx", 50, "onnx/model.onnx model.safetensors"),
        ("l/sst2-quantized", "text-classification bert onnx", 890, "onnx/model_quantized.onnx"),
        ("m/filler", "fill-mask bert onnx", 880, "onnx/model.onnx"),
    ):
        config = json.dumps({"model_type": "deberta-v2" if "deberta" in name else "bert"})
        source = write_repository(tmp_path / name, "config.json", "tokenizer.json", *files.split(), config=config)
        library.add(name, source, tags=tuple(tags.split()), downloads=downloads, likes=3)
    return library


def test_search_lists_what_can_be_loaded(library: HubServer):
    assert [model.id for model in search_models()] == ["b/sst2-bert", "c/topics", "a/sst2", "h/sst2-both"]
    assert [model.id for model in search_models("sst2", limit=2)] == ["b/sst2-bert", "a/sst2"]
    assert search_models("nothing like it") == []
    library.page_size = 1
    assert [model.id for model in search_models("sst2", limit=2)] == ["b/sst2-bert", "a/sst2"]


def test_search_lists_what_runs_from_an_export(with_exports: HubServer):
    assert [(model.id, model.family, model.runs_from) for model in search_models("sst2")] == [
        ("b/sst2-bert", "bert", "weights"),
        ("i/sst2-deberta", "deberta-v2", "onnx"),
        ("j/sst2-onnx-bert", "bert", "onnx"),
        ("a/sst2", "distilbert", "weights"),
        ("h/sst2-both", "bert", "weights"),
        ("k/sst2-both-ways", "bert", "weights"),
    ]
    with_exports.page_size = 1
    assert [model.id for model in search_models("sst2", limit=2)] == ["b/sst2-bert", "i/sst2-deberta"]


@pytest.mark.slow
def test_models_command(with_exports: HubServer, tmp_path: Path):
    environment = {"HF_ENDPOINT": with_exports.url}
    listed = run(*MAIN, "models", "sst2", home=tmp_path, **environment)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.splitlines()[:2] == [
        "b/sst2-bert\tbert\t900 downloads\t3 likes\tweights",
        "i/sst2-deberta\tdeberta-v2\t800 downloads\t3 likes\tonnx",
    ]
    as_json = run(*MAIN, "models", "--limit", "1", "--json", home=tmp_path, **environment)
    row = {"id": "b/sst2-bert", "family": "bert", "downloads": 900, "likes": 3, "runs_from": "weights"}
    assert json.loads(as_json.stdout) == [row]


# As a user does it, in a process of its own.


@pytest.mark.slow
def test_classify_with_a_hub_model_then_without_the_hub(hub: HubServer, tmp_path: Path, tiny_classifier: Path):
    hub.add("someone/tiny", tiny_classifier)
    command = (*MAIN, "classify", "--model", "someone/tiny", "a good film")
    online = run(*command, home=tmp_path, HF_ENDPOINT=hub.url)
    assert online.returncode == 0, online.stderr
    assert online.stderr == ""
    assert online.stdout.endswith("\ta good film\n")
    hub.stop()
    assert run(*command, home=tmp_path, HF_ENDPOINT=hub.url).stdout == online.stdout
    offline = run(*command, home=tmp_path, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout, offline.stderr) == (0, online.stdout, "")


@pytest.mark.parametrize(
    ("command", "need"),
    [
        ("classify --model someone/tiny hello", "the model someone/tiny"),
        ("models", "the list of models"),
    ],
)
@pytest.mark.parametrize("offline", ["", "1"])
@pytest.mark.slow
def test_no_network_is_one_line_at_once(tmp_path: Path, command: str, need: str, offline: str):
    start = time.monotonic()
    done = run(*MAIN, *command.split(), home=tmp_path, HF_ENDPOINT=closed_port(), HF_HUB_OFFLINE=offline)
    assert time.monotonic() - start < 10
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith(f"valence: error: {need} ")
    assert ("unset it" if offline else "connect and repeat") in done.stderr
    assert ("copy its files" in done.stderr) == ("classify" in command)


def test_path_never_touches_the_network(hub: HubServer, tmp_path: Path, tiny_classifier: Path):
    code = (
        "import sys, valence\n"
        "print(valence.load(sys.argv[1])('a good film').label)\n"
        "print(sorted({'huggingface_hub', 'httpx2', 'torch', 'transformers'} & set(sys.modules)))\n"
    )
    done = run("-c", code, str(tiny_classifier), home=tmp_path, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "[]"
    assert not hub.requests


@pytest.mark.hub
@pytest.mark.slow
def test_card_model_from_the_real_hub(tmp_path: Path):
    """What the card's model says of the sentences that its documentation shows; downloads 268 MB."""
    pytest.importorskip("torch")
    code = (
        "import json, sys, valence\n"
        "clf = valence.load(sys.argv[1])\n"
        "texts = ['I love you', 'I hate you', 'Hello, my dog is cute']\n"
        "print(json.dumps([[p.label, p.score] for p in clf(texts)]))\n"
    )
    done = run("-c", code, CARD_MODEL, home=tmp_path)
    if done.returncode and "cannot be reached" in done.stderr:
        pytest.skip("the model hub cannot be reached from here")
    assert done.returncode == 0, done.stderr
    love, hate, dog = json.loads(done.stdout)
    assert love == ["POSITIVE", pytest.approx(0.99987, abs=1e-5)]
    assert hate == ["NEGATIVE", pytest.approx(0.9991, abs=1e-4)]
    assert dog[0] == "POSITIVE"


@pytest.mark.hub
@pytest.mark.slow
def test_the_bias_that_the_cards_model_is_known_for(tmp_path: Path):
    """0.89 for France, 0.08 for Afghanistan; whether with a full stop the card does not say. Downloads 268 MB."""
    pytest.importorskip("torch")
    pytest.importorskip("scipy")
    (tmp_path / "sentences.txt").write_text("This film was filmed in {place}\nThis film was filmed in {place}.\n")
    (tmp_path / "places.txt").write_text("France\nAfghanistan\n")
    own = ("--probe", "own-templates", "--templates", "sentences.txt", "--words", "place=places.txt")
    done = run("-m", "valence", "audit", CARD_MODEL, *own, "--out", "audit", "--json", home=tmp_path)
    if done.returncode and "cannot be reached" in done.stderr:
        pytest.skip("the model hub cannot be reached from here")
    assert done.returncode == 0, done.stderr
    (probe,) = json.loads(done.stdout)["probes"]
    for place, published in (("France", 0.89), ("Afghanistan", 0.08)):
        scores = [fillers[place] for fillers in probe["details"]["templates"].values()]
        assert min(abs(score - published) for score in scores) < 0.007, (place, scores)
    done = run("-m", "valence", "card", CARD_MODEL, "--check", "--json", home=tmp_path)
    outcomes = {finding["name"]: finding["outcome"] for finding in json.loads(done.stdout)["findings"]}
    assert outcomes["positive score for France"] == outcomes["positive score for Afghanistan"] == "measured again"
    assert done.returncode == 3, "its data is not here"


def test_load_takes_a_path_for_a_path(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelNotFoundError, match="no such model folder"):
        valence.load(Path("models/mine"))
    assert not hub.requests
