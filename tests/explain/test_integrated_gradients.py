"""Integrated gradients: they sum to the score's difference, find what was planted, and stay with their tokens."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("captum")
torch = pytest.importorskip("torch")

import valence  # noqa: E402
from tiny import tiny_config  # noqa: E402
from valence.checkpoint.checkpoint import save_model  # noqa: E402
from valence.errors import EngineError, InputError  # noqa: E402
from valence.explain import integrated_gradients as module  # noqa: E402
from valence.explain.attribution import Attribution  # noqa: E402
from valence.explain.integrated_gradients import integrated_gradients  # noqa: E402
from valence.model.heads import TaskModel  # noqa: E402
from valence.runtime.classifier import Classifier  # noqa: E402
from words import WORDS  # noqa: E402

CHECKPOINT = Path(__file__).resolve().parents[2] / "models" / "default"
TEXT = "the film was good and the acting is great , not awful !"


def planted_model() -> TaskModel:
    """Every token is read alike; the first direction of a word's vector decides, and "awful" alone has one."""
    model = TaskModel(tiny_config(n_layers=1), "classification", 2)
    model.initialise(seed=3)
    with torch.no_grad():
        words, layer, head = model.encoder.embeddings.words.weight, model.encoder.layers[0], model.head
        words[:, :2] = 0.0
        words[WORDS.index("awful"), 0] = 8.0
        model.encoder.embeddings.positions.weight[:, :2] = 0.0
        layer.attention.query.weight.zero_()
        layer.attention.value.weight.copy_(torch.eye(32))
        layer.attention.output.weight.copy_(4.0 * torch.eye(32))
        layer.feed_forward.down.weight.zero_()
        head.transform.weight.copy_(torch.eye(32))
        head.classifier.weight.zero_()
        head.classifier.weight[0, 0] = 5.0
    return model


@pytest.fixture
def load(tmp_path, vocabulary):
    """Save a model, and load it as a user does."""

    def save_and_load(model: TaskModel, labels=("NEGATIVE", "POSITIVE"), problem_type=None, **options) -> Classifier:
        save_model(model, tmp_path / "model", labels, torch.float32, problem_type)
        (tmp_path / "model" / "vocab.txt").write_bytes(vocabulary.read_bytes())
        return valence.load(tmp_path / "model", engine="torch", precision="fp32", threads=1, **options)

    return save_and_load


def random_model(architecture: str = "distilbert", n_classes: int = 2) -> TaskModel:
    model = TaskModel(tiny_config(architecture, initializer_range=0.15), "classification", n_classes)
    model.initialise(seed=7)
    return model


def assert_complete(found: Attribution) -> None:
    assert found.is_complete
    assert found.expected_difference == pytest.approx(found.score - found.baseline_score)
    scale = max([abs(found.expected_difference), *(abs(word.attribution) for word in found.words)])
    assert sum(word.attribution for word in found.words) == pytest.approx(found.expected_difference, abs=0.011 * scale)


def test_a_planted_word_is_caught(load):
    found = integrated_gradients(load(planted_model()), "the film was awful and very good .", "NEGATIVE")
    assert_complete(found)
    attributions = {word.text: word.attribution for word in found.words}
    awful = attributions.pop("awful")
    assert awful > 1.0
    assert awful > 5 * max(map(abs, attributions.values()))
    against = integrated_gradients(load(planted_model()), "the film was awful and very good .", "POSITIVE")
    assert [word.attribution for word in against.words] == pytest.approx([-word.attribution for word in found.words])


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
@pytest.mark.parametrize("text", [TEXT, ("good film", TEXT), "unseenwords, too", "good"])
def test_completeness(load, architecture, text):
    classifier = load(random_model(architecture))
    found = integrated_gradients(classifier, text)
    assert_complete(found)
    assert (found.unit, found.engine, found.truncated, found.n_windows) == ("log-odds", "torch fp32", False, 1)
    logits = classifier.logits([text])[0]
    assert found.score == pytest.approx(abs(logits[1] - logits[0]), abs=1e-4)
    assert 1 / (1 + np.exp(-found.score)) == pytest.approx(found.target_score, abs=1e-5)


def test_the_figures_are_those_of_a_plain_sum_along_the_way(load):
    classifier = load(random_model("bert"))
    found = integrated_gradients(classifier, TEXT, "POSITIVE")
    model, ids = classifier.engine.model, torch.from_numpy(classifier.tokenizer([TEXT])[0].ids)[None].long()
    blank = ids.clone()
    blank[:, 1:-1] = 0
    with torch.no_grad():
        start, end = (model.encoder.embeddings(values, None) for values in (blank, ids))
    gradients = torch.zeros_like(end)
    for step in range(200):
        hidden = (start + (step + 0.5) / 200 * (end - start)).requires_grad_()
        output = hidden
        for layer in model.encoder.layers:
            output = layer(output, None)
        logits = model.head(output)
        gradients += torch.autograd.grad(logits[0, 1] - logits[0, 0], hidden)[0] / 200
    expected = (gradients * (end - start)).sum(dim=-1)[0, 1:-1].tolist()
    tolerance = 0.02 * max(map(abs, expected))
    assert [word.attribution for word in found.words] == pytest.approx(expected, abs=tolerance)


def test_several_classes_and_sigmoids_and_regressions(load):
    labels = ("A", "B", "C")
    exclusive = load(random_model(n_classes=3), labels)
    for label in labels:
        found = integrated_gradients(exclusive, TEXT, label)
        assert_complete(found)
        probability = exclusive(TEXT).scores[label]
        assert found.score == pytest.approx(np.log(probability / (1 - probability)), abs=1e-3)
    several = load(random_model(n_classes=3), labels, "multi_label_classification")
    for number, label in enumerate(labels):
        found = integrated_gradients(several, TEXT, label)
        assert_complete(found)
        assert found.score == pytest.approx(several.logits([TEXT])[0, number], abs=1e-4)
    regression = load(random_model(n_classes=1), ("stars",), "regression")
    found = integrated_gradients(regression, TEXT)
    assert_complete(found)
    assert (found.unit, found.score) == ("value", pytest.approx(regression(TEXT).score, abs=1e-4))


@pytest.mark.parametrize("stride", [0, 8])
@pytest.mark.parametrize("text", ["good bad film . " * 40, ("a dog", "good bad film . " * 40)])
def test_windows_share_the_difference_out_among_all_words(load, text, stride):
    classifier = load(random_model("bert"), stride=stride)
    found = integrated_gradients(classifier, text)
    assert found.n_windows == len(classifier(text).windows) > 2
    assert_complete(found)
    logits = classifier.logits([text])[0]
    assert found.score == pytest.approx(abs(logits[1] - logits[0]), abs=1e-4)
    assert sum(word.attribution == 0.0 for word in found.words) == 0


def test_windows_are_explained_by_their_mean_alone(load):
    classifier = load(random_model(), aggregation="vote")
    with pytest.raises(InputError, match="explain the mean of windows, and aggregation is 'vote': use leave-one-out"):
        integrated_gradients(classifier, "good film " * 60)
    assert_complete(integrated_gradients(classifier, "good film"))


def test_words_that_are_not_read_count_for_nothing(load):
    classifier = load(random_model("bert"), long_text="truncate")
    for text in ("good film " * 50, ("good film " * 50, "a dog"), ("a dog", "good film " * 50)):
        found = integrated_gradients(classifier, text)
        assert found.truncated
        assert_complete(found)
        read = [word.attribution != 0.0 for word in found.words]
        assert sum(read) == 64 - (2 if isinstance(text, str) else 3)
        for part in (0, 1):
            of_part = [is_read for is_read, word in zip(read, found.words, strict=True) if word.part == part]
            assert of_part == sorted(of_part, reverse=True), "the first words are the ones that are read"


def test_an_empty_text(load):
    found = integrated_gradients(load(random_model()), "")
    assert (found.words, found.total, found.expected_difference) == ((), 0, 0.0)
    assert found.is_complete


def test_steps_are_added_until_the_sum_is_right_and_otherwise_it_says_so(load, monkeypatch):
    classifier = load(random_model())
    monkeypatch.setattr(module, "_FIRST_STEPS", 2)
    seen: list[tuple[int, int]] = []
    found = integrated_gradients(classifier, TEXT, on_progress=lambda done, total: seen.append((done, total)))
    assert found.is_complete
    assert found.n_steps > 2
    assert seen == [(number, number) for number in range(1, len(seen) + 1)]
    monkeypatch.setattr(module, "_MOST_STEPS", 2)
    rough = integrated_gradients(classifier, TEXT)
    assert (rough.n_steps, rough.is_complete) == (2, False)
    assert rough.completeness_error > found.completeness_error


def test_a_model_in_training_drops_nothing_out_and_stays_in_training(load):
    classifier = load(random_model())
    expected = integrated_gradients(classifier, TEXT)
    classifier.engine.model.train()
    found = integrated_gradients(classifier, TEXT)
    assert classifier.engine.model.training
    assert [word.attribution for word in found.words] == [word.attribution for word in expected.words]


def test_an_engine_without_gradients_is_refused(tiny_classifier):
    with pytest.raises(EngineError, match=r"need the torch engine in fp32, found onnx fp32: load .* engine='torch'"):
        integrated_gradients(valence.load(tiny_classifier, engine="onnx"), "good")


def test_bad_input(load):
    classifier = load(random_model())
    with pytest.raises(InputError, match="the target must be one of NEGATIVE, POSITIVE"):
        integrated_gradients(classifier, "good", "NEUTRAL")
    with pytest.raises(InputError, match="text 1 is not valid Unicode"):
        integrated_gradients(classifier, "caf\udce9")
    with pytest.raises(InputError, match="at most 10,000 can be explained"):
        integrated_gradients(classifier, "good " * 10_001)


@pytest.mark.skipif(not CHECKPOINT.is_dir(), reason="needs the checkpoint of the default model")
@pytest.mark.slow
def test_a_real_model():
    classifier = valence.load(CHECKPOINT, engine="torch", precision="fp32")
    found = integrated_gradients(classifier, "The film was good, but the plot is awful.")
    assert found.label == "NEGATIVE"
    assert_complete(found)
    ordered = sorted(found.words, key=lambda word: word.attribution)
    assert (ordered[0].text, ordered[-1].text) == ("good", "awful")
