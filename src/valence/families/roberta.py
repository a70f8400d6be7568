"""RoBERTa, and DistilRoBERTa, which is one of fewer layers: BERT's encoder, byte-level BPE, no next sentences.

`transformers` counts positions by the tokens that are not padding; here every token of a text counts, so a text that
spells out "<pad>" is read with one position more.
"""

from valence.families.family import ConfigKey, Family, Head, Tokenizing
from valence.families.shared import (
    BERT_KEYS,
    BERT_LAYER,
    EMBEDDINGS,
    ROBERTA_MASKED_LM,
    ROBERTA_TOKENS,
    TOKEN_TYPES,
    TWO_LAYER_CLASSIFIER,
)

__all__ = ["ROBERTA"]

ROBERTA = Family(
    name="roberta",
    title="RoBERTa",
    class_name="Roberta",
    paper="https://arxiv.org/abs/1907.11692",
    citation="""@article{liu2019roberta,
  title   = {{RoBERTa}: A Robustly Optimized {BERT} Pretraining Approach},
  author  = {Liu, Yinhan and Ott, Myle and Goyal, Naman and Du, Jingfei and Joshi, Mandar and Chen, Danqi and
             Levy, Omer and Lewis, Mike and Zettlemoyer, Luke and Stoyanov, Veselin},
  journal = {arXiv preprint arXiv:1907.11692},
  year    = {2019}
}""",
    keys=(
        *BERT_KEYS,
        ConfigKey("pad_token_id", "pad_token_id", 1),
        ConfigKey("type_vocab_size", "n_token_types", 2),
        ConfigKey("classifier_dropout", "classifier_dropout", 0.1, like="dropout"),
    ),
    same={"attention_output_dropout": "dropout"},
    required={"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False},
    written={"bos_token_id": 0, "eos_token_id": 2},
    embeddings=(*EMBEDDINGS, *TOKEN_TYPES),
    layer=BERT_LAYER,
    heads={
        "classification": Head(TWO_LAYER_CLASSIFIER, activation="tanh", dropout_before=True),
        "masked-lm": ROBERTA_MASKED_LM,
    },
    other_heads=("qa_outputs", "pooler"),
    tokenizing=Tokenizing(
        class_name="RobertaTokenizer",
        like=("LongformerTokenizer", "LEDTokenizer"),
        model="BPE",
        special=ROBERTA_TOKENS,
        separators=2,
        token_types=False,
    ),
    first_position=None,
)
