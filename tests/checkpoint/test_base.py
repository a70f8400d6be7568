"""Checkpoints to train further: what is kept, left out and initialised; a BERT that becomes a DistilBERT."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from reference import HEADS, SHAPES, batch, build, build_config, largest_difference, save
from valence.checkpoint.checkpoint import load_base, load_model, save_model
from valence.errors import CheckpointError
from valence.folder import ModelFolder

TOLERANCE = 1e-5
LABELS = ("NEGATIVE", "POSITIVE")
CLASSIFIER = ("classifier.bias", "classifier.weight")
PRE_CLASSIFIER = ("pre_classifier.bias", "pre_classifier.weight")
POOLER = ("bert.pooler.dense.bias", "bert.pooler.dense.weight")


def folder_of(model_class, path, **more):
    return save(build(model_class, build_config(model_class.config_class.model_type, **more)), path)


def labelled(model_class, path, labels):
    return folder_of(model_class, path, id2label=dict(enumerate(labels)))


def state(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def assert_encoder_is(base, theirs):
    """The encoder computes what theirs does."""
    inputs = batch(theirs.config)
    expected_inputs = dict(inputs)
    if theirs.config.model_type == "distilbert":
        expected_inputs.pop("token_type_ids")
    with torch.inference_mode():
        found = base.model.eval().encoder(**inputs)
        expected = theirs.base_model(**expected_inputs).last_hidden_state
    assert (found - expected)[inputs["attention_mask"].bool()].abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("model_class", "left_out", "initialised"),
    [
        (transformers.DistilBertModel, (), CLASSIFIER + PRE_CLASSIFIER),
        (
            transformers.DistilBertForMaskedLM,
            (
                "vocab_layer_norm.bias",
                "vocab_layer_norm.weight",
                "vocab_projector.bias",
                "vocab_transform.bias",
                "vocab_transform.weight",
            ),
            CLASSIFIER + PRE_CLASSIFIER,
        ),
        (
            transformers.DistilBertForQuestionAnswering,
            ("qa_outputs.bias", "qa_outputs.weight"),
            CLASSIFIER + PRE_CLASSIFIER,
        ),
        (transformers.DistilBertForTokenClassification, CLASSIFIER, CLASSIFIER + PRE_CLASSIFIER),
        (transformers.BertModel, (), CLASSIFIER),
        (
            transformers.BertForNextSentencePrediction,
            ("cls.seq_relationship.bias", "cls.seq_relationship.weight"),
            CLASSIFIER,
        ),
        (
            transformers.BertForMaskedLM,
            (
                "cls.predictions.bias",
                "cls.predictions.transform.LayerNorm.bias",
                "cls.predictions.transform.LayerNorm.weight",
                "cls.predictions.transform.dense.bias",
                "cls.predictions.transform.dense.weight",
            ),
            POOLER + CLASSIFIER,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_other_heads_are_left_out_and_missing_ones_initialised(model_class, left_out, initialised, tmp_path):
    folder = folder_of(model_class, tmp_path / "base")
    architecture = model_class.config_class.model_type
    base = load_base(folder, architecture, LABELS, seed=0)
    assert base.left_out == left_out
    assert base.initialised == initialised
    assert_encoder_is(base, build(model_class, build_config(architecture)))
    save_model(base.model, tmp_path / "saved", LABELS)
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert set(initialised) <= saved.keys()  # named as they are saved
    for name in initialised:
        assert torch.isfinite(saved[name]).all()
        assert bool(saved[name].any()) == name.endswith("weight")


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_the_same_labels_keep_the_classifier(architecture, tmp_path):
    model_class = HEADS[architecture, "classification"]
    folder = labelled(model_class, tmp_path, LABELS)
    base = load_base(folder, architecture, LABELS, seed=0)
    assert (base.left_out, base.initialised) == ((), ())
    theirs = build(model_class, build_config(architecture))
    assert largest_difference(base.model.eval(), theirs, batch(theirs.config)) < TOLERANCE


@pytest.mark.parametrize(
    ("names", "labels", "rows"),
    [
        (("NEGATIVE", "POSITIVE"), ("POSITIVE", "NEGATIVE"), [1, 0]),
        (("negative", "Positive"), ("NEGATIVE", "POSITIVE"), [0, 1]),
        (("negative", "Positive"), ("POSITIVE", "NEGATIVE"), [1, 0]),
        (("World", "Sports", "Business"), ("Business", "Sports", "World"), [2, 1, 0]),
        (("World", "Sports", "Business"), ("Sports", "Business", "World"), [1, 2, 0]),
        (("US", "us"), ("us", "US"), [1, 0]),
        (("US", "us", "x"), ("us", "X", "US"), [1, 2, 0]),
        (("straße", "weg"), ("WEG", "STRASSE"), [1, 0]),
        (("1", "2", "3"), ("3", "1", "2"), [2, 0, 1]),
        (("LABEL_0", "LABEL_1"), ("0", "1"), [0, 1]),
        (("1", "2"), ("LABEL_2", "LABEL_1"), [1, 0]),
    ],
)
@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_the_same_classes_in_another_order_keep_the_classifier(architecture, names, labels, rows, tmp_path):
    model_class = HEADS[architecture, "classification"]
    base = load_base(labelled(model_class, tmp_path, names), architecture, labels, seed=0)
    assert (base.left_out, base.initialised) == ((), ())
    assert base.head.startswith("kept, ")
    theirs = build(model_class, build_config(architecture, num_labels=len(names)))
    inputs = batch(theirs.config)
    found = base.model.eval()(**inputs)
    if architecture == "distilbert":
        inputs.pop("token_type_ids")
    with torch.inference_mode():
        assert (found - theirs(**inputs).logits[:, rows]).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("names", "labels", "why"),
    [
        (
            ("NEGATIVE", "POSITIVE"),
            ("NEGATIVE", "NEUTRAL", "POSITIVE"),
            "it has 2 classes (NEGATIVE, POSITIVE), and wa",
        ),
        (("NEGATIVE", "NEUTRAL", "POSITIVE"), ("NEGATIVE", "POSITIVE"), "it has 3 classes (NEGATIVE, NEUTRAL, POS"),
        (("NEGATIVE", "POSITIVE"), ("a", "b"), "its classes are NEGATIVE, POSITIVE, and wanted are a, b"),
        (("US", "us"), ("Us", "uS"), "its classes are US, us, and wanted are Us, uS"),
        (("US", "us"), ("US", "Us"), "its classes are US, us, and wanted are US, Us"),
        (("US", "x"), ("US", "us"), "its classes are US, x, and wanted are US, us"),
        (("LABEL_0", "LABEL_1"), LABELS, "its config does not name its classes (LABEL_0, LABEL_1)"),
        (("LABEL_0", "LABEL_1"), ("1", "2"), "its config does not name its classes (LABEL_0, LABEL_1)"),
        (("score",), LABELS, "it has 1 classes (score), and wanted are 2"),
        (tuple(f"class {n}" for n in range(77)), LABELS, "it has 77 classes (class 0, class 1"),
    ],
)
@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_why_a_classifier_is_left_out_is_said(architecture, names, labels, why, tmp_path):
    base = load_base(labelled(HEADS[architecture, "classification"], tmp_path, names), architecture, labels, seed=0)
    assert base.head.startswith(f"left out: {why}")
    assert len(base.head) < 300
    assert set(CLASSIFIER) <= set(base.left_out)
    assert set(CLASSIFIER) <= set(base.initialised)


@pytest.mark.parametrize(
    ("labels", "given", "rows"),
    [
        (LABELS, LABELS, [0, 1]),
        (LABELS, ("POSITIVE", "NEGATIVE"), [1, 0]),
        (LABELS, ("positive", "negative"), [1, 0]),
    ],
)
def test_classes_without_names_are_named_by_number(labels, given, rows, tmp_path):
    folder = folder_of(HEADS["distilbert", "classification"], tmp_path)
    base = load_base(folder, "distilbert", labels, seed=0, base_labels=given)
    assert "--labels names the base's classes by number" in base.head
    old = load_file(folder.path / "model.safetensors")["classifier.weight"]
    assert torch.equal(base.model.head.classifier.weight, old[rows])


def test_names_by_number_do_not_count_where_the_config_has_names(tmp_path):
    folder = labelled(HEADS["distilbert", "classification"], tmp_path, ("a", "b"))
    base = load_base(folder, "distilbert", LABELS, seed=0, base_labels=LABELS)
    assert base.head.startswith("left out: its classes are a, b")


def test_a_run_that_began_with_a_fresh_head_goes_on_with_it(tmp_path):
    folder = labelled(HEADS["distilbert", "classification"], tmp_path, LABELS)
    base = load_base(folder, "distilbert", LABELS[::-1], seed=0, any_order=False)
    assert base.left_out == base.initialised == CLASSIFIER + PRE_CLASSIFIER


@pytest.mark.parametrize("harm", [torch.zeros(3, 36), torch.zeros(()), torch.zeros(2, 35)])
def test_a_classifier_to_be_turned_round_that_does_not_fit(harm, tmp_path):
    folder = labelled(HEADS["distilbert", "classification"], tmp_path, LABELS)
    tensors = load_file(folder.path / "model.safetensors")
    save_file(tensors | {"classifier.weight": harm}, folder.path / "model.safetensors")
    if harm.shape[:1] == (3,):
        assert "its config names 2 classes, and it has 3 rows" in load_base(folder, "distilbert", LABELS[::-1], 0).head
    else:
        with pytest.raises(CheckpointError, match=r"wrong shape: classifier\.weight"):
            load_base(folder, "distilbert", LABELS[::-1], seed=0)


@pytest.mark.parametrize("labels", [("NEGATIVE", "NEUTRAL", "POSITIVE"), ("a", "b")])
@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_other_labels_replace_the_classifier(architecture, labels, tmp_path):
    folder = labelled(HEADS[architecture, "classification"], tmp_path, LABELS)
    base = load_base(folder, architecture, labels, seed=0)
    replaced = CLASSIFIER + PRE_CLASSIFIER if architecture == "distilbert" else CLASSIFIER
    assert base.left_out == base.initialised == replaced
    assert base.model.head.classifier.out_features == len(labels)
    old = load_file(folder.path / "model.safetensors")
    if architecture == "bert":  # the pooler goes on
        assert torch.equal(base.model.head.transform.weight, old["bert.pooler.dense.weight"])
    if len(labels) == 2:
        assert not torch.equal(base.model.head.classifier.weight, old["classifier.weight"])


def test_a_foreign_classifier_of_more_layers_is_left_out(tmp_path):
    folder = folder_of(transformers.DistilBertModel, tmp_path)
    tensors = load_file(folder.path / "model.safetensors")
    save_file(tensors | {"classifier.dense.weight": torch.ones(3, 3)}, folder.path / "model.safetensors")
    assert load_base(folder, "distilbert", LABELS, seed=0).left_out == ("classifier.dense.weight",)


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_the_seed_decides_and_nothing_else(architecture, tmp_path):
    folder = folder_of(transformers.BertForMaskedLM, tmp_path)
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first = state(load_base(folder, architecture, LABELS, seed=5).model)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(321)
    second = state(load_base(folder, architecture, LABELS, seed=5).model)
    third = state(load_base(folder, architecture, LABELS, seed=6).model)
    assert all(torch.equal(first[name], second[name]) for name in first)
    different = {name for name in first if not torch.equal(first[name], third[name])}
    assert different == {"head.transform.weight", "head.classifier.weight"}


def test_loading_leaves_the_random_state_alone(tmp_path):
    folder = folder_of(HEADS["bert", "classification"], tmp_path)
    before = torch.random.get_rng_state()
    load_model(folder, "classification")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_fresh_weights_have_the_spread_of_the_config(tmp_path):
    folder = folder_of(transformers.DistilBertModel, tmp_path, shape=(50, 256, 1, 4, 32, 20))
    model = load_base(folder, "distilbert", LABELS, seed=0).model
    spread = float(model.head.transform.weight.detach().std())
    assert abs(spread / 0.2 - 1) < 0.02
    assert not model.head.transform.bias.any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [transformers.BertModel, transformers.BertForPreTraining])
def test_a_bert_becomes_a_distilbert_without_loss(shape, kind, tmp_path):
    theirs = build(kind, build_config("bert", shape, "gelu_new"))
    with torch.no_grad():
        theirs.base_model.embeddings.token_type_embeddings.weight.add_(1.0)  # not to be missed
    base = load_base(save(theirs, tmp_path), "distilbert", LABELS, seed=0)
    inputs = batch(theirs.config)
    with torch.inference_mode():
        found = base.model.eval().encoder(inputs["input_ids"], inputs["attention_mask"])
        expected = theirs.base_model(inputs["input_ids"], inputs["attention_mask"]).last_hidden_state
    assert (found - expected)[inputs["attention_mask"].bool()].abs().max() < TOLERANCE
    assert base.initialised == CLASSIFIER + PRE_CLASSIFIER
    dropped = {"pooler.dense.bias", "pooler.dense.weight"}
    assert dropped <= set(base.left_out)
    assert all(name in dropped or name.startswith("cls.") for name in base.left_out)


def test_such_a_distilbert_is_one_for_transformers_too(tmp_path):
    theirs = build(transformers.BertModel, build_config("bert"))
    base = load_base(save(theirs, tmp_path / "bert"), "distilbert", LABELS, seed=0)
    save_model(base.model, tmp_path / "ours", LABELS)
    model_class = HEADS["distilbert", "classification"]
    loaded, loading = model_class.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(loading.values())
    inputs = batch(theirs.config)
    del inputs["token_type_ids"]
    with torch.inference_mode():
        difference = loaded.eval().distilbert(**inputs).last_hidden_state - theirs(**inputs).last_hidden_state
    assert difference[inputs["attention_mask"].bool()].abs().max() < TOLERANCE


def test_a_classifier_of_a_bert_is_not_a_distilberts(tmp_path):
    base = load_base(labelled(HEADS["bert", "classification"], tmp_path, LABELS), "distilbert", LABELS, seed=0)
    assert set(CLASSIFIER) <= set(base.left_out)
    assert base.initialised == CLASSIFIER + PRE_CLASSIFIER
    assert base.head == "left out: a BERT's is not that of a DistilBERT; --architecture bert keeps it"


def test_the_real_encoder_becomes_a_distilbert(minilm):
    theirs = transformers.BertModel.from_pretrained(minilm).eval()
    base = load_base(ModelFolder(minilm, "minilm"), "distilbert", LABELS, seed=0)
    inputs = batch(theirs.config, rows=2, tokens=48)
    del inputs["token_type_ids"]
    with torch.inference_mode():
        difference = base.model.eval().encoder(**inputs) - theirs(**inputs).last_hidden_state
    assert difference[inputs["attention_mask"].bool()].abs().max() < TOLERANCE
    assert base.left_out == ("pooler.dense.bias", "pooler.dense.weight")


def test_a_bert_with_other_norms_cannot_become_a_distilbert(tmp_path):
    folder = folder_of(transformers.BertModel, tmp_path, layer_norm_eps=1e-5)
    with pytest.raises(CheckpointError, match="eps") as caught:
        load_base(folder, "distilbert", LABELS, seed=0)
    assert str(folder.path) in str(caught.value)
    assert load_base(folder, "bert", LABELS, seed=0).initialised == CLASSIFIER


def test_a_distilbert_cannot_become_a_bert(tmp_path):
    folder = folder_of(transformers.DistilBertModel, tmp_path)
    with pytest.raises(CheckpointError, match="cannot start a BERT"):
        load_base(folder, "bert", LABELS, seed=0)


def test_a_kept_classifier_that_does_not_fit_is_an_error(tmp_path):
    folder = labelled(HEADS["distilbert", "classification"], tmp_path, LABELS)
    tensors = load_file(folder.path / "model.safetensors")
    save_file(tensors | {"classifier.weight": torch.zeros(2, 35)}, folder.path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"wrong shape: classifier.weight is \[2, 35\]"):
        load_base(folder, "distilbert", LABELS, seed=0)


def test_without_names_in_the_config_a_classifier_is_replaced(tmp_path):
    folder = folder_of(HEADS["distilbert", "classification"], tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("id2label", None)
    (tmp_path / "config.json").write_text(json.dumps(config))
    base = load_base(ModelFolder(folder.path, "x"), "distilbert", LABELS, seed=0)
    assert base.left_out == base.initialised == CLASSIFIER + PRE_CLASSIFIER
