"""MPNet: attention with a bias by the distance of two tokens; the encoder of many models for sentence embeddings."""

import dataclasses

from valence.families.family import ConfigKey, Family, Head, Tokenizing
from valence.families.shared import BERT_KEYS, EMBEDDINGS, ROBERTA_MASKED_LM, ROBERTA_TOKENS, TWO_LAYER_CLASSIFIER

__all__ = ["MPNET"]

MPNET = Family(
    name="mpnet",
    title="MPNet",
    class_name="MPNet",
    paper="https://arxiv.org/abs/2004.09297",
    citation="""@inproceedings{song2020mpnet,
  title     = {{MPNet}: Masked and Permuted Pre-training for Language Understanding},
  author    = {Song, Kaitao and Tan, Xu and Qin, Tao and Lu, Jianfeng and Liu, Tie-Yan},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020}
}""",
    keys=(*BERT_KEYS, ConfigKey("pad_token_id", "pad_token_id", 1)),
    fixed={"n_token_types": 0},
    same={"attention_output_dropout": "dropout", "classifier_dropout": "dropout"},
    required={"relative_attention_num_buckets": 32},
    written={"relative_attention_num_buckets": 32, "bos_token_id": 0, "eos_token_id": 2},
    embeddings=(*EMBEDDINGS, ("distances.weight", "encoder.relative_attention_bias.weight")),
    layer=(
        ("layers.{}.attention.query", "encoder.layer.{}.attention.attn.q"),
        ("layers.{}.attention.key", "encoder.layer.{}.attention.attn.k"),
        ("layers.{}.attention.value", "encoder.layer.{}.attention.attn.v"),
        ("layers.{}.attention.output", "encoder.layer.{}.attention.attn.o"),
        ("layers.{}.attention_norm", "encoder.layer.{}.attention.LayerNorm"),
        ("layers.{}.feed_forward.up", "encoder.layer.{}.intermediate.dense"),
        ("layers.{}.feed_forward.down", "encoder.layer.{}.output.dense"),
        ("layers.{}.feed_forward_norm", "encoder.layer.{}.output.LayerNorm"),
    ),
    heads={
        "classification": Head(TWO_LAYER_CLASSIFIER, activation="tanh", dropout_before=True),
        "masked-lm": ROBERTA_MASKED_LM,
    },
    other_heads=("qa_outputs", "pooler"),
    tokenizing=Tokenizing(
        class_name="MPNetTokenizer",
        model="WordPiece",
        special=dataclasses.replace(ROBERTA_TOKENS, unk_token="[UNK]"),
        separators=2,
        token_types=False,
        mask_takes_space=True,
    ),
    first_position=2,
    buckets=32,
    why_not_native="its kernels know no bias by distance",
)
