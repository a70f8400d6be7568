"""A DistilBERT started from a BERT of the same depth and width, without changing what its encoder computes.

A DistilBERT is a BERT without token types and pooler. Where every token has type 0, as in a single text, BERT adds
row 0 of its token-type table to every position; adding that row to the position table once gives the same sum.
"""

import dataclasses

import torch
from torch import Tensor

from valence.checkpoint.names import tensor_names
from valence.errors import CheckpointError
from valence.model.config import EncoderConfig

__all__ = ["distilbert_from_bert"]

_POSITIONS = "embeddings.position_embeddings.weight"
_TOKEN_TYPES = "embeddings.token_type_embeddings.weight"


def distilbert_from_bert(
    config: EncoderConfig, tensors: dict[str, Tensor]
) -> tuple[EncoderConfig, dict[str, Tensor]]:
    """Rewrite a BERT encoder as a DistilBERT one.

    Args:
        config: of the BERT.
        tensors: of the BERT, by canonical name.

    Returns:
        The DistilBERT's config, and its encoder's tensors by canonical name; the heads are dropped.

    Raises:
        CheckpointError: if the tables to fold are missing or do not fit.
    """
    if config.layer_norm_eps != 1e-12:
        raise CheckpointError(
            f"a DistilBERT's layer norms have eps 1e-12, this BERT's have {config.layer_norm_eps}: "
            "train it as it is with --architecture bert"
        )
    target = dataclasses.replace(
        config,
        architecture="distilbert",
        n_token_types=0,
        attention_output_dropout=0.0,
        classifier_dropout=0.2,  # DistilBERT's own default
    )
    ours_to_bert = tensor_names(config, "masked-lm")
    renamed: dict[str, Tensor] = {}
    for ours, theirs in tensor_names(target, "masked-lm").items():
        if ours.startswith("encoder.") and ours_to_bert[ours] in tensors:
            renamed[theirs] = tensors[ours_to_bert[ours]]
    known = set(ours_to_bert.values())
    unknown = {name: tensor for name, tensor in tensors.items() if name not in known}
    if config.n_token_types and _POSITIONS in tensors:
        if _TOKEN_TYPES not in tensors or tensors[_TOKEN_TYPES].shape[-1] != tensors[_POSITIONS].shape[-1]:
            raise CheckpointError(f"{_TOKEN_TYPES} is missing or does not fit {_POSITIONS}")
        renamed[_POSITIONS] = tensors[_POSITIONS].to(torch.float32) + tensors[_TOKEN_TYPES][0].to(torch.float32)
    heads = ("pooler.", "cls.", "classifier.")
    return target, renamed | {name: t for name, t in unknown.items() if not name.startswith(heads)}
