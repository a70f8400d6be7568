"""BERT: token types that tell the texts of a pair apart, and a pooler before the classifier."""

from valence.families.family import ConfigKey, Family, Head, Rows, Tokenizing
from valence.families.shared import BERT_KEYS, BERT_LAYER, BERT_TOKENS, EMBEDDINGS, TOKEN_TYPES

__all__ = ["BERT"]

_POOLER: Rows = (("transform.weight", "pooler.dense.weight"), ("transform.bias", "pooler.dense.bias"))
_MASKED_LM = Head(
    (
        ("transform.weight", "cls.predictions.transform.dense.weight"),
        ("transform.bias", "cls.predictions.transform.dense.bias"),
        ("norm.weight", "cls.predictions.transform.LayerNorm.weight"),
        ("norm.bias", "cls.predictions.transform.LayerNorm.bias"),
        ("decoder.weight", "cls.predictions.decoder.weight"),
        ("decoder.bias", "cls.predictions.bias"),
    ),
    tied=(("cls.predictions.decoder.bias", "cls.predictions.bias"),),
)
_NEXT_SENTENCE = Head(
    (
        *_POOLER,
        ("classifier.weight", "cls.seq_relationship.weight"),
        ("classifier.bias", "cls.seq_relationship.bias"),
    ),
    activation="tanh",
)

BERT = Family(
    name="bert",
    title="BERT",
    class_name="Bert",
    paper="https://arxiv.org/abs/1810.04805",
    citation="""@inproceedings{devlin2019bert,
  title     = {{BERT}: Pre-training of Deep Bidirectional Transformers for Language Understanding},
  author    = {Devlin, Jacob and Chang, Ming-Wei and Lee, Kenton and Toutanova, Kristina},
  booktitle = {Proceedings of NAACL-HLT},
  year      = {2019}
}""",
    keys=(
        *BERT_KEYS,
        ConfigKey("pad_token_id", "pad_token_id", 0),
        ConfigKey("type_vocab_size", "n_token_types", 2),
        ConfigKey("classifier_dropout", "classifier_dropout", 0.1, like="dropout"),
    ),
    same={"attention_output_dropout": "dropout"},
    required={"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False},
    embeddings=(*EMBEDDINGS, *TOKEN_TYPES),
    layer=BERT_LAYER,
    heads={
        "classification": Head(
            (*_POOLER, ("classifier.weight", "classifier.weight"), ("classifier.bias", "classifier.bias")),
            activation="tanh",
        ),
        "masked-lm": _MASKED_LM,
        "next-sentence": _NEXT_SENTENCE,
        "pretraining": Head(
            (
                *((f"masked_lm.{ours}", theirs) for ours, theirs in _MASKED_LM.tensors),
                *((f"next_sentence.{ours}", theirs) for ours, theirs in _NEXT_SENTENCE.tensors),
            ),
            activation="tanh",
            tied=_MASKED_LM.tied,
        ),
    },
    other_heads=("qa_outputs",),
    tokenizing=Tokenizing(
        class_name="BertTokenizer",
        like=(
            *("DistilBertTokenizer", "ConvBertTokenizer", "ElectraTokenizer", "LayoutLMTokenizer", "LxmertTokenizer"),
            *("MobileBertTokenizer", "SqueezeBertTokenizer", "DPRContextEncoderTokenizer"),
            *("DPRQuestionEncoderTokenizer", "DPRReaderTokenizer"),
        ),
        model="WordPiece",
        special=BERT_TOKENS,
    ),
    becomes="distilbert",
)
