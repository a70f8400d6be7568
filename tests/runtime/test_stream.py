"""Streams and batches: in order, once, no further ahead than promised, and with nothing left running."""

import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import valence
from fake_engine import FakeEngine
from valence.errors import EngineError, InputError
from valence.folder import ModelFolder
from valence.runtime.classifier import Classifier
from valence.text.tokenizer import Tokenizer

WORDS = ["the", "film", "was", "good", "bad", "awful", "plot", "acting"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=90).map(" ".join)


@pytest.fixture(scope="module")
def tokenizer(tiny_classifier) -> Tokenizer:
    return Tokenizer.from_folder(ModelFolder(tiny_classifier, "tiny"))


@pytest.fixture(params=[1, 3], ids=["one session", "three sessions"])
def classifier(request, tokenizer) -> Classifier:
    return Classifier(tokenizer, FakeEngine(2, request.param), ("a", "b"))


def count(classifier: Classifier) -> int:
    """Texts and windows that the engine has seen."""
    return sum(size for size, _ in classifier.engine.batches)


def numbered(n: int) -> list[str]:
    return [f"film {index} {'good ' * (index % 60)}" for index in range(n)]


@settings(deadline=None)
@given(texts=st.lists(TEXT | st.tuples(TEXT, TEXT), max_size=40), window=st.integers(1, 12))
def test_order_whatever_the_window(tokenizer, texts, window):
    for sessions in (1, 3):
        classifier = Classifier(tokenizer, FakeEngine(2, sessions), ("a", "b"), long_text="truncate")
        expected = [classifier(text) for text in texts]
        assert list(classifier.stream(iter(texts), window)) == expected
        assert classifier(texts) == expected


@pytest.mark.slow
def test_many_texts_in_order(classifier):
    texts = numbered(20_000)
    few = [classifier(text) for text in texts[::997]]
    assert list(classifier.stream(texts))[::997] == few
    assert classifier(texts)[::997] == few


def test_equal_texts_are_computed_once_in_a_window_and_never_remembered(classifier):
    texts = ["good", "bad", "good", ("good", "bad"), "good", ("good", "bad"), "bad"]
    predictions = classifier(texts)
    assert count(classifier) == 3
    assert [prediction == predictions[0] for prediction in predictions] == [text == "good" for text in texts]
    predictions[0].scores["a"] = 5
    assert predictions[2].scores["a"] != 5
    classifier(texts)
    assert count(classifier) == 6
    list(classifier.stream(["good"] * 10, window=4))
    assert count(classifier) == 6 + 3
    classifier.logits(["good"] * 10)
    assert count(classifier) == 10


def test_it_takes_no_more_than_a_window(classifier):
    taken = 0

    def endless():
        nonlocal taken
        for index in itertools.count():
            taken += 1
            yield f"good {index}"

    stream = classifier.stream(endless(), window=10)
    assert taken == 0
    next(stream)
    assert taken == 10
    for _ in range(9):
        next(stream)
    assert taken == 10
    next(stream)
    assert taken == 20
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)
    assert taken == 20


def test_a_window_of_one_answers_before_it_asks(classifier):
    """As a conversation does: the next text depends on the last answer."""
    answers = []

    def texts():
        yield "good"
        for _ in range(5):
            yield answers[-1].label

    for prediction in classifier.stream(texts(), window=1):
        answers.append(prediction)  # noqa: PERF402 (the source reads it)
    assert len(answers) == 6


def test_very_long_texts_make_a_smaller_window(classifier, monkeypatch):
    monkeypatch.setattr("valence.runtime.classifier._WINDOW_CHARACTERS", 100)
    taken = []
    stream = classifier.stream(taken.append(n) or "good " * 15 for n in range(10))
    next(stream)
    assert len(taken) == 2
    assert len(list(stream)) == 9


@pytest.mark.parametrize("window", [1, 3, 5, 100])
def test_an_error_of_the_source_comes_after_what_went_before(classifier, window):
    class OwnError(Exception):
        pass

    def texts():
        yield from ("good", "bad", "film")
        raise OwnError("broken")

    stream = classifier.stream(texts(), window)
    assert [next(stream).n_tokens for _ in range(3)] == [3, 3, 3]
    with pytest.raises(OwnError, match="broken"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


@pytest.mark.parametrize("window", [1, 4, 100])
@pytest.mark.parametrize(
    ("long_text", "bad", "message"),
    [
        ("truncate", 5, "text 6 must be a string"),
        ("window", "half \ud800", "text 6 is not valid Unicode"),
        ("error", "good " * 63, "text 6 has 65 tokens, the limit is 64"),
    ],
)
def test_a_text_at_fault_comes_after_what_went_before(tokenizer, window, long_text, bad, message):
    classifier = Classifier(tokenizer, FakeEngine(2, 2), ("a", "b"), long_text=long_text)
    stream = classifier.stream(["a", "b", "a", "c", "d", bad, "e", None], window)
    assert len([next(stream) for _ in range(5)]) == 5
    with pytest.raises(InputError, match=message) as refused:
        next(stream)
    assert refused.value.index == pickle.loads(pickle.dumps(refused.value)).index == 5


@pytest.mark.slow
def test_an_error_of_the_engine_comes_out(tokenizer):
    class Broken(FakeEngine):
        def logits(self, batch, side_by_side=False):
            if len(self.batches) > 3:
                raise EngineError("broken")
            return super().logits(batch, side_by_side)

    before = set(threading.enumerate())
    for sessions in (1, 3):
        engine = Broken(2, sessions)
        with pytest.raises(EngineError, match="broken"):
            Classifier(tokenizer, engine, ("a", "b"))(numbered(5000))
        assert len(engine.batches) < 10  # the rest was left undone
    assert set(threading.enumerate()) <= before


@pytest.mark.slow
def test_nothing_is_left_running(classifier):
    before = set(threading.enumerate())
    classifier(numbered(3000))
    assert set(threading.enumerate()) <= before
    stream = classifier.stream(numbered(3000), window=1000)
    next(stream)
    assert set(threading.enumerate()) <= before  # not even while the caller looks at a prediction
    stream.close()


def test_batches_run_side_by_side_only_where_that_helps(tokenizer):
    class Watching(FakeEngine):
        def logits(self, batch, side_by_side=False):
            calls.append((side_by_side, threading.current_thread() is threading.main_thread()))
            return super().logits(batch, side_by_side)

    def run(sessions, texts):
        calls.clear()
        Classifier(tokenizer, Watching(2, sessions), ("a", "b"))(texts)
        return set(calls)

    calls = []
    alone, together = {(False, True)}, {(True, False)}
    assert run(2, ["good"]) == run(2, "good") == alone
    assert run(1, numbered(500)) == alone
    assert run(2, numbered(500)) == together
    assert run(2, ["good " * 62, "bad " * 62]) == together
    assert run(2, ["good film", "bad film"]) == alone  # done before a thread has begun
    assert run(4, ["good " * 62, "bad " * 30, "film " * 30]) == alone  # all would wait for the first


@settings(deadline=None)
@given(texts=st.lists(TEXT, min_size=2, max_size=8))
def test_few_texts_are_hardly_padded(tokenizer, texts):
    engine = FakeEngine(2, 2)
    Classifier(tokenizer, engine, ("a", "b"), long_text="truncate")(texts)
    tokens = sum(len(text.ids) for text in tokenizer(list(set(texts))))
    assert sum(size * length for size, length in engine.batches) <= tokens + 64 * len(engine.batches)


@pytest.mark.slow
def test_several_user_threads(tiny_classifier):
    classifier = valence.load(tiny_classifier)
    texts = numbered(300)
    expected = classifier.logits(texts)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: classifier.logits(texts), range(8)):
            assert np.abs(got - expected).max() < 1e-5


@pytest.mark.parametrize("window", [0, -1, 1.5, "8", True, None])
def test_a_window_of_no_use(classifier, window):
    with pytest.raises(InputError, match="window must be a whole number from 1, found"):
        classifier.stream(["good"], window)


@pytest.mark.parametrize("texts", ["good", ("good", "bad"), b"good", {"a": "b"}, 5, None])
def test_what_is_no_stream(classifier, texts):
    with pytest.raises(InputError):
        classifier.stream(texts)


def test_an_empty_stream(classifier):
    assert list(classifier.stream(iter(()))) == []


@pytest.mark.slow
def test_a_stream_takes_flat_memory(tokenizer):
    """Ten times the texts take no more memory at the most."""
    peaks = []
    for n in (6_000, 60_000):
        classifier = Classifier(tokenizer, FakeEngine(2, 2), ("a", "b"))
        tracemalloc.start()
        for _ in classifier.stream((f"good film {index}" for index in range(n)), window=1000):
            classifier.engine.batches.clear()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 100_000


def test_windows_of_a_long_text(tiny_classifier):
    """The whole, from logits to places, against each window read as a text of its own."""
    texts = ["good bad film " * 50, "good", "awful plot " * 40]
    reader = valence.load(tiny_classifier, long_text="window", stride=8)
    plain = valence.load(tiny_classifier)
    for together, text in zip(reader(texts), texts, strict=True):
        alone = reader(text)
        assert alone.scores == pytest.approx(together.scores, abs=1e-5)
        if text == "good":
            assert alone.windows is None
            continue
        assert not alone.truncated
        logits = plain.logits([text[window.start : window.end] for window in alone.windows])
        for window, row in zip(alone.windows, plain.probabilities(logits), strict=True):
            assert list(window.scores.values()) == pytest.approx(row.tolist(), abs=1e-5)
            assert window.score == window.scores[window.label] == max(window.scores.values())
        weights = [window.n_tokens for window in alone.windows]
        mean = np.average(logits, axis=0, weights=weights)
        assert reader.logits([text])[0].tolist() == pytest.approx(mean.tolist(), abs=1e-5)
        assert list(alone.scores.values()) == pytest.approx(plain.probabilities(mean[None])[0].tolist(), abs=1e-5)
        assert hash(alone) is not None


def test_arguments_of_windows(tokenizer):
    def start(**options):
        return Classifier(tokenizer, FakeEngine(2), ("a", "b"), **options)

    for stride in (-1, 32, 1.0, "4", True):
        with pytest.raises(InputError, match="stride must be a whole number from 0 to 31, half of what"):
            start(stride=stride)
    with pytest.raises(InputError, match="aggregation must be one of"):
        start(aggregation="sum")
    for long_text in ("truncate", "error"):
        with pytest.raises(InputError, match="go with long_text 'window'"):
            start(long_text=long_text, stride=3)
    with pytest.raises(InputError, match="the logits of windows have a mean only"):
        start(aggregation="vote").logits(["good"])
    assert start(stride=31, aggregation="max").logits_of_tokens([]).shape == (0, 2)


def test_a_very_long_text_is_announced(tokenizer):
    classifier = Classifier(tokenizer, FakeEngine(2), ("a", "b"))
    for texts in ("good " * 20_000, ["good " * 20_000, "bad"]):
        with pytest.warns(UserWarning, match=r"20,002 tokens is read in 323 windows, which takes a while"):
            classifier(texts)


CODE = """
import os, sys, threading, valence
classifier = valence.load(sys.argv[1])
texts = [f"film {n} {'good ' * (n % 50)}" for n in range(600)]
"""


def python(code: str, model, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CODE + code, str(model)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def finish(process: subprocess.Popen) -> tuple[str, str]:
    try:
        return process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(process.communicate()) from None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
def test_it_works_after_a_fork(tiny_classifier):
    code = """
before = [p.label for p in classifier(texts)]
child = os.fork()
after = [p.label for p in classifier(texts)] + [classifier("good").label]
ok = after == before + [classifier("good").label]
if not child:
    os._exit(0 if ok else 3)  # as multiprocessing does
print(ok, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    process = python(code, tiny_classifier)
    output, errors = finish(process)
    assert output.split() == ["True", "0"], errors


@pytest.mark.parametrize("sessions", [1, 2])
@pytest.mark.slow
def test_interrupt_ends_the_work(tiny_classifier, sessions):
    code = f"""
import time
class Slow:
    name, files, n_classes, sessions = "slow", (), 2, {sessions}
    n = 0
    def logits(self, batch, side_by_side=False):
        Slow.n += 1
        if Slow.n == 3: print("go", flush=True)
        time.sleep(0.05)
        import numpy as np
        return np.zeros((len(batch.input_ids), 2), np.float32)
classifier.engine = Slow()
try:
    classifier([f"film {{n}} " + "good " * 50 for n in range(5000)])
except KeyboardInterrupt:
    print("interrupted", Slow.n < 100, threading.active_count())
"""
    process = python(code, tiny_classifier)
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGINT)
    output, errors = finish(process)
    assert output == "interrupted True 1\n", errors
    assert process.returncode == 0


def test_it_ends_with_a_stream_half_read(tiny_classifier):
    process = python("stream = classifier.stream(texts, 50); next(stream); print('end')", tiny_classifier)
    output, errors = finish(process)
    assert (output, errors, process.returncode) == ("end\n", "", 0)
