"""What is measured, piece by piece: processes, rounds, agreement, texts of a length."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from valence.benchmark.contenders import CONTENDERS
from valence.benchmark.entrants import Entrant, choose_model
from valence.benchmark.floor import int8_product, product_operations
from valence.benchmark.process import run_to_end
from valence.benchmark.report import _agreement
from valence.benchmark.stream import short_texts
from valence.benchmark.turns import Row, _plan_rounds
from valence.benchmark.workloads import texts_of_length
from valence.errors import EngineError
from valence.folder import ModelFolder
from valence.text.tokenizer import Tokenizer


@pytest.mark.slow
def test_peak_memory_is_that_of_the_process_alone():
    ballast = np.ones(200 << 17)  # 200 MiB that the child must not be charged with
    _, small = run_to_end([sys.executable, "-c", "print('ends')"])
    _, large = run_to_end([sys.executable, "-c", "len(bytes(range(256)) * (100 << 12))"])
    assert ballast.nbytes == 200 << 20
    assert small < 60
    assert 95 < large - small < 130


def test_a_process_that_fails_says_why():
    with pytest.raises(EngineError, match=r"ended with status 3: out of luck"):
        run_to_end([sys.executable, "-c", "import sys; sys.stderr.write('out of luck\\n'); sys.exit(3)"])


def test_a_command_that_is_not_there():
    with pytest.raises(EngineError, match="no-such-command"):
        run_to_end(["no-such-command"])


def plan(seconds, repeats, *times):
    keys = ("transformers", "onnxruntime-int8", "valence-embedded")
    rows = [
        Row(Entrant(choose_model("random", Path("work"), None), CONTENDERS[key]), "list", seconds=[time])
        for key, time in zip(keys, times, strict=False)
    ]
    return [[row.entrant.contender.key for row in some] for some in _plan_rounds(rows, seconds, repeats)]


def test_rounds_fill_the_time():
    assert plan(100, 3, 10, 1, 1) == [["transformers", "onnxruntime-int8", "valence-embedded"]] * 2
    assert plan(21.5, 5, 10, 1, 0.25) == [
        ["transformers", "onnxruntime-int8", "valence-embedded"],
        ["transformers", "valence-embedded"],
    ]
    assert plan(0, 5, 10, 1, 1) == [["transformers"]] * 2
    assert plan(100, 1, 10, 1, 1) == []


def test_agreement():
    expected = [("A", 0.9), ("A", 0.6), ("B", 0.8), ("B", 0.51)]
    answers = [("A", 0.9), ("B", 0.6), ("B", 0.7), ("B", 0.51)]
    found = _agreement(answers, expected, random=False)
    assert found["labels"] == 0.75
    assert found["largest_difference"] == pytest.approx(0.2)
    assert found["largest_logit_difference"] == pytest.approx(2 * np.log(0.6 / 0.4))
    assert set(_agreement(answers, expected, random=True)) == {"p99_logit_difference", "largest_logit_difference"}


@pytest.mark.parametrize("n_tokens", [3, 8, 33, 64])
def test_texts_of_an_exact_length(tiny_classifier, n_tokens):
    tokenizer = Tokenizer.from_folder(ModelFolder(tiny_classifier, "tiny"))
    texts = texts_of_length(tokenizer, ["the film was unbelievably good", "a bad plot, and awful acting"], n_tokens)
    assert [text.n_tokens for text in tokenizer(texts)] == [n_tokens] * 8


def test_streamed_texts_are_distinct_and_short():
    texts = list(short_texts(20_000))
    assert len(set(texts)) == 20_000
    assert texts[:50] == list(short_texts(50))
    assert 5 <= min(len(text.split()) for text in texts) < max(len(text.split()) for text in texts) <= 20


@pytest.mark.slow
def test_streaming_in_a_process_of_its_own():
    done = subprocess.run(
        [sys.executable, "-m", "valence.benchmark.stream", "64"], capture_output=True, timeout=60, check=True
    )
    found = json.loads(done.stdout)
    assert found["texts"] == 64
    assert found["tokens"] > 64 * 6
    assert found["peak_mib"] > 20


def test_operations_of_the_usual_shape():
    config = {"model_type": "distilbert", "dim": 768, "hidden_dim": 3072, "n_layers": 6}
    bert = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    assert product_operations(config) == 2 * 6 * 12 * 768**2
    assert product_operations(bert) == 2 * product_operations(config)


def test_the_int8_product_is_measured():
    pytest.importorskip("torch")
    found = int8_product(16, 32, 48, 3)
    assert 0 < found["gops"] <= found["best_gops"]


@pytest.mark.parametrize(("layers", "share"), [(1, 1 / 6), (3, 0.722), (6, 0.861), (12, 0.931), (24, 0.965)])
def test_what_the_first_token_alone_leaves_depends_on_the_depth(layers, share):
    config = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": layers}
    found = product_operations(config, first_token_alone=True) / product_operations(config)
    assert found == pytest.approx(share, abs=5e-4)
