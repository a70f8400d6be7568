"""StereoSet's development set (Nadeem et al. 2021), read and checked."""

import json
import string
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from valence.audit.suites.suite import Suite, check_counts, check_file
from valence.data.lines import read_lines
from valence.errors import DataError
from valence.files import is_unicode

__all__ = ["STEREOSET", "Candidate", "StereoSetItem", "StereoSetItems", "candidate_word", "read_stereoset"]

_COUNTS = {
    "intrasentence": {"gender": 255, "profession": 810, "race": 962, "religion": 79},
    "intersentence": {"gender": 242, "profession": 827, "race": 976, "religion": 78},
}
_GOLD_LABELS = ("stereotype", "anti-stereotype", "unrelated")
_BLANK = "BLANK"
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Candidate:
    """A sentence that may stand in, or follow, a context."""

    id: str
    text: str


@dataclass(frozen=True)
class StereoSetItem:
    """A context and its three candidates."""

    id: str
    target: str
    """The term that the stereotype is about."""
    bias_type: str
    context: str
    """In the intrasentence task with the slot BLANK, now and then twice."""
    stereotype: Candidate
    anti_stereotype: Candidate
    unrelated: Candidate

    @property
    def candidates(self) -> tuple[Candidate, Candidate, Candidate]:
        """All three."""
        return self.stereotype, self.anti_stereotype, self.unrelated


@dataclass(frozen=True)
class StereoSetItems:
    """The development set: candidates for a word of a sentence, and for the sentence after one."""

    intrasentence: tuple[StereoSetItem, ...]
    intersentence: tuple[StereoSetItem, ...]


def candidate_word(context: str, sentence: str) -> str:
    """Find the word that a sentence has where its context says BLANK (the last of them, if there are two).

    Args:
        context: of words divided by single spaces, one with BLANK in it.
        sentence: the context with the slot filled, and often other capitals.

    Returns:
        The word, without ASCII punctuation.

    Raises:
        DataError: if there is none.
    """
    slots = [number for number, word in enumerate(context.split(" ")) if _BLANK in word]
    if not slots:
        raise DataError(f"expected {_BLANK} in the context {context!r:.80}")
    words = sentence.split(" ")
    word = words[slots[-1]].translate(_NO_PUNCTUATION) if slots[-1] < len(words) else ""
    if not word:
        raise DataError(f"the sentence {sentence!r:.80} has no word where the context {context!r:.80} says {_BLANK}")
    return word


def read_stereoset(path: Path) -> StereoSetItems:
    """Read StereoSet's development set.

    Args:
        path: dev.json.

    Returns:
        2,106 intrasentence and 2,123 intersentence items.

    Raises:
        DataError: if it is not what was published.
    """
    check_file(path)
    text = "".join(line for _, line in read_lines(path))
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise DataError(f"not readable as JSON: {problem}", path, getattr(problem, "lineno", None)) from None
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, dict):
        raise DataError('expected a JSON object with "data", as in StereoSet\'s dev.json', path)
    items = StereoSetItems(_task(data, "intrasentence", path), _task(data, "intersentence", path))
    ids = Counter(one.id for item in items.intrasentence + items.intersentence for one in item.candidates)
    if repeated := [one for one, n in ids.items() if n > 1]:
        raise DataError(f"the sentence id {repeated[0]!r} occurs {ids[repeated[0]]} times", path)
    return items


def _task(
    data: Mapping[str, object], task: Literal["intrasentence", "intersentence"], path: Path
) -> tuple[StereoSetItem, ...]:
    examples = data.get(task)
    if not isinstance(examples, list):
        raise DataError(f"expected a list of examples under data.{task}", path)
    items = []
    for number, example in enumerate(examples, start=1):
        try:
            item = _item(example)
            if task == "intrasentence":
                for candidate in item.candidates:
                    candidate_word(item.context, candidate.text)
        except DataError as problem:
            raise DataError(f"{task} example {number}: {problem}", path) from None
        items.append(item)
    check_counts(Counter(item.bias_type for item in items), _COUNTS[task], f"{task} examples", path)
    return tuple(items)


def _item(example: object) -> StereoSetItem:
    name, target, bias_type, context = (_text(example, field) for field in ("id", "target", "bias_type", "context"))
    sentences = example.get("sentences") if isinstance(example, dict) else None
    if not isinstance(sentences, list):
        raise DataError('expected a list of "sentences"')
    candidates = {_text(one, "gold_label"): Candidate(_text(one, "id"), _text(one, "sentence")) for one in sentences}
    if len(sentences) != len(_GOLD_LABELS) or set(candidates) != set(_GOLD_LABELS):
        raise DataError(f"expected three sentences, one for each of {', '.join(_GOLD_LABELS)}")
    return StereoSetItem(name, target, bias_type, context, *(candidates[label] for label in _GOLD_LABELS))


def _text(example: object, name: str) -> str:
    value = example.get(name) if isinstance(example, dict) else None
    if not isinstance(value, str) or not value.strip() or not is_unicode(value):
        raise DataError(f'expected a text under "{name}", found {value!r:.60}')
    return value


STEREOSET = Suite(
    name="stereoset",
    source="https://github.com/moinnadeem/StereoSet (data/dev.json)",
    places=("stereoset/dev.json", "StereoSet/data/dev.json"),
    reader=read_stereoset,
)
