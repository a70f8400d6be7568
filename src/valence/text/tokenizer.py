"""Texts to token ids, exactly as `transformers` does it for BERT and DistilBERT, in Rust threads.

Source: the `tokenizers` package; WordPiece as in Devlin et al. 2019, "BERT".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from valence.errors import InputError, ModelError, ModelNotFoundError
from valence.files import read_json, write_json, write_text
from valence.folder import ModelFolder

__all__ = ["LongText", "Text", "TokenizedText", "Tokenizer"]

Text = str | tuple[str, str]
"""One text, or a pair of texts that are read together."""
LongText = Literal["truncate", "error"]
"""What to do with a text of more tokens than the model reads."""

_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_WORD_CHARACTERS = 100  # longer words become [UNK], as in BERT's own WordPiece


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The token ids of one text, special tokens included."""

    ids: NDArray[np.int32]
    """[T], at most as long as the model reads."""
    type_ids: NDArray[np.int32] | None
    """[T], 0 for the first and 1 for the second text of a pair; None for a single text (all 0)."""
    n_tokens: int
    """Tokens the whole text has; more than T if it was truncated."""

    @property
    def truncated(self) -> bool:
        """Whether the end of the text was left out."""
        return self.n_tokens > len(self.ids)


class Tokenizer:
    """A WordPiece tokenizer with a limit.

    Args:
        rust: the tokenizer; its truncation and padding are switched off.
        max_length: the longest result in tokens, special tokens included.
        pad_token_id: for batches.
    """

    def __init__(self, rust: RustTokenizer, max_length: int, pad_token_id: int = 0) -> None:
        rust.no_truncation()
        rust.no_padding()
        self._rust = rust
        self._truncating: RustTokenizer | None = None
        self.max_length = max_length
        self.pad_token_id = pad_token_id

    @classmethod
    def from_folder(cls, folder: ModelFolder, max_length: int | None = None) -> "Tokenizer":
        """Load the tokenizer of a model.

        Args:
            folder: the model, with a tokenizer.json or a vocab.txt.
            max_length: in tokens; the model's own limit (max_position_embeddings) if None.

        Returns:
            The tokenizer.

        Raises:
            InputError: if max_length is not within the model's limit.
            ModelNotFoundError: if the folder has no tokenizer.
            ModelError: if its tokenizer is broken or not this model's.
        """
        limit = folder.max_position_embeddings
        if max_length is not None and not (isinstance(max_length, int) and 3 <= max_length <= limit):
            raise InputError(f"max length must lie between 3 and the model's {limit} positions, found {max_length!r}")
        if (folder.path / "tokenizer.json").is_file():
            rust = _read_tokenizer_json(folder.path / "tokenizer.json")
        elif (folder.path / "vocab.txt").is_file():
            rust = _read_vocabulary(folder)
        else:
            raise ModelNotFoundError(f"{folder.path}: no tokenizer: expected tokenizer.json or vocab.txt")
        _try(rust, folder.path)
        vocab_size = folder.config.get("vocab_size")
        if isinstance(vocab_size, int) and (largest := max(rust.get_vocab().values(), default=0)) >= vocab_size:
            raise ModelError(
                f"{folder.path}: the tokenizer's ids reach {largest}, the model's vocabulary has {vocab_size} rows"
            )
        pad = folder.config.get("pad_token_id", 0)
        return cls(rust, max_length or limit, pad if isinstance(pad, int) else 0)

    def __call__(self, texts: Sequence[Text], long_text: LongText = "truncate", first: int = 0) -> list[TokenizedText]:
        """Tokenise texts.

        Args:
            texts: texts or pairs.
            long_text: "truncate" leaves out the end (of a pair: of the longer text), "error" refuses.
            first: the number of the first text in the caller's counting, for messages.

        Returns:
            One result per text, in order.

        Raises:
            InputError: if a text is not Unicode text, or too long under "error".
        """
        _check(texts, first)
        encodings = self._rust.encode_batch_fast(list(texts))
        lengths = [len(encoding) for encoding in encodings]
        long = [index for index, n_tokens in enumerate(lengths) if n_tokens > self.max_length]
        if long and long_text == "error":
            raise InputError(
                f"text {first + long[0] + 1} has {lengths[long[0]]} tokens, the limit is {self.max_length}: "
                "shorten it, or allow truncation"
            )
        for index, encoding in zip(long, self._truncate([texts[index] for index in long]), strict=True):
            encodings[index] = encoding
        return [
            TokenizedText(
                np.array(encoding.ids, dtype=np.int32),
                np.array(encoding.type_ids, dtype=np.int32) if isinstance(text, tuple) else None,
                n_tokens,
            )
            for text, encoding, n_tokens in zip(texts, encodings, lengths, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, vocab.txt and tokenizer_config.json, without truncation or padding.

        Args:
            folder: where.
        """
        self._rust.save(str(folder / "tokenizer.json"))
        words = {index: word for word, index in self._rust.get_vocab().items()}
        lines = [words.get(index, f"[unused-{index}]") for index in range(max(words) + 1)]  # a line is an id
        write_text(folder / "vocab.txt", "".join(f"{word}\n" for word in lines))
        normalizer = json.loads(self._rust.to_str())["normalizer"] or {}
        settings = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": normalizer.get("lowercase", True),
            "strip_accents": normalizer.get("strip_accents"),
            "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
            "model_max_length": self.max_length,
            "unk_token": "[UNK]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "cls_token": "[CLS]",
            "mask_token": "[MASK]",
        }
        write_json(folder / "tokenizer_config.json", settings)

    def _truncate(self, texts: list[Text]) -> list[Any]:
        """Tokenise again with the limit; a copy does it, so that threads can share this tokenizer."""
        if not texts:
            return []
        if self._truncating is None:
            truncating = RustTokenizer.from_str(self._rust.to_str())
            truncating.enable_truncation(self.max_length, strategy="longest_first")
            self._truncating = truncating
        encodings: list[Any] = self._truncating.encode_batch_fast(texts)
        return encodings


def _check(texts: Sequence[Any], first: int) -> None:
    """Refuse what is not Unicode text, naming the text."""
    for index, text in enumerate(texts):
        parts = text if isinstance(text, tuple) and len(text) == 2 else (text,)
        for part in parts:
            if not isinstance(part, str):
                raise InputError(f"text {first + index + 1} must be a string or a pair of strings, found {text!r:.80}")
            try:
                part.encode("utf-8")
            except UnicodeEncodeError as problem:
                raise InputError(
                    f"text {first + index + 1} is not valid Unicode: "
                    f"character {problem.start + 1} is {part[problem.start]!r}, half of a surrogate pair"
                ) from None


def _try(rust: RustTokenizer, path: Path) -> None:
    """Refuse a tokenizer that cannot do what BERT's does: mark a text's begin and end, read any word."""
    try:
        n_special = [rust.num_special_tokens_to_add(is_pair) for is_pair in (False, True)]
        rust.encode("\u1b05", "a")  # a letter that English vocabularies lack
    except Exception as problem:  # the Rust side raises plain Exception
        raise ModelError(f"{path}: its tokenizer fails: {problem}") from None
    if n_special != [2, 3]:
        raise ModelError(
            f"{path}: expected a tokenizer that adds [CLS] and [SEP] to a text and one more [SEP] to a pair, "
            f"found one that adds {n_special[0]} and {n_special[1]} tokens"
        )


def _read_tokenizer_json(path: Path) -> RustTokenizer:
    try:
        return RustTokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as problem:  # the Rust side raises plain Exception
        raise ModelError(f"{path}: not a tokenizer that can be read: {problem}") from None


def _read_vocabulary(folder: ModelFolder) -> RustTokenizer:
    """Build BERT's tokenizer around a vocab.txt, cased or not as tokenizer_config.json says."""
    path = folder.path / "vocab.txt"
    settings_file = folder.path / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    for name in ("do_lower_case", "strip_accents", "tokenize_chinese_chars"):
        if not isinstance(settings.get(name, True), bool | None):
            raise ModelError(f"{settings_file}: {name} must be true or false, found {settings[name]!r}")
    lower_case, chinese = settings.get("do_lower_case"), settings.get("tokenize_chinese_chars")
    try:
        vocabulary = WordPiece.read_file(str(path))
    except Exception as problem:  # the Rust side raises plain Exception
        raise ModelError(f"{path}: not a vocabulary that can be read: {problem}") from None
    if absent := [token for token in _SPECIAL_TOKENS if token not in vocabulary]:
        raise ModelError(f"{path}: not a BERT vocabulary: it lacks {', '.join(absent)}")
    rust = RustTokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=_MAX_WORD_CHARACTERS))
    rust.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True if chinese is None else chinese,
        strip_accents=settings.get("strip_accents"),
        lowercase=True if lower_case is None else lower_case,
    )
    rust.pre_tokenizer = BertPreTokenizer()
    rust.post_processor = BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    rust.add_special_tokens(list(_SPECIAL_TOKENS))
    return rust
