"""Fixtures that every test may use. Nothing here or in the tests needs a network."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from one_thread import set_one_thread
from words import WORDS

pytest_plugins = ("tiers",)

set_one_thread()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in the background like this; processes of the tests would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and models beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared with data and models")
    return SHARED


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> int:
    """How often in a row what might hang is tried."""
    return 50 if request.node.get_closest_marker("long") else 3


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


Make = Callable[[Path], object]
MadeOnce = Callable[[str, Make], Path]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[MadeOnce]:
    """A folder by name: the first process that asks for it makes it, the others read it. Nobody writes to it later."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if hasattr(request.config, "workerinput") else base) / "made-once"
    root.mkdir(exist_ok=True)
    made: dict[Path, set[Path]] = {}

    def folder(name: str, make: Make) -> Path:
        path, done = root / name, root / f"{name}.done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(path, ignore_errors=True)  # half of one, of a process that failed
                make(path)
                done.touch()
                made[path] = set(path.rglob("*"))
        return path

    yield folder
    for path, files in made.items():
        assert set(path.rglob("*")) == files, f"a test wrote to {path.name}, which others read too"


@pytest.fixture(scope="session")
def tiny_classifier(made_once: MadeOnce, vocabulary: Path) -> Path:
    """A model folder with a random two-class DistilBERT, its tokenizer, and an fp32 ONNX export. Do not write to it."""
    pytest.importorskip("torch")
    from tiny import make_tiny

    return made_once("classifier", lambda folder: make_tiny(folder, vocabulary))


@pytest.fixture(scope="session")
def every_engine(made_once: MadeOnce, vocabulary: Path) -> Path:
    """A classifier with an export for every engine. Do not write to it."""
    pytest.importorskip("torch")
    from tiny import make_exported

    exports = [("onnx", "int8"), ("openvino", "fp32")]
    return made_once("every-engine", lambda folder: make_exported(folder, vocabulary, exports, max_positions=128))


@pytest.fixture(scope="session")
def raw_model(made_once: MadeOnce, vocabulary: Path) -> Path:
    """A raw BERT. Do not write to it."""
    pytest.importorskip("torch")
    from tiny import make_raw

    return made_once("raw", lambda folder: make_raw(folder, vocabulary))


@pytest.fixture(scope="session")
def deberta(made_once: MadeOnce) -> Path:
    """A DeBERTa-v2 of three classes as another program's ONNX export alone. Do not write to it."""
    pytest.importorskip("transformers")
    from other_families import make_deberta

    return made_once("deberta", make_deberta)


@pytest.fixture(scope="session")
def modern_bert(made_once: MadeOnce) -> Path:
    """A ModernBERT of two classes as another program's ONNX export alone. Do not write to it."""
    pytest.importorskip("transformers")
    from other_families import make_modern_bert

    return made_once("modern-bert", make_modern_bert)
