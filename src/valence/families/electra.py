"""ELECTRA: BERT's encoder, with embeddings that may be narrower; the head for masked words is a generator's."""

from valence.families.bert import BERT
from valence.families.family import ConfigKey, Family, Head, Rows
from valence.families.shared import BERT_KEYS, BERT_LAYER, EMBEDDINGS, TOKEN_TYPES, TWO_LAYER_CLASSIFIER

__all__ = ["ELECTRA"]

_PROJECTION: Rows = (
    ("embeddings.projection.weight", "embeddings_project.weight"),
    ("embeddings.projection.bias", "embeddings_project.bias"),
)

ELECTRA = Family(
    name="electra",
    title="ELECTRA",
    class_name="Electra",
    paper="https://arxiv.org/abs/2003.10555",
    citation="""@inproceedings{clark2020electra,
  title     = {{ELECTRA}: Pre-training Text Encoders as Discriminators Rather Than Generators},
  author    = {Clark, Kevin and Luong, Minh-Thang and Le, Quoc V. and Manning, Christopher D.},
  booktitle = {Proceedings of ICLR},
  year      = {2020}
}""",
    keys=(
        *BERT_KEYS,
        ConfigKey("embedding_size", "embedding_size", 128),
        ConfigKey("pad_token_id", "pad_token_id", 0),
        ConfigKey("type_vocab_size", "n_token_types", 2),
        ConfigKey("classifier_dropout", "classifier_dropout", 0.1, like="dropout"),
    ),
    same={"attention_output_dropout": "dropout"},
    required=BERT.required,
    embeddings=(*EMBEDDINGS, *TOKEN_TYPES, *_PROJECTION),
    layer=BERT_LAYER,
    heads={
        "classification": Head(TWO_LAYER_CLASSIFIER, activation="gelu", dropout_before=True),
        "masked-lm": Head(
            (
                ("transform.weight", "generator_predictions.dense.weight"),
                ("transform.bias", "generator_predictions.dense.bias"),
                ("norm.weight", "generator_predictions.LayerNorm.weight"),
                ("norm.bias", "generator_predictions.LayerNorm.bias"),
                ("decoder.weight", "generator_lm_head.weight"),
                ("decoder.bias", "generator_lm_head.bias"),
            ),
            activation="gelu",
        ),
    },
    other_heads=("qa_outputs", "discriminator_predictions", "sequence_summary"),
    tokenizing=BERT.tokenizing,
)
