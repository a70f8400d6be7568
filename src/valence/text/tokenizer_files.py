"""A model folder's tokenizer files, read as `transformers` 5 reads them.

Its classes of a family take from tokenizer.json (or vocab.txt, or vocab.json and merges.txt) the words alone. How they
are used, they take from tokenizer_config.json, with the class's defaults for what that leaves out; so it is with the
tokens that were added. Only under a class that is no family's is tokenizer.json followed as it stands.

Where the files disagree, a warning says what counts.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as RustTokenizer
from tokenizers.processors import BertProcessing, PostProcessor, RobertaProcessing

from valence.errors import ModelError, ModelNotFoundError
from valence.families import FAMILIES, Family, Tokenizing, family_of
from valence.files import read_json, refuse_lfs_pointer
from valence.folder import ModelFolder
from valence.rust import explained
from valence.text.added_tokens import AddedTokens, content_of, flags_of
from valence.text.byte_level_bpe import BYTE_LEVEL_BPE
from valence.text.token_model import TokenModel, Words, unreadable
from valence.text.wordpiece import WORDPIECE

__all__ = ["MODELS", "FoundTokenizer", "read_tokenizer", "settings_of", "wrong_marks"]

MODELS: Mapping[str, TokenModel] = {"WordPiece": WORDPIECE, "BPE": BYTE_LEVEL_BPE}
"""By the type that a tokenizer.json gives its model."""
_PLAIN_CLASSES = frozenset({"PreTrainedTokenizer", "TokenizersBackend", "PythonBackend"})  # "as tokenizer.json says"
_NO_WORDS = Words({})
_SENTENCEPIECE_FILES = ("spm.model", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model")


@dataclass(frozen=True)
class FoundTokenizer:
    """What the files of a folder say."""

    rust: RustTokenizer
    """The tokenizer; truncation and padding may be stored in it."""
    names: dict[str, str]
    """Its special tokens by what they are for, such as "cls_token"."""
    file: Path
    """The file it came from."""
    kind: Tokenizing | None
    """The record of its class; None where tokenizer.json is followed as it stands."""
    max_length: int | None = None
    """What tokenizer_config.json says, if anything."""


def read_tokenizer(folder: ModelFolder) -> FoundTokenizer:
    """Read the tokenizer of a model.

    Args:
        folder: the model, with a tokenizer.json or what its family has instead.

    Returns:
        The tokenizer.

    Raises:
        ModelNotFoundError: if the folder has no tokenizer.
        ModelError: if its files are broken or of no tokenizer that can be read.
    """
    path = folder.path
    settings_file = path / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    told = settings.get("tokenizer_class") or folder.config.get("tokenizer_class")
    if not isinstance(told, str | None):
        raise ModelError(f"{settings_file}: tokenizer_class must be a name, found {told!r:.80}")
    class_name = None if told is None else told.removesuffix("Fast")
    family = family_of(folder.config.get("model_type"))
    kind = _kind_of(path, class_name, family)
    content = _content(path / "tokenizer.json") if (path / "tokenizer.json").is_file() else None
    if content is None and (kind is None or not all((path / name).is_file() for name in MODELS[kind.model].files)):
        raise _no_tokenizer(path, class_name, kind)
    if kind is None and class_name is not None and class_name not in _PLAIN_CLASSES and family is not None:
        title = _title(family.tokenizing)
        _warn(f"{path}: its tokenizer_class {class_name} is not {title}'s: tokenizer.json is followed as it stands")
    added = AddedTokens(path, settings, content)
    if kind is None:
        found = _read_plain(path / "tokenizer.json", added)
    else:
        found = _read_kind(path, kind, settings, content, added)
    _warn_of_disagreements(path, found.rust, added, content)
    sides = [name for name in ("truncation_side", "padding_side") if settings.get(name) == "left"]
    for name in [*sides, *(["fast_tokenizer_files"] if "fast_tokenizer_files" in settings else [])]:
        _warn(f"{settings_file}: {name} {settings[name]!r:.80} is not followed, and transformers follows it")
    longest = settings.get("model_max_length")
    return replace(found, max_length=longest if isinstance(longest, int) else None)


def settings_of(
    content: dict[str, object], rust: RustTokenizer, names: Mapping[str, str], kind: Tokenizing | None = None
) -> dict[str, object]:
    """Write down how a tokenizer works, for the tokenizer_config.json beside its tokenizer.json.

    Args:
        content: of its tokenizer.json.
        rust: the tokenizer.
        names: its special tokens by what they are for.
        kind: the record of its class, where it is known.

    Returns:
        What `read_tokenizer` and `transformers` need to make the same of it.
    """
    added = rust.get_added_tokens_decoder()
    more = [token.content for token in added.values() if token.special and token.content not in names.values()]
    found: dict[str, object] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    marks = _marks_around(rust, names)
    for one in _kinds() if kind is None else (kind,):
        values = MODELS[one.model].settings_in(content)
        if marks and not list(_differences(content, _as_class(one, values, names, marks), one)):
            found = {"tokenizer_class": one.class_name, **values, **dict.fromkeys(one.special.names())}  # null: none
            break
    return {
        **found,
        **({"split_special_tokens": True} if rust.encode_special_tokens else {}),
        **names,
        **({"additional_special_tokens": more} if more else {}),
        "added_tokens_decoder": {
            str(index): {"content": token.content, **flags_of(token)} for index, token in sorted(added.items())
        },
    }


def wrong_marks(file: Path, n_special: list[int], kind: Tokenizing | None) -> ModelError:
    """Make the error for a tokenizer that does not mark texts and pairs as its family does.

    Args:
        file: the tokenizer.
        n_special: how many tokens it adds to a text and to a pair.
        kind: what is expected; None: any tokenizer that marks where a text begins and ends.

    Returns:
        The error.
    """
    first, last, more = "one token before", "one behind", "at least one more"
    if kind is not None:
        first, last = kind.special.cls_token, kind.special.sep_token
        more = f"{'one' if kind.separators == 1 else kind.separators} more {last}"
    return ModelError(
        f"{file}: expected a tokenizer that adds {first} and {last} to a text and {more} to a pair, "
        f"found one that adds {n_special[0]} and {n_special[1]} tokens"
    )


def _kinds() -> list[Tokenizing]:
    return list(dict.fromkeys(family.tokenizing for family in FAMILIES.values()))


def _kind_of(path: Path, class_name: str | None, family: Family | None) -> Tokenizing | None:
    """Find the record of a tokenizer's class, or of the class that a family has by default."""
    own = [] if family is None else [family.tokenizing]
    if class_name is None and own:
        return own[0]
    if class_name is None and not (path / WORDPIECE.files[0]).is_file():
        return None
    class_name = class_name or "BertTokenizer"
    return next((kind for kind in own + _kinds() if class_name in (kind.class_name, *kind.like)), None)


def _title(kind: Tokenizing) -> str:
    """Whose tokenizer it is."""
    named = (family.title for family in FAMILIES.values() if f"{family.class_name}Tokenizer" == kind.class_name)
    return next(named, kind.class_name.removesuffix("Tokenizer"))


def _no_tokenizer(path: Path, class_name: str | None, kind: Tokenizing | None) -> ModelError:
    wanted = MODELS[kind.model].files if kind else WORDPIECE.files
    if pieces := [name for name in _SENTENCEPIECE_FILES if (path / name).is_file()]:
        return ModelError(
            f"{path}: its tokenizer needs sentencepiece ({pieces[0]}), and valence reads a tokenizer.json: "
            f'write one with transformers: AutoTokenizer.from_pretrained("{path}").save_pretrained("{path}")'
        )
    there = [name for model in MODELS.values() for name in model.files if (path / name).is_file()]
    if not there:
        hint = "" if kind else "; transformers' AutoTokenizer writes the former of one that needs sentencepiece"
        return ModelNotFoundError(f"{path}: no tokenizer: expected tokenizer.json or {' and '.join(wanted)}{hint}")
    if kind is None:
        whose = f"its tokenizer_class is {class_name}, which" if class_name else "it has a tokenizer that"
        berts = ", or set tokenizer_class to BertTokenizer in tokenizer_config.json if it is BERT's"
        return ModelError(
            f"{path}: {whose} a {there[0]} does not say enough for: add the tokenizer.json"
            f"{berts if there == [*WORDPIECE.files] else ''}"
        )
    return ModelError(
        f"{path}: its tokenizer_class is {class_name or kind.class_name}, which needs tokenizer.json or "
        f"{' and '.join(wanted)}, found {' and '.join(there)}"
    )


def _read_kind(
    path: Path, kind: Tokenizing, settings: dict[str, object], content: dict[str, object] | None, added: AddedTokens
) -> FoundTokenizer:
    """Build a class's tokenizer around the words of a tokenizer.json, or of the files there are without one."""
    model, title = MODELS[kind.model], _title(kind)
    values: dict[str, bool | None] = {}
    for name, default in model.settings.items():
        value = settings.get(name)
        if not isinstance(value, bool | None):
            raise ModelError(f"{added.settings_file}: {name} must be true or false, found {value!r}")
        values[name] = default if value is None else value
    special = kind.special.names()
    names = added.names(special)
    if kind.mask_takes_space and isinstance(mask := names.get("mask_token"), str):
        names["mask_token"] = AddedToken(mask, lstrip=True, special=True)
    if absent := [role for role in ("unk_token", "cls_token", "sep_token") if role not in names]:
        raise ModelError(f"{added.settings_file}: {title}'s tokenizer needs its {absent[0]}, found null")
    texts = {role: content_of(token) for role, token in names.items()}
    file = path / (model.files[0] if content is None else "tokenizer.json")
    words = model.read(path) if content is None else _words_of_json(file, content, kind)
    known = words.ids.keys() | {token.content for token in added.by_id.values()}
    if kind.model == "WordPiece" and texts["unk_token"] not in words.ids:
        known.discard(texts["unk_token"])  # that is added too late
    known |= {texts[role] for role in ("pad_token", "mask_token") if role in texts and added.names_itself(role)}
    asked = [texts[role] for role in dict.fromkeys(("pad_token", "unk_token", *special)) if role in texts]
    if lacking := [text for text in dict.fromkeys(asked) if text not in known]:
        raise ModelError(f"{file}: not a {title} vocabulary: it lacks {', '.join(lacking)}")
    with explained(lambda reason: ModelError(f"{file}: not a vocabulary that can be read: {reason}")):
        rust = model.build(words, values, texts["unk_token"])
        rust.add_tokens(added.to_add(rust, names))
        rust.encode_special_tokens = added.split_special
        marks = _marks_around(rust, texts)
        assert marks, "they were just added"
        rust.post_processor = _processor(kind, values, marks)
    if content is not None:
        here = _as_class(kind, values, texts, marks)
        for what, theirs, ours in _differences(_frame(file, content, kind), here, kind):
            _warn(
                f"{file}: says {what} {theirs}, but {what} {ours} is read, as transformers does by the "
                f"tokenizer_config.json beside it, or by {title}'s defaults where that says nothing"
            )
    return FoundTokenizer(rust, texts, file, kind)


def _read_plain(file: Path, added: AddedTokens) -> FoundTokenizer:
    """Read a tokenizer.json as it stands, and add what the other files name."""
    with explained(lambda reason: unreadable(file, reason)):
        rust = RustTokenizer.from_file(str(file))
        padding = rust.padding or {}
        names = added.names({"pad_token": padding["pad_token"]} if padding else {})
        rust.add_tokens(added.to_add(rust, names))
        rust.encode_special_tokens = added.split_special
    unk = getattr(rust.model, "unk_token", None)
    if unk is None and isinstance(index := getattr(rust.model, "unk_id", None), int):  # of a Unigram
        unk = rust.id_to_token(index)
    if isinstance(unk, str):
        names.setdefault("unk_token", unk)
    return FoundTokenizer(rust, {role: content_of(token) for role, token in names.items()}, file, None)


def _content(file: Path) -> dict[str, object]:
    try:
        return read_json(file)
    except ModelError as problem:
        refuse_lfs_pointer(file)
        raise unreadable(file, str(problem).removeprefix(f"{file}: ")) from None


def _words_of_json(file: Path, content: dict[str, object], kind: Tokenizing) -> Words:
    model = content.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(vocabulary, dict):
        raise unreadable(file, "it has no model with a vocab that maps words to numbers")
    if (found := model.get("type", kind.model)) != kind.model:
        raise ModelError(
            f"{file}: its model is {found}, and {_title(kind)}'s is {kind.model}: if tokenizer.json is right, set "
            "tokenizer_class to PreTrainedTokenizerFast in tokenizer_config.json"
        )
    return Words(vocabulary, _merges_of(file, model))


def _merges_of(file: Path, model: Mapping[str, Any]) -> list[tuple[str, str]]:
    merges = model.get("merges") or []
    if not isinstance(merges, list):
        raise unreadable(file, f"its merges must be a list, found {merges!r:.80}")
    found = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in merges]
    if wrong := [merge for merge in found if len(merge) != 2 or not all(isinstance(token, str) for token in merge)]:
        raise unreadable(file, f"a merge must be two tokens, found {wrong[0]!r:.80}")
    return found


Marks = tuple[tuple[str, int], tuple[str, int]]
"""What stands before and behind a text: tokens and ids."""


def _marks_around(rust: RustTokenizer, names: Mapping[str, str]) -> Marks | None:
    found = [(name, rust.token_to_id(name)) for role in ("cls_token", "sep_token") if (name := names.get(role, ""))]
    marks = [(name, index) for name, index in found if index is not None]
    return (marks[0], marks[1]) if len(marks) == 2 else None


def _processor(kind: Tokenizing, values: Mapping[str, bool | None], marks: Marks) -> PostProcessor:
    cls, sep = marks
    if kind.separators == 1:
        return BertProcessing(sep, cls)
    return RobertaProcessing(
        sep,
        cls,
        trim_offsets=bool(values.get("trim_offsets", True)),
        add_prefix_space=bool(values.get("add_prefix_space", False)),
    )


def _as_class(kind: Tokenizing, values: Mapping[str, bool | None], names: Mapping[str, str], marks: Marks) -> Any:
    """Write a class's tokenizer as a tokenizer.json without words."""
    rust = MODELS[kind.model].build(_NO_WORDS, values, names.get("unk_token", ""))
    rust.post_processor = _processor(kind, values, marks)
    return json.loads(rust.to_str())


def _frame(file: Path, content: dict[str, Any], kind: Tokenizing) -> dict[str, Any]:
    """Read a tokenizer.json without its words, for all that it says beside them."""
    model = content["model"] | {"vocab": {}} | ({"merges": []} if kind.model == "BPE" else {})
    bare = {**content, "model": model, "added_tokens": [], "truncation": None}
    with explained(lambda reason: unreadable(file, reason)):
        rust = RustTokenizer.from_str(json.dumps(bare))
        n_special = [rust.num_special_tokens_to_add(is_pair) for is_pair in (False, True)]
        frame: dict[str, Any] = json.loads(rust.to_str())
    says_nothing = (frame["post_processor"] or {}).get("type") == "ByteLevel"  # what byte-level BPE is trained with
    if n_special != [2, 2 + kind.separators] and not says_nothing:
        raise wrong_marks(file, n_special, kind)
    return frame


def _differences(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], kind: Tokenizing
) -> Iterator[tuple[str, str, str]]:
    """Compare a tokenizer.json with a class's tokenizer: what differs, how it is there, how it is here."""
    for part in ("normalizer", "model", "pre_tokenizer"):
        there, here = theirs[part] or {"type": None}, ours[part] or {"type": None}
        if there["type"] != here["type"]:
            yield f"the {part.replace('_', '-')}", str(there["type"]), str(here["type"])
            continue
        for name, value in here.items():
            # "" is none; offsets are trimmed by the post-processor, whatever is said of it before.
            skipped = ("type", "vocab", "merges", *(["trim_offsets"] if part == "pre_tokenizer" else []))
            if name not in skipped and (there.get(name), value) != (None, "") and there.get(name) != value:
                yield name, json.dumps(there.get(name)), json.dumps(value)
    marks = [_marks(content["post_processor"] or {}) for content in (theirs, ours)]
    if not kind.token_types:
        marks = [[ids for ids, _ in one] if isinstance(one, list) else one for one in marks]
    if marks[0] != marks[1]:
        cls, sep = ours["post_processor"]["cls"][0], ours["post_processor"]["sep"][0]
        yield "the post-processor", "another", " ".join([cls, "A", *[sep] * kind.separators, "B", sep])


def _marks(post: dict[str, Any]) -> Any:
    """Bring what a post-processor puts around a text and a pair into one form: ids and types."""
    if post.get("type") in ("BertProcessing", "RobertaProcessing"):
        cls, sep = [post["cls"][1]], [post["sep"][1]]
        single: list[tuple[Any, int]] = [(cls, 0), ("A", 0), (sep, 0)]
        if post["type"] == "RobertaProcessing":
            return [*single, *single, (sep, 0), ("B", 0), (sep, 0)]
        return [*single, *single, ("B", 1), (sep, 1)]
    if post.get("type") != "TemplateProcessing":
        return post
    found = []
    for template in (post["single"], post["pair"]):
        for piece in template:
            (kind, told), *_ = piece.items()
            ids = post["special_tokens"].get(told["id"], {}).get("ids") if kind == "SpecialToken" else told["id"]
            found.append((ids, told["type_id"]))
    return found


def _warn_of_disagreements(
    path: Path, rust: RustTokenizer, added: AddedTokens, content: dict[str, object] | None
) -> None:
    """Say which of the tokens that the files name are not what a file says, and which words two files differ in."""
    there = {token.content: flags_of(token) for token in rust.get_added_tokens_decoder().values()}
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
    model: Any = None if content is None else content["model"]
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    beside = MODELS.get(model.get("type", "WordPiece")) if isinstance(model, dict) else None
    if beside is None or not isinstance(vocabulary, dict) or not all((path / name).is_file() for name in beside.files):
        return
    if beside is WORDPIECE and _are_lines_of(path / beside.files[0], vocabulary):
        return
    try:
        words = beside.read(path)
    except ModelError as problem:
        _warn(f"{problem}; the tokenizer.json beside it counts, as in transformers")
        return
    names = " and ".join(beside.files)
    if differ := _differing_words(words.ids, vocabulary, added):
        _warn(
            f"{path}: {names} and tokenizer.json differ in {len(differ):,} words ({_some(map(repr, differ))}): "
            "tokenizer.json counts, as in transformers"
        )
    elif words.merges != _merges_of(path / "tokenizer.json", model):
        _warn(f"{path}: {names} and tokenizer.json differ in merges: tokenizer.json counts, as in transformers")


def _are_lines_of(file: Path, vocabulary: dict[str, int]) -> bool:
    """Tell quickly that a vocab.txt holds the words of a tokenizer.json, as nearly all do."""
    if list(vocabulary.values()) != list(range(len(vocabulary))):
        return False
    return file.read_bytes().decode("utf-8", "replace").rstrip("\n") == "\n".join(vocabulary)


def _differing_words(words: dict[str, int], vocabulary: dict[str, int], added: AddedTokens) -> list[str]:
    if words == vocabulary:
        return []
    by_id = {index: word.rstrip() for word, index in vocabulary.items()}  # a line's end is lost in a vocab.txt
    more = {mention.id: mention.token for mention in added.mentions}
    lines = {index: word for word, index in words.items()}
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
