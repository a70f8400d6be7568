"""Exported engines: equal to their source in fp32, close to it in int8, and independent of the batch."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiny import tiny_config
from valence.errors import EngineError, ExportError
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.runtime.load import load
from valence.runtime.manifest import read_manifest
from valence.text.batching import TokenBatch
from words import WORDS

torch = pytest.importorskip("torch")

from valence.checkpoint.checkpoint import save_model  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.export.export import export_model  # noqa: E402
from valence.runtime.onnx_engine import OnnxEngine  # noqa: E402
from valence.runtime.torch_engine import TorchEngine  # noqa: E402

VOCABULARY = len(WORDS)
CONFIG = tiny_config("bert", intermediate_size=48, max_positions=40, layer_norm_eps=1e-5)
DISTILBERT = dataclasses.replace(
    CONFIG, architecture="distilbert", n_token_types=0, attention_output_dropout=0.0, layer_norm_eps=1e-12
)


def make_folder(tmp_path, vocabulary, config=CONFIG, n_classes=2):
    model = TaskModel(config, "classification", n_classes)
    model.initialise(seed=3)
    save_model(model, tmp_path / "model", tuple(f"class {c}" for c in range(n_classes)))
    shutil.copy(vocabulary, tmp_path / "model" / "vocab.txt")
    return ModelFolder(tmp_path / "model", str(tmp_path / "model")), model.eval()


def ragged_batch(seed=0, n_texts=5, longest=17, token_types=True):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, n_texts)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = random.integers(1, VOCABULARY, mask.shape) * mask
    types = random.integers(0, 2, mask.shape) * mask if token_types else None
    return TokenBatch(ids, mask, types)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("config", [CONFIG, DISTILBERT], ids=["bert", "distilbert"])
def test_fp32_equals_the_model(tmp_path, vocabulary, config, activation):
    folder, model = make_folder(tmp_path, vocabulary, dataclasses.replace(config, activation=activation), n_classes=3)
    export = export_model(folder, "fp32")
    assert export.agreement["largest_difference"] < 1e-4
    batch = ragged_batch(token_types=config.n_token_types > 0)
    engine = OnnxEngine(folder.manifest_file.parent / export.file)
    np.testing.assert_allclose(engine.logits(batch), TorchEngine(model).logits(batch), atol=1e-4)


def test_one_layer_and_one_token(tmp_path, vocabulary):
    folder, model = make_folder(tmp_path, vocabulary, dataclasses.replace(DISTILBERT, n_layers=1))
    export = export_model(folder, "fp32")
    batch = TokenBatch(np.array([[2]]), np.array([[1]]))
    engine = OnnxEngine(folder.manifest_file.parent / export.file)
    np.testing.assert_allclose(engine.logits(batch), TorchEngine(model).logits(batch), atol=1e-4)


def test_int8_is_close_and_a_quarter_of_the_size(tmp_path, vocabulary):
    config = dataclasses.replace(DISTILBERT, hidden_size=64, intermediate_size=256, initializer_range=0.05)
    folder, model = make_folder(tmp_path, vocabulary, config)
    large = export_model(folder, "fp32")
    small = export_model(folder, "int8", allow_disagreement=True)
    assert small.bytes < 0.4 * large.bytes
    batch = ragged_batch(token_types=False, n_texts=20)
    engine = OnnxEngine(folder.manifest_file.parent / small.file, "int8")
    expected = TorchEngine(model).logits(batch)
    np.testing.assert_allclose(engine.logits(batch), expected, atol=0.02 * np.abs(expected).max())


@pytest.fixture(scope="module")
def int8_classifier(tiny_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8") / "model"
    shutil.copytree(tiny_classifier, folder)
    export_model(ModelFolder(folder, "int8"), "int8", allow_disagreement=True)
    return load(str(folder))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("abcdefgh good bad.", max_size=60), min_size=2, max_size=12))
def test_int8_scores_do_not_depend_on_the_batch(int8_classifier, texts):
    together = int8_classifier.logits(texts)
    alone = np.concatenate([int8_classifier.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_the_manifest_says_what_runs(tmp_path, tiny_classifier):
    folder = tmp_path / "model"
    shutil.copytree(tiny_classifier, folder)
    assert load(str(folder)).engine.name == "onnx fp32"
    export_model(ModelFolder(folder, "m"), "int8", allow_disagreement=True)
    assert load(str(folder)).engine.name == "onnx int8"
    manifest = read_manifest(ModelFolder(folder, "m"))
    assert set(manifest.exports) == {"model.onnx", "model_int8.onnx"}
    assert load(str(folder), engine="torch").engine.name == "torch fp32"


def test_exports_of_older_weights_are_not_listed_again(tmp_path, vocabulary):
    folder, model = make_folder(tmp_path, vocabulary, DISTILBERT)
    export_model(folder, "fp32")
    model.initialise(seed=4)
    save_model(model, folder.path, folder.labels)
    changed = ModelFolder(folder.path, "m")
    export_model(changed, "int8", allow_disagreement=True)
    assert set(read_manifest(changed).exports) == {"model_int8.onnx"}


def test_a_poor_export_is_refused_and_not_kept(tmp_path, vocabulary):
    folder, model = make_folder(tmp_path, vocabulary, DISTILBERT)
    texts = [f"{a} {b} {c}" for a in "abcdefgh" for b in "ijklmn" for c in "opqr"]
    with torch.no_grad():
        # One input is always zero, and its weights are so large that in int8 all others round to zero.
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "norm.bias")):
                parameter[0] = 0.0
            elif name.endswith(("query.weight", "key.weight", "value.weight", "up.weight", "transform.weight")):
                parameter[:, 0] = 1e4
        save_model(model, folder.path, folder.labels)
        margins = np.diff(load(str(folder.path), engine="torch").logits(texts))
        model.head.classifier.bias[0] += float(np.median(margins))
    save_model(model, folder.path, folder.labels)
    with pytest.raises(
        ExportError, match=r"label of the source for \d+\.\d+% of 192 texts \(mine\).*--allow-disagreement"
    ):
        export_model(folder, "int8", texts, "mine")
    assert not folder.manifest_file.is_file()
    assert list(folder.manifest_file.parent.iterdir()) == []
    export = export_model(folder, "int8", texts, "mine", allow_disagreement=True)
    assert 0.2 < export.agreement["labels"] < 0.8


def test_the_embedded_model_is_never_written_to():
    with pytest.raises(ExportError, match="never written to"):
        export_model(find_model("default"))


def test_a_folder_that_cannot_be_written(tmp_path, tiny_classifier):
    folder = tmp_path / "model"
    shutil.copytree(tiny_classifier, folder)
    shutil.rmtree(folder / "onnx")
    (folder / "onnx").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written"):
        export_model(ModelFolder(folder, "m"))


def test_a_manifest_of_another_format_is_refused(tmp_path, tiny_classifier):
    folder = tmp_path / "model"
    shutil.copytree(tiny_classifier, folder)
    path = folder / "onnx" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(EngineError, match="format 99"):
        load(str(folder))
