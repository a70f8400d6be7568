"""Texts to token ids, exactly as `transformers` does it, in Rust threads.

Source: the `tokenizers` package; WordPiece as in Devlin et al. 2019, "BERT".
"""

import functools
import json
import os
import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Encoding
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel

from valence.errors import InputError, ModelError
from valence.families import Tokenizing, config_key, family_of
from valence.families.shared import BERT_TOKENS
from valence.files import why_not_unicode, write_json, write_text
from valence.folder import ModelFolder
from valence.forking import cached_property, is_forked, native_calls
from valence.reading import TRUNCATED, Reading, Text
from valence.rust import explained
from valence.text.segments import BEFORE_SPACE, BETWEEN_WORDS, segments
from valence.text.tokenizer_files import MODELS, read_tokenizer, settings_of, wrong_marks
from valence.text.vocabulary import WORD_MARKS, Vocabulary, WordMark

__all__ = ["Text", "TokenizedText", "TokenizedWindow", "Tokenizer"]

_ROLES = {token: role for role, token in BERT_TOKENS.names().items()}
_SEGMENT_CHARACTERS = 16_384  # what is tokenised at once of a longer text; bounds the memory
_SEGMENTS = 64  # tokenised at a time
_CONTENTS_TEXTS = 1024  # the same, of whole texts
_LONGEST_WHOLE = 4 * _SEGMENT_CHARACTERS


@dataclass(frozen=True, slots=True)
class TokenizedWindow:
    """The token ids of a part of a text, as the model reads it."""

    ids: NDArray[np.int32]
    """[T], with special tokens; for a pair with the whole first text."""
    type_ids: NDArray[np.int32] | None
    """As in `TokenizedText`."""
    n_tokens: int
    """Tokens of the text in this window, without special tokens and, in a pair, without the first text."""
    start: int
    """Its first character in the text, from 0; in a pair in the second text."""
    end: int
    """The character after its last."""
    second: int | None = None
    """As in `TokenizedText`."""


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The token ids of one text, special tokens included."""

    ids: NDArray[np.int32]
    """[T], at most as long as the model reads; of a text in windows those of the first."""
    type_ids: NDArray[np.int32] | None
    """[T], 0 for the first and 1 for the second text of a pair; None for a single text, or one of a family without."""
    n_tokens: int
    """Tokens the whole text has; more than T if it was truncated."""
    windows: tuple[TokenizedWindow, ...] = ()
    """Two or more; empty where the text was not divided."""
    n_unknown: int = 0
    """How many of `n_tokens` are the unknown token."""
    second: int | None = None
    """Which token, from 0, is the first of the second text of a pair, or of what stands behind one without tokens."""

    @property
    def truncated(self) -> bool:
        """Whether the end of the text was left out."""
        return self.n_tokens > len(self.ids) and not self.windows


class Tokenizer:
    """A tokenizer with a limit. Threads may share it.

    Args:
        rust: the tokenizer; its truncation and padding are switched off.
        max_length: the longest result in tokens, special tokens included.
        pad_token_id: for batches.
        threads: Rust threads for several texts; as many as there are processors if None. All tokenizers of a
            process share them, so the first to need them decides, or the environment variable RAYON_NUM_THREADS.
        names: its special tokens by what they are for, such as "cls_token"; BERT's own if None.
        file: where it was read from, for messages.
        kind: the record of its class, where it is known.
    """

    def __init__(
        self,
        rust: RustTokenizer,
        max_length: int,
        pad_token_id: int = 0,
        threads: int | None = None,
        names: Mapping[str, str] | None = None,
        file: object = "a tokenizer",
        kind: Tokenizing | None = None,
    ) -> None:
        rust.no_truncation()
        rust.no_padding()
        self._rust = rust
        self._names = dict(BERT_TOKENS.names() if names is None else names)
        self._kind = kind
        self._file = str(file)
        unknown = rust.token_to_id(self._names.get("unk_token", ""))
        self._unknown_id = -1 if unknown is None else unknown
        self._has_types = kind is None or kind.token_types
        self._truncating: RustTokenizer | None = None
        self._threads = threads
        self._places = _places_to_cut(rust)
        self.max_length = max_length
        self.pad_token_id = pad_token_id

    def __getstate__(self) -> dict[str, object]:
        # The Rust tokenizer's own pickle loses this; the other copy is made again when it is needed.
        return self.__dict__ | {"_truncating": None, "encode_special_tokens": self._rust.encode_special_tokens}

    def __setstate__(self, state: dict[str, Any]) -> None:
        split = state.pop("encode_special_tokens")
        self.__dict__.update(state)
        self._rust.encode_special_tokens = split

    @classmethod
    def from_folder(cls, folder: ModelFolder, max_length: int | None = None, threads: int | None = None) -> "Tokenizer":
        """Load the tokenizer of a model.

        Args:
            folder: the model, with a tokenizer.json or a vocab.txt.
            max_length: in tokens; the model's own limit (max_position_embeddings) if None.
            threads: as for the class.

        Returns:
            The tokenizer.

        Raises:
            InputError: if max_length is not within the model's limit.
            ModelNotFoundError: if the folder has no tokenizer.
            ModelError: if its tokenizer is broken or not this model's.
        """
        family = family_of(folder.config.get("model_type"))
        limit = folder.max_position_embeddings
        found = read_tokenizer(folder)
        rust = found.rust
        rust.no_truncation()
        rust.no_padding()
        _try(rust, found.file, found.kind)
        if family is None and found.max_length is not None and 3 <= found.max_length < limit:
            limit = found.max_length  # which of its positions are for tokens is not known
        if max_length is not None and not (isinstance(max_length, int) and 3 <= max_length <= limit):
            raise InputError(f"max length must lie between 3 and the model's {limit} positions, found {max_length!r}")
        if max_length is None and found.max_length is not None and found.max_length < limit:
            warnings.warn(
                f"{folder.path}: model_max_length is {found.max_length} in tokenizer_config.json, but the model's "
                f"{limit} positions are used: max length {found.max_length} (--max-length) sets the lower limit",
                stacklevel=2,
            )
        vocab_size = folder.config.get("vocab_size")
        if isinstance(vocab_size, int) and (largest := max(rust.get_vocab().values(), default=0)) >= vocab_size:
            raise ModelError(
                f"{folder.path}: the tokenizer's ids reach {largest}, the model's vocabulary has {vocab_size} rows "
                f"(id {largest} is {rust.id_to_token(largest)!r})"
            )
        pad = folder.config.get("pad_token_id")
        if not isinstance(pad, int):
            pad = family.default("pad_token_id") if family else rust.token_to_id(found.names.get("pad_token", "")) or 0
        made = cls(rust, max_length or limit, pad, threads, found.names, found.file, found.kind)
        types = folder.config.get(config_key(folder.config.get("model_type"), "n_token_types") or "")
        if isinstance(types, int) and types < 2:  # the model has one row for all tokens, or none
            made._has_types = False
        return made

    def __call__(self, texts: Sequence[Text], reading: Reading = TRUNCATED, first: int = 0) -> list[TokenizedText]:
        """Tokenise texts.

        Args:
            texts: texts or pairs.
            reading: what is done with long texts: "truncate" leaves out the end (of a pair: of the longer text),
                "error" refuses, "window" divides the text (of a pair: the second; where the first leaves too little
                room for that, the pair is truncated). The limit is the tokenizer's own.
            first: the index of the first text in the caller's counting, for messages.

        Returns:
            One result per text, in order.

        Raises:
            InputError: if a text is not Unicode text, or too long under "error".
        """
        for index, text in enumerate(texts):
            self.check(text, first + index)
        tokenized = self.encode(texts, reading)
        if reading.long_text == "error":
            for index, outcome in enumerate(tokenized):
                if outcome.truncated:
                    raise self.too_long(outcome, first + index)
        return tokenized

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens there are."""
        added = self._rust.get_added_tokens_decoder().values()
        special = {token.content for token in added if token.special} | set(_ROLES) | set(self._names.values())
        whole = frozenset(token.content for token in added) - special
        return Vocabulary(self._rust.get_vocab(), frozenset(special), _word_mark(self._rust, self._kind), whole)

    @property
    def unknown_id(self) -> int | None:
        """The id of what stands for words that cannot be read; None where there is none."""
        return None if self._unknown_id < 0 else self._unknown_id

    @property
    def mask_token(self) -> str:
        """What stands in a text where a word is missing, such as "[MASK]"."""
        return self._names.get("mask_token", BERT_TOKENS.mask_token)

    @cached_property
    def mask_takes_space(self) -> bool:
        """Whether the spaces before a mask belong to it."""
        added = self._rust.get_added_tokens_decoder().values()
        return any(token.lstrip for token in added if token.content == self.mask_token)

    @cached_property
    def separators(self) -> int:
        """How many special tokens stand between the texts of a pair."""
        single, pair = (self._rust.num_special_tokens_to_add(is_pair) for is_pair in (False, True))
        return int(pair - single)

    def special_id(self, token: str) -> int:
        """Find a special token.

        Args:
            token: such as "[MASK]", whatever this tokenizer calls it.

        Returns:
            Its id.

        Raises:
            ModelError: if the vocabulary lacks it.
        """
        own = self._names.get(_ROLES.get(token, ""), token)
        found = self._rust.token_to_id(own)
        if found is None:
            raise ModelError(f"the tokenizer's vocabulary has no {own}")
        return int(found)

    def contents(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """Tokenise texts of any length, without special tokens around them and without a limit.

        Args:
            texts: any number; not checked.

        Returns:
            The ids of each, [T].
        """
        found: list[NDArray[np.int32]] = []
        for first in range(0, len(texts), _CONTENTS_TEXTS):
            group = texts[first : first + _CONTENTS_TEXTS]
            if all(len(text) <= _LONGEST_WHOLE for text in group):
                found += [np.array(encoding.ids, dtype=np.int32) for encoding in self._encodings(group, special=False)]
            else:
                found += [self._contents(text, with_places=False)[0] for text in group]
        return found

    def contents_with_offsets(self, text: str) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Tokenise one text as `contents` does, and find where in it each token stands.

        Args:
            text: not checked.

        Returns:
            The ids, the first character of each token counted from 0, and the character after its last; [T] each.
        """
        return self._contents(text, with_places=True)

    def check(self, text: object, index: int = 0) -> None:
        """Refuse what is not Unicode text.

        Args:
            text: a text or a pair, one would hope.
            index: which of several it is, for the message.

        Raises:
            InputError: if it is neither.
        """
        parts = text if isinstance(text, tuple) and len(text) == 2 else (text,)
        for part in parts:
            if not isinstance(part, str):
                raise InputError(f"must be a string or a pair of strings, found {text!r:.80}", index)
            if (reason := why_not_unicode(part)) is not None:
                raise InputError(reason, index)

    def too_long(self, text: TokenizedText, index: int) -> InputError:
        """Make the error that "error" asks for.

        Args:
            text: the text.
            index: which of several it is, for the message.

        Returns:
            The error.
        """
        return InputError(
            f"has {text.n_tokens} tokens, the limit is {self.max_length}: "
            "shorten it, allow truncation, or read it in windows",
            index,
        )

    def encode(self, texts: Sequence[Text], reading: Reading = TRUNCATED) -> list[TokenizedText]:
        """Tokenise texts that were checked; see `__call__`. What "error" would refuse is truncated.

        Args:
            texts: texts or pairs.
            reading: see `__call__`.

        Returns:
            One result per text, in order.
        """
        whole = [index for index, text in enumerate(texts) if self._places is None or _size(text) <= _LONGEST_WHOLE]
        found: list[TokenizedText | None] = [None] * len(texts)
        divided = reading.long_text == "window"
        for index, encoding in zip(whole, self._encodings([texts[index] for index in whole]), strict=True):
            if not (divided and len(encoding) > self.max_length):
                found[index] = self._fitted(texts[index], encoding)
        for index, text in enumerate(texts):
            if found[index] is None:
                found[index] = self._encode_long(text, divided, reading.stride)
        return found  # type: ignore[return-value]  # none is None now

    def _fitted(self, text: Text, encoding: Encoding) -> TokenizedText:
        """Read the ids of a text that was tokenised whole, and leave out the end of a long one."""
        listed: list[int] = encoding.ids  # made anew each time
        ids = np.array(listed, dtype=np.int32)
        n_tokens, n_unknown = len(listed), listed.count(self._unknown_id)
        is_pair = isinstance(text, tuple)
        if n_tokens > self.max_length and is_pair:
            encoding = self._truncate(text)
            ids = np.array(encoding.ids, dtype=np.int32)
        if len(ids) > self.max_length:
            ids = np.concatenate([ids[: self.max_length - 1], ids[-1:]])
        if not is_pair:
            types = self._types(encoding)[: len(ids)] if self._types_of_one else None  # type: ignore[index]
            return TokenizedText(ids, types, n_tokens, (), n_unknown)
        second = 1 + encoding.sequence_ids.count(0) + self.separators
        return TokenizedText(ids, self._types(encoding), n_tokens, (), n_unknown, second)

    @cached_property
    def _types_of_one(self) -> bool:
        """Whether a text alone has other token types than 0 (Funnel's first token has 2)."""
        return self._has_types and self._kind is None and any(self._rust.encode("a").type_ids)

    def _types(self, encoding: Encoding) -> NDArray[np.int32] | None:
        return np.array(encoding.type_ids, dtype=np.int32) if self._has_types else None

    def _encode_long(self, text: Text, divided: bool, stride: int) -> TokenizedText:
        """Tokenise one long text in segments; divide it into windows, or leave out its end."""
        is_pair = isinstance(text, tuple)
        if is_pair and not divided:
            return self._fitted(text, self._encodings([text])[0])
        before, content = text if isinstance(text, tuple) else ("", text)
        around = self._encodings([(before, "") if is_pair else ""])[0]  # [CLS] [SEP], or [CLS] the first [SEP] [SEP]
        frame = np.array(around.ids, dtype=np.int32)
        types = self._types(around) if is_pair or self._types_of_one else None
        second = len(frame) - 1 if is_pair else None
        ids, starts, ends = self._contents(content, divided)
        room = self.max_length - len(frame)
        n_tokens = len(frame) + len(ids)
        n_unknown = sum(int(np.count_nonzero(part == self._unknown_id)) for part in (frame, ids))

        def framed(start: int, stop: int) -> tuple[NDArray[np.int32], NDArray[np.int32] | None]:
            inside = np.concatenate([frame[:-1], ids[start:stop], frame[-1:]])
            if types is None:
                return inside, None
            return inside, np.concatenate([types[:-1], np.full(len(inside) - len(types), types[-1]), types[-1:]])

        if not divided or len(ids) <= room:
            return TokenizedText(*framed(0, room), n_tokens, (), n_unknown, second)
        if room < max(1, 2 * stride):  # the first text of a pair takes it
            return self._encode_long(text, False, stride)
        windows = []
        for start in range(0, len(ids) - stride, room - stride):
            stop = min(start + room, len(ids))
            place = int(starts[start]), int(ends[stop - 1])
            windows.append(TokenizedWindow(*framed(start, stop), stop - start, *place, second))
        return TokenizedText(windows[0].ids, windows[0].type_ids, n_tokens, tuple(windows), n_unknown, second)

    def _contents(self, text: str, with_places: bool) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Tokenise without special tokens: ids, and where asked for the first character and the one after the last."""
        parts = segments(text, _SEGMENT_CHARACTERS, self._places) if self._places else [(0, text)]
        ids, starts, ends = [], [], []
        for first in range(0, len(parts), _SEGMENTS):
            group = parts[first : first + _SEGMENTS]
            encodings = self._encodings([part for _, part in group], special=False, places=with_places)
            for (start, _), encoding in zip(group, encodings, strict=True):
                ids.append(np.array(encoding.ids, dtype=np.int32))
                if with_places:
                    places = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2) + start
                    starts.append(places[:, 0])
                    ends.append(places[:, 1])
        none = [np.empty(0, dtype=np.int32)]
        return np.concatenate(ids), np.concatenate(starts or none), np.concatenate(ends or none)

    def _encodings(self, texts: Sequence[Text], special: bool = True, places: bool = False) -> list[Encoding]:
        """Tokenise as `_run` does; where the Rust side fails, say on which text."""
        try:
            with explained(ModelError):
                return self._run(texts, special, places)
        except ModelError as problem:
            for text in texts:
                with explained(functools.partial(self._fails_on, text)):
                    self._run([text], special, places)
            raise ModelError(f"{self._file}: its tokenizer fails: {problem}") from None

    def _fails_on(self, text: Text, reason: str) -> InputError:
        return InputError(f"{self._file}: its tokenizer fails on the text {text!r:.80}: {reason}")

    def _run(self, texts: Sequence[Text], special: bool = True, places: bool = False) -> list[Encoding]:
        """Tokenise in Rust, in threads where there are several texts; a forked process has none of them."""
        encodings: list[Encoding]
        with native_calls:
            if self._threads == 1 or is_forked():
                pairs = (text if isinstance(text, tuple) else (text, None) for text in texts)
                encodings = [self._rust.encode(text, pair, add_special_tokens=special) for text, pair in pairs]
            else:
                _start_rust_threads(self._threads)
                encode = self._rust.encode_batch if places else self._rust.encode_batch_fast
                encodings = encode(list(texts), add_special_tokens=special)
        return encodings

    def save(self, folder: Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and the files of words, without truncation or padding.

        Files of words that would not give the same ids, such as a vocab.txt of words that have a line break, are left
        out.

        Args:
            folder: where.
        """
        write_text(folder / "tokenizer.json", self._rust.to_str(pretty=True))
        content = json.loads(self._rust.to_str())
        model = MODELS.get(content["model"]["type"])
        written = model.written(content) if model else {}
        for name in (name for one in MODELS.values() for name in one.files):
            if name in written:
                write_text(folder / name, written[name])
            else:
                (folder / name).unlink(missing_ok=True)
        settings = settings_of(content, self._rust, self._names, self._kind)
        write_json(folder / "tokenizer_config.json", settings | {"model_max_length": self.max_length})

    def _truncate(self, pair: Text) -> Encoding:
        """Tokenise a pair with the limit; a copy does it, so that threads can share this tokenizer."""
        if self.max_length < 2 + self.separators:
            raise InputError(
                f"a pair of texts has {2 + self.separators} special tokens, and the limit is {self.max_length} tokens: "
                "set a higher one"
            )
        if self._truncating is None:
            truncating = RustTokenizer.from_str(self._rust.to_str())
            truncating.encode_special_tokens = self._rust.encode_special_tokens  # what a copy loses
            truncating.enable_truncation(self.max_length, strategy="longest_first")
            self._truncating = truncating
        with explained(functools.partial(self._fails_on, pair)):
            return self._truncating.encode(*pair)


_threads_started = False
_starting_threads = threading.Lock()


def _start_rust_threads(threads: int | None) -> None:
    """Start the threads that all tokenizers share; they read their number from the environment, once."""
    global _threads_started
    if _threads_started:
        return
    with _starting_threads:
        variable = "RAYON_NUM_THREADS"
        if not _threads_started and threads is not None and variable not in os.environ:
            os.environ[variable] = str(threads)
            try:
                RustTokenizer(WordPiece()).encode_batch_fast(["", ""])
            finally:
                del os.environ[variable]
        _threads_started = True


def _size(text: Text) -> int:
    return len(text) if isinstance(text, str) else max(map(len, text))


def _places_to_cut(rust: RustTokenizer) -> re.Pattern[str] | None:
    """Find where a long text can be cut so that no token crosses; None where that is not known.

    Byte-level BPE divides a text between a word and the spaces behind it, whatever follows; but an added token may take
    those spaces, and where a space is put before each text there would be another before a line end.
    """
    added: list[AddedToken] = list(rust.get_added_tokens_decoder().values())
    if any(character.isspace() for token in added for character in token.content):
        return None
    before = rust.pre_tokenizer
    if isinstance(rust.normalizer, BertNormalizer) and isinstance(before, BertPreTokenizer):
        return BEFORE_SPACE
    is_byte_level = rust.normalizer is None and isinstance(before, ByteLevel) and before.use_regex
    if is_byte_level and not before.add_prefix_space and not any(token.rstrip for token in added):
        return BETWEEN_WORDS
    return None


def _word_mark(rust: RustTokenizer, kind: Tokenizing | None) -> WordMark:
    """Find how tokens tell words apart; where the class does not say, by what most of them begin with."""
    if kind is not None:
        return "##" if kind.model == "WordPiece" else "\u0120"
    words = rust.get_vocab()
    return max(WORD_MARKS, key=lambda mark: sum(word.startswith(mark) for word in words))


def _try(rust: RustTokenizer, file: Path, kind: Tokenizing | None) -> None:
    """Refuse a tokenizer that cannot mark where a text begins and ends, or cannot read any word."""
    word = "\u1b05"  # a letter that English vocabularies lack
    with explained(lambda reason: ModelError(f"{file}: its tokenizer fails: {reason}")):
        n_special = [rust.num_special_tokens_to_add(is_pair) for is_pair in (False, True)]
        bare, single, pair = (rust.encode(*texts).ids for texts in (("",), (word,), (word, word)))
        inside = rust.encode(word, add_special_tokens=False).ids
    n_between = n_special[1] - 2
    between = pair[1 + len(inside) : 1 + len(inside) + n_between]
    if (
        n_special[0] != 2
        or (n_between < 1 if kind is None else n_between != kind.separators)
        or single != [bare[0], *inside, bare[-1]]
        or pair != [bare[0], *inside, *between, *inside, bare[-1]]
    ):
        raise wrong_marks(file, n_special, kind)
