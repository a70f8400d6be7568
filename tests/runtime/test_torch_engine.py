"""The PyTorch engine in fp32 and bf16, with padding and without."""

import contextlib
import dataclasses

import numpy as np
import pytest

from tiny import tiny_config
from valence.errors import EngineError, InputError
from valence.families import FAMILIES
from valence.folder import ModelFolder
from valence.runtime.load import load
from valence.text.batching import TokenBatch
from words import WORDS

torch = pytest.importorskip("torch")

from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.torch_engine import TorchEngine, has_bf16, has_gpu, remove_padding  # noqa: E402

needs_gpu = pytest.mark.skipif(not has_gpu(), reason="needs an NVIDIA GPU")
needs_bf16 = pytest.mark.skipif(not has_bf16("cpu"), reason="needs a processor with bf16 products")


def ragged_batch(lengths, token_types=True, seed=0):
    random = np.random.default_rng(seed)
    lengths = np.array(lengths)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = random.integers(1, len(WORDS), mask.shape) * mask
    return TokenBatch(ids, mask, random.integers(0, 2, mask.shape) * mask if token_types else None)


def make_model(architecture="distilbert", **changes):
    model = TaskModel(tiny_config(architecture, **changes), "classification", 3)
    model.initialise(seed=5)
    return model.eval()


@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.parametrize("lengths", [[1], [7, 7, 7], [9, 9, 2, 5, 5, 1], [3, 64]], ids=str)
def test_unpadded_equals_padded(architecture, n_layers, lengths):
    model = make_model(architecture, n_layers=n_layers)
    for token_types in {FAMILIES[architecture].fixed.get("n_token_types", 2) > 0, False}:
        batch = ragged_batch(lengths, token_types)
        expected = TorchEngine(model).logits(batch)
        np.testing.assert_allclose(TorchEngine(model, unpadded=True).logits(batch), expected, atol=1e-5)


def test_no_padding_is_left():
    batch = ragged_batch([4, 2, 3])
    texts = remove_padding(batch, torch.device("cpu"))
    assert texts.lengths == [4, 2, 3]
    assert texts.starts.tolist() == [0, 4, 6, 9]
    assert texts.positions.tolist() == [0, 1, 2, 3, 0, 1, 0, 1, 2]
    assert texts.input_ids.tolist() == [*batch.input_ids[0], *batch.input_ids[1, :2], *batch.input_ids[2, :3]]
    assert texts.token_type_ids.tolist() == batch.token_type_ids[batch.attention_mask.astype(bool)].tolist()


@needs_bf16
@pytest.mark.parametrize("architecture", FAMILIES)
def test_bf16_is_close_and_the_same_in_every_batch(architecture):
    model = make_model(architecture, initializer_range=0.05)
    batch = ragged_batch([20, 20, 11, 11, 3, 2], FAMILIES[architecture].fixed.get("n_token_types", 2) > 0)
    expected = TorchEngine(model).logits(batch)
    engine = TorchEngine(model.to(torch.bfloat16), unpadded=True)
    assert engine.name == "torch bf16"
    found = engine.logits(batch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


def test_the_folder_decides_what_is_loaded(tiny_classifier):
    folder = ModelFolder(tiny_classifier, "tiny")
    engine = TorchEngine.from_folder(folder, device="cpu")
    assert (engine.name, engine.n_classes, engine.sessions) == ("torch fp32", 2, 1)
    assert engine.files == folder.weight_files
    batch = ragged_batch([5, 3], token_types=False)
    np.testing.assert_array_equal(engine.logits(batch, side_by_side=True), engine.logits(batch))


@needs_bf16
def test_bf16_from_a_folder(tiny_classifier):
    folder = ModelFolder(tiny_classifier, "tiny")
    engine = TorchEngine.from_folder(folder, "bf16", "cpu")
    assert engine.name == "torch bf16"
    batch = ragged_batch([9, 9, 4], token_types=False)
    expected = TorchEngine.from_folder(folder, "fp32", "cpu").logits(batch)
    np.testing.assert_allclose(engine.logits(batch), expected, atol=0.05 * np.abs(expected).max())


def test_training_mode_is_kept():
    model = make_model().train()
    batch = ragged_batch([6, 4], token_types=False)
    for unpadded in (False, True):
        engine = TorchEngine(model, unpadded=unpadded)
        np.testing.assert_array_equal(engine.logits(batch), engine.logits(batch))  # nothing is dropped
        assert model.training
        assert model.encoder.layers[0].training
    outside = dataclasses.replace(batch, input_ids=batch.input_ids + len(WORDS))
    with contextlib.suppress(IndexError):
        TorchEngine(model).logits(outside)
    assert model.training


def test_what_cannot_be_had(tiny_classifier):
    folder = ModelFolder(tiny_classifier, "tiny")
    with pytest.raises(InputError, match="precision of the torch engine must be 'fp32' or 'bf16', found 'int8'"):
        TorchEngine.from_folder(folder, "int8")
    with pytest.raises(InputError, match="device must be 'cpu' or 'cuda', found 'tpu'"):
        TorchEngine.from_folder(folder, device="tpu")
    if not has_gpu():
        with pytest.raises(EngineError, match="asked for a GPU, and PyTorch finds none"):
            TorchEngine.from_folder(folder, device="cuda")
    if not has_bf16("cpu"):
        with pytest.raises(EngineError, match="this processor has no bf16 products"):
            TorchEngine.from_folder(folder, "bf16", "cpu")


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gpu_is_close_to_the_cpu(tiny_classifier, precision):
    folder = ModelFolder(tiny_classifier, "tiny")
    batch = ragged_batch([20, 20, 11, 3], token_types=False)
    expected = TorchEngine.from_folder(folder, "fp32", "cpu").logits(batch)
    engine = TorchEngine.from_folder(folder, precision, "cuda")
    assert engine.name == f"torch {precision} cuda"
    tolerance = 1e-4 if precision == "fp32" else 0.05 * np.abs(expected).max()
    np.testing.assert_allclose(engine.logits(batch), expected, atol=tolerance)


@needs_gpu
def test_gpu_gives_a_text_the_same_in_every_batch(tiny_classifier):
    engine = TorchEngine.from_folder(ModelFolder(tiny_classifier, "tiny"), "bf16", "cuda")
    batch = ragged_batch([40, 20, 11, 3], token_types=False)
    together = engine.logits(batch)
    for row, length in enumerate([40, 20, 11, 3]):
        alone = TokenBatch(batch.input_ids[row : row + 1, :length], batch.attention_mask[row : row + 1, :length])
        np.testing.assert_allclose(engine.logits(alone)[0], together[row], atol=0.02 * np.abs(together).max())


@needs_bf16
def test_precision_is_an_option_of_loading(tiny_classifier):
    exact, coarse = (load(tiny_classifier, engine="torch", precision=precision) for precision in ("fp32", "bf16"))
    assert (exact.engine.name, coarse.engine.name) == ("torch fp32", "torch bf16")
    text = "a good film"
    assert 0 < np.abs(coarse.logits([text]) - exact.logits([text])).max() < 0.2


def test_precision_is_for_torch_only():
    with pytest.raises(InputError, match="precision='bf16' is for the torch engine"):
        load("default", precision="bf16")
