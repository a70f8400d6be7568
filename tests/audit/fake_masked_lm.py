"""A masked LM without weights: a test says how likely it finds each word at a masked place."""

import string
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from valence.runtime.mask_filler import MaskFiller
from valence.text.batching import TokenBatch
from valence.text.tokenizer import Tokenizer

__all__ = ["Weigh", "fake_masked_lm", "scrambled"]

Weigh = Callable[[Sequence[str], int], Mapping[str, float]]
"""The tokens of a text and which of them is asked for, to logits of words; those not named get 0."""

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


class _Engine:
    def __init__(self, tokens: Sequence[str], weigh: Weigh) -> None:
        self._tokens = tokens
        self._ids = {token: number for number, token in enumerate(tokens)}
        self._weigh = weigh
        self.n_scored = 0

    def log_probabilities(
        self, batch: TokenBatch, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        found = []
        for row, column in zip(rows, columns, strict=True):
            ids = batch.input_ids[row][: batch.attention_mask[row].sum()]
            logits = np.zeros(len(self._tokens))
            for word, logit in self._weigh([self._tokens[number] for number in ids], int(column)).items():
                logits[self._ids[word]] = logit
            found.append(logits - np.log(np.exp(logits).sum()))
            self.n_scored += 1
        return np.array(found, dtype=np.float32)


def fake_masked_lm(words: Sequence[str], weigh: Weigh, lowercase: bool = True, max_length: int = 64) -> MaskFiller:
    """A filler whose vocabulary is letters, their continuations, punctuation and some words."""
    letters = list(string.ascii_letters)
    pieces = [f"##{letter}" for letter in letters]
    tokens = list(dict.fromkeys([*_SPECIAL, *letters, *pieces, *string.punctuation, *string.digits, *words]))
    ids = {token: number for number, token in enumerate(tokens)}
    rust = RustTokenizer(WordPiece(ids, unk_token="[UNK]"))
    rust.normalizer = BertNormalizer(lowercase=lowercase)
    rust.pre_tokenizer = BertPreTokenizer()
    rust.post_processor = BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    rust.add_special_tokens(_SPECIAL)
    return MaskFiller(Tokenizer(rust, max_length, threads=1), _Engine(tokens, weigh))


def scrambled(words: Sequence[str]) -> Weigh:
    """Logits of words that depend on everything: the text, the place and the word."""

    def weigh(tokens: Sequence[str], column: int) -> Mapping[str, float]:
        seed = sum(ord(letter) * (place + 3) for place, token in enumerate(tokens) for letter in token)
        random = np.random.default_rng(seed * 131 + column)
        return dict(zip(words, random.normal(scale=2, size=len(words)), strict=True))

    return weigh
