"""Special and added tokens of a tokenizer, gathered from all the files that may name some, as `transformers` 5 does.

From the `added_tokens_decoder` of tokenizer_config.json, and without one from special_tokens_map.json,
added_tokens.json and tokenizer.json together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as RustTokenizer

from valence.errors import ModelError
from valence.files import read_json
from valence.text.token_model import unreadable

__all__ = ["AddedTokens", "Mention", "content_of", "flags_of"]

_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True)
class Mention:
    """A token that a file names."""

    file: str
    token: str
    id: int | None = None
    flags: dict[str, bool] = field(default_factory=dict)


class AddedTokens:
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
        self.mentions: list[Mention] = []
        stored = _objects(self.settings_file, "added_tokens_decoder", settings.get("added_tokens_decoder") or {})
        legacy, map_file = path / "added_tokens.json", path / "special_tokens_map.json"
        added, special = (read_json(file) if file.is_file() else {} for file in (legacy, map_file))
        listed = (content or {}).get("added_tokens") or []
        if not isinstance(listed, list):
            raise unreadable(path / "tokenizer.json", "its added_tokens must be a list")
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
        """Find the special tokens that have a use.

        Args:
            defaults: those that have one where no file says otherwise, by their uses.

        Returns:
            Uses such as "cls_token", to tokens.
        """
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
            found[name] = known.get(content_of(token), token) if is_stored else token
        return found

    def to_add(self, rust: RustTokenizer, names: Mapping[str, str | AddedToken]) -> list[AddedToken]:
        """List what `transformers` adds, in its order: it decides the ids of tokens that the vocabulary lacks.

        Args:
            rust: the tokenizer, without them.
            names: the special tokens that have a use.

        Returns:
            The tokens.
        """
        tokens = [token for _, token in sorted(self.by_id.items())]
        seen = {token.content for token in (*rust.get_added_tokens_decoder().values(), *tokens)}
        extra = self._values.get("extra_special_tokens") or []
        more = [_token(self.settings_file, "extra_special_tokens", value) for value in extra]
        for token in [*names.values(), *more]:
            if content_of(token) not in seen:
                seen.add(content_of(token))
                tokens.append(AddedToken(token, special=True) if isinstance(token, str) else token)
        named = {content_of(token) for token in names.values()}
        for token in tokens:
            if token.content in named:
                token.special = True
        return tokens

    def names_itself(self, role: str) -> bool:
        """Tell a special token that a file names from one that the tokenizer's class has by default.

        Args:
            role: its use.

        Returns:
            Whether a file names it.
        """
        return role in self._values or role in self._named

    def _special_so_far(self) -> set[str]:
        values = [self._values[name] for name in _NAMES if self._values.get(name)]
        listed = self._values.get("extra_special_tokens")
        values += listed or []
        return {content_of(_token(self.settings_file, "a special token", value)) for value in values}

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
                self.mentions.append(Mention(file.name, content_of(_token(file, name, value))))
            elif name in ("additional_special_tokens", "extra_special_tokens") and value is not None:
                listed = list(value.values()) if isinstance(value, dict) else value
                if not isinstance(listed, list):
                    raise ModelError(
                        f"{file}: {name} must be a list of tokens, or an object that names them, found {value!r:.80}"
                    )
                self.mentions += [Mention(file.name, content_of(_token(file, name, one))) for one in listed]

    def _put(
        self, file: Path, index: object, entry: object, counts: bool = True, flags: tuple[str, ...] = _FLAGS
    ) -> None:
        token = _token(file, "an added token", entry)
        text = str(index)
        if isinstance(token, str) or not (text.isascii() and text.isdigit() and int(text) < 1 << 32):
            raise ModelError(f"{file}: an added token must have a number from 0 and a content, found {entry!r:.80}")
        told = {flag: value for flag, value in flags_of(token).items() if flag in flags}
        self.mentions.append(Mention(file.name, token.content, int(text), told))
        if counts:
            self.by_id[int(text)] = token


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


def content_of(token: str | AddedToken) -> str:
    """Read the text of a token.

    Args:
        token: with or without flags.

    Returns:
        Its text.
    """
    return token if isinstance(token, str) else str(token.content)


def flags_of(token: AddedToken) -> dict[str, bool]:
    """Read how a token is found in texts.

    Args:
        token: an added token.

    Returns:
        Its flags by their names.
    """
    return {flag: getattr(token, flag) for flag in _FLAGS}
