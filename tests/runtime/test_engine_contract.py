"""What every engine keeps to, whatever runs it. A new engine joins `ENGINES` and passes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples
from valence.checkpoint.checkpoint import load_model
from valence.errors import EngineError, ValenceError
from valence.folder import ModelFolder
from valence.runtime.engine import Engine
from valence.runtime.execution import run_tokenized
from valence.runtime.native_engine import NativeEngine, why_not_native
from valence.runtime.onnx_engine import OnnxEngine
from valence.runtime.openvino_engine import OpenVinoEngine
from valence.runtime.torch_engine import TorchEngine, has_bf16
from valence.text.batching import TokenBatch, collate
from valence.text.tokenizer import TokenizedText
from words import WORDS

torch = pytest.importorskip("torch")

from tiny import make_exported  # noqa: E402 (what it imports needs torch)

VOCABULARY = len(WORDS)
POSITIONS = 512


def _torch_bf16(folder: ModelFolder) -> Engine:
    if not has_bf16("cpu"):
        pytest.skip("needs a processor with bf16 products")
    return TorchEngine.from_folder(folder, "bf16", "cpu")


def _openvino(folder: ModelFolder, threads: int | None = None) -> Engine:
    pytest.importorskip("openvino")
    return OpenVinoEngine(folder.path / "onnx" / "model.onnx", "fp32", threads)


def _openvino_int8(folder: ModelFolder) -> Engine:
    pytest.importorskip("nncf")
    return OpenVinoEngine(folder.path / "onnx" / "model_int8.xml", "int8")


def _native(folder: ModelFolder, threads: int | None = None) -> Engine:
    if reason := why_not_native():
        pytest.skip(f"the native engine: {reason}")
    return NativeEngine(folder.path / "onnx" / "model_int8.safetensors", threads)


# Name -> how it is opened on a model folder, and how far its logits may lie from those of torch in fp32.
ENGINES: dict[str, tuple[Callable[[ModelFolder], Engine], float]] = {
    "torch": (TorchEngine.from_folder, 1e-6),
    "onnx": (lambda folder: OnnxEngine(folder.path / "onnx" / "model.onnx", "fp32"), 1e-4),
    "torch without padding": (
        lambda folder: TorchEngine(load_model(folder, "classification").eval(), folder.weight_files, unpadded=True),
        1e-5,
    ),
    "torch bf16": (_torch_bf16, 0.05),
    "openvino": (_openvino, 1e-4),
    "openvino, one thread": (lambda folder: _openvino(folder, threads=1), 1e-4),
    "onnx int8": (lambda folder: OnnxEngine(folder.path / "onnx" / "model_int8.onnx", "int8"), 0.1),
    "native": (_native, 0.1),
    "native, one thread": (lambda folder: _native(folder, threads=1), 0.1),
    "openvino int8": (_openvino_int8, 0.1),
    "onnx, one thread": (lambda folder: OnnxEngine(folder.path / "onnx" / "model.onnx", "fp32", threads=1), 1e-4),
}


@pytest.fixture(scope="module", params=["distilbert", "bert"])
def folder(request, made_once, vocabulary) -> ModelFolder:
    """A random classifier of three classes that reads 512 tokens, with every kind of export."""
    exports = [("onnx", "fp32"), ("onnx", "int8"), ("openvino", "int8")]
    path = made_once(
        f"contract-{request.param}",
        lambda path: make_exported(path, vocabulary, exports, request.param, max_positions=POSITIONS),
    )
    return ModelFolder(path, str(path))


@pytest.fixture(scope="module")
def reference(folder) -> Engine:
    return TorchEngine.from_folder(folder)


@pytest.fixture(scope="module", params=ENGINES)
def opened(request, folder) -> tuple[Engine, float]:
    """An engine and its bound."""
    start, bound = ENGINES[request.param]
    return start(folder), bound


def text(length: int, seed: int = 0, pair: bool = False) -> TokenizedText:
    ids = np.random.default_rng((length, seed)).integers(1, VOCABULARY, length).astype(np.int32)
    types = (np.arange(length) >= length // 2).astype(np.int32) if pair else None
    return TokenizedText(ids, types, length)


def company_bound(engine: Engine) -> float:
    """How far the logits of a text may move with the texts beside it."""
    return {"native int8": 0.0, "onnx int8": 1e-3, "openvino int8": 1e-3}.get(engine.name, 1e-5)


def alone(engine: Engine, item: TokenizedText) -> np.ndarray:
    return engine.logits(collate([item], 0))[0]


TEXTS = st.lists(
    st.builds(text, st.integers(2, 80) | st.sampled_from([POSITIONS]), st.integers(0, 9), st.booleans()),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
def test_what_it_says_of_itself(opened):
    engine, _ = opened
    assert isinstance(engine, Engine)
    assert engine.n_classes == 3
    assert engine.sessions >= 1
    assert engine.files
    assert all(Path(file).is_file() for file in engine.files)
    assert engine.name.split()[0] in ("torch", "onnx", "openvino", "native")


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(10))
@given(texts=TEXTS, side_by_side=st.booleans())
def test_parity(opened, reference, texts, side_by_side):
    engine, bound = opened
    logits = engine.logits(collate(texts, 0), side_by_side)
    assert (logits.dtype, logits.shape) == (np.float32, (len(texts), 3))
    for row, item in zip(logits, texts, strict=True):
        assert np.abs(row - alone(reference, item)).max() <= max(bound, 1e-5)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(10))
@given(texts=TEXTS, random=st.randoms())
def test_a_text_is_independent_of_its_batch_and_place(opened, texts, random):
    engine, _ = opened
    together = engine.logits(collate(texts, 0))
    order = random.sample(range(len(texts)), len(texts))
    shuffled = engine.logits(collate([texts[index] for index in order], 0))
    bound = company_bound(engine)
    assert np.abs(shuffled - together[order]).max() <= bound
    for row, item in zip(together, texts, strict=True):
        assert np.abs(row - alone(engine, item)).max() <= bound


def test_padding_says_nothing(opened):
    engine, _ = opened
    batch = collate([text(5), text(40)], 0)
    ids = batch.input_ids.copy()
    ids[0, 5:] = 7
    assert np.array_equal(engine.logits(batch), engine.logits(TokenBatch(ids, batch.attention_mask)))


def test_one_token_and_all_the_model_reads(opened, reference):
    engine, bound = opened
    for length in (1, 2, POSITIONS - 1, POSITIONS):
        assert np.abs(alone(engine, text(length)) - alone(reference, text(length))).max() <= max(bound, 1e-5)


def test_too_many_tokens_are_an_error_and_not_the_end(opened):
    engine, _ = opened
    with pytest.raises((ValenceError, IndexError, RuntimeError)):
        alone(engine, text(POSITIONS + 1))
    assert np.isfinite(alone(engine, text(9))).all()


def test_no_text_no_batch(opened):
    engine, _ = opened
    assert run_tokenized(engine, [], 0).shape == (0, 3)


def test_types_count_only_where_the_model_has_them(opened, folder):
    engine, _ = opened
    difference = np.abs(alone(engine, text(20, pair=True)) - alone(engine, text(20))).max()
    assert (difference > 1e-3) == (folder.config["model_type"] == "bert")


@pytest.mark.slow
def test_threads_share_it(opened):
    engine, _ = opened
    texts = [text(length, seed) for length in (2, 17, 64, 200) for seed in range(6)]
    expected = [alone(engine, item) for item in texts]
    with ThreadPoolExecutor(4) as pool:
        for side_by_side in (True, False):
            got = list(pool.map(lambda item: engine.logits(collate([item], 0), side_by_side)[0], texts))  # noqa: B023
            assert np.abs(np.array(got) - np.array(expected)).max() <= company_bound(engine)


def test_the_result_is_the_callers(opened):
    """Neither the next batch nor the caller's own changes reach what was returned."""
    engine, _ = opened
    first = engine.logits(collate([text(9)], 0))
    kept = first.copy()
    engine.logits(collate([text(9, seed=1)], 0))
    assert np.array_equal(first, kept)
    first[:] = 0
    assert np.array_equal(engine.logits(collate([text(9)], 0)), kept)


def test_a_batch_is_left_as_it_was(opened):
    engine, _ = opened
    batch = collate([text(9, pair=True), text(30)], 0)
    before = [array.copy() for array in (batch.input_ids, batch.attention_mask, batch.token_type_ids)]
    engine.logits(batch)
    for array, copy in zip((batch.input_ids, batch.attention_mask, batch.token_type_ids), before, strict=True):
        assert np.array_equal(array, copy)


def test_onnx_says_what_failed(folder):
    engine = OnnxEngine(folder.path / "onnx" / "model.onnx")
    with pytest.raises(EngineError, match=r"ONNX Runtime failed on a batch of \(1, 513\)"):
        alone(engine, text(POSITIONS + 1))
