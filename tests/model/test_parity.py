"""Our logits equal those of `transformers`, for every head."""

import pytest
import torch
import transformers

from reference import ARCHITECTURES, HEADS, SHAPES, batch, build, build_config, largest_difference, save
from valence.checkpoint.checkpoint import load_model

TOLERANCE = 1e-5
ACTIVATIONS = ("gelu_new", "relu", "gelu_pytorch_tanh")


@pytest.mark.parametrize("head", HEADS, ids="-".join)
@pytest.mark.parametrize("number", range(len(SHAPES)))
@pytest.mark.slow
def test_every_head_on_small_shapes_with_large_weights(head, number, tmp_path):
    more = {} if head[0] == "distilbert" else {"layer_norm_eps": 1e-3}
    if head[0] not in ("distilbert", "mpnet"):
        more["type_vocab_size"] = 3
    if head[1] == "classification":
        more["num_labels"] = (1, 3, 7)[number]
    config = build_config(head[0], SHAPES[number], ACTIVATIONS[number], **more)
    theirs = build(HEADS[head], config, seed=number)
    ours = load_model(save(theirs, tmp_path), head[1])
    ragged = batch(config, seed=number)
    no_padding = torch.where(ragged["input_ids"] == config.pad_token_id, 2, ragged["input_ids"])
    full = {name: values for name, values in ragged.items() if name != "attention_mask"} | {"input_ids": no_padding}
    assert largest_difference(ours, theirs, ragged) < TOLERANCE
    assert largest_difference(ours, theirs, full) < TOLERANCE
    assert largest_difference(ours, theirs, {"input_ids": no_padding}) < TOLERANCE
    one = batch(config, seed=9, rows=1, tokens=1)
    assert largest_difference(ours, theirs, one) < TOLERANCE
    assert largest_difference(ours.double(), theirs.double(), ragged) < 1e-11  # so the rest is rounding


def test_what_the_parity_tests_rest_on(tmp_path):
    """Each input and setting that they vary changes the logits by far more than the tolerance."""
    config = build_config("bert", activation="gelu_new", layer_norm_eps=1e-3)
    theirs = build(HEADS["bert", "classification"], config)
    ours = load_model(save(theirs, tmp_path), "classification")
    inputs = batch(config)
    with torch.inference_mode():
        logits = ours(**inputs)
        without_mask = ours(inputs["input_ids"], None, inputs["token_type_ids"])
        without_types = ours(inputs["input_ids"], inputs["attention_mask"])
        for layer in ours.encoder.layers:
            layer.feed_forward.activation.name = "gelu"
        other_activation = ours(**inputs)
    for other in (without_mask, without_types, other_activation):
        assert (logits - other).abs().max() > 10 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("distilbert", transformers.DistilBertConfig()),
        ("bert", transformers.BertConfig()),
        ("roberta", transformers.RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)),
        ("electra", transformers.ElectraConfig()),  # the small one, of narrow embeddings
        ("mpnet", transformers.MPNetConfig(max_position_embeddings=514)),
    ],
)
def test_usual_size(architecture, config, tmp_path):
    torch.manual_seed(0)
    theirs = HEADS[architecture, "classification"](config).eval()
    ours = load_model(save(theirs, tmp_path), "classification")
    assert largest_difference(ours, theirs, batch(config, rows=3, tokens=24)) < TOLERANCE


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_first_token_alone_is_what_the_whole_encoder_computes(architecture, tmp_path):
    config = build_config(architecture, SHAPES[2])
    ours = load_model(save(build(HEADS[architecture, "classification"], config), tmp_path), "classification")
    inputs = batch(config)
    with torch.inference_mode():
        whole = ours.encoder(**inputs)
        first = ours.encoder(**inputs, first_token_only=True)
    assert first.shape == (4, 1, config.hidden_size)
    assert (whole[:, :1] - first).abs().max() < TOLERANCE


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_and_neighbours_do_not_change_a_text(architecture, tmp_path):
    config = build_config(architecture)
    ours = load_model(save(build(HEADS[architecture, "classification"], config), tmp_path), "classification")
    inputs = batch(config, rows=5)
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        together = ours(**inputs)
        for row, length in enumerate(inputs["attention_mask"].sum(dim=1)):
            alone = ours(inputs["input_ids"][row : row + 1, :length])
            assert (together[row] - alone[0]).abs().max() < TOLERANCE


@pytest.mark.parametrize("head", HEADS, ids="-".join)
def test_gradients_reach_every_parameter(head, tmp_path):
    config = build_config(head[0])
    ours = load_model(save(build(HEADS[head], config), tmp_path), head[1]).train()
    ours(**batch(config)).square().sum().backward()
    assert [name for name, p in ours.named_parameters() if p.grad is None or not p.grad.any()] == []
