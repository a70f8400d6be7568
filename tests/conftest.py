"""Fixtures that every test may use. Nothing here or in the tests needs a network."""

import os
from pathlib import Path

import pytest

from words import WORDS

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and models beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared with data and models")
    return SHARED


@pytest.fixture(scope="session")
def minilm(shared: Path) -> Path:
    """A real pretrained encoder."""
    return shared / "models" / "all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocab.txt of `WORDS`."""
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """A model folder with a random two-class DistilBERT, its tokenizer, and an fp32 ONNX export. Do not write to it."""
    torch = pytest.importorskip("torch")
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.folder import ModelFolder
    from valence.model.heads import TaskModel
    from valence.runtime.export.export import export_model

    folder = tmp_path_factory.mktemp("tiny") / "classifier"
    config = tiny_config(classifier_dropout=0.2)
    model = TaskModel(config, "classification", 2)
    model.initialise(seed=7)
    save_model(model, folder, ("NEGATIVE", "POSITIVE"), torch.float32)
    (folder / "vocab.txt").write_bytes(vocabulary.read_bytes())
    export_model(ModelFolder(folder, str(folder)))
    return folder


@pytest.fixture(scope="session")
def every_engine(tmp_path_factory: pytest.TempPathFactory, vocabulary: Path) -> Path:
    """A classifier with an export for every engine. Do not write to it."""
    pytest.importorskip("torch")
    from every_engine import make_classifier

    folder = tmp_path_factory.mktemp("every") / "classifier"
    make_classifier(folder, vocabulary)
    return folder
