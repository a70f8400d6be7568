"""The one path from texts to predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import valence
from fake_engine import FakeEngine
from tiers import examples
from valence import ConfigError, EngineError, InputError, Prediction
from valence.folder import ModelFolder
from valence.runtime.classifier import Classifier
from valence.text.tokenizer import Tokenizer

# Words the tiny vocabulary has, words it cuts to pieces, words it does not know; short, long and too long texts.
WORDS = ["the", "film", "was", "good", "bad", "awful", "xyzzy", "naïve", "漢", "!", "😀"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=80).map(" ".join)
PAIR = st.tuples(TEXT, TEXT)


@pytest.fixture(scope="module")
def tokenizer(tiny_classifier) -> Tokenizer:
    return Tokenizer.from_folder(ModelFolder(tiny_classifier, "tiny"))


@pytest.fixture(scope="module", params=["onnx", "torch"])
def classifier(request, tiny_classifier) -> Classifier:
    return valence.load(tiny_classifier, engine=request.param)


@pytest.fixture
def fake(tokenizer) -> Classifier:
    return Classifier(tokenizer, FakeEngine(3), ("a", "b", "c"))


def build(tokenizer, n_classes, problem_type=None, **more) -> Classifier:
    return Classifier(tokenizer, FakeEngine(n_classes), tuple("abcdef"[:n_classes]), problem_type, **more)


def test_one_text(classifier):
    prediction = classifier("the film was good")
    assert isinstance(prediction, Prediction)
    assert prediction.label == max(prediction.scores, key=prediction.scores.get)
    assert prediction.score == prediction.scores[prediction.label]
    assert list(prediction.scores) == ["NEGATIVE", "POSITIVE"]
    assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-12)
    assert (prediction.n_tokens, prediction.truncated) == (6, False)
    exponentials = np.exp(classifier.logits("the film was good")[0].astype(np.float64))
    assert prediction.score == pytest.approx(float((exponentials / exponentials.sum()).max()), abs=1e-12)


def test_lists_generators_and_one_by_one_agree(classifier):
    texts = ["the film was good", "", "bad", "good " * 30, "bad"]
    listed = classifier(texts)
    assert [prediction.n_tokens for prediction in listed] == [6, 2, 3, 32, 3]
    assert listed[2] == listed[4]
    assert [p.label for p in classifier(text for text in texts)] == [p.label for p in listed]
    assert classifier(np.array(texts)) == listed
    for text, prediction in zip(texts, listed, strict=True):
        assert classifier(text).scores == pytest.approx(prediction.scores, abs=1e-5)


def test_nothing_and_empty_text(classifier):
    assert classifier([]) == []
    assert classifier(iter([])) == []
    assert classifier.logits([]).shape == (0, 2)
    assert classifier("").n_tokens == 2
    assert classifier([""])[0] == classifier("")
    assert classifier("  \n\t ").scores == pytest.approx(classifier("").scores, abs=1e-12)


def test_pairs(classifier):
    pair = classifier(("the film", "was good"))
    assert isinstance(pair, Prediction)
    assert pair.n_tokens == 7
    in_lists = classifier([("the film", "was good"), ["the film", "was good"], "the film was good", ("", "")])
    assert in_lists[0] == in_lists[1]
    assert in_lists[0].scores == pytest.approx(pair.scores, abs=1e-5)
    assert in_lists[0].scores != pytest.approx(in_lists[2].scores, abs=1e-5)
    assert [prediction.n_tokens for prediction in in_lists] == [7, 7, 6, 3]
    assert isinstance(classifier(["the film", "was good"]), list)
    assert len(classifier(["the film", "was good"])) == 2


def test_logits(classifier):
    texts = ["good", "bad film", ("a", "b")]
    logits = classifier.logits(texts)
    assert (logits.dtype, logits.shape) == (np.float32, (3, 2))
    assert classifier.logits("good").shape == (1, 2)
    assert [prediction.label for prediction in classifier(texts)] == [classifier.labels[i] for i in logits.argmax(1)]


@settings(deadline=None, max_examples=examples(40))
@given(texts=st.lists(TEXT | PAIR, min_size=1, max_size=30), which=st.randoms())
def test_an_answer_does_not_depend_on_the_neighbours(classifier, texts, which):
    together = classifier.logits(texts)
    index = which.randrange(len(texts))
    assert np.abs(together[index] - classifier.logits([texts[index]])[0]).max() < 1e-5
    order = which.sample(range(len(texts)), len(texts))
    assert np.abs(together[order] - classifier.logits([texts[i] for i in order])).max() < 1e-5


@settings(deadline=None, max_examples=examples(25))
@given(texts=st.lists(TEXT | PAIR, min_size=1, max_size=20))
def test_engines_agree(engines, texts):
    onnx, torch = engines
    assert np.abs(onnx.logits(texts) - torch.logits(texts)).max() < 1e-4


@pytest.fixture(scope="module")
def engines(tiny_classifier):
    return valence.load(tiny_classifier, engine="onnx"), valence.load(tiny_classifier, engine="torch")


@given(lengths=st.lists(st.integers(0, 60), max_size=120))
def test_order_is_restored(tokenizer, lengths):
    engine = FakeEngine(3)
    classifier = Classifier(tokenizer, engine, ("a", "b", "c"))
    texts = [" ".join(["good", "bad", "film"][(n + i) % 3] for i in range(n)) for n in lengths]
    sums = np.array([sum(tokenized.ids) for tokenized in tokenizer(texts)])
    expected = np.sin(sums[:, None] * np.arange(1, 4)).astype(np.float32).reshape(-1, 3)
    assert np.array_equal(classifier.logits(texts), expected)
    assert sum(size for size, _ in engine.batches) == len(set(texts))


def test_batches_hold_texts_of_like_length(fake):
    fake.logits([f"{'good ' * n}{a} {b}" for n in (1, 48, 2, 47, 3, 46) for a in "abcde" for b in "abcdefgh"])
    tokens = sum(size * length for size, length in fake.engine.batches)
    wanted = sum((n + 2) * 40 for n in (1, 50, 2, 49, 3, 48))
    assert tokens < 1.15 * wanted  # in the order given three texts in four would be padded to 52
    assert max(size * length for size, length in fake.engine.batches) <= 1024


def test_more_texts_than_are_tokenised_at_once(fake):
    texts = [("good " * (n % 7)).strip() for n in range(20_000)]
    few = [prediction.scores for prediction in fake(texts[:7])]
    assert [prediction.scores for prediction in fake(texts)] == [few[n % 7] for n in range(20_000)]


@pytest.mark.parametrize(
    "texts",
    [5, None, 1.5, b"bytes", {"text": "a"}, [5], [None], [b"a"], ["a", 5], ("a", "b", "c"), ("a",), [("a", 5)],
     [["a", "b", "c"]], [["a"]], [[]], [()], "half \ud800", ["a", "half \udcff"], [("a", "\ud800")]],
)  # fmt: skip
def test_what_is_no_text(classifier, texts):
    with pytest.raises(InputError):
        classifier(texts)
    with pytest.raises(InputError):
        classifier.logits(texts)


def test_the_text_at_fault_is_named(classifier):
    with pytest.raises(InputError, match="text 9003 must be a string or a pair of strings, found 5"):
        classifier([""] * 9002 + [5])


def test_truncated(tiny_classifier):
    classifier = valence.load(tiny_classifier, max_length=8, long_text="truncate")
    long, short = classifier(["good " * 20, "good " * 6])
    assert (long.n_tokens, long.truncated) == (22, True)
    assert (short.n_tokens, short.truncated) == (8, False)
    assert long.scores == pytest.approx(short.scores, abs=1e-6)
    whole = valence.load(tiny_classifier, long_text="truncate")
    assert whole("good " * 62).truncated is False
    assert whole("good " * 63).truncated is True


UNKNOWN = "\U0001f642"  # one token to a vocabulary without emoji


@pytest.mark.parametrize("long_text", ["window", "truncate"])
@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("", 0),
        ("the film was good", 0),
        (UNKNOWN, 1),
        (f"good {UNKNOWN} film {UNKNOWN}", 2),
        ("\u5b57\u5b57 \u05d0\u05d1 caf\u00e9", 3),
        ("[UNK]", 1),
        (f"good {UNKNOWN} " * 100, 100),
        (f"{'good ' * 70}{UNKNOWN} ", 1),
        (f"good {UNKNOWN} " * 10_000, 10_000),
        ((UNKNOWN, f"a {UNKNOWN}"), 2),
        ((f"a {UNKNOWN}", f"good {UNKNOWN} " * 100), 101),
        ((f"a {UNKNOWN}", f"good {UNKNOWN} " * 10_000), 10_001),
    ],
    ids=range(12),
)
@pytest.mark.filterwarnings("ignore:a text of .* windows, which takes a while")
def test_unknown_tokens_are_counted_over_the_whole_text(tiny_classifier, text, unknown, long_text):
    more = {"stride": 9} if long_text == "window" else {}  # what windows share counts once
    classifier = valence.load(tiny_classifier, engine="onnx", long_text=long_text, **more)
    assert classifier(text).n_unknown == unknown
    assert [prediction.n_unknown for prediction in classifier(["good", text, text])] == [0, unknown, unknown]


def test_long_text_refused(tiny_classifier):
    classifier = valence.load(tiny_classifier, long_text="error")
    assert len(classifier(["good " * 62])) == 1
    with pytest.raises(InputError, match="text 2 has 65 tokens, the limit is 64"):
        classifier(["good", "good " * 63])
    with pytest.raises(InputError, match="long_text must be 'error', 'truncate' or 'window', found 'windows'"):
        valence.load(tiny_classifier, long_text="windows")


def test_multi_label_gets_sigmoid(tokenizer):
    classifier = build(tokenizer, 3, "multi_label_classification")
    logits = classifier.logits("good film")[0].astype(np.float64)
    prediction = classifier("good film")
    assert list(prediction.scores.values()) == pytest.approx((1 / (1 + np.exp(-logits))).tolist(), abs=1e-12)
    assert sum(prediction.scores.values()) != pytest.approx(1, abs=0.01)
    assert prediction.score == max(prediction.scores.values())


@pytest.mark.parametrize("n_classes", [1, 2])
def test_regression_gets_the_number_itself(tokenizer, n_classes):
    classifier = build(tokenizer, n_classes, "regression")
    prediction = classifier("good film")
    assert list(prediction.scores.values()) == pytest.approx(classifier.logits("good film")[0].tolist(), abs=0)


def test_a_single_logit_gets_the_sigmoid(tokenizer):
    classifier = build(tokenizer, 1)
    logit = float(classifier.logits("good film")[0, 0])
    assert classifier("good film").score == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-12)
    assert classifier("good film").label == "a"


def test_scores_of_huge_logits_do_not_overflow(tokenizer):
    logits = np.array([[1000, -1000, 0], [-1000, -1000, -1000]], dtype=np.float32)
    assert build(tokenizer, 3).probabilities(logits).tolist() == [[1, 0, 0], [1 / 3] * 3]
    assert build(tokenizer, 3, "multi_label_classification").probabilities(logits)[0].tolist() == [1, 0, 0.5]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_no_prediction(tokenizer, value):
    class Broken(FakeEngine):
        def logits(self, batch, side_by_side=False):
            logits = super().logits(batch)
            logits[-1, 1] = value
            return logits

    with pytest.raises(EngineError, match="not finite numbers"):
        Classifier(tokenizer, Broken(2), ("a", "b"))(["good", "bad"])


def test_labels_must_fit(tokenizer):
    with pytest.raises(ConfigError, match=r"2 labels \(a, b\) for a model of 3 classes"):
        Classifier(tokenizer, FakeEngine(3), ("a", "b"))
    with pytest.raises(ConfigError, match="two classes share a name"):
        Classifier(tokenizer, FakeEngine(2), ("a", "a"))
