"""What families share: the configuration and tensor names of BERT, which most of them took over."""

from valence.families.family import ConfigKey, Head, Rows, SpecialTokens

__all__ = [
    "BERT_KEYS",
    "BERT_LAYER",
    "BERT_TOKENS",
    "EMBEDDINGS",
    "ROBERTA_MASKED_LM",
    "ROBERTA_TOKENS",
    "SHARED_KEYS",
    "TOKEN_TYPES",
    "TWO_LAYER_CLASSIFIER",
]

SHARED_KEYS = (
    ConfigKey("vocab_size", "vocab_size"),
    ConfigKey("max_position_embeddings", "max_positions"),
    ConfigKey("initializer_range", "initializer_range", 0.02),
    ConfigKey("tie_word_embeddings", "tie_word_embeddings", True),
)
BERT_KEYS = (
    *SHARED_KEYS,
    ConfigKey("hidden_size", "hidden_size"),
    ConfigKey("num_hidden_layers", "n_layers"),
    ConfigKey("num_attention_heads", "n_heads"),
    ConfigKey("intermediate_size", "intermediate_size"),
    ConfigKey("hidden_act", "activation", "gelu"),
    ConfigKey("hidden_dropout_prob", "dropout", 0.1),
    ConfigKey("attention_probs_dropout_prob", "attention_dropout", 0.1),
    ConfigKey("layer_norm_eps", "layer_norm_eps", 1e-12),
)
EMBEDDINGS: Rows = (
    ("embeddings.words.weight", "embeddings.word_embeddings.weight"),
    ("embeddings.positions.weight", "embeddings.position_embeddings.weight"),
    ("embeddings.norm.weight", "embeddings.LayerNorm.weight"),
    ("embeddings.norm.bias", "embeddings.LayerNorm.bias"),
)
TOKEN_TYPES: Rows = (("embeddings.token_types.weight", "embeddings.token_type_embeddings.weight"),)
BERT_LAYER: Rows = (
    ("layers.{}.attention.query", "encoder.layer.{}.attention.self.query"),
    ("layers.{}.attention.key", "encoder.layer.{}.attention.self.key"),
    ("layers.{}.attention.value", "encoder.layer.{}.attention.self.value"),
    ("layers.{}.attention.output", "encoder.layer.{}.attention.output.dense"),
    ("layers.{}.attention_norm", "encoder.layer.{}.attention.output.LayerNorm"),
    ("layers.{}.feed_forward.up", "encoder.layer.{}.intermediate.dense"),
    ("layers.{}.feed_forward.down", "encoder.layer.{}.output.dense"),
    ("layers.{}.feed_forward_norm", "encoder.layer.{}.output.LayerNorm"),
)
BERT_TOKENS = SpecialTokens(
    pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
)
ROBERTA_TOKENS = SpecialTokens(
    bos_token="<s>",
    eos_token="</s>",
    unk_token="<unk>",
    sep_token="</s>",
    pad_token="<pad>",
    cls_token="<s>",
    mask_token="<mask>",
)
ROBERTA_MASKED_LM = Head(
    (
        ("transform.weight", "lm_head.dense.weight"),
        ("transform.bias", "lm_head.dense.bias"),
        ("norm.weight", "lm_head.layer_norm.weight"),
        ("norm.bias", "lm_head.layer_norm.bias"),
        ("decoder.weight", "lm_head.decoder.weight"),
        ("decoder.bias", "lm_head.bias"),
    ),
    activation="gelu",
    tied=(("lm_head.decoder.bias", "lm_head.bias"),),
)
TWO_LAYER_CLASSIFIER: Rows = (
    ("transform.weight", "classifier.dense.weight"),
    ("transform.bias", "classifier.dense.bias"),
    ("classifier.weight", "classifier.out_proj.weight"),
    ("classifier.bias", "classifier.out_proj.bias"),
)
