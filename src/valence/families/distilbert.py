"""DistilBERT: a BERT without token types, half as deep, with a classifier of its own."""

from valence.families.bert import BERT
from valence.families.family import ConfigKey, Family, Head
from valence.families.shared import EMBEDDINGS, SHARED_KEYS

__all__ = ["DISTILBERT"]

DISTILBERT = Family(
    name="distilbert",
    title="DistilBERT",
    class_name="DistilBert",
    paper="https://arxiv.org/abs/1910.01108",
    citation="""@article{sanh2019distilbert,
  title   = {DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter},
  author  = {Sanh, Victor and Debut, Lysandre and Chaumond, Julien and Wolf, Thomas},
  journal = {arXiv preprint arXiv:1910.01108},
  year    = {2019}
}""",
    keys=(
        *SHARED_KEYS,
        ConfigKey("pad_token_id", "pad_token_id", 0),
        ConfigKey("dim", "hidden_size"),
        ConfigKey("n_layers", "n_layers"),
        ConfigKey("n_heads", "n_heads"),
        ConfigKey("hidden_dim", "intermediate_size"),
        ConfigKey("activation", "activation", "gelu"),
        ConfigKey("dropout", "dropout", 0.1),
        ConfigKey("attention_dropout", "attention_dropout", 0.1),
        ConfigKey("seq_classif_dropout", "classifier_dropout", 0.2),
    ),
    fixed={"n_token_types": 0, "attention_output_dropout": 0.0, "layer_norm_eps": 1e-12},
    required=BERT.required,
    written={"sinusoidal_pos_embds": False},
    embeddings=EMBEDDINGS,
    layer=(
        ("layers.{}.attention.query", "transformer.layer.{}.attention.q_lin"),
        ("layers.{}.attention.key", "transformer.layer.{}.attention.k_lin"),
        ("layers.{}.attention.value", "transformer.layer.{}.attention.v_lin"),
        ("layers.{}.attention.output", "transformer.layer.{}.attention.out_lin"),
        ("layers.{}.attention_norm", "transformer.layer.{}.sa_layer_norm"),
        ("layers.{}.feed_forward.up", "transformer.layer.{}.ffn.lin1"),
        ("layers.{}.feed_forward.down", "transformer.layer.{}.ffn.lin2"),
        ("layers.{}.feed_forward_norm", "transformer.layer.{}.output_layer_norm"),
    ),
    heads={
        "classification": Head(
            (
                ("transform.weight", "pre_classifier.weight"),
                ("transform.bias", "pre_classifier.bias"),
                ("classifier.weight", "classifier.weight"),
                ("classifier.bias", "classifier.bias"),
            ),
            activation="relu",
        ),
        "masked-lm": Head(
            (
                ("transform.weight", "vocab_transform.weight"),
                ("transform.bias", "vocab_transform.bias"),
                ("norm.weight", "vocab_layer_norm.weight"),
                ("norm.bias", "vocab_layer_norm.bias"),
                ("decoder.weight", "vocab_projector.weight"),
                ("decoder.bias", "vocab_projector.bias"),
            ),
        ),
    },
    other_heads=("qa_outputs",),
    tokenizing=BERT.tokenizing,
)
