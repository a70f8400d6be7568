"""Shapes that cannot be are refused, and fresh weights are what they should be."""

import dataclasses

import pytest
import torch

from tiny import tiny_config
from valence.errors import ConfigError, MissingHeadError
from valence.model.heads import TaskModel

BERT = tiny_config(
    "bert", vocab_size=50, hidden_size=24, n_heads=3, max_positions=16, initializer_range=0.02, pad_token_id=3
)
DISTILBERT = dataclasses.replace(BERT, architecture="distilbert", n_token_types=0, attention_output_dropout=0.0)


def test_every_problem_is_named():
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(BERT, vocab_size=0, n_layers=-1, dropout=1.0, activation="tanh", layer_norm_eps=0.0)
    for name in ("vocab_size", "n_layers", "dropout", "activation", "layer_norm_eps"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"n_token_types": 2}, {"attention_output_dropout": 0.1}, {"layer_norm_eps": 1e-5}, {"n_layers": 10**9}]
)
def test_what_a_distilbert_cannot_be(change):
    with pytest.raises(ConfigError):
        dataclasses.replace(DISTILBERT, **change)


@pytest.mark.parametrize("change", [{"n_token_types": 0}, {"hidden_size": 25}, {"pad_token_id": 50}])
def test_what_a_bert_cannot_be(change):
    with pytest.raises(ConfigError):
        dataclasses.replace(BERT, **change)


def test_a_distilbert_has_no_next_sentence_head():
    with pytest.raises(MissingHeadError, match="use a BERT"):
        TaskModel(DISTILBERT, "next-sentence")


@pytest.mark.parametrize("tied", [True, False])
def test_an_outline_becomes_a_model_and_keeps_what_is_tied(tied):
    config = dataclasses.replace(DISTILBERT, tie_word_embeddings=tied)
    model = TaskModel.outline(config, "masked-lm")
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    model.allocate()
    assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
    assert (model.head.decoder.weight is model.encoder.embeddings.words.weight) == tied


def test_fresh_weights():
    torch.manual_seed(8)
    before = torch.random.get_rng_state()
    model = TaskModel.outline(BERT, "classification", 3)
    model.allocate()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    model.initialise(seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, parameter in model.named_parameters():
        if "norm.weight" in name:
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert not parameter.any()
        else:
            assert 0.01 < parameter.std() < 0.03
    assert not model.encoder.embeddings.words.weight[3].any()
