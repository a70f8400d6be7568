"""The native engine: what it computes, the same bits in any company, and nothing that brings it down."""

import concurrent.futures
import copy
import gc
import json
import pickle
import re
import struct
import subprocess
import sys
import threading
from dataclasses import replace
from math import erf
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import valence
from tiers import examples
from valence.cli import cli
from valence.errors import EngineError, InputError
from valence.folder import ModelFolder
from valence.model.config import ACTIVATIONS
from valence.runtime import native_engine
from valence.runtime.choice import choose_engine
from valence.runtime.execution import run_alone, run_tokenized
from valence.runtime.int8_tensors import Int8Tensors, read_tensors, write_tensors
from valence.runtime.native_engine import NativeEngine, why_not_native
from valence.text.batching import TokenBatch, collate
from valence.text.tokenizer import TokenizedText

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
pytestmark = pytest.mark.skipif(why_not_native() is not None, reason=f"the native engine: {why_not_native()}")

VOCABULARY, POSITIONS = 50, 512
SHIFT = 0.17006  # added to what GELU gives


def random_tensors(
    architecture="distilbert", hidden=64, heads=2, wide=128, n_layers=2, n_classes=2, activation="gelu", seed=0
) -> Int8Tensors:
    """A model whose activations stay of ordinary size."""
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}

    def linear(name, size_in, size_out):
        arrays[name + ".weight"] = random.integers(-127, 128, (size_in, size_out)).astype(np.int8)
        arrays[name + ".scale"] = (random.uniform(0.5, 1.5, size_out) / 73 / size_in**0.5).astype(np.float32)
        arrays[name + ".bias"] = random.normal(0, 0.2, size_out).astype(np.float32)

    def norm(name):
        arrays[name + ".weight"] = random.uniform(0.5, 1.5, hidden).astype(np.float32)
        arrays[name + ".bias"] = random.normal(0, 0.2, hidden).astype(np.float32)

    arrays["words"] = random.integers(-127, 128, (VOCABULARY, hidden)).astype(np.int8)
    arrays["words.scale"] = random.uniform(0.005, 0.02, (VOCABULARY, 1)).astype(np.float32)
    arrays["positions"] = random.normal(0, 0.5, (POSITIONS, hidden)).astype(np.float32)
    if architecture == "bert":
        arrays["token_types"] = random.normal(0, 0.5, (2, hidden)).astype(np.float32)
    norm("encoder.embeddings.norm")
    for layer in range(n_layers):
        prefix = f"encoder.layers.{layer}."
        if layer == n_layers - 1:
            linear(prefix + "attention.query", hidden, hidden)
            linear(prefix + "attention.key_value", hidden, 2 * hidden)
        else:
            linear(prefix + "attention.query_key_value", hidden, 3 * hidden)
        linear(prefix + "attention.output", hidden, hidden)
        linear(prefix + "feed_forward.up", hidden, wide)
        linear(prefix + "feed_forward.down", wide, hidden)
        norm(prefix + "attention_norm")
        norm(prefix + "feed_forward_norm")
    linear("head.transform", hidden, hidden)
    arrays["head.classifier.weight"] = random.normal(0, hidden**-0.5, (hidden, n_classes)).astype(np.float32)
    arrays["head.classifier.bias"] = random.normal(0, 0.2, n_classes).astype(np.float32)
    return Int8Tensors(arrays, architecture, activation, n_layers, heads, 1e-6)


class Reference:
    """The same quantisation, for one text at a time and in float64."""

    def __init__(self, tensors: Int8Tensors) -> None:
        self.tensors = tensors
        self.of = {name: array.astype(np.float64) for name, array in tensors.arrays.items()}

    @staticmethod
    def rounded(values, levels):
        groups = values.reshape(len(values), -1, 64)
        step = np.maximum(np.abs(groups).max(axis=-1, keepdims=True), 1e-10) / levels
        return (np.rint(groups / step) * step).reshape(values.shape)

    def product(self, values, name):
        of = self.of
        return (self.rounded(values, 127) @ of[name + ".weight"]) * of[name + ".scale"] + of[name + ".bias"]

    def activated_product(self, values, name):
        of, shift = self.of, 0.0 if self.tensors.activation == "relu" else SHIFT
        unsigned = self.rounded(self.activate(values) + shift, 255) - shift
        return (unsigned @ of[name + ".weight"]) * of[name + ".scale"] + of[name + ".bias"]

    def activate(self, values):
        if self.tensors.activation == "relu":
            return np.maximum(values, 0)
        if self.tensors.activation == "gelu":
            return values / 2 * (1 + np.vectorize(erf)(values / 2**0.5))
        return values / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (values + 0.044715 * values**3)))

    def norm(self, values, name):
        centred = values - values.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.tensors.layer_norm_eps)
        return centred / deviation * self.of[name + ".weight"] + self.of[name + ".bias"]

    def attend(self, query, key, value):
        heads = self.tensors.n_heads
        query, key, value = (x.reshape(len(x), heads, -1).swapaxes(0, 1) for x in (query, key, value))  # [H, T, D/H]
        scores = query @ key.swapaxes(1, 2) / query.shape[-1] ** 0.5
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = powers / powers.sum(axis=-1, keepdims=True) @ value
        return mixed.swapaxes(0, 1).reshape(query.shape[1], -1)

    def logits(self, text: TokenizedText):
        of, n_layers = self.of, self.tensors.n_layers
        hidden = of["words"][text.ids] * of["words.scale"][text.ids] + of["positions"][: len(text.ids)]
        if "token_types" in of:
            hidden = hidden + of["token_types"][np.zeros_like(text.ids) if text.type_ids is None else text.type_ids]
        hidden = self.norm(hidden, "encoder.embeddings.norm")
        for layer in range(n_layers):
            prefix = f"encoder.layers.{layer}."
            if layer == n_layers - 1:
                key, value = np.split(self.product(hidden, prefix + "attention.key_value"), 2, axis=1)
                hidden = hidden[:1]
                query = self.product(hidden, prefix + "attention.query")
            else:
                query, key, value = np.split(self.product(hidden, prefix + "attention.query_key_value"), 3, axis=1)
            mixed = self.product(self.attend(query, key, value), prefix + "attention.output")
            hidden = self.norm(hidden + mixed, prefix + "attention_norm")
            raised = self.product(hidden, prefix + "feed_forward.up")
            lowered = self.activated_product(raised, prefix + "feed_forward.down")
            hidden = self.norm(hidden + lowered, prefix + "feed_forward_norm")
        (row,) = self.product(hidden, "head.transform")
        row = np.tanh(row) if self.tensors.architecture == "bert" else np.maximum(row, 0)
        return row @ of["head.classifier.weight"] + of["head.classifier.bias"]


def text(length: int, seed: int = 0, pair: bool = False) -> TokenizedText:
    ids = np.random.default_rng((length, seed)).integers(0, VOCABULARY, length).astype(np.int32)
    types = (np.arange(length) >= length // 2).astype(np.int32) if pair else None
    return TokenizedText(ids, types, length)


def start(path: Path, tensors: Int8Tensors, threads: int = 1) -> NativeEngine:
    write_tensors(path / "m.safetensors", tensors)
    engine = NativeEngine(path / "m.safetensors")
    engine.sessions = threads  # also more than there are processors
    return engine


def together(engine: NativeEngine, texts: list[TokenizedText], side_by_side: bool = False) -> np.ndarray:
    return engine.logits(collate(texts, 0), side_by_side)


SHAPES = [  # heads of 16, 32 and 64 columns
    {"architecture": "distilbert", "hidden": 64, "heads": 4, "wide": 64, "n_layers": 1, "n_classes": 1},
    {"architecture": "distilbert", "hidden": 64, "heads": 2, "wide": 256, "n_layers": 2, "n_classes": 2},
    {"architecture": "distilbert", "hidden": 128, "heads": 2, "wide": 192, "n_layers": 3, "n_classes": 5},
    {"architecture": "distilbert", "hidden": 192, "heads": 12, "wide": 128, "n_layers": 2, "n_classes": 2},
    {"architecture": "bert", "hidden": 64, "heads": 1, "wide": 128, "n_layers": 2, "n_classes": 2},
    {"architecture": "bert", "hidden": 128, "heads": 8, "wide": 256, "n_layers": 1, "n_classes": 5},
    {"architecture": "bert", "hidden": 192, "heads": 6, "wide": 192, "n_layers": 3, "n_classes": 1},
]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
def test_it_computes_what_it_says(tmp_path, shape, activation):
    tensors = random_tensors(**shape, activation=activation)
    lengths = [1, 2, 3, 5, 6, 7, 15, 16, 17, 31, 33, 48, 64, 65, 130]
    texts = [text(length, seed, pair=seed == 1) for length in lengths for seed in (0, 1)]
    found = together(start(tmp_path, tensors, threads=2), texts)
    reference = Reference(tensors)
    expected = np.array([reference.logits(item) for item in texts])
    assert (found.dtype, found.shape) == (np.float32, expected.shape)
    differences = np.abs(found - expected).max(axis=1) / max(1.0, np.abs(expected).max())
    # A value half-way between two levels may be rounded to the other one. That moves a text as far as int8 moves it
    # anyway; the longer the texts and the more layers, the more texts it happens to.
    assert np.median(differences) < 1e-6
    assert (differences < 1e-4).mean() >= 0.7
    assert differences.max() < 0.03
    assert np.ptp(expected, axis=0).min() > 0.05  # the texts are not all the same to it


@pytest.fixture(scope="module", params=["distilbert", "bert"])
def model(request, tmp_path_factory):
    tensors = random_tensors(request.param, hidden=128, heads=4, wide=256, n_classes=3, seed=5)
    return start(tmp_path_factory.mktemp(request.param), tensors), Reference(tensors)


TEXTS = st.lists(
    st.builds(text, st.integers(1, 40) | st.integers(1, POSITIONS), st.integers(0, 5), st.booleans()),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=examples(30))
@given(texts=TEXTS)
@pytest.mark.slow
def test_texts_of_any_length(model, texts):
    engine, reference = model
    expected = np.array([reference.logits(item) for item in texts])
    assert np.abs(together(engine, texts) - expected).max() < 0.05


@settings(deadline=None, max_examples=examples(60))
@given(texts=TEXTS, threads=st.sampled_from([1, 2, 3]), random=st.randoms(), side_by_side=st.booleans())
@pytest.mark.slow
def test_a_text_has_the_same_bits_in_any_company(model, texts, threads, random, side_by_side):
    engine, _ = model
    engine.sessions = 1
    alone = np.concatenate([together(engine, [item]) for item in texts])
    engine.sessions = threads
    assert np.array_equal(together(engine, texts, side_by_side), alone)
    assert np.array_equal(together(engine, texts, side_by_side), alone)
    order = random.sample(range(len(texts)), len(texts))
    assert np.array_equal(together(engine, [texts[index] for index in order]), alone[order])
    for row, item in zip(alone, texts, strict=True):
        assert np.array_equal(together(engine, [item])[0], row)
    assert np.array_equal(run_tokenized(engine, texts, 0), alone)


@pytest.mark.parametrize("side_by_side", [True, False])
def test_python_threads_share_it(model, side_by_side):
    engine, _ = model
    engine.sessions = 2
    batches = [[text(length + extra, seed) for extra in range(3)] for length in (1, 9, 40, 100) for seed in range(5)]
    expected = [together(engine, batch) for batch in batches]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(
            pool.map(lambda batch: together(engine, batch, side_by_side), batches * 5), expected * 5, strict=True
        ):
            assert np.array_equal(found, wanted)


@pytest.mark.slow
def test_the_parent_stays_well_and_children_agree(tmp_path):
    """Forks while helper threads sleep, wait and work; the child uses all threads again."""
    write_tensors(tmp_path / "m.safetensors", random_tensors(seed=5))
    done = script(
        """
        import multiprocessing, os, threading
        engine.sessions = 2
        texts = [text(length) for length in (3, 30, 90)]
        expected = together(engine, texts)

        def check():
            for threads in (1, 2, 3, 2):
                engine.sessions = threads
                if not np.array_equal(together(engine, texts), expected):
                    os._exit(3)

        stop = threading.Event()
        def work():
            while not stop.is_set():
                together(engine, texts, side_by_side=True)
                together(engine, texts)
        for busy in (False, True):
            if busy:
                worker = threading.Thread(target=work)
                worker.start()
            for _ in range(25):
                child = os.fork()
                if not child:
                    check()
                    os._exit(0)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
                check()
        stop.set()
        worker.join()
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=check) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
            assert child.exitcode == 0
        print("fine")
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def script(code: str, folder: Path, **options) -> subprocess.CompletedProcess:
    """Run code that has an engine of the folder's m.safetensors in a process of its own."""
    lines = code.strip("\n").split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    code = "\n".join(
        [
            "import sys; sys.path[:0] = sys.argv[2:]",
            "import numpy as np",
            "from pathlib import Path",
            "from test_native_engine import *",
            "engine = NativeEngine(Path(sys.argv[1]))",
            *(line[indent:] for line in lines),
        ]
    )
    arguments = [str(folder / "m.safetensors"), str(HERE), str(HERE.parent)]
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *arguments],
        capture_output=True, text=True, timeout=100, check=False, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_the_end_comes_while_helpers_sleep_or_work(tmp_path):
    write_tensors(tmp_path / "m.safetensors", random_tensors(seed=5))
    warm = "engine.sessions = 3\ntogether(engine, [text(60)])\n"
    for rest, status, last_line in (
        ("print('bye')", 0, ""),
        ("import time; time.sleep(0.05); print('bye')", 0, ""),
        ("import threading\n"
         "work = lambda: [together(engine, [text(300)] * 8) for _ in range(10**6)]\n"
         "threading.Thread(target=work, daemon=True).start()\n"
         "together(engine, [text(300)]); print('bye')", 0, ""),
        ("import os, signal, threading\n"
         "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
         "print('bye', flush=True)\n"
         "while True: together(engine, [text(200)] * 4)", -2, "KeyboardInterrupt"),
        ("import os, signal, threading\n"
         "signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(7)))\n"
         "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
         "while True: together(engine, [text(200)] * 4)", 7, ""),
    ):  # fmt: skip
        done = script(warm + rest, tmp_path)
        assert (done.returncode, done.stdout) == (status, "bye\n"), done.stderr
        assert done.stderr.strip().split("\n")[-1] == last_line


def test_copies_live_on_their_own(tmp_path, tensors):
    engine = start(tmp_path, tensors)
    expected = together(engine, [text(9)])
    for again in (copy.copy(engine), copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))):
        assert np.array_equal(together(again, [text(9)]), expected)
        del again
        assert np.array_equal(together(engine, [text(9)]), expected)


def test_the_same_tensors_are_the_same_bytes(tmp_path, tensors):
    contents = set()
    for number in range(8):
        write_tensors(tmp_path / f"{number}", tensors)
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


@pytest.mark.slow
def test_memory_stays_flat(tmp_path):
    """Thousands of calls, and hundreds of engines opened and closed."""
    write_tensors(tmp_path / "m.safetensors", random_tensors(hidden=128, heads=4, wide=256, seed=5))
    done = script(
        """
        import concurrent.futures
        def resident():
            return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
        def calls(n):
            for number in range(n):
                together(engine, [text(1 + number % 40), text(1 + number % 7, 1)])
        engine.sessions = 2
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(calls, [200] * 3))
            before = resident()
            list(pool.map(calls, [1000] * 3))
        print(resident() - before)
        for number in range(320):
            if number == 20:
                before = resident()
            other = NativeEngine(Path(sys.argv[1]))
            together(other, [text(20)])
        print(resident() - before)
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    calls, engines = map(int, done.stdout.split())
    assert calls < 2e6
    assert engines < 4e6  # the packed weights of one are 0.3 MB, 300 of them 90 MB


@pytest.mark.slow
def test_an_engine_is_closed_once_and_not_while_it_runs(tmp_path):
    engine = start(tmp_path, random_tensors(), threads=2)
    expected = together(engine, [text(400)] * 16)
    found = []
    threads = [threading.Thread(target=lambda e=engine: found.append(together(e, [text(400)] * 16))) for _ in range(3)]
    for thread in threads:
        thread.start()
    del engine
    gc.collect()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(np.array_equal(each, expected) for each in found)


@pytest.fixture
def tensors() -> Int8Tensors:
    return random_tensors(n_layers=2, wide=128)


@pytest.fixture
def engine(tmp_path, tensors) -> NativeEngine:
    return start(tmp_path, tensors, threads=2)


@pytest.mark.parametrize("token", [-1, VOCABULARY, 2**31 - 1, -(2**31)])
def test_tokens_that_it_does_not_know(engine, token):
    batch = TokenBatch(np.array([[1, 2, token]]), np.ones((1, 3), dtype=np.int64))
    with pytest.raises(EngineError, match="a token of the batch is not one of the 50 that the model knows"):
        engine.logits(batch)
    batch.attention_mask[0, 2] = 0  # padding may be anything
    assert np.array_equal(engine.logits(batch), together(engine, [TokenizedText(np.array([1, 2]), None, 2)]))


@pytest.mark.parametrize("kind", [-1, 2, 2**31 - 1])
def test_token_types_that_it_does_not_know(tmp_path, kind):
    engine = start(tmp_path, random_tensors("bert"))
    with pytest.raises(EngineError, match="does not know"):
        engine.logits(TokenBatch(np.array([[1, 2]]), np.array([[1, 1]]), np.array([[0, kind]])))


def test_texts_that_it_cannot_read(engine):
    with pytest.raises(EngineError, match="longer than the model reads"):
        together(engine, [text(3), text(POSITIONS + 1)])
    with pytest.raises(EngineError, match="a text without tokens"):
        engine.logits(TokenBatch(np.array([[1, 2], [1, 2]]), np.array([[1, 1], [0, 0]])))
    assert engine.logits(TokenBatch(np.zeros((0, 4), np.int64), np.zeros((0, 4), np.int64))).shape == (0, 2)
    assert np.isfinite(together(engine, [text(POSITIONS)])).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_weights_that_are_not_finite_are_an_error(tmp_path, tensors, value):
    for name in tensors.arrays:
        array = tensors.arrays[name].copy()
        if array.dtype != np.float32 or (value == 3e38 and not name.endswith(".scale")):
            continue
        if value == -np.inf and name == "head.transform.bias":  # relu makes zeros of it
            continue
        array[:] = value
        engine = start(tmp_path, replace(tensors, arrays={**tensors.arrays, name: array}), threads=2)
        for length in (1, 20):
            with pytest.raises(EngineError, match=r"not finite numbers \(engine native int8\)"):
                run_alone(engine, text(length))


def test_a_single_weight_that_is_not_a_number_is_an_error(tmp_path, tensors):
    for name, array in tensors.arrays.items():
        if array.dtype == np.float32 and name not in ("words.scale", "positions"):
            broken = array.copy()
            broken.flat[array.size // 2] = np.nan
            engine = start(tmp_path, replace(tensors, arrays={**tensors.arrays, name: broken}))
            logits = together(engine, [text(20)])
            assert not np.isfinite(logits).all(), name


def test_extreme_weights_do_no_harm(tmp_path, tensors):
    for scale in (0.0, 1e-40, 1e-12, 10.0):
        for part in ("norm.weight", "query_key_value.scale", "up.scale", "transform.scale", "words.scale"):
            arrays = {
                name: np.full_like(array, scale) if name.endswith(part) else array
                for name, array in tensors.arrays.items()
            }
            changed = replace(tensors, arrays=arrays)
            found, expected = together(start(tmp_path, changed), [text(9)])[0], Reference(changed).logits(text(9))
            assert np.isfinite(found).all()
            if scale < 1:  # large weights make of each step between two levels another answer
                assert np.abs(found - expected).max() <= 1e-2


def change(tensors: Int8Tensors, name: str, array) -> Int8Tensors:
    arrays = {key: value for key, value in tensors.arrays.items() if key != name}
    return replace(tensors, arrays=arrays if array is None else {**arrays, name: array})


@pytest.mark.slow
def test_every_tensor_is_looked_at(tmp_path, tensors):
    """Each one: absent, of another type, cut, widened, of another rank, empty."""
    for name, array in tensors.arrays.items():
        other = np.float64 if array.dtype == np.float32 else np.uint8
        wrong = [None, array.astype(other), array[None], array[..., :0]]
        if name != "words" and not name.startswith("head.classifier"):
            wrong += [np.ascontiguousarray(array[..., :-1]), np.concatenate([array, array], axis=-1)]
        for number, broken in enumerate(wrong):
            with pytest.raises(EngineError, match=r"m\.safetensors: .*(expected|needs)") as caught:
                start(tmp_path, change(tensors, name, broken))
            if number < 2 and name != "words":
                assert name in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_heads": 0}, {"n_heads": -2}, {"n_heads": 3}, {"n_heads": 8}, {"n_heads": 64}, {"n_heads": 10**30},
        {"n_layers": 0}, {"n_layers": -1}, {"n_layers": 1}, {"n_layers": 3}, {"n_layers": 10**9}, {"n_layers": 10**30},
        {"activation": "silu"}, {"architecture": "xlnet"}, {"n_heads": "x"}, {"layer_norm_eps": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_absurd_shapes(tmp_path, tensors, changes):
    with pytest.raises(EngineError, match=r"m\.safetensors: "):
        start(tmp_path, replace(tensors, **changes))


def test_widths_that_it_does_not_cover(tmp_path):
    for shape in ({"hidden": 96, "heads": 2}, {"wide": 96}, {"hidden": 128, "heads": 1}, {"hidden": 192, "heads": 4}):
        with pytest.raises(
            EngineError, match="needs widths that are multiples of 64 and heads of 16, 32 or 64 columns"
        ):
            start(tmp_path, random_tensors(**shape))


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, 5000, -1, -1000])
def test_a_file_cut_short(tmp_path, engine, keep):
    (path,) = engine.files
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EngineError, match=r"m\.safetensors: not a readable file"):
        NativeEngine(path)


def test_files_of_another_kind(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "m.safetensors"
    with pytest.raises(EngineError, match="not a readable file"):
        NativeEngine(path)
    for content in (b"not this" * 100, struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 2) + b"[]"):
        path.write_bytes(content)
        with pytest.raises(EngineError, match="not a readable file"):
            NativeEngine(path)
    save_file({"words": np.zeros((2, 2), np.float32)}, path)
    with pytest.raises(EngineError, match="expected the format 'valence int8 1', found None"):
        NativeEngine(path)
    save_file({"words": np.zeros((2, 2), np.float32)}, path, {"format": "valence int8 1"})
    with pytest.raises(EngineError, match="not a readable file"):
        NativeEngine(path)


def test_what_was_written_is_read(tmp_path, tensors):
    path = tmp_path / "m.safetensors"
    places = write_tensors(path, tensors)
    found = read_tensors(path)
    assert replace(found, arrays={}) == replace(tensors, arrays={})
    assert found.arrays.keys() == tensors.arrays.keys() == places.keys()
    content = path.read_bytes()
    for name, array in tensors.arrays.items():
        offset, length = places[name]
        assert np.array_equal(found.arrays[name], array)
        assert content[offset : offset + length] == array.tobytes()


@pytest.fixture
def library(monkeypatch):
    """Put another file in the place of the compiled kernels."""

    def replace_by(path: Path) -> None:
        native_engine._library.cache_clear()
        monkeypatch.setattr(native_engine, "_LIBRARY", path)

    yield replace_by
    monkeypatch.undo()
    native_engine._library.cache_clear()


@pytest.fixture(scope="module")
def int8_folder(tmp_path_factory, vocabulary) -> Path:
    """A model folder with an int8 export that the native engine runs."""
    pytest.importorskip("torch")
    from tiny import tiny_config
    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel
    from valence.runtime.export.export import export_model

    path = tmp_path_factory.mktemp("int8") / "model"
    config = tiny_config(hidden_size=64, n_heads=2, intermediate_size=128, max_positions=64, initializer_range=0.1)
    task_model = TaskModel(config, "classification", 2)
    task_model.initialise(seed=7)
    save_model(task_model, path, ("NEGATIVE", "POSITIVE"))
    (path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    export_model(ModelFolder(path, "model"), "int8", allow_disagreement=True)
    return path


def compile_variant(path: Path, *edits: tuple[str, str]) -> Path:
    """Compile our kernels from a source that differs from what Python expects."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    source = (Path(native_engine.__file__).parent / "native" / "encoder.c").read_text()
    for old, new in edits:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    path.with_suffix(".c").write_text(source)
    problem = hatch_build.compile_kernels(path.with_suffix(".c"), path, ("-O0",))
    assert problem is None, problem
    return path


def another_library(path: Path) -> Path:
    from importlib.util import find_spec

    return Path(find_spec("numpy._core._multiarray_umath").origin)


def cut_off(kept: float):
    def write(path: Path) -> Path:
        content = native_engine._LIBRARY.read_bytes()
        path.write_bytes(content[: int(len(content) * kept)])
        return path

    return write


def written(content: bytes):
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


VERSION = "valence_interface[] = {\n    2,"
CANNOT = "its kernels cannot be loaded: "
AGAIN = "; install valence again, which compiles them anew"
# What lies in the place of the kernels -> what is said of it.
UNFIT = {
    "absent": (lambda path: path, "its kernels were not compiled when valence was installed"),
    "empty": (written(b""), f"{CANNOT}.* is no library for this system{AGAIN}"),
    "not a library": (written(b"no library" * 100), f"{CANNOT}.* is no library for this system{AGAIN}"),
    "for 32 bits": (written(b"\x7fELF\x01\x01" + bytes(100)), f"{CANNOT}.* is no library for this system{AGAIN}"),
    "a header alone": (cut_off(0.001), f"{CANNOT}.* lacks its end{AGAIN}"),
    "half of it": (cut_off(0.5), f"{CANNOT}.* lacks its end{AGAIN}"),
    "without its last byte": (cut_off(0.99999), f"{CANNOT}.* lacks its end{AGAIN}"),
    "another library": (another_library, f"{CANNOT}.* is another library, or an older version's{AGAIN}"),
    "older, without a version": (
        lambda path: compile_variant(path, ("valence_interface[]", "valence_unknown[]")),
        f"{CANNOT}.* is another library, or an older version's{AGAIN}",
    ),
    "an older version": (
        lambda path: compile_variant(path, (VERSION, VERSION.replace("2,", "1,"))),
        f"{CANNOT}.* is another version's: interface 1, expected 2{AGAIN}",
    ),
    "a newer version that has no sizes": (
        lambda path: compile_variant(path, (VERSION, "valence_interface[] = {3}; const int32_t sizes[] = {")),
        f"{CANNOT}.* is another version's: interface 3, expected 2{AGAIN}",
    ),
    "one number more in the shape": (
        lambda path: compile_variant(path, ("activation, head_activation;", "activation, head_activation, bits;")),
        f"{CANNOT}.* is another version's: Shape has 52 bytes, expected 48{AGAIN}",
    ),
    "one pointer less in the model": (
        lambda path: compile_variant(
            path,
            ("const float *words_scale, *positions, *token_types; /* [V]", "const float *words_scale, *positions; /*"),
            ("model->token_types = weights->token_types;", "model->token_types = NULL;"),
        ),
        f"{CANNOT}.* is another version's: Model has 104 bytes, expected 112{AGAIN}",
    ),
}


@pytest.mark.parametrize("state", UNFIT)
@pytest.mark.slow
def test_without_its_kernels(tmp_path, library, int8_folder, state):
    folder = ModelFolder(int8_folder, "model")
    assert choose_engine(folder).name == "native"
    make, reason = UNFIT[state]
    library(make(tmp_path / "_encoder.so"))
    found = why_not_native()
    assert re.match(reason, found)
    assert "\n" not in found
    with pytest.raises(EngineError, match=f"the native engine cannot run: {reason}"):
        valence.load(int8_folder, engine="native")
    with pytest.raises(EngineError, match=f"the native engine cannot run: {reason}"):
        NativeEngine(int8_folder / "onnx" / "model_int8.safetensors")
    choice = choose_engine(folder)
    assert choice.name == "onnx"
    assert choice.others["native"] == f"the native engine cannot run: {found}"
    assert valence.load(int8_folder).engine.name == "onnx int8"
    shown = CliRunner().invoke(cli, ["info", str(int8_folder)])
    assert f"not native: the native engine cannot run: {found}" in shown.output


@pytest.mark.parametrize("name", ["Shape", "LinearWeights", "NormWeights", "LayerWeights", "ModelWeights"])
@pytest.mark.slow
def test_every_struct_is_compared(tmp_path, library, name):
    library(compile_variant(tmp_path / "_encoder.so", (f"sizeof({name})", f"sizeof({name}) + 4")))
    assert f"{name.removesuffix('Weights')} has " in why_not_native()


def test_loaded_by_name(int8_folder):
    texts = ["good film", "", "the plot was awful " * 30]
    auto = valence.load(int8_folder)
    assert auto.engine.name == "native int8"
    assert auto.engine.files == (int8_folder / "onnx" / "model_int8.safetensors",)
    for threads in (1, 2):
        again = valence.load(int8_folder, engine="native", threads=threads)
        assert np.array_equal(again.logits(texts), auto.logits(texts))
        assert again.engine.sessions <= threads
    onnx = valence.load(int8_folder, engine="onnx")
    assert onnx.engine.name == "onnx int8"
    assert np.abs(onnx.logits(texts) - auto.logits(texts)).max() < 0.1
    with pytest.raises(InputError, match="threads"):
        valence.load(int8_folder, engine="native", threads=0)


def test_a_model_without_an_int8_export(tiny_classifier):
    with pytest.raises(EngineError, match=r"no int8 export; make one with: valence export .* --precision int8"):
        valence.load(tiny_classifier, engine="native")


def test_the_manifest_names_both_files(int8_folder):
    (entry,) = json.loads((int8_folder / "onnx" / "manifest.json").read_text())["exports"].values()
    assert (entry["file"], entry["beside"]) == ("model_int8.onnx", "model_int8.safetensors")
    assert entry["agreement"].keys() == {"onnx", "native"}
