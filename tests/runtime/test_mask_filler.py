"""Masked words and pseudo-log-likelihood beside `transformers`, on random models with large weights."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import valence  # noqa: E402
from reference import build, build_config, save  # noqa: E402
from valence.errors import EngineError, InputError, MissingHeadError  # noqa: E402
from valence.runtime.mask_filler import MaskFiller  # noqa: E402
from words import WORDS  # noqa: E402

MODELS = {"distilbert": transformers.DistilBertForMaskedLM, "bert": transformers.BertForMaskedLM}
TEXTS = (
    "this film was [MASK].",
    "[MASK]",
    "My dog [MASK] is very good, and the plot was [MASK]!",
    "hello [MASK] [MASK] [MASK] hello",
)


def make(architecture: str, vocabulary: Path, path: Path) -> Path:
    shape = (len(WORDS), 36, 2, 3, 20, 64)
    model = build(MODELS[architecture], build_config(architecture, shape, initializer_range=0.3))
    save(model, path)
    (path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    transformers.BertTokenizer(vocab=str(path / "vocab.txt")).save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, vocabulary, tmp_path_factory.mktemp("raw") / request.param)


@pytest.fixture(scope="module")
def filler(folder: Path) -> MaskFiller:
    return valence.load_masked_lm(folder)


@pytest.fixture(scope="module")
def theirs(folder: Path):
    return transformers.pipeline("fill-mask", model=str(folder), tokenizer=str(folder))


@pytest.mark.parametrize("text", TEXTS)
def test_words_order_and_probabilities_are_those_of_transformers(filler, theirs, text):
    expected = theirs(text, top_k=7)
    if not isinstance(expected[0], list):
        expected = [expected]
    found = filler.fill(text, top_k=7)
    assert [fill.mask for fill in found] == [mask for mask in range(len(expected)) for _ in range(7)]
    flat = [answer for answers in expected for answer in answers]
    assert [fill.token_id for fill in found] == [answer["token"] for answer in flat]
    for fill, answer in zip(found, flat, strict=True):
        in_use = not fill.token.startswith("[unused-")  # the vocabulary has numbers without a word
        assert not in_use or fill.token.removeprefix("##") == answer["token_str"].replace(" ", "").removeprefix("##")
    assert np.abs([fill.score - answer["score"] for fill, answer in zip(found, flat, strict=True)]).max() < 1e-5
    assert max(fill.score for fill in found) > 5 / len(WORDS), "a model that knows nothing shows nothing"


def test_candidates_keep_their_share_of_the_whole_vocabulary(filler, theirs):
    words = ["good", "bad", "##ing", "dog"]
    expected = theirs("this film was [MASK].", targets=words, top_k=10)
    found = filler.fill("this film was [MASK].", 10, words)
    assert [fill.token_id for fill in found] == [answer["token"] for answer in expected]
    assert [fill.score for fill in found] == pytest.approx([answer["score"] for answer in expected], abs=1e-5)
    assert len(filler.fill("this film was [MASK].", 2, words)) == 2
    assert [fill.token for fill in filler.fill("[MASK]", 3, ["GOOD", "good"])] == ["good"]


def test_the_text_is_shown_with_the_word_in_its_place(filler):
    found = filler.fill("My [MASK] was [MASK]!", 60)
    by_place = {(fill.mask, fill.token): fill.text for fill in found}
    assert len(by_place) == 120
    for (mask, token), text in by_place.items():
        if token == "film":
            assert text == ("My film was [MASK]!", "My [MASK] was film!")[mask]
        if token == "##s":
            assert text == ("Mys was [MASK]!", "My [MASK] wass!")[mask]


def test_all_words_together_have_probability_one(filler):
    found = filler.fill("the [MASK] was [MASK]", 10_000)
    assert len(found) == 2 * len(WORDS)
    for mask in (0, 1):
        scores = [fill.score for fill in found if fill.mask == mask]
        assert sum(scores) == pytest.approx(1.0, abs=1e-5)
        assert scores == sorted(scores, reverse=True)


def pseudo_log_likelihoods(theirs, text: str) -> list[float]:
    ids = theirs.tokenizer(text, return_tensors="pt")["input_ids"]
    scores = []
    for place in range(1, ids.shape[1] - 1):
        masked = ids.clone()
        masked[0, place] = theirs.tokenizer.mask_token_id
        with torch.inference_mode():
            logits = theirs.model(input_ids=masked).logits[0, place]
        scores.append(float(logits.log_softmax(-1)[ids[0, place]]))
    return scores


def test_pseudo_log_likelihood_is_that_of_a_plain_loop(filler, theirs):
    texts = ["this film was good", "a", "", "my dog is cute and the plot was very awful, hello!", "a" * 30]
    expected = [pseudo_log_likelihoods(theirs, text) for text in texts]
    found = filler.token_log_likelihoods(texts)
    for ours, scores in zip(found, expected, strict=True):
        assert ours.tolist() == pytest.approx(scores, abs=1e-4)
    assert filler.pseudo_log_likelihood(texts) == pytest.approx([sum(scores) for scores in expected], abs=1e-3)
    assert filler.pseudo_log_likelihood([]) == []
    assert filler.pseudo_log_likelihood([""]) == [0.0]


@settings(max_examples=examples(25), deadline=None)
@given(texts=st.lists(st.lists(st.sampled_from(WORDS[57:]), max_size=12).map(" ".join), min_size=1, max_size=6))
def test_a_text_scores_the_same_alone_and_beside_others(filler, texts):
    together = filler.pseudo_log_likelihood(texts)
    alone = [filler.pseudo_log_likelihood([text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no gap here",), r"no \[MASK\] in the text 'no gap here'"),
        (("",), r"no \[MASK\]"),
        (("the [MASK] " + "dog " * 80,), "text 1 has .* tokens, the model reads 64: shorten it"),
        (("the [MASK]", 0), "top_k must be a whole number from 1, found 0"),
        (("the [MASK]", 5, ["goodness"]), "'goodness' is not one token of this model: it becomes good"),
        (("the [MASK]", 5, ["\u4e00"]), "is not one token"),
        (("the [MASK]", 5, [""]), "'' is not one token of this model: it becomes nothing"),
        (("the [MASK]", 5, []), "candidates must be a list"),
        (("the [MASK]", 5, "good"), "candidates must be a list"),
        ((3,), "the text must be a string, found 3"),
        (("the \ud800 [MASK]",), "not valid Unicode"),
    ],
)
def test_what_cannot_be_filled_is_refused(filler, arguments, message):
    with pytest.raises(InputError, match=message):
        filler.fill(*arguments)


def test_pseudo_log_likelihood_refuses_what_is_no_list_of_texts(filler):
    for odd in ("a text", None, 3, iter(["a"])):
        with pytest.raises(InputError, match="put a single text in a list"):
            filler.pseudo_log_likelihood(odd)
    with pytest.raises(InputError, match="text 1 must be a string"):
        filler.pseudo_log_likelihood([("the film", "was good")])
    with pytest.raises(InputError, match=r"text 2 has .* tokens"):
        filler.pseudo_log_likelihood(["a", "dog " * 80])


def test_a_damaged_model_says_so(folder, vocabulary, tmp_path):
    architecture = folder.name
    model = build(MODELS[architecture], build_config(architecture, (len(WORDS), 36, 2, 3, 20, 64)))
    with torch.no_grad():
        next(model.parameters())[:] = float("nan")
    save(model, tmp_path / "broken")
    (tmp_path / "broken" / "vocab.txt").write_bytes(vocabulary.read_bytes())
    with pytest.raises(EngineError, match="gives no numbers"):
        valence.load_masked_lm(tmp_path / "broken").fill("[MASK]")


def test_a_classifier_has_no_masked_lm_head(tiny_classifier):
    with pytest.raises(MissingHeadError, match=r"no masked-LM head.*valence pretrain"):
        valence.load_masked_lm(tiny_classifier)


def test_the_embedded_default_is_no_raw_model():
    with pytest.raises(EngineError, match="exported engines only; filling masked words needs a raw model's weights"):
        valence.load_masked_lm("default")
