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
from valence.files import read_json
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
        """
        limit = folder.max_position_embeddings
        if max_length is not None and not 3 <= max_length <= limit:
            raise InputError(f"max length must lie between 3 and the model's {limit} positions, found {max_length}")
        if (folder.path / "tokenizer.json").is_file():
            rust = _read_tokenizer_json(folder.path / "tokenizer.json")
        elif (folder.path / "vocab.txt").is_file():
            rust = _read_vocabulary(folder)
        else:
            raise ModelNotFoundError(f"{folder.path}: no tokenizer: expected tokenizer.json or vocab.txt")
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
        try:
            encodings = self._rust.encode_batch_fast(list(texts))
        except (TypeError, UnicodeEncodeError):
            self._check(texts, first)
            raise
        results: list[TokenizedText] = []
        for index, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            n_tokens = len(encoding)
            if n_tokens > self.max_length:
                if long_text == "error":
                    raise InputError(
                        f"text {first + index + 1} has {n_tokens} tokens, the limit is {self.max_length}: "
                        "shorten it, or allow truncation"
                    )
                encoding = self._truncate(text)
            results.append(
                TokenizedText(
                    np.array(encoding.ids, dtype=np.int32),
                    np.array(encoding.type_ids, dtype=np.int32) if isinstance(text, tuple) else None,
                    n_tokens,
                )
            )
        return results

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, vocab.txt and tokenizer_config.json, without truncation or padding.

        Args:
            folder: where.
        """
        self._rust.save(str(folder / "tokenizer.json"))
        words = sorted(self._rust.get_vocab().items(), key=lambda item: item[1])
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
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
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    def _truncate(self, text: Text) -> Any:
        if self._truncating is None:
            self._truncating = RustTokenizer.from_str(self._rust.to_str())
            self._truncating.enable_truncation(self.max_length, strategy="longest_first")
        return self._truncating.encode_batch_fast([text])[0]

    @staticmethod
    def _check(texts: Sequence[Any], first: int) -> None:
        """Name the first text that is not Unicode text."""
        for index, text in enumerate(texts):
            parts = text if isinstance(text, tuple) and len(text) == 2 else (text,)
            for part in parts:
                if not isinstance(part, str):
                    raise InputError(
                        f"text {first + index + 1} must be a string or a pair of strings, found {text!r:.80}"
                    )
                try:
                    part.encode("utf-8")
                except UnicodeEncodeError as problem:
                    raise InputError(
                        f"text {first + index + 1} is not valid Unicode: "
                        f"character {problem.start + 1} is {part[problem.start]!r}, half of a surrogate pair"
                    ) from None


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
    try:
        words = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ModelError(f"{path}: not readable: {problem}") from None
    if words and words[-1] == "":
        words.pop()
    vocabulary = {word.removesuffix("\r"): index for index, word in enumerate(words)}
    if absent := [token for token in _SPECIAL_TOKENS if token not in vocabulary]:
        raise ModelError(f"{path}: not a BERT vocabulary: it lacks {', '.join(absent)}")
    rust = RustTokenizer(
        WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=_MAX_WORD_CHARACTERS)
    )
    rust.normalizer = BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        strip_accents=settings.get("strip_accents"),
        lowercase=settings.get("do_lower_case", True),
    )
    rust.pre_tokenizer = BertPreTokenizer()
    rust.post_processor = BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    rust.add_special_tokens(list(_SPECIAL_TOKENS))
    return rust
