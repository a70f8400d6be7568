"""A DistilBERT started from a BERT of the same depth and width, without changing what its encoder computes.

A DistilBERT is a BERT without token types and pooler. Where every token has type 0, as in a single text, BERT
adds row 0 of its token-type table to every position; adding that row to the position table once gives the same.
"""

import dataclasses

import torch
from torch import Tensor

from valence.checkpoint.names import tensor_names
from valence.errors import CheckpointError
from valence.families import Task
from valence.model.config import EncoderConfig

__all__ = ["CONVERSIONS"]

_POSITIONS = "embeddings.position_embeddings.weight"
_DISTILBERT_EPS = 1e-12
_TOKEN_TYPES = "embeddings.token_type_embeddings.weight"


def distilbert_from_bert(
    config: EncoderConfig, tensors: dict[str, Tensor], task: Task = "classification"
) -> tuple[EncoderConfig, dict[str, Tensor]]:
    """Rewrite a BERT encoder as a DistilBERT one.

    Args:
        config: of the BERT.
        tensors: of the BERT, by canonical name; its encoder's are all there and fit the config.
        task: what the DistilBERT is for.

    Returns:
        The DistilBERT's config, and its encoder's tensors by canonical name; for masked words with those of the head,
        which is the same in both. Other heads are dropped: they differ.

    Raises:
        CheckpointError: if a DistilBERT cannot compute what this BERT does.
    """
    if config.layer_norm_eps != _DISTILBERT_EPS:
        raise CheckpointError(
            f"a DistilBERT's layer norms have eps {_DISTILBERT_EPS}, this BERT's {config.layer_norm_eps}: "
            "it can go on as a BERT only (--architecture bert)"
        )
    target = dataclasses.replace(
        config,
        architecture="distilbert",
        n_token_types=0,
        attention_output_dropout=0.0,
        classifier_dropout=0.2,  # DistilBERT's own default
    )
    bert_names = tensor_names(config, task)
    renamed = {
        theirs: tensors[bert_names[ours]]
        for ours, theirs in tensor_names(target, task).items()
        if ours.startswith("encoder.") or (task == "masked-lm" and bert_names[ours] in tensors)
    }
    renamed[_POSITIONS] = tensors[_POSITIONS].to(torch.float32) + tensors[_TOKEN_TYPES][0].to(torch.float32)
    return target, renamed


CONVERSIONS = {("bert", "distilbert"): distilbert_from_bert}
"""Which family's checkpoint can start which other family's model, and how."""
