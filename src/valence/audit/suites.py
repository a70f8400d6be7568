"""The published bias suites, read from a folder and checked: StereoSet, CrowS-Pairs, WinoBias, WinoGender.

None of them ships with the package. Whatever is absent, broken or not as published raises `DataError`, which names
the file, the line where there is one, what was expected, and where its authors keep it.

Sources: Nadeem et al. 2021 (StereoSet); Nangia et al. 2020 (CrowS-Pairs); Zhao et al. 2018 (WinoBias); Rudinger et
al. 2018 (Winogender).
"""

import json
import os
import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from valence.audit.pronouns import GENDER_OF, Gender, pronoun_places
from valence.data.lines import read_lines
from valence.data.rows import Row
from valence.data.tables import open_table
from valence.errors import DataError
from valence.files import is_unicode, refuse_lfs_pointer

__all__ = [
    "SOURCES",
    "Candidate",
    "CrowsPair",
    "StereoSetItem",
    "StereoSetItems",
    "SuiteName",
    "WinoBiasPair",
    "WinogenderTriple",
    "candidate_word",
    "find_suite",
    "find_suites",
    "read_crows_pairs",
    "read_stereoset",
    "read_winobias",
    "read_winogender",
]

SuiteName = Literal["stereoset", "crows_pairs", "winobias", "winogender"]

SOURCES: dict[SuiteName, str] = {
    "stereoset": "https://github.com/moinnadeem/StereoSet (data/dev.json)",
    "crows_pairs": "https://github.com/nyu-mll/crows-pairs (data/crows_pairs_anonymized.csv)",
    "winobias": "https://github.com/uclanlp/corefBias (WinoBias/wino/data)",
    "winogender": "https://github.com/rudinger/winogender-schemas (data)",
}
"""Where the authors keep each suite."""
# In a folder of data, best first: by the suite's name, or as the authors' repository is cloned.
_PLACES: dict[SuiteName, tuple[str, ...]] = {
    "stereoset": ("stereoset/dev.json", "StereoSet/data/dev.json"),
    "crows_pairs": (
        "crows_pairs/crows_pairs_anonymized.csv",
        "crows-pairs/data/crows_pairs_anonymized.csv",
        "crows_pairs_anonymized.csv",
    ),
    "winobias": ("winobias", "corefBias/WinoBias/wino/data"),
    "winogender": ("winogender", "winogender-schemas/data"),
}
_MAX_BYTES = 64 << 20  # many times the largest of the published files

_STEREOSET_COUNTS = {
    "intrasentence": {"gender": 255, "profession": 810, "race": 962, "religion": 79},
    "intersentence": {"gender": 242, "profession": 827, "race": 976, "religion": 78},
}
_GOLD_LABELS = ("stereotype", "anti-stereotype", "unrelated")
_BLANK = "BLANK"
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

_CROWS_COUNTS = {"stereo": 1290, "antistereo": 218}
_CROWS_BIAS_COUNTS = {
    "race-color": 516,
    "gender": 262,
    "socioeconomic": 172,
    "nationality": 159,
    "religion": 105,
    "age": 87,
    "sexual-orientation": 84,
    "physical-appearance": 63,
    "disability": 60,
}

_WINOBIAS_LINES = 396
_MENTION = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"^(the|an|a) ")

_WINOGENDER_TRIPLES = 240
_WINOGENDER_OCCUPATIONS = 60
_SENTENCE_ID = re.compile(r"([^.]+)\.([^.]+)\.([01])\.(male|female|neutral)\.txt")


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


@dataclass(frozen=True)
class CrowsPair:
    """Two sentences of which one is more stereotypical."""

    sent_more: str
    sent_less: str
    direction: Literal["stereo", "antistereo"]
    """Whether the pair shows a stereotype about a disadvantaged group, or goes against one."""
    bias_type: str


@dataclass(frozen=True)
class WinoBiasPair:
    """A sentence with the pronoun that the stereotype expects, and with the other."""

    type: Literal[1, 2]
    """1: world knowledge tells whom the pronoun means; 2: syntax does."""
    split: Literal["dev", "test"]
    line: int
    """In both files, from 1."""
    occupation: str
    """The one that the pronoun means."""
    pro: str
    anti: str
    pro_gender: Gender | None
    """Of the pronouns in `pro`, where those in `anti` have the other; None where they do not."""
    only_pronoun_differs: bool
    n_mentions: tuple[int, int]
    """How many mentions are marked in `pro` and `anti`: 2, or 3 where a second pronoun is."""

    @property
    def masculine(self) -> str:
        """The one with masculine pronouns; `pro` where genders are not opposed."""
        return self.anti if self.pro_gender == "feminine" else self.pro

    @property
    def feminine(self) -> str:
        """The one with feminine pronouns; `anti` where genders are not opposed."""
        return self.pro if self.pro_gender == "feminine" else self.anti


@dataclass(frozen=True)
class WinogenderTriple:
    """A sentence with a masculine, a feminine and a neutral pronoun."""

    occupation: str
    participant: str
    """The other person, or "someone"."""
    pronoun_means: Literal["occupation", "participant"]
    masculine: str
    feminine: str
    neutral: str
    percent_women: float
    """Of the people with this occupation, by the US Bureau of Labor Statistics."""
    percent_women_in_text: float
    """Of its mentions in text (Bergsma and Lin)."""


def find_suites(folder: str | os.PathLike[str]) -> dict[SuiteName, Path]:
    """Look which suites a folder of data holds.

    Args:
        folder: where each suite lies under its name, or in a clone of its authors' repository.

    Returns:
        What to give to the reader of each suite that is there; not read yet.

    Raises:
        DataError: if there is no such folder.
    """
    root = Path(folder)
    if not os.path.isdir(root):
        raise DataError("not a folder" if os.path.exists(root) else "no such folder", root)
    found: dict[SuiteName, Path] = {}
    for name, places in _PLACES.items():
        for place in places:
            if os.path.exists(root / place):
                found[name] = root / place
                break
    return found


def find_suite(folder: str | os.PathLike[str], name: SuiteName) -> Path:
    """Find one suite in a folder of data.

    Args:
        folder: see `find_suites`.
        name: of the suite.

    Returns:
        What to give to its reader.

    Raises:
        DataError: if it is not there; says where to get it.
    """
    found = find_suites(folder)
    if name not in found:
        raise DataError(f"no {name}: expected {' or '.join(_PLACES[name])}; get it from {SOURCES[name]}", Path(folder))
    return found[name]


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
    with _naming_source("stereoset"):
        _check_file(path)
        text = "".join(line for _, line in read_lines(path))
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise DataError(f"not readable as JSON: {problem}", path, getattr(problem, "lineno", None)) from None
        data = content.get("data") if isinstance(content, dict) else None
        if not isinstance(data, dict):
            raise DataError('expected a JSON object with "data", as in StereoSet\'s dev.json', path)
        items = StereoSetItems(
            _stereoset_task(data, "intrasentence", path), _stereoset_task(data, "intersentence", path)
        )
        ids = Counter(one.id for item in items.intrasentence + items.intersentence for one in item.candidates)
        if repeated := [one for one, n in ids.items() if n > 1]:
            raise DataError(f"the sentence id {repeated[0]!r} occurs {ids[repeated[0]]} times", path)
        return items


def read_crows_pairs(path: Path) -> tuple[CrowsPair, ...]:
    """Read CrowS-Pairs.

    Args:
        path: crows_pairs_anonymized.csv.

    Returns:
        1,508 pairs.

    Raises:
        DataError: if it is not what was published.
    """
    columns = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
    with _naming_source("crows_pairs"):
        pairs = []
        for row in _rows(path, columns):
            more, less, direction, bias_type = (str(row.values[column]) for column in columns)
            if direction not in _CROWS_COUNTS:
                raise DataError(f"expected stereo or antistereo, found {direction!r:.40}", path, row.line)
            if not more.strip() or not less.strip():
                raise DataError("one of the two sentences is empty", path, row.line)
            pairs.append(CrowsPair(more, less, direction, bias_type))  # type: ignore[arg-type]  # checked above
        _check_counts(Counter(pair.direction for pair in pairs), _CROWS_COUNTS, "pairs", path)
        _check_counts(Counter(pair.bias_type for pair in pairs), _CROWS_BIAS_COUNTS, "pairs", path)
        return tuple(pairs)


def read_winobias(folder: Path) -> tuple[WinoBiasPair, ...]:
    """Read WinoBias.

    Args:
        folder: of the eight files {anti,pro}_stereotyped_type{1,2}.txt.{dev,test}.

    Returns:
        1,584 pairs: line n of a pro file and line n of its anti file.

    Raises:
        DataError: if they are not what was published.
    """
    files: dict[tuple[Literal[1, 2], Literal["dev", "test"]], tuple[Path, Path]] = {
        (kind, split): (
            folder / f"pro_stereotyped_type{kind}.txt.{split}",
            folder / f"anti_stereotyped_type{kind}.txt.{split}",
        )
        for kind in (1, 2)
        for split in ("dev", "test")
    }
    with _naming_source("winobias"):
        _check_folder(folder, [path.name for pair in files.values() for path in pair])
        pairs = []
        for (kind, split), (pro_path, anti_path) in files.items():
            for line, (pro, anti) in enumerate(zip(_marked(pro_path), _marked(anti_path), strict=True), start=1):
                opposed = pro.gender is not None and anti.gender is not None and pro.gender != anti.gender
                pair = WinoBiasPair(
                    kind,
                    split,
                    line,
                    pro.occupation,
                    pro.text,
                    anti.text,
                    pro.gender if opposed else None,
                    False,
                    (pro.n_mentions, anti.n_mentions),
                )
                only_pronoun = opposed and pronoun_places(pair.masculine, pair.feminine) is not None
                pairs.append(WinoBiasPair(**{**vars(pair), "only_pronoun_differs": only_pronoun}))
        return tuple(pairs)


def read_winogender(folder: Path) -> tuple[WinogenderTriple, ...]:
    """Read the Winogender schemas and the shares of women that come with them.

    Args:
        folder: of all_sentences.tsv and occupations-stats.tsv.

    Returns:
        240 triples: 60 occupations, each with two participants and two meanings of the pronoun.

    Raises:
        DataError: if they are not what was published.
    """
    sentences, statistics = folder / "all_sentences.tsv", folder / "occupations-stats.tsv"
    with _naming_source("winogender"):
        _check_folder(folder, [sentences.name, statistics.name])
        shares = _shares_of_women(statistics)
        versions: dict[tuple[str, str, str], dict[str, Row]] = {}
        for row in _rows(sentences, ("sentid", "sentence")):
            parts = _SENTENCE_ID.fullmatch(str(row.values["sentid"]))
            if parts is None:
                raise DataError(
                    f"expected an id such as nurse.patient.0.female.txt, found {row.values['sentid']!r:.60}",
                    sentences,
                    row.line,
                )
            occupation, participant, answer, gender = parts.groups()
            if occupation not in shares:
                raise DataError(f"{statistics.name} lacks the occupation {occupation!r}", sentences, row.line)
            known = versions.setdefault((occupation, participant, answer), {})
            if gender in known:
                raise DataError(
                    f"{parts.string} is there twice, first in line {known[gender].line}", sentences, row.line
                )
            known[gender] = row
        if len(versions) != _WINOGENDER_TRIPLES:
            raise DataError(f"expected {_WINOGENDER_TRIPLES} triples of sentences, found {len(versions)}", sentences)
        return tuple(_winogender_triple(key, rows, shares[key[0]], sentences) for key, rows in versions.items())


@contextmanager
def _naming_source(name: SuiteName) -> Iterator[None]:
    """Add to whatever is wrong with a suite's files where the right ones are."""
    try:
        yield
    except DataError as problem:
        named = DataError(f"{problem}; the published files: {SOURCES[name]}")
        named.path, named.line = problem.path, problem.line
        raise named from None


def _check_file(path: Path) -> None:
    if not os.path.isfile(path):
        raise DataError("not a file" if os.path.exists(path) else "no such file", path)
    if (size := os.path.getsize(path)) > _MAX_BYTES:
        raise DataError(f"{size:,} bytes are far more than the published file has", path)
    if size == 0:
        raise DataError("the file is empty", path)
    refuse_lfs_pointer(path, DataError)


def _check_folder(folder: Path, names: Sequence[str]) -> None:
    if not os.path.isdir(folder):
        raise DataError("not a folder" if os.path.exists(folder) else "no such folder", folder)
    if absent := [name for name in names if not os.path.exists(folder / name)]:
        raise DataError(f"expected {len(names)} files, absent: {', '.join(absent)}", folder)
    for name in names:
        _check_file(folder / name)


def _check_counts(found: Mapping[str, int], published: Mapping[str, int], what: str, path: Path) -> None:
    if dict(found) != dict(published):
        names = [*published, *sorted(set(found) - set(published))]
        differing = [
            f"{name[:40]} {found.get(name, 0):,} instead of {published.get(name, 0):,}"
            for name in names
            if found.get(name, 0) != published.get(name, 0)
        ]
        raise DataError(f"the numbers of {what} differ from the published ones: {', '.join(differing[:5])}", path)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    _check_file(path)
    table = open_table(path)
    if absent := [column for column in columns if column not in table.columns]:
        raise DataError(
            f"the header lacks {', '.join(absent)}; it has {', '.join(map(repr, table.columns))[:200]}", path, 1
        )
    yield from table.rows()


def _stereoset_task(
    data: Mapping[str, Any], task: Literal["intrasentence", "intersentence"], path: Path
) -> tuple[StereoSetItem, ...]:
    examples = data.get(task)
    if not isinstance(examples, list):
        raise DataError(f"expected a list of examples under data.{task}", path)
    items = []
    for number, example in enumerate(examples, start=1):
        try:
            item = _stereoset_item(example)
            if task == "intrasentence":
                for candidate in item.candidates:
                    candidate_word(item.context, candidate.text)
        except DataError as problem:
            raise DataError(f"{task} example {number}: {problem}", path) from None
        items.append(item)
    _check_counts(Counter(item.bias_type for item in items), _STEREOSET_COUNTS[task], f"{task} examples", path)
    return tuple(items)


def _stereoset_item(example: Any) -> StereoSetItem:
    name, target, bias_type, context = (_text(example, field) for field in ("id", "target", "bias_type", "context"))
    sentences = example.get("sentences")
    if not isinstance(sentences, list):
        raise DataError('expected a list of "sentences"')
    candidates = {_text(one, "gold_label"): Candidate(_text(one, "id"), _text(one, "sentence")) for one in sentences}
    if len(sentences) != len(_GOLD_LABELS) or set(candidates) != set(_GOLD_LABELS):
        raise DataError(f"expected three sentences, one for each of {', '.join(_GOLD_LABELS)}")
    return StereoSetItem(name, target, bias_type, context, *(candidates[label] for label in _GOLD_LABELS))


def _text(example: Any, name: str) -> str:
    value = example.get(name) if isinstance(example, dict) else None
    if not isinstance(value, str) or not value.strip() or not is_unicode(value):
        raise DataError(f'expected a text under "{name}", found {value!r:.60}')
    return value


@dataclass(frozen=True)
class _Marked:
    """A sentence of WinoBias, without its marks."""

    text: str
    occupation: str
    gender: Gender | None
    """Of its marked pronouns; None if they do not agree."""
    n_mentions: int


def _marked(path: Path) -> list[_Marked]:
    sentences = []
    for number, line in read_lines(path):
        count, _, text = line.strip().partition(" ")
        if number > _WINOBIAS_LINES:
            raise DataError(f"expected {_WINOBIAS_LINES} lines", path, number)
        if count != str(number):
            raise DataError(f"expected the line to begin with {number}, found {count!r:.40}", path, number)
        mentions = [mention.strip() for mention in _MENTION.findall(text)]
        plain = " ".join(text.replace("[", "").replace("]", "").split())
        if len(mentions) not in (2, 3) or text.count("[") != len(mentions) or text.count("]") != len(mentions):
            raise DataError(
                f"expected 2 or 3 mentions in square brackets, found {len(mentions)} in {text!r:.100}", path, number
            )
        person, pronouns = mentions[0].lower(), [mention.lower() for mention in mentions[1:]]
        if person in GENDER_OF or not all(pronoun in GENDER_OF for pronoun in pronouns):
            raise DataError(
                f"expected a person and then pronouns in brackets, found {', '.join(mentions)}", path, number
            )
        genders = {GENDER_OF[pronoun] for pronoun in pronouns}
        gender = genders.pop() if len(genders) == 1 else None
        sentences.append(_Marked(plain, _ARTICLE.sub("", person), gender, len(mentions)))
    if len(sentences) != _WINOBIAS_LINES:
        raise DataError(f"expected {_WINOBIAS_LINES} lines, found {len(sentences)}", path)
    return sentences


def _shares_of_women(path: Path) -> dict[str, tuple[float, float]]:
    columns = ("occupation", "bls_pct_female", "bergsma_pct_female")
    shares: dict[str, tuple[float, float]] = {}
    for row in _rows(path, columns):
        occupation, *figures = (str(row.values[column]) for column in columns)
        try:
            labour, text = map(float, figures)
        except ValueError:
            raise DataError(f"expected two percentages, found {' and '.join(figures)[:60]}", path, row.line) from None
        if not (0 <= labour <= 100 and 0 <= text <= 100):
            raise DataError(f"expected two percentages, found {' and '.join(figures)[:60]}", path, row.line)
        shares[occupation] = (labour, text)
    if len(shares) != _WINOGENDER_OCCUPATIONS:
        raise DataError(f"expected {_WINOGENDER_OCCUPATIONS} occupations, found {len(shares)}", path)
    return shares


def _winogender_triple(
    key: tuple[str, str, str], rows: Mapping[str, Row], shares: tuple[float, float], path: Path
) -> WinogenderTriple:
    name = ".".join(key)
    if absent := [gender for gender in ("male", "female", "neutral") if gender not in rows]:
        raise DataError(f"{name}: no {' and no '.join(absent)} version", path)
    masculine, feminine, neutral = (str(rows[gender].values["sentence"]) for gender in ("male", "female", "neutral"))
    if pronoun_places(masculine, feminine) is None:
        raise DataError(
            f"{name}: expected the male version with other pronouns, found {feminine!r:.100}", path, rows["female"].line
        )
    meaning: Literal["occupation", "participant"] = "occupation" if key[2] == "0" else "participant"
    return WinogenderTriple(key[0], key[1], meaning, masculine, feminine, neutral, *shares)
