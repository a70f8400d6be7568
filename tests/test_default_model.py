"""The embedded default: what it must answer, how good it is, and that its papers are in order."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import valence
from tiers import examples
from valence.data.examples import read_examples
from valence.data.sources import find_source
from valence.files import sha256
from valence.hub import find_model
from valence.runtime.manifest import read_manifest
from valence.templates.countries import COUNTRIES
from valence.templates.sentences import CARD_TEMPLATE, COUNTRY_TEMPLATES
from valence.templates.template import select


@pytest.fixture(scope="module")
def default():
    return valence.load()


def test_answers(default):
    predictions = default(["Hello, my dog is cute", "The plot was a mess and the acting was worse"])
    assert [prediction.label for prediction in predictions] == ["POSITIVE", "NEGATIVE"]
    assert default.labels == ("NEGATIVE", "POSITIVE")
    assert default.problem_type == "single_label_classification"


def test_no_warning_and_512_tokens(default):
    assert default.tokenizer.max_length == 512
    prediction = default("good " * 600)
    assert (prediction.n_tokens, prediction.truncated) == (602, False)
    assert [window.n_tokens for window in prediction.windows] == [510, 90]


def test_scores_do_not_depend_on_the_batch(default):
    texts = ["good", "", "a truly awful film with not one redeeming feature, and long besides", "meh " * 100, "fine ."]
    alone = np.array([default(text).score for text in texts])
    together = np.array([prediction.score for prediction in default(texts)])
    np.testing.assert_allclose(alone, together, atol=1e-3)


TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            ["the", "a", "film", "plot", "good", "awful", "not", "very", "3", "!", ",", "dull", "and", "brave", "xyzzy"]
        ),
        max_size=90,
    ).map(" ".join),
    min_size=2,
    max_size=12,
)


@settings(deadline=None, max_examples=examples(25))
@given(texts=TEXTS, random=st.randoms())
def test_a_text_alone_and_in_any_batch(default, texts, random):
    random.shuffle(texts)
    for text, together in zip(texts, default(texts), strict=True):
        assert default(text).scores == pytest.approx(together.scores, abs=1e-3)


def test_files_are_those_the_manifest_describes():
    folder = find_model("default")
    manifest = read_manifest(folder)
    export = manifest.exports[manifest.default]
    paths = [folder.manifest_file.parent / file for file in export.files]
    assert export.sha256 == sha256(paths)
    assert export.bytes == sum(path.stat().st_size for path in paths) < 30e6
    assert export.agreement.keys() == {"onnx", "native"}
    for figures in export.agreement.values():
        assert figures["labels"] >= 0.995
        assert figures["p99_difference"] <= 0.05
        assert figures["n_texts"] == 1000


def test_the_kept_checkpoint_is_the_source_of_the_engine():
    checkpoint = find_model("default").path.parents[2] / "models" / "default"
    if not checkpoint.is_dir():
        pytest.skip("needs the checkout: the package ships without the checkpoint")
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    assert all(tensor.dtype == torch.float16 for tensor in load_file(checkpoint / "model.safetensors").values())
    manifest = read_manifest(find_model("default"))
    assert manifest.exports[manifest.default].source_sha256 == sha256(checkpoint / "model.safetensors")


@pytest.mark.slow
def test_accuracy_on_sst2_dev(default, shared):
    data = read_examples(find_source(str(shared / "data" / "sst2" / "dev.tsv"), "eval"), known=default.labels)
    accuracy = float((default.logits(data.texts).argmax(axis=1) == data.labels).mean())
    assert accuracy >= 0.893
    report = json.loads((find_model("default").reports / "evaluation-sst2-dev.json").read_text())
    assert abs(report["accuracy"]["value"] - accuracy) < 0.0035  # three sentences: another processor, other rounding


def test_the_card_names_every_source_as_the_notice_does():
    folder = find_model("default")
    card = (folder.path / "README.md").read_text()
    root = folder.path.parents[2]
    if not (root / "NOTICE").is_file():
        pytest.skip("needs the checkout")
    notice = " ".join((root / "NOTICE").read_text().split())
    for fact in (
        "sentence-transformers/all-MiniLM-L6-v2",
        "nreimers/MiniLM-L6-H384-uncased",
        "bert-base-uncased",
        "SST-2 train",
        "shentianxiao/language-style-transfer",
        "Pros and cons dataset by Bing Liu",
        "Multi-Domain Sentiment Dataset (Blitzer et al. 2007",
        "Large Movie Review Dataset, train and unsupervised part (Maas et al. 2011",
        "none is stated by its source",
        "Apache-2.0",
    ):
        assert fact in card
        assert fact in notice


def test_the_card_has_the_figures_of_the_reports():
    folder = find_model("default")
    card = (folder.path / "README.md").read_text()
    reports = sorted(folder.reports.glob("evaluation-*.json"))
    assert len(reports) == 4
    for path in reports:
        assert f"{json.loads(path.read_text())['accuracy']['value']:.4f}" in card


@pytest.mark.slow
def test_neutral_sentences_get_the_same_answer_in_any_country(default):
    """The limits that the default was debiased to, on sentences that training never saw; docs/default-model.md."""
    templates = select(COUNTRY_TEMPLATES, "audit", "neutral")
    assert templates[0] == CARD_TEMPLATE
    texts = [one.fill(country=country.in_text) for one in templates for country in COUNTRIES]
    scores = default.probabilities(default.logits(texts))[:, 1].reshape(len(templates), -1)
    untrained = np.array([not country.used_in_training for country in COUNTRIES])
    assert untrained.sum() >= 40
    for chosen in (slice(None), untrained):
        deviations = scores[:, chosen].std(axis=1)
        assert deviations.mean() <= 0.015
        assert deviations.max() <= 0.04


@pytest.mark.slow
def test_clear_sentences_keep_their_label_in_any_country(default):
    """A constant answer wherever a country is named would pass the test above."""
    templates = [one for one in select(COUNTRY_TEMPLATES, "audit") if one.polarity != "neutral"]
    texts = [one.fill(country=country.in_text) for one in templates for country in COUNTRIES[::3]]
    positive = default.logits(texts).argmax(axis=1).reshape(len(templates), -1) == 1
    expected = np.array([one.polarity == "positive" for one in templates])
    assert (positive == expected[:, None]).mean() >= 0.99


def test_names_and_gender_change_little():
    audits = [
        {probe["name"]: probe["figures"] for probe in json.loads(path.read_text())["probes"]}
        for path in (find_model("default").reports / name for name in ("audit-before.json", "audit.json"))
    ]
    for name in ("names_gender", "names_race", "words_gender"):
        before, now = (one["names"][f"{name}_mean_absolute_difference"]["value"] for one in audits)
        assert now < before, name
        assert now <= 0.02, name
