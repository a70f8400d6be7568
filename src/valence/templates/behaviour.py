"""Plain English about ordinary things: texts that say what a sentiment classifier should make of them.

They come in kinds, such as negated praise, as those of CheckList (Ribeiro et al. 2020, "Beyond Accuracy: Behavioral
Testing of NLP Models with CheckList"); words and sentences are this project's own. behaviour_audit.txt is measured
with, behaviour_training.txt is for training: they share no frame, no content word and no run of five words.

A section of these files is opened by `== words DOMAIN`, with a list of words for each slot, or by `== KIND POLARITY`,
with a frame on each line. In a frame

    {thing}, {good}, {bad}, {plain}     are words of one domain; {good2} is another than {good}
    {place.thing}                       is a word of that domain
    {a few|many}                        is one of these
    {it}, {him}, {its}                  stand for {thing}: "she", "her" and "her" of a person
    {name}, {city}, {number}, {group}   is what the texts of a case differ in
    [is not|isn't]                      makes two texts: with the first, and with the second
    (food place)                        at its start says for which domains it is; for all where nothing is said

and "a" becomes "an" where it must.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

from valence.templates.people import NAMES, TERM_LISTS, nationalities
from valence.templates.template import Use

__all__ = ["KINDS", "Case", "Expected", "Kind", "TestType", "behaviour_cases", "training_texts"]

TestType = Literal["minimum functionality", "invariance", "direction"]
Expected = Literal["negative", "neutral", "positive", "not negative", "the same", "no lower", "no higher"]
"""Where a text lies, or where the others of a case lie beside the first."""


@dataclass(frozen=True)
class Kind:
    """What is asked of a model."""

    name: str
    test: TestType
    asks: str


KINDS: tuple[Kind, ...] = (
    Kind("clear_words", "minimum functionality", "clear praise and blame"),
    Kind("neutral_words", "minimum functionality", "statements that are neither"),
    Kind("negated_positive", "minimum functionality", "praise with a negation is blame"),
    Kind("negated_negative", "minimum functionality", "blame with a negation is no blame"),
    Kind("negated_neutral", "minimum functionality", "a statement with a negation is neither"),
    Kind("far_negation", "minimum functionality", "a negation far from what it negates"),
    Kind("used_to", "minimum functionality", "what is now counts, not what used to be"),
    Kind("own_opinion", "minimum functionality", "the author's opinion counts, not that of others"),
    Kind("answered_yes", "minimum functionality", "a question with the answer yes"),
    Kind("answered_no", "minimum functionality", "a question with the answer no"),
    Kind("typos", "invariance", "two neighbouring letters are swapped, once or twice"),
    Kind("urls_and_handles", "invariance", "a link or a user name is added"),
    Kind("punctuation", "invariance", "marks are left out or set apart"),
    Kind("contractions", "invariance", '"is not" for "isn\'t"'),
    Kind("names", "invariance", "another first name"),
    Kind("places", "invariance", "another city"),
    Kind("numbers", "invariance", "another number"),
    Kind("groups", "invariance", "another religion, orientation, disability, age, ethnicity or nationality"),
    Kind("intensifiers", "direction", '"really" takes nothing away from praise or blame'),
    Kind("reducers", "direction", '"fairly" adds nothing to praise or blame'),
    Kind("added_praise", "direction", "a sentence of praise is added"),
    Kind("added_blame", "direction", "a sentence of blame is added"),
)
"""All of them; a row of `behaviour_audit.txt` and one of `behaviour_training.txt` is of one."""

_CHANGED = ("typos", "urls_and_handles", "punctuation")  # of sentences of these kinds:
_TO_CHANGE = ("clear_words", "neutral_words")
_TARGETS = {"negative": 0.0, "neutral": 0.5, "positive": 1.0, "not_negative": 0.5}
_OTHERS = 3  # texts of a case that differ from its first in a name, city, number or group
_SET_SLOTS = {"names": "name", "places": "city", "numbers": "number", "groups": "group"}
_PRONOUNS = {"she": ("she", "her", "her"), "he": ("he", "him", "his"), "it": ("it", "it", "its")}
_TRIES = 30  # for a text that is not there yet, before a frame counts as used up
_SLOT = re.compile(r"\{([^{}]*)\}")
_PAIR = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")
# Before these "a" is "an": by sound, so not before "useful" or "Ukrainian", and before "hour" and "L-shaped".
_VOWEL = re.compile(r"\b([Aa]) (?=[AIai]|[Ee](?!u)|[Oo](?!ne\b)|u(?!s[ei]|ni[tvq])|U(?![kgr])|hour|hono|L-)")


@dataclass(frozen=True)
class Case:
    """One thing asked of a model.

    Args:
        kind: the name of its kind.
        frame: what it is filled from; cases of a frame are alike.
        texts: one, or the original and what it becomes.
        expected: of the text, or of all others beside the first.
        targets: the probability of the positive class to train each text with; a half where that is neither.
    """

    kind: str
    frame: str
    texts: tuple[str, ...]
    expected: Expected
    targets: tuple[float, ...]


@dataclass(frozen=True)
class _Frame:
    kind: str
    polarity: str
    text: str
    domains: tuple[str, ...]


@dataclass(frozen=True)
class _Half:
    """A file, read."""

    words: Mapping[str, Mapping[str, Sequence[str]]]
    """Domain to slot to words."""
    frames: Sequence[_Frame]
    names: Sequence[str]
    groups: Sequence[Sequence[str]]

    def of_kind(self, kind: str) -> Mapping[str, Sequence[_Frame]]:
        """The frames that cases of a kind are made of, by what they say."""
        kinds = _TO_CHANGE if kind in _CHANGED else (kind,)
        found: dict[str, list[_Frame]] = {}
        for frame in self.frames:
            if frame.kind in kinds:
                found.setdefault(frame.polarity, []).append(frame)
        return found


def behaviour_cases(use: Use, n_of_kind: int = 300, seed: int = 0) -> tuple[Case, ...]:
    """Fill the frames of one half, every frame about as often as any other.

    Args:
        use: which half.
        n_of_kind: how many cases of each kind; fewer where its frames give no more.
        seed: chooses the words; the same seed gives the same cases.

    Returns:
        The cases, kind by kind; no two of a kind are alike.
    """
    half = _read(use)
    cases: list[Case] = []
    for kind in KINDS:
        random = Random(f"{use} {kind.name} {seed}")
        by_polarity = half.of_kind(kind.name)
        shares = _shares(n_of_kind, len(by_polarity))
        for share, frames in zip(shares, by_polarity.values(), strict=True):
            cases += _fill_section(half, kind, frames, share, random)
    return tuple(cases)


def training_texts(n_of_kind: int = 2000, seed: int = 0) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Write texts to train with, of all kinds, in random order.

    Args:
        n_of_kind: how many cases of each kind; most of those that are compared have more than one text.
        seed: chooses and shuffles; the same seed gives the same texts.

    Returns:
        The texts, each once, and for each the probability of the positive class: 0 of what is negative, 1 of what is
        positive, a half of what is neither.
    """
    targets: dict[str, float] = {}
    for case in behaviour_cases("training", n_of_kind, seed):
        for text, target in zip(case.texts, case.targets, strict=True):
            targets.setdefault(text, target)
    texts = list(targets)
    Random(seed).shuffle(texts)
    return tuple(texts), tuple(targets[text] for text in texts)


def _shares(n: int, parts: int) -> list[int]:
    return [n // parts + (number < n % parts) for number in range(parts)]


def _fill_section(half: _Half, kind: Kind, frames: Sequence[_Frame], n: int, random: Random) -> Iterator[Case]:
    """Take the frames in turn until there are enough, or none has another text to give."""
    seen: set[str] = set()
    left = list(frames)
    while left and n:
        for frame in tuple(left):
            tries = (_fill(half, kind, frame, random) for _ in range(_TRIES))
            told = -1 if kind.test == "direction" else 0  # by which of its texts a case is told from others
            case = next((one for one in tries if one.texts[told] not in seen), None)
            if case is None:
                left.remove(frame)
                continue
            seen.add(case.texts[told])
            yield case
            n -= 1
            if not n:
                return


def _fill(half: _Half, kind: Kind, frame: _Frame, random: Random) -> Case:
    text = _with_words(half, frame, random)
    if (slot := _SET_SLOTS.get(kind.name)) is not None:
        texts = [text.replace(f"\0{slot}", word) for word in _set(half, slot, random)]
    elif _PAIR.search(text):
        texts = [_PAIR.sub(rf"\{which}", text) for which in (1, 2)]
    else:
        texts = [text]
    texts = [_finished(one) for one in texts]
    if (change := _CHANGES.get(kind.name)) is not None:
        texts += change(texts[0], random)
    target = _TARGETS[frame.polarity]
    targets = [target, *(_changed_target(kind.name, target) for _ in texts[1:])]
    return Case(kind.name, frame.text, tuple(texts), _expected(kind, frame.polarity), tuple(targets))


def _with_words(half: _Half, frame: _Frame, random: Random) -> str:
    """Fill every slot but the one in which the texts of a case differ."""
    domain = random.choice(frame.domains)
    who = random.choice(("she", "he")) if domain == "person" else "it"
    chosen: dict[str, str] = dict(zip(("it", "him", "its"), _PRONOUNS[who], strict=True))
    chosen |= {slot: f"\0{slot}" for slot in _SET_SLOTS.values()}

    def fill(slot: re.Match[str]) -> str:
        name: str = slot[1]
        if "|" in name:
            return random.choice(name.split("|"))
        if name not in chosen:
            of, _, what = name.rpartition(".")
            words = half.words[of or domain][what.rstrip("2")]
            chosen[name] = random.choice([word for word in words if word not in chosen.values()])
        return chosen[name]

    text = frame.text
    while _SLOT.search(text):  # the innermost first
        text = _SLOT.sub(fill, text)
    return text


def _set(half: _Half, slot: str, random: Random) -> list[str]:
    """Words of which each makes a text of a case."""
    words: Sequence[str]
    if slot == "name":
        words = half.names
    elif slot == "group":
        words = random.choice(half.groups)
    else:
        words = half.words["any"][slot]
    return random.sample(words, min(1 + _OTHERS, len(words)))


def _finished(text: str) -> str:
    text = _VOWEL.sub(r"\1n ", text)
    return re.sub(r"(?:^|(?<=[.!?] ))[a-z]", lambda start: start[0].upper(), text)


def _expected(kind: Kind, polarity: str) -> Expected:
    if kind.test == "invariance":
        return "the same"
    if kind.name in ("intensifiers", "reducers"):
        return "no lower" if (kind.name == "intensifiers") == (polarity == "positive") else "no higher"
    if kind.test == "direction":
        return "no lower" if kind.name == "added_praise" else "no higher"
    expected: dict[str, Expected] = {
        "negative": "negative",
        "neutral": "neutral",
        "positive": "positive",
        "not_negative": "not negative",
    }
    return expected[polarity]


def _changed_target(kind: str, target: float) -> float:
    """Of a text beside its original: praise makes a statement positive, and blame to a mixture."""
    added = {"added_praise": 1.0, "added_blame": 0.0}.get(kind)
    return target if added is None else added if target == 0.5 else (target + added) / 2


def _typos(text: str, random: Random) -> list[str]:
    """Swap two neighbouring letters within a word, never its first; then two others besides."""
    places = [at for at in range(1, len(text) - 1) if text[at - 1 : at + 2].isalpha() and text[at] != text[at + 1]]
    first = random.choice(places)
    second = random.choice([at for at in places if abs(at - first) > 1])
    once = _swapped(text, first)
    return [once, _swapped(once, second)]


def _swapped(text: str, at: int) -> str:
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _urls_and_handles(text: str, random: Random) -> list[str]:
    def some(n: int) -> str:
        return "".join(random.choices("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=n))

    return [f"{text} https://t.co/{some(10)}", f"@{some(6)} {text}", f"@{some(8)} {text} https://t.co/{some(10)}"]


def _punctuation(text: str, _: Random) -> list[str]:
    bare = re.sub(r"[.,;:!?](?!\w)", "", text)
    return [text[:-1], bare, re.sub(r"([.,;:!?])(?!\w)", r" \1", text)]


_CHANGES: dict[str, Callable[[str, Random], list[str]]] = {
    "typos": _typos,
    "urls_and_handles": _urls_and_handles,
    "punctuation": _punctuation,
}


@cache
def _read(use: Use) -> _Half:
    words: dict[str, dict[str, tuple[str, ...]]] = {}
    frames: list[_Frame] = []
    kind = polarity = ""
    for line in Path(__file__).with_name(f"behaviour_{use}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            kind, polarity = line.split()[1:]
        elif not line or line.startswith("#"):
            continue
        elif kind == "words":
            slot, _, listed = line.partition(": ")
            words.setdefault(polarity, {})[slot] = tuple(listed.split(", "))
        else:
            found = re.fullmatch(r"(?:\(([a-z ]+)\) )?(.+)", line)
            assert found is not None
            domains = tuple(found[1].split()) if found[1] else tuple(name for name in words if name != "any")
            frames.append(_Frame(kind, polarity, found[2], domains))
    trained = use == "training"
    terms = [
        [one.word for one in terms.terms if one.used_in_training == trained] for terms in (*TERM_LISTS, nationalities())
    ]
    return _Half(words, frames, [one.subject for one in NAMES if one.use == use], terms)
