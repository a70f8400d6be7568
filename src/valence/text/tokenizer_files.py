"""A model folder's tokenizer files, read as `transformers` 5 reads them.

Its BERT tokenizer takes from tokenizer.json (or vocab.txt) the words alone. How they are used, it takes from
tokenizer_config.json, with BERT's defaults for what that leaves out; which tokens were added, from the
`added_tokens_decoder` there, and without one from special_tokens_map.json, added_tokens.json and tokenizer.json
together. Only under a class that is not BERT's is tokenizer.json followed as it stands.

Where the files disagree, a warning says what counts.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from valence.errors import ModelError, ModelNotFoundError
from valence.files import read_json, refuse_lfs_pointer
from valence.folder import ModelFolder
from valence.rust import explained

__all__ = ["FoundTokenizer", "read_tokenizer", "settings_of"]

# As BERT's vocabularies have them, by what `transformers` calls them.
BERT_NAMES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# What `transformers` takes for its BertTokenizer, and what for "as tokenizer.json says".
_BERT_CLASSES = frozenset(
    f"{name}Tokenizer"
    for name in (
        *("Bert", "DistilBert", "ConvBert", "Electra", "LayoutLM", "Lxmert", "MobileBert", "SqueezeBert"),
        *("DPRContextEncoder", "DPRQuestionEncoder", "DPRReader"),
    )
)
_PLAIN_CLASSES = frozenset({"PreTrainedTokenizer", "TokenizersBackend", "PythonBackend"})
_BERT_SETTINGS = {
    "do_lower_case": ("lowercase", True),
    "strip_accents": ("strip_accents", None),
    "tokenize_chinese_chars": ("handle_chinese_chars", True),
}
_BERT_MODEL = {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}  # longer words become [UNK]
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True)
class FoundTokenizer:
    """What the files of a folder say."""

    rust: RustTokenizer
    """The tokenizer; truncation and padding may be stored in it."""
    names: dict[str, str]
    """Its special tokens by what they are for, such as "cls_token"."""
    file: Path
    """The file it came from."""
    max_length: int | None = None
    """What tokenizer_config.json says, if anything."""


@dataclass(frozen=True)
class _Mention:
    """A token that a file names."""

    file: str
    token: str
    id: int | None = None
    flags: dict[str, bool] = field(default_factory=dict)


def read_tokenizer(folder: ModelFolder) -> FoundTokenizer:
    """Read the tokenizer of a model.

    Args:
        folder: the model, with a tokenizer.json or a vocab.txt.

    Returns:
        The tokenizer.

    Raises:
        ModelNotFoundError: if the folder has no tokenizer.
        ModelError: if its files are broken or no BERT's.
    """
    path = folder.path
    settings_file = path / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    class_name = settings.get("tokenizer_class") or folder.config.get("tokenizer_class") or "BertTokenizer"
    if not isinstance(class_name, str):
        raise ModelError(f"{settings_file}: tokenizer_class must be a name, found {class_name!r:.80}")
    class_name = class_name.removesuffix("Fast")
    is_bert = class_name in _BERT_CLASSES
    content = _content(path / "tokenizer.json") if (path / "tokenizer.json").is_file() else None
    if content is None and not (path / "vocab.txt").is_file():
        raise ModelNotFoundError(f"{path}: no tokenizer: expected tokenizer.json or vocab.txt")
    if content is None and not is_bert:
        raise ModelError(
            f"{path}: its tokenizer_class is {class_name}, which a vocab.txt does not say enough for: add the "
            "tokenizer.json, or set tokenizer_class to BertTokenizer in tokenizer_config.json if it is BERT's"
        )
    if not is_bert and class_name not in _PLAIN_CLASSES:
        _warn(f"{path}: its tokenizer_class {class_name} is not BERT's: tokenizer.json is followed as it stands")
    added = _Added(path, settings, content)
    found = _read_bert(path, settings, content, added) if is_bert else _read_plain(path / "tokenizer.json", added)
    _warn_of_disagreements(path, found.rust, added, content)
    if settings.get("truncation_side") == "left" or "fast_tokenizer_files" in settings:
        name = "fast_tokenizer_files" if "fast_tokenizer_files" in settings else "truncation_side"
        _warn(f"{settings_file}: {name} {settings[name]!r:.80} is not followed, and transformers follows it")
    longest = settings.get("model_max_length")
    return replace(found, max_length=longest if isinstance(longest, int) else None)


def settings_of(rust: RustTokenizer, names: Mapping[str, str]) -> dict[str, object]:
    """Write down how a tokenizer works, for the tokenizer_config.json beside its tokenizer.json.

    Args:
        rust: the tokenizer.
        names: its special tokens by what they are for.

    Returns:
        What `read_tokenizer` and `transformers` need to make the same of it.
    """
    content = json.loads(rust.to_str())
    normalizer = content["normalizer"] or {}
    bert = {ours: normalizer.get(theirs, default) for ours, (theirs, default) in _BERT_SETTINGS.items()}
    ends = [(names.get(role, ""), rust.token_to_id(names.get(role, ""))) for role in ("cls_token", "sep_token")]
    is_bert = not list(_differences(content, bert, names.get("unk_token"), ends))
    added = rust.get_added_tokens_decoder()
    more = [token.content for token in added.values() if token.special and token.content not in names.values()]
    return {
        "tokenizer_class": "BertTokenizer" if is_bert else "PreTrainedTokenizerFast",
        **(bert | dict.fromkeys(BERT_NAMES) if is_bert else {}),  # null: it has none
        **({"split_special_tokens": True} if rust.encode_special_tokens else {}),
        **names,
        **({"additional_special_tokens": more} if more else {}),
        "added_tokens_decoder": {
            str(index): {"content": token.content, **_flags(token)} for index, token in sorted(added.items())
        },
    }


class _Added:
    """Special and added tokens, from all the files that may name some.

    Args:
        path: the folder.
        settings: the content of tokenizer_config.json.
        content: the content of tokenizer.json, None where there is none.

    Raises:
        ModelError: if one of the files is not as it should be.
    """

    def __init__(self, path: Path, settings: dict[str, object], content: dict[str, object] | None) -> None:
        self.settings_file = path / "tokenizer_config.json"
        self.split_special = settings.get("split_special_tokens") is True
        self._values: dict[str, Any] = dict(settings)
        if "additional_special_tokens" in settings and not settings.get("extra_special_tokens"):
            self._values["extra_special_tokens"] = self._values.pop("additional_special_tokens")  # an empty list, too
        further = [name for name, value in settings.items() if _is_further(name) and isinstance(value, str)]
        self._named = {name: self._values.pop(name) for name in further}  # the map does not override these
        self.by_id: dict[int, AddedToken] = {}
        self.mentions: list[_Mention] = []
        stored = _objects(self.settings_file, "added_tokens_decoder", settings.get("added_tokens_decoder") or {})
        legacy, map_file = path / "added_tokens.json", path / "special_tokens_map.json"
        added, special = (read_json(file) if file.is_file() else {} for file in (legacy, map_file))
        listed = (content or {}).get("added_tokens") or []
        if not isinstance(listed, list):
            raise _unreadable(path / "tokenizer.json", "its added_tokens must be a list")
        self._mention(special, map_file)
        self._mention(settings, self.settings_file)
        self._take_named()
        if "added_tokens_decoder" in settings:
            for index, entry in stored.items():
                self._put(self.settings_file, index, entry)
        else:
            self._merge(special, map_file)
        for word, place in added.items():
            is_special = word in self._special_so_far()
            made = {"content": word, "normalized": not is_special, "special": is_special}
            self._put(legacy, place, made, "added_tokens_decoder" not in settings, flags=())
        for entry in listed:
            number = entry.get("id") if isinstance(entry, dict) else None
            self._put(path / "tokenizer.json", number, entry, "added_tokens_decoder" not in settings)
        if "extra_special_tokens" not in self._values and "additional_special_tokens" in self._values:
            self._values["extra_special_tokens"] = self._values.pop("additional_special_tokens")
            self._take_named()

    def names(self, defaults: Mapping[str, str]) -> dict[str, str | AddedToken]:
        """The special tokens that have a use; those of BERT under their known names where no file says otherwise."""
        values = {**defaults, **self._values}
        further = {key: value for key, value in values.items() if _is_further(key) and isinstance(value, str | dict)}
        more: dict[str, object] = {**further, **self._named}
        known = {token.content: token for token in self.by_id.values()}
        found = {}
        for name in dict.fromkeys([*_NAMES, *more]):
            if (value := more.get(name, values.get(name))) is None:
                continue
            token = _token(self.settings_file, name, value)
            is_stored = name in self._values and name in _NAMES and name not in more
            found[name] = known.get(_text(token), token) if is_stored else token
        return found

    def to_add(self, rust: RustTokenizer, names: Mapping[str, str | AddedToken]) -> list[AddedToken]:
        """List what `transformers` adds, in its order: it decides the ids of tokens that the vocabulary lacks."""
        tokens = [token for _, token in sorted(self.by_id.items())]
        seen = {token.content for token in (*rust.get_added_tokens_decoder().values(), *tokens)}
        extra = self._values.get("extra_special_tokens") or []
        more = [_token(self.settings_file, "extra_special_tokens", value) for value in extra]
        for token in [*names.values(), *more]:
            if _text(token) not in seen:
                seen.add(_text(token))
                tokens.append(AddedToken(token, special=True) if isinstance(token, str) else token)
        named = {_text(token) for token in names.values()}
        for token in tokens:
            if token.content in named:
                token.special = True
        return tokens

    def names_itself(self, role: str) -> bool:
        """Tell a special token that a file names from one that BERT has by default."""
        return role in self._values or role in self._named

    def _special_so_far(self) -> set[str]:
        values = [self._values[name] for name in _NAMES if self._values.get(name)]
        listed = self._values.get("extra_special_tokens")
        values += listed or []
        return {_text(_token(self.settings_file, "a special token", value)) for value in values}

    def _merge(self, special: dict[str, object], file: Path) -> None:
        """Let special_tokens_map.json override what tokenizer_config.json says, as in the days before it."""
        for name, value in special.items():
            if name == "extra_special_tokens" and isinstance(value, list):
                value = [*(self._values.get(name) or []), *(_special(file, name, one) for one in value)]
            elif name.endswith("_token") and isinstance(value, dict):
                value = _special(file, name, value)
            self._values[name] = value
        self._take_named()

    def _take_named(self) -> None:
        """Move special tokens that an object names, instead of a list, to those with a name."""
        if isinstance(self._values.get("extra_special_tokens"), dict):
            self._named |= self._values.pop("extra_special_tokens")

    def _mention(self, values: dict[str, object], file: Path) -> None:
        for name, value in values.items():
            if name.endswith("_token") and isinstance(value, str | dict):
                self.mentions.append(_Mention(file.name, _text(_token(file, name, value))))
            elif name in ("additional_special_tokens", "extra_special_tokens") and value is not None:
                listed = list(value.values()) if isinstance(value, dict) else value
                if not isinstance(listed, list):
                    raise ModelError(
                        f"{file}: {name} must be a list of tokens, or an object that names them, found {value!r:.80}"
                    )
                self.mentions += [_Mention(file.name, _text(_token(file, name, one))) for one in listed]

    def _put(
        self, file: Path, index: object, entry: object, counts: bool = True, flags: tuple[str, ...] = _FLAGS
    ) -> None:
        token = _token(file, "an added token", entry)
        text = str(index)
        if isinstance(token, str) or not (text.isascii() and text.isdigit() and int(text) < 1 << 32):
            raise ModelError(f"{file}: an added token must have a number from 0 and a content, found {entry!r:.80}")
        told = {flag: value for flag, value in _flags(token).items() if flag in flags}
        self.mentions.append(_Mention(file.name, token.content, int(text), told))
        if counts:
            self.by_id[int(text)] = token


def _read_bert(
    path: Path, settings: dict[str, object], content: dict[str, object] | None, added: _Added
) -> FoundTokenizer:
    """Build BERT's tokenizer around the words of a tokenizer.json or a vocab.txt."""
    for name in _BERT_SETTINGS:
        if not isinstance(settings.get(name, True), bool | None):
            raise ModelError(f"{added.settings_file}: {name} must be true or false, found {settings[name]!r}")
    bert: dict[str, Any] = {
        ours: default if settings.get(ours) is None else settings[ours] for ours, (_, default) in _BERT_SETTINGS.items()
    }
    names = added.names(BERT_NAMES)
    if absent := [role for role in ("unk_token", "cls_token", "sep_token") if role not in names]:
        raise ModelError(f"{added.settings_file}: BERT's tokenizer needs its {absent[0]}, found null")
    unk, cls, sep = (_text(names[role]) for role in ("unk_token", "cls_token", "sep_token"))
    file = path / ("vocab.txt" if content is None else "tokenizer.json")
    vocabulary = _words_of_text(file) if content is None else _words_of_json(file, content)
    known = vocabulary.keys() | {token.content for token in added.by_id.values()} - {unk}  # that is added too late
    known |= {_text(names[role]) for role in ("pad_token", "mask_token") if role in names and added.names_itself(role)}
    if lacking := [name for role in BERT_NAMES if role in names and (name := _text(names[role])) not in known]:
        raise ModelError(f"{file}: not a BERT vocabulary: it lacks {', '.join(lacking)}")
    with explained(lambda reason: ModelError(f"{file}: not a vocabulary that can be read: {reason}")):
        rust = RustTokenizer(WordPiece(vocabulary, unk_token=unk, **_BERT_MODEL))
        rust.normalizer = BertNormalizer(
            clean_text=True,
            handle_chinese_chars=bert["tokenize_chinese_chars"],
            strip_accents=bert["strip_accents"],
            lowercase=bert["do_lower_case"],
        )
        rust.pre_tokenizer = BertPreTokenizer()
        rust.decoder = WordPieceDecoder()
        rust.add_tokens(added.to_add(rust, names))
        rust.encode_special_tokens = added.split_special
        ends = [(token, index) for token in (cls, sep) if (index := rust.token_to_id(token)) is not None]
        rust.post_processor = BertProcessing(ends[1], ends[0])
    if content is not None:
        for what, theirs, ours in _differences(_frame(file, content), bert, unk, ends):
            _warn(
                f"{file}: says {what} {theirs}, but {what} {ours} is read, as transformers does by the "
                "tokenizer_config.json beside it, or by BERT's defaults where that says nothing"
            )
    return FoundTokenizer(rust, {role: _text(token) for role, token in names.items()}, file)


def _read_plain(file: Path, added: _Added) -> FoundTokenizer:
    """Read a tokenizer.json as it stands, and add what the other files name."""
    with explained(lambda reason: _unreadable(file, reason)):
        rust = RustTokenizer.from_file(str(file))
        padding = rust.padding or {}
        names = added.names({"pad_token": padding["pad_token"]} if padding else {})
        rust.add_tokens(added.to_add(rust, names))
        rust.encode_special_tokens = added.split_special
    if isinstance(unk := getattr(rust.model, "unk_token", None), str):
        names.setdefault("unk_token", unk)
    return FoundTokenizer(rust, {role: _text(token) for role, token in names.items()}, file)


def _content(file: Path) -> dict[str, object]:
    try:
        return read_json(file)
    except ModelError as problem:
        refuse_lfs_pointer(file)
        raise _unreadable(file, str(problem).removeprefix(f"{file}: ")) from None


def _unreadable(file: Path, reason: str) -> ModelError:
    return ModelError(f"{file}: not a tokenizer that can be read: {reason}")


def _words_of_text(file: Path) -> dict[str, int]:
    refuse_lfs_pointer(file)
    with explained(lambda reason: ModelError(f"{file}: not a vocabulary that can be read: {reason}")):
        found: dict[str, int] = WordPiece.read_file(str(file))
        return found


def _words_of_json(file: Path, content: dict[str, object]) -> dict[str, int]:
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocabulary, dict):
        raise _unreadable(file, "it has no model with a vocab that maps words to numbers")
    if (kind := model.get("type", "WordPiece")) != "WordPiece":
        raise ModelError(
            f"{file}: its model is {kind}, and BERT's is WordPiece: if tokenizer.json is right, set tokenizer_class to "
            "PreTrainedTokenizerFast in tokenizer_config.json"
        )
    return vocabulary


def _frame(file: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Read a tokenizer.json without its words, for all that it says beside them."""
    bare = {**content, "model": {**content["model"], "vocab": {}}, "added_tokens": [], "truncation": None}
    with explained(lambda reason: _unreadable(file, reason)):
        rust = RustTokenizer.from_str(json.dumps(bare))
        n_special = [rust.num_special_tokens_to_add(is_pair) for is_pair in (False, True)]
        frame: dict[str, Any] = json.loads(rust.to_str())
    if n_special != [2, 3]:
        raise wrong_marks(file, n_special)
    return frame


def wrong_marks(file: Path, n_special: list[int]) -> ModelError:
    """Make the error for a tokenizer that does not mark texts as BERT's does."""
    return ModelError(
        f"{file}: expected a tokenizer that adds [CLS] and [SEP] to a text and one more [SEP] to a pair, "
        f"found one that adds {n_special[0]} and {n_special[1]} tokens"
    )


def _differences(
    content: dict[str, Any], bert: dict[str, Any], unk: str | None, ends: list[tuple[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    """Compare a tokenizer.json with BERT's tokenizer: what differs, how it is there, how it is here."""
    normalizer = {theirs: bert[ours] for ours, (theirs, _) in _BERT_SETTINGS.items()}
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (content["normalizer"] or {"type": None}, {"type": "BertNormalizer", "clean_text": True, **normalizer}),
        (content["model"], {"type": "WordPiece", "unk_token": unk, **_BERT_MODEL}),
    ]
    for theirs, ours in pairs:
        if theirs["type"] != ours["type"]:
            yield "the normalizer" if theirs is pairs[0][0] else "the model", str(theirs["type"]), ours["type"]
            continue
        for name, value in ours.items():
            if theirs.get(name) != value:
                yield name, json.dumps(theirs.get(name)), json.dumps(value)
    before = (content["pre_tokenizer"] or {"type": None})["type"]
    if before != "BertPreTokenizer":
        yield "the pre-tokenizer", str(before), "BertPreTokenizer"
    (cls, cls_id), (sep, sep_id) = ends
    if _marks(content["post_processor"] or {}) != _bert_marks(cls_id, sep_id):
        yield "the post-processor", "another", f"{cls} A {sep} B {sep}"


def _marks(post: dict[str, Any]) -> Any:
    """Bring what a post-processor puts around a text and a pair into one form: ids and types."""
    if post.get("type") == "BertProcessing":
        return _bert_marks(post["cls"][1], post["sep"][1])
    if post.get("type") != "TemplateProcessing":
        return post
    found = []
    for template in (post["single"], post["pair"]):
        for piece in template:
            (kind, told), *_ = piece.items()
            ids = post["special_tokens"].get(told["id"], {}).get("ids") if kind == "SpecialToken" else told["id"]
            found.append((ids, told["type_id"]))
    return found


def _bert_marks(cls: int, sep: int) -> list[tuple[Any, int]]:
    single: list[tuple[Any, int]] = [([cls], 0), ("A", 0), ([sep], 0)]
    return [*single, *single, ("B", 1), ([sep], 1)]


def _token(file: Path, what: str, value: object) -> str | AddedToken:
    """Read a token as the files write it: its text, or its text with flags."""
    if isinstance(value, str | AddedToken):
        return value
    if isinstance(value, dict) and isinstance(value.get("content"), str):
        flags = {name: value[name] for name in _FLAGS if name in value}
        if all(isinstance(flag, bool) for flag in flags.values()):
            return AddedToken(value["content"], **flags)
    raise ModelError(f"{file}: {what} must be a text, or an object with its content and flags, found {value!r:.80}")


def _special(file: Path, what: str, value: object) -> str | AddedToken:
    return _token(file, what, value | {"special": True} if isinstance(value, dict) else value)


def _objects(file: Path, name: str, value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ModelError(f"{file}: {name} must map numbers to tokens, found {value!r:.80}")
    return value


def _is_further(name: str) -> bool:
    return name.endswith("_token") and name not in _NAMES


def _text(token: str | AddedToken) -> str:
    return token if isinstance(token, str) else str(token.content)


def _flags(token: AddedToken) -> dict[str, bool]:
    return {flag: getattr(token, flag) for flag in _FLAGS}


def _warn_of_disagreements(path: Path, rust: RustTokenizer, added: _Added, content: dict[str, object] | None) -> None:
    """Say which of the tokens that the files name are not what a file says, and which words two files differ in."""
    there = {token.content: _flags(token) for token in rust.get_added_tokens_decoder().values()}
    wrong: dict[str, str] = {}
    for mention in added.mentions:
        index, flags = rust.token_to_id(mention.token), there.get(mention.token)
        if flags is None:
            wrong.setdefault(mention.token, f"{mention.token!r} of {mention.file} is no token of its own")
        elif mention.id not in (None, index):
            wrong.setdefault(mention.token, f"{mention.token!r} is {mention.id} in {mention.file} and {index} here")
        elif any(flags[flag] != value for flag, value in mention.flags.items() if flag != "special"):
            wrong.setdefault(mention.token, f"{mention.file} has {mention.token!r} with other flags")
        elif (word := rust.model.id_to_token(index)) not in (None, mention.token):
            wrong.setdefault(mention.token, f"{mention.token!r} and {word!r} are both {index}")
    if wrong:
        _warn(f"{path}: the tokenizer's files disagree, and are read as transformers does: {_some(wrong.values())}")
    model = {} if content is None else content["model"]
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if (path / "vocab.txt").is_file() and isinstance(vocabulary, dict):
        try:
            differ = _differing_words(path / "vocab.txt", vocabulary, added)
        except ModelError as problem:
            _warn(f"{problem}; the tokenizer.json beside it counts, as in transformers")
            return
        if differ:
            _warn(
                f"{path}: vocab.txt and tokenizer.json differ in {len(differ):,} words ({_some(map(repr, differ))}): "
                "tokenizer.json counts, as in transformers"
            )


def _differing_words(file: Path, vocabulary: dict[str, int], added: _Added) -> list[str]:
    if list(vocabulary.values()) == list(range(len(vocabulary))):  # as nearly all are, and this is quick
        written = file.read_bytes().decode("utf-8", "replace")
        if written.rstrip("\n") == "\n".join(vocabulary):
            return []
    by_id = {index: word.rstrip() for word, index in vocabulary.items()}  # a line's end is lost in a vocab.txt
    more = {mention.id: mention.token for mention in added.mentions}
    lines = {index: word for word, index in _words_of_text(file).items()}
    differ = [word for index, word in by_id.items() if lines.get(index) != word]
    return differ + [
        word
        for index, word in lines.items()
        if index not in by_id and word not in (more.get(index), f"[unused-{index}]")  # as we write them
    ]


def _some(items: Iterable[str]) -> str:
    listed = list(items)
    return ", ".join(listed[:3]) + (", …" if len(listed) > 3 else "")


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=2)
