"""Random tiny classifiers of families that valence has no record of, as other programs export them.

They are a DeBERTa-v2 and a ModernBERT. A folder has config.json, tokenizer files and onnx/model.onnx, and no weights;
those lie in `reference` within it, for `transformers`.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

SENTENCES = ["the film was good", "a very bad plot, and the acting is awful!", "my dog is not cute.", "hello"]
LETTERS = "abcdefghijklmnopqrstuvwxyz.,!?'"


def unigram() -> Tokenizer:
    """A tokenizer like DeBERTa's: pieces with scores, [CLS] A [SEP] B [SEP], ids from 0 for [PAD]."""
    words = sorted({f"▁{word.strip('.,!')}" for sentence in SENTENCES for word in sentence.split()})
    pieces = [(token, 0.0) for token in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    pieces += [(word, -2.0) for word in words] + [(letter, -5.0) for letter in ["▁", *LETTERS]]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")])
    tokenizer.add_special_tokens(["[MASK]"])
    mark(tokenizer)
    return tokenizer


def byte_pairs() -> Tokenizer:
    """A tokenizer like ModernBERT's: bytes and pairs of them, learned from a few sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    )
    mark(tokenizer)
    return tokenizer


def mark(tokenizer: Tokenizer) -> None:
    special = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )


def deberta(vocab_size: int, **changes) -> torch.nn.Module:
    """A DeBERTa-v2 of three classes that reads token types."""
    options = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "max_position_embeddings": 64, "relative_attention": True, "position_buckets": 16, "norm_rel_ebd": "layer_norm",
        "pos_att_type": ["p2c", "c2p"], "share_att_key": True, "position_biased_input": False, "type_vocab_size": 2,
        "id2label": {0: "bad", 1: "mixed", 2: "good"}, "initializer_range": 0.3, "pad_token_id": 0,
    }  # fmt: skip
    config = transformers.DebertaV2Config(vocab_size=vocab_size, **options | changes)
    torch.manual_seed(1)
    return transformers.DebertaV2ForSequenceClassification(config).eval()


def modern_bert(vocab_size: int, **changes) -> torch.nn.Module:
    """A ModernBERT of two classes, with layers that look at a few neighbours alone."""
    options = {
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
        "max_position_embeddings": 128, "local_attention": 8, "global_attn_every_n_layers": 2,
        "id2label": {0: "NEGATIVE", 1: "POSITIVE"}, "initializer_range": 0.3, "attn_implementation": "eager",
        "pad_token_id": 3, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    config = transformers.ModernBertConfig(vocab_size=vocab_size, **options | changes)
    torch.manual_seed(2)
    return transformers.ModernBertForSequenceClassification(config).eval()


def export(model: torch.nn.Module, path: Path, inputs: Sequence[str], dynamo: bool = False) -> None:
    """Export a classifier with `torch.onnx.export`, for batches and texts of any length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    example = {name: torch.ones((2, 9), dtype=torch.int64) for name in inputs}
    axes = {0: "batch", 1: "tokens"}
    names = {"input_names": list(inputs), "output_names": ["logits"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and of the old exporter's age
        if dynamo:
            sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", min=2, max=64)}
            torch.onnx.export(
                model, (), path, kwargs=example, dynamo=True, verbose=False, **names,
                dynamic_shapes=dict.fromkeys(inputs, sizes),
            )  # fmt: skip
        else:
            torch.onnx.export(
                model, (example,), path, dynamo=False, opset_version=17, **names,
                dynamic_axes={**dict.fromkeys(inputs, axes), "logits": {0: "batch"}},
            )  # fmt: skip


def make_deberta(folder: Path) -> None:
    tokenizer = unigram()
    model = deberta(tokenizer.get_vocab_size())
    make(folder, model, tokenizer, ("input_ids", "attention_mask", "token_type_ids"), "DebertaV2Tokenizer")


def make_modern_bert(folder: Path) -> None:
    tokenizer = byte_pairs()
    model = modern_bert(tokenizer.get_vocab_size())
    make(folder, model, tokenizer, ("input_ids", "attention_mask"), "PreTrainedTokenizerFast", model_max_length=100)


def make(folder: Path, model, tokenizer: Tokenizer, inputs: Sequence[str], tokenizer_class: str, **settings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder / "reference")
    model.config.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    content = {"tokenizer_class": tokenizer_class, "mask_token": "[MASK]", **special, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(content))
    export(model, folder / "onnx" / "model.onnx", inputs)


def expected_logits(folder: Path, texts: Sequence[str | tuple[str, str]], limit: int) -> NDArray[np.float32]:
    """What `transformers` computes, all texts in one padded batch."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]", unk_token="[UNK]"
    )
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder / "reference", attn_implementation="eager"
    ).eval()
    has_types = "token_type_ids" in inputs_of(folder)
    encoded = [
        tokenizer(*pair, truncation="longest_first", max_length=limit, return_token_type_ids=has_types)
        for pair in (text if isinstance(text, tuple) else (text,) for text in texts)
    ]
    with torch.inference_mode():
        return model(**tokenizer.pad(encoded, return_tensors="pt")).logits.numpy()


def inputs_of(folder: Path) -> list[str]:
    session = onnxruntime.InferenceSession(folder / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    return [entry.name for entry in session.get_inputs()]
