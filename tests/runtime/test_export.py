"""Exported engines: equal to their source in fp32, close to it in int8, and never half written."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiny import tiny_config
from valence.errors import EngineError, ExportError
from valence.families import FAMILIES
from valence.files import sha256, write_json
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.runtime.choice import choose_engine
from valence.runtime.export.sample import BUILT_IN, Sample
from valence.runtime.int8_tensors import read_tensors
from valence.runtime.load import load
from valence.runtime.manifest import Manifest, read_manifest
from valence.runtime.native_engine import NativeEngine, why_not_native
from valence.text.batching import TokenBatch
from words import WORDS

torch = pytest.importorskip("torch")

from valence.checkpoint.checkpoint import save_model  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.export.export import export_model  # noqa: E402
from valence.runtime.export.graph import products  # noqa: E402
from valence.runtime.onnx_engine import OnnxEngine  # noqa: E402
from valence.runtime.torch_engine import TorchEngine  # noqa: E402

NATIVE = why_not_native() is None
VOCABULARY = len(WORDS)
CONFIG = tiny_config("bert", intermediate_size=48, max_positions=40, layer_norm_eps=1e-5)
DISTILBERT = dataclasses.replace(
    CONFIG, architecture="distilbert", n_token_types=0, attention_output_dropout=0.0, layer_norm_eps=1e-12
)
# Of a shape that the native engine covers, and so even-tempered that int8 does it no harm.
COVERED = dataclasses.replace(
    DISTILBERT, hidden_size=64, n_heads=2, intermediate_size=256, max_positions=64, initializer_range=0.05
)
TEXTS = [f"{a} {b} {c}" for a in "abcdefgh" for b in "ijklmn" for c in "opqr"]


def make_folder(tmp_path, vocabulary, config=CONFIG, n_classes=2):
    model = TaskModel(config, "classification", n_classes)
    model.initialise(seed=3)
    save_model(model, tmp_path / "model", tuple(f"class {c}" for c in range(n_classes)))
    shutil.copy(vocabulary, tmp_path / "model" / "vocab.txt")
    write_json(tmp_path / "model" / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})
    return ModelFolder(tmp_path / "model", str(tmp_path / "model")), model.eval()


def balance(folder, model, texts=TEXTS):
    """Move the bias so that half of the texts get each label."""
    save_model(model, folder.path, folder.labels)
    margins = np.diff(load(str(folder.path), engine="torch").logits(texts))
    with torch.no_grad():
        model.head.classifier.bias[0] += float(np.median(margins))
    save_model(model, folder.path, folder.labels)


def ragged_batch(seed=0, n_texts=5, longest=17, token_types=True):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest + 1, n_texts)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = random.integers(1, VOCABULARY, mask.shape) * mask
    types = random.integers(0, 2, mask.shape) * mask if token_types else None
    return TokenBatch(ids, mask, types)


def file_of(folder, export):
    return folder.manifest_file.parent / export.file


def test_there_are_1000_built_in_sentences():
    assert len(BUILT_IN) == len(set(BUILT_IN)) == 1000
    assert all(sentence == " ".join(sentence.split()) for sentence in BUILT_IN)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_fp32_equals_the_model(tmp_path, vocabulary, architecture, activation):
    folder, model = make_folder(tmp_path, vocabulary, tiny_config(architecture, activation=activation), n_classes=3)
    export = export_model(folder, "fp32", Sample(TEXTS))
    assert (export.file, export.beside, export.two_steps) == ("model.onnx", None, [])
    assert export.agreement.keys() == {"onnx"}
    assert export.agreement["onnx"]["largest_difference"] < 1e-4
    batch = ragged_batch(token_types=FAMILIES[architecture].tokenizing.token_types)
    engine = OnnxEngine(file_of(folder, export))
    np.testing.assert_allclose(engine.logits(batch), TorchEngine(model).logits(batch), atol=1e-4)


def test_one_layer_and_one_token(tmp_path, vocabulary):
    folder, model = make_folder(tmp_path, vocabulary, dataclasses.replace(COVERED, n_layers=1))
    batch = TokenBatch(np.array([[2]]), np.array([[1]]))
    expected = TorchEngine(model).logits(batch)
    for precision, bound in (("fp32", 1e-4), ("int8", 0.01)):
        export = export_model(folder, precision, Sample(TEXTS), allow_disagreement=True)
        engine = OnnxEngine(file_of(folder, export), precision)
        np.testing.assert_allclose(engine.logits(batch), expected, atol=bound)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("architecture", FAMILIES)
@pytest.mark.slow
def test_int8_is_close_and_a_quarter_of_the_size(tmp_path, vocabulary, architecture, activation):
    wide = {"hidden_size": 64, "n_heads": 2, "intermediate_size": 256}
    weights = 0.03 if architecture == "electra" else 0.05  # its embeddings are projected, one more product to round
    config = tiny_config(architecture, activation=activation, initializer_range=weights, **wide)
    folder, model = make_folder(tmp_path, vocabulary, config)
    large = export_model(folder, "fp32", Sample(TEXTS))
    small = export_model(folder, "int8", Sample(TEXTS), allow_disagreement=True)
    assert small.bytes < 0.45 * large.bytes
    batch = ragged_batch(token_types=FAMILIES[architecture].tokenizing.token_types, n_texts=20)
    expected = TorchEngine(model).logits(batch)
    bound = 0.02 * np.abs(expected).max()
    np.testing.assert_allclose(OnnxEngine(file_of(folder, small), "int8").logits(batch), expected, atol=bound)
    if NATIVE and FAMILIES[architecture].why_not_native is not None:
        with pytest.raises(EngineError, match="the native engine does not run MPNet: its kernels know no bias"):
            NativeEngine(folder.manifest_file.parent / small.beside)
    elif NATIVE:
        engine = NativeEngine(folder.manifest_file.parent / small.beside)
        np.testing.assert_allclose(engine.logits(batch), expected, atol=bound)


def test_an_int8_export_is_a_small_graph_and_its_tensors(tmp_path, vocabulary):
    import onnx

    folder, model = make_folder(tmp_path, vocabulary, COVERED)
    export = export_model(folder, "int8", Sample(TEXTS, "mine"))
    graph_file, tensor_file = (folder.manifest_file.parent / file for file in export.files)
    assert (graph_file.name, tensor_file.name) == ("model_int8.onnx", "model_int8.safetensors")
    assert graph_file.stat().st_size < 40_000
    assert export.bytes == graph_file.stat().st_size + tensor_file.stat().st_size
    assert export.sha256 == sha256([graph_file, tensor_file])
    tensors = read_tensors(tensor_file)
    assert (tensors.architecture, tensors.activation, tensors.n_layers, tensors.n_heads) == ("distilbert", "gelu", 2, 2)
    whole = onnx.load(graph_file)  # reads what lies outside
    inside = {initializer.name: onnx.numpy_helper.to_array(initializer) for initializer in whole.graph.initializer}
    assert tensors.arrays.keys() < inside.keys()
    for name, array in tensors.arrays.items():
        assert np.array_equal(inside[name], array)
    outside = {
        initializer.name
        for initializer in onnx.load(graph_file, load_external_data=False).graph.initializer
        if initializer.data_location == onnx.TensorProto.EXTERNAL
    }
    assert outside == set(tensors.arrays)
    weight = model.state_dict()["encoder.layers.1.feed_forward.up.weight"].numpy()
    stored = tensors.arrays["encoder.layers.1.feed_forward.up.weight"].astype(np.float32)
    scale = tensors.arrays["encoder.layers.1.feed_forward.up.scale"]
    assert np.abs((stored * scale).T - weight).max() <= scale.max() / 2 * 1.001
    listed = json.loads(folder.manifest_file.read_text())
    assert (listed["format"], listed["default"]) == (2, "model_int8.onnx")
    (entry,) = listed["exports"].values()
    assert (entry["sample"], entry["two_steps"]) == ("mine", [])
    assert entry["agreement"].keys() == {"onnx", "native"} if NATIVE else {"onnx"}
    for figures in entry["agreement"].values():
        assert figures["n_texts"] == len(TEXTS)
        assert 0.995 <= figures["labels"] <= 1
        assert 0 < figures["p99_difference"] <= figures["largest_difference"] < 0.05


def test_the_graph_without_its_tensors_is_an_error(tmp_path, vocabulary):
    folder, _ = make_folder(tmp_path, vocabulary, COVERED)
    export = export_model(folder, "int8", Sample(TEXTS))
    path = folder.manifest_file.parent / export.beside
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    for engine in ("onnx", *(("native",) if NATIVE else ())):
        with pytest.raises(EngineError, match=r"model_int8\.(onnx|safetensors): "):
            load(str(folder.path), engine=engine)
    path.unlink()
    with pytest.raises(EngineError, match=r"manifest\.json: model_int8\.safetensors is not there"):
        load(str(folder.path))


@pytest.fixture(scope="module")
def int8_classifier(tiny_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8") / "model"
    shutil.copytree(tiny_classifier, folder)
    export_model(ModelFolder(folder, "int8"), "int8", Sample(TEXTS), allow_disagreement=True)
    return load(str(folder), engine="onnx")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("abcdefgh good bad.", max_size=60), min_size=2, max_size=12))
@pytest.mark.slow
def test_int8_scores_do_not_depend_on_the_batch(int8_classifier, texts):
    together = int8_classifier.logits(texts)
    alone = np.concatenate([int8_classifier.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-3)


@pytest.mark.slow
def test_a_shape_that_the_native_engine_does_not_cover(tmp_path, tiny_classifier):
    folder = tmp_path / "model"
    shutil.copytree(tiny_classifier, folder)
    assert load(str(folder)).engine.name == "onnx fp32"
    said = []
    export = export_model(ModelFolder(folder, "m"), "int8", Sample(TEXTS), allow_disagreement=True, report=said.append)
    assert export.agreement.keys() == {"onnx"}
    if NATIVE:
        assert any("the native engine needs widths that are multiples of 64" in line for line in said)
        choice = choose_engine(ModelFolder(folder, "m"))
        assert choice.others["native"] == "model_int8.onnx was not found to agree with its source in this engine"
    assert load(str(folder)).engine.name == "onnx int8"
    manifest = read_manifest(ModelFolder(folder, "m"))
    assert set(manifest.exports) == {"model.onnx", "model_int8.onnx"}
    assert load(str(folder), engine="torch").engine.name == "torch fp32"


@pytest.mark.slow
def test_exports_of_older_weights_are_not_listed_again(tmp_path, vocabulary):
    folder, model = make_folder(tmp_path, vocabulary, DISTILBERT)
    export_model(folder, "fp32", Sample(TEXTS))
    model.initialise(seed=4)
    save_model(model, folder.path, folder.labels)
    changed = ModelFolder(folder.path, "m")
    export_model(changed, "int8", Sample(TEXTS), allow_disagreement=True)
    assert set(read_manifest(changed).exports) == {"model_int8.onnx"}


@pytest.mark.parametrize("content", ['{"format": 1, "default": "x", "exports": {}}', '{"format": 2}', "no JSON", "[]"])
def test_an_older_or_damaged_manifest_is_replaced(tmp_path, vocabulary, content):
    folder, _ = make_folder(tmp_path, vocabulary, DISTILBERT)
    folder.manifest_file.parent.mkdir()
    folder.manifest_file.write_text(content)
    export = export_model(folder, "fp32", Sample(TEXTS))
    assert read_manifest(folder) == Manifest("model.onnx", {"model.onnx": export})


@pytest.mark.slow
def test_coarse_products_are_taken_in_two_steps(tmp_path, vocabulary):
    """One column of what a product reads is a thousand times the others, and its weights are zero."""
    folder, model = make_folder(tmp_path, vocabulary, dataclasses.replace(COVERED, initializer_range=0.1))
    with torch.no_grad():
        for layer in model.encoder.layers:
            part = layer.feed_forward
            # It has a group of 64 of its own: in all others the native engine's scales are as fine as ever.
            for parameter in (part.up.weight[:64], part.up.bias[:64], part.down.weight[:, :64]):
                parameter.zero_()
            part.up.bias[0] = 1000.0
    balance(folder, model)
    margins = np.abs(np.diff(load(str(folder.path), engine="torch").logits(TEXTS))[:, 0])
    clear = [text for text, margin in zip(TEXTS, margins, strict=True) if margin > np.median(margins)]
    sample = Sample(clear, "mine")
    said = []
    coarse = export_model(folder, "int8", sample, allow_disagreement=True, two_steps=[], report=said.append)
    assert coarse.two_steps == []
    if NATIVE:
        assert coarse.agreement.keys() == {"native"}
        assert [line for line in said if line.startswith("onnx agrees too little: the label of the source for ")]
        assert choose_engine(folder).name == "native"
    else:
        assert coarse.agreement["onnx"]["p99_difference"] > 0.05
    fine = export_model(folder, "int8", sample, report=said.append)
    assert set(fine.two_steps) == {f"encoder.layers.{layer}.feed_forward.down" for layer in (0, 1)}
    assert any("looking for the products that cost most" in line for line in said)
    assert said[-1].startswith("onnx, 2 of 9 products in two steps: the label of the source for ")
    assert fine.agreement["onnx"]["labels"] >= 0.995
    assert fine.agreement["onnx"]["p99_difference"] < 0.025
    if NATIVE:
        assert fine.agreement["native"] == coarse.agreement["native"]
    again = export_model(folder, "int8", sample, two_steps=fine.two_steps)
    assert again == dataclasses.replace(fine, sha256=again.sha256)  # metadata has no order


@pytest.mark.skipif(not NATIVE, reason="needs the native engine")
def test_an_engine_that_does_not_agree_runs_only_where_it_is_asked_for(tmp_path, vocabulary):
    folder, _ = make_folder(tmp_path, vocabulary, COVERED)
    export = export_model(folder, "int8", Sample(TEXTS))
    for left, runs in (("native", "native int8"), ("onnx", "onnx int8"), ("other", "torch fp32")):
        agreement = {name: figures for name, figures in export.agreement.items() if name == left}
        changed = dataclasses.replace(export, agreement=agreement)
        Manifest(changed.file, {changed.file: changed}).write(folder)
        assert load(str(folder.path)).engine.name == runs
        for name in {"native", "onnx"} - {left}:
            expected = "model_int8.onnx was not found to agree with its source in this engine"
            assert choose_engine(folder).others[name].endswith((expected, "is preferred"))
            assert load(str(folder.path), engine=name).engine.name == f"{name} int8"


def poor_folder(tmp_path, vocabulary):
    """A classifier of which int8 makes a coin that is tossed, in two steps too."""
    folder, model = make_folder(tmp_path, vocabulary, DISTILBERT)
    with torch.no_grad():
        # One input is always zero, and its weights are so large that in int8 all others round to zero.
        for name, parameter in model.named_parameters():
            if name.endswith(("norm.weight", "norm.bias")):
                parameter[0] = 0.0
            elif name.endswith(("query.weight", "key.weight", "value.weight", "up.weight", "transform.weight")):
                parameter[:, 0] = 1e4
    balance(folder, model)
    return folder


@pytest.mark.slow
def test_a_poor_export_is_refused_and_not_kept(tmp_path, vocabulary):
    folder = poor_folder(tmp_path, vocabulary)
    sample = Sample(TEXTS, "mine")
    with pytest.raises(ExportError) as caught:
        export_model(folder, "int8", sample)
    message = str(caught.value)
    for part in (
        "the int8 export gives onnx: the label of the source for ",
        f"of {len(TEXTS)} texts, 99th percentile of the difference in score 0.",
        "(mine). Needed are 99.5% of the labels and a 99th percentile of at most 0.05.",
        "It was not kept; --allow-disagreement keeps it",
    ):
        assert part in message
    named = message.split("The products that int8 harms most: ")[1].split(". It was")[0].split(", ")
    assert len(named) == 3
    assert set(named) <= set(products(DISTILBERT))
    assert not folder.manifest_file.is_file()
    assert list(folder.manifest_file.parent.iterdir()) == []
    export = export_model(folder, "int8", sample, allow_disagreement=True)
    assert 0.2 < export.agreement["onnx"]["labels"] < 0.8
    assert load(str(folder.path)).engine.name == "onnx int8"


@pytest.mark.slow
def test_a_refusal_leaves_the_export_before_it(tmp_path, vocabulary):
    folder = poor_folder(tmp_path, vocabulary)
    export_model(folder, "fp32", Sample(TEXTS))
    before = {path.name: path.read_bytes() for path in folder.manifest_file.parent.iterdir()}
    with pytest.raises(ExportError, match="not kept"):
        export_model(folder, "int8", Sample(TEXTS))
    assert {path.name: path.read_bytes() for path in folder.manifest_file.parent.iterdir()} == before
    assert load(str(folder.path)).engine.name == "onnx fp32"


def test_the_embedded_model_is_never_written_to():
    with pytest.raises(ExportError, match="never written to"):
        export_model(find_model("default"))


def test_a_sample_without_texts(tmp_path, vocabulary):
    folder, _ = make_folder(tmp_path, vocabulary)
    with pytest.raises(ExportError, match=r"no texts to compare with in empty\.csv"):
        export_model(folder, "fp32", Sample([], "empty.csv"))
    assert not folder.manifest_file.parent.exists()


def test_a_folder_that_cannot_be_written(tmp_path, tiny_classifier):
    folder = tmp_path / "model"
    shutil.copytree(tiny_classifier, folder)
    shutil.rmtree(folder / "onnx")
    (folder / "onnx").write_text("in the way")
    with pytest.raises(ExportError, match="cannot be written"):
        export_model(ModelFolder(folder, "m"), "fp32", Sample(TEXTS))


def test_a_manifest_of_another_format_is_refused(tmp_path, tiny_classifier):
    folder = tmp_path / "model"
    shutil.copytree(tiny_classifier, folder)
    path = folder / "onnx" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(EngineError, match="format 99"):
        load(str(folder))


@pytest.mark.slow
def test_openvino(tmp_path, vocabulary):
    pytest.importorskip("nncf")
    folder, _ = make_folder(tmp_path, vocabulary, COVERED)
    export_model(folder, "int8", Sample(TEXTS))
    for precision, bound in (("fp32", 1e-4), ("int8", 0.02)):
        export = export_model(folder, precision, Sample(TEXTS), file_format="openvino")
        stem = file_of(folder, export).stem
        assert (export.format, export.files) == ("openvino", (f"{stem}.xml", f"{stem}.bin"))
        assert export.agreement.keys() == {"openvino"}
        assert (export.two_steps, export.versions.keys()) == ([], {"valence", "onnx", "openvino"})
        assert choose_engine(folder).name == "openvino"
        classifier = load(str(folder.path))
        assert classifier.engine.name == f"openvino {precision}"
        expected = load(str(folder.path), engine="torch").logits(TEXTS)
        assert np.abs(classifier.logits(TEXTS) - expected).max() < bound
    assert load(str(folder.path), engine="onnx").engine.name == "onnx int8"
    assert set(read_manifest(folder).exports) == {"model_int8.onnx", "model.xml", "model_int8.xml"}


EXPORT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from valence.folder import ModelFolder
from valence.runtime.export import export
from valence.runtime.export.sample import Sample
from valence.runtime import manifest

def die_at(module, name, number):
    real = getattr(module, name)
    calls = iter(range(100))
    def stand_in(*arguments, **options):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(module, name, stand_in)

place, number = sys.argv[2], int(sys.argv[3])
die_at({"replace": os, "unlink": Path, "sha256": export, "write_json": manifest}[place], place, number)
export.export_model(ModelFolder(Path(sys.argv[1]), "m"), "int8", Sample(["good film", "bad film"]),
                    allow_disagreement=True, two_steps=[])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "number", "has_manifest"),
    [("unlink", 0, True), ("replace", 0, False), ("replace", 1, False), ("replace", 2, False), ("sha256", 0, False),
     ("write_json", 0, False)],
)  # fmt: skip
def test_a_killed_export_never_mixes_two(tmp_path, vocabulary, place, number, has_manifest):
    """Killed before each step that changes the folder: the old pair is listed, or none at all."""
    folder, model = make_folder(tmp_path, vocabulary, COVERED)
    sample = Sample(TEXTS)
    before = export_model(folder, "int8", sample, allow_disagreement=True, two_steps=[])
    model.initialise(seed=4)
    save_model(model, folder.path, folder.labels)
    arguments = [str(folder.path), place, str(number)]
    done = subprocess.run([sys.executable, "-c", EXPORT_AND_DIE, *arguments], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert folder.manifest_file.is_file() == has_manifest
    if has_manifest:
        assert before.sha256 == sha256([folder.manifest_file.parent / file for file in before.files])
        with pytest.raises(EngineError, match="was exported from other weights"):
            load(str(folder.path))
    assert load(str(folder.path), engine="torch").engine.name == "torch fp32"
    again = ModelFolder(folder.path, "m")
    after = export_model(again, "int8", sample, allow_disagreement=True, two_steps=[])
    assert read_manifest(again) == Manifest("model_int8.onnx", {"model_int8.onnx": after})
    assert after.sha256 == sha256([folder.manifest_file.parent / file for file in after.files]) != before.sha256
    assert load(str(folder.path)).engine.name == ("native int8" if NATIVE else "onnx int8")


def test_what_another_program_exported_is_not_written_over(tmp_path, vocabulary):
    import onnx

    folder, _ = make_folder(tmp_path, vocabulary)
    export_model(folder, "fp32", Sample(TEXTS))
    folder.manifest_file.unlink()
    export_model(folder, "fp32", Sample(TEXTS))  # as after an export that was killed
    folder.manifest_file.unlink()
    path = folder.manifest_file.parent / "model.onnx"
    graph = onnx.load(path)
    graph.producer_name = "another"
    onnx.save(graph, path)
    before = path.read_bytes()
    with pytest.raises(ExportError, match=r"model\.onnx was exported by another program, and would be lost"):
        export_model(folder, "fp32", Sample(TEXTS))
    assert path.read_bytes() == before
