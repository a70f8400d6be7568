"""The OpenVINO engine and its export: equal to the model in fp32, close in int8, and the same in every batch."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from one_thread import usual_environment
from tiers import examples
from tiny import tiny_config
from valence.errors import EngineError, ExportError, InputError
from valence.families import FAMILIES
from valence.text.batching import TokenBatch
from words import WORDS

torch = pytest.importorskip("torch")
pytest.importorskip("openvino")

import onnx  # noqa: E402

from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.export.graph import build_graph  # noqa: E402
from valence.runtime.export.openvino_export import export_openvino  # noqa: E402
from valence.runtime.openvino_engine import OpenVinoEngine  # noqa: E402
from valence.runtime.torch_engine import TorchEngine  # noqa: E402

SHAPE = {"hidden_size": 64, "intermediate_size": 256, "max_positions": 40, "initializer_range": 0.05}


def ragged_batch(seed=0, n_texts=7, longest=17, token_types=True):
    random = np.random.default_rng(seed)
    lengths = random.integers(2, longest + 1, n_texts)
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = random.integers(1, len(WORDS), mask.shape) * mask
    return TokenBatch(ids, mask, random.integers(0, 2, mask.shape) * mask if token_types else None)


def one_row(batch, row):
    length = int(batch.attention_mask[row].sum())
    ids, mask = batch.input_ids[row : row + 1, :length], batch.attention_mask[row : row + 1, :length]
    types = batch.token_type_ids
    return TokenBatch(ids, mask, None if types is None else types[row : row + 1, :length])


def make_model(architecture="distilbert", **changes):
    model = TaskModel(tiny_config(architecture, **SHAPE | changes), "classification", 3)
    model.initialise(seed=5)
    return model.eval()


def graph_of(model):
    weights = {name: parameter.detach().numpy() for name, parameter in model.named_parameters()}
    return build_graph(weights, model.config, 3, "fp32").whole()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model, and its engine files by precision."""
    folder = tmp_path_factory.mktemp("openvino")
    model = make_model()
    paths = {precision: folder / f"model_{precision}.xml" for precision in ("fp32", "int8")}
    for precision, path in paths.items():
        export_openvino(graph_of(model), precision, path)
    return model, paths


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_fp32_equals_the_model(tmp_path, architecture, activation):
    model = make_model(architecture, activation=activation, initializer_range=0.2)
    onnx.save(graph_of(model), tmp_path / "model.onnx")
    export_openvino(graph_of(model), "fp32", tmp_path / "model.xml")
    batch = ragged_batch(token_types=FAMILIES[architecture].tokenizing.token_types)
    expected = TorchEngine(model).logits(batch)
    for name in ("model.onnx", "model.xml"):
        engine = OpenVinoEngine(tmp_path / name)
        assert (engine.name, engine.n_classes, engine.sessions >= 1) == ("openvino fp32", 3, True)
        assert all(file.is_file() for file in engine.files)
        for side_by_side in (False, True):
            np.testing.assert_allclose(engine.logits(batch, side_by_side), expected, atol=1e-4)


def test_token_types_may_be_left_out(tmp_path):
    model = make_model("bert")
    export_openvino(graph_of(model), "fp32", tmp_path / "model.xml")
    batch = ragged_batch(token_types=False)
    np.testing.assert_allclose(
        OpenVinoEngine(tmp_path / "model.xml").logits(batch), TorchEngine(model).logits(batch), atol=1e-4
    )


@pytest.mark.parametrize("precision", ["int8", "bf16"])
@pytest.mark.slow
def test_less_exact_is_close(exported, precision):
    model, paths = exported
    batch = ragged_batch(n_texts=20, token_types=False)
    expected = TorchEngine(model).logits(batch)
    found = OpenVinoEngine(paths["int8" if precision == "int8" else "fp32"], precision).logits(batch)
    np.testing.assert_allclose(found, expected, atol=0.03 * np.abs(expected).max())


def test_int8_is_smaller(exported):
    _, paths = exported
    sizes = {precision: path.with_suffix(".bin").stat().st_size for precision, path in paths.items()}
    assert sizes["int8"] < 0.4 * sizes["fp32"]


@pytest.fixture(scope="module")
def engines(exported):
    _, paths = exported
    return [OpenVinoEngine(paths["fp32"], "fp32"), OpenVinoEngine(paths["int8"], "int8")]


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**31), n_texts=st.integers(1, 12), longest=st.integers(2, 40))
@pytest.mark.slow
def test_a_text_alone_and_in_a_batch(engines, seed, n_texts, longest):
    batch = ragged_batch(seed, n_texts, longest, token_types=False)
    row = seed % n_texts
    for engine in engines:
        together = engine.logits(batch)
        np.testing.assert_allclose(engine.logits(one_row(batch, row))[0], together[row], atol=1e-5)


@pytest.mark.slow
def test_threads_side_by_side(exported):
    _, paths = exported
    engine = OpenVinoEngine(paths["fp32"], threads=2)
    batches = [ragged_batch(seed, token_types=False) for seed in range(12)]
    found = [None] * len(batches)

    def run(first):
        for index in range(first, len(batches), 3):
            found[index] = engine.logits(batches[index], side_by_side=True)

    threads = [threading.Thread(target=run, args=(first,)) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for batch, logits in zip(batches, found, strict=True):
        np.testing.assert_allclose(logits, engine.logits(batch), atol=1e-5)


@pytest.mark.slow
def test_cache_only_if_asked(exported, tmp_path):
    _, paths = exported
    batch = ragged_batch(token_types=False)
    before = set(paths["fp32"].parent.iterdir())
    plain = OpenVinoEngine(paths["fp32"]).logits(batch)
    assert set(paths["fp32"].parent.iterdir()) == before
    for _ in range(2):
        cached = OpenVinoEngine(paths["fp32"], cache=tmp_path / "cache").logits(batch)
        np.testing.assert_array_equal(cached, plain)
    assert list((tmp_path / "cache").iterdir())


def test_files_of_no_use(exported, tmp_path):
    _, paths = exported
    with pytest.raises(EngineError, match=r"absent\.xml: OpenVINO cannot read it: no such file: .*absent\.xml"):
        OpenVinoEngine(tmp_path / "absent.xml")
    broken = tmp_path / "broken.xml"
    broken.write_text("<net")
    with pytest.raises(EngineError, match=r"broken\.xml: OpenVINO cannot read it"):
        OpenVinoEngine(broken)
    alone = tmp_path / "alone.xml"
    alone.write_bytes(paths["fp32"].read_bytes())
    with pytest.raises(EngineError, match=r"alone\.xml: OpenVINO cannot read it: no such file: .*alone\.bin"):
        OpenVinoEngine(alone)
    cut = tmp_path / "cut.xml"
    cut.write_bytes(paths["fp32"].read_bytes())
    cut.with_suffix(".bin").write_bytes(paths["fp32"].with_suffix(".bin").read_bytes()[:1000])
    with pytest.raises(EngineError, match=r"cut\.xml: OpenVINO cannot read it"):
        OpenVinoEngine(cut)
    onnx.save(_other_graph(), tmp_path / "other.onnx")
    with pytest.raises(EngineError, match="expected inputs input_ids and attention_mask and an output logits, found x"):
        OpenVinoEngine(tmp_path / "other.onnx")


def test_arguments_of_no_use(exported):
    _, paths = exported
    with pytest.raises(InputError, match="precision must be one of fp32, bf16, int8, found 'fp8'"):
        OpenVinoEngine(paths["fp32"], "fp8")
    too_long = TokenBatch(np.ones((1, 41), np.int64), np.ones((1, 41), np.int64))
    with pytest.raises(EngineError, match="a text of 41 tokens, and the model reads 40"):
        OpenVinoEngine(paths["fp32"]).logits(too_long)


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ExportError, match="OpenVINO cannot write it"):
        export_openvino(graph_of(make_model()), "fp32", tmp_path / "file" / "model.xml")


@pytest.mark.slow
def test_nothing_is_reported_to_the_makers_of_openvino(tmp_path):
    """Importing OpenVINO or NNCF sends a report and writes into the home folder, unless it is kept from it."""
    onnx.save(graph_of(make_model()), tmp_path / "model.onnx")
    code = """
import sys
from pathlib import Path
import onnx
from valence.runtime.export.openvino_export import export_openvino
from valence.runtime.openvino_engine import OpenVinoEngine
folder = Path(sys.argv[1])
export_openvino(onnx.load(folder / "model.onnx"), "int8", folder / "model.xml")
OpenVinoEngine(folder / "model.xml", "int8")
print([name for name in sys.modules if name.startswith("openvino_telemetry")], "nncf" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        env=usual_environment(HOME=str(tmp_path / "home")),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "[] True\n"
    assert not (tmp_path / "home").exists()


def _other_graph():
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [value("x", 1, ["n"])], [value("y", 1, ["n"])])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
