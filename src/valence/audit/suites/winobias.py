"""WinoBias (Zhao et al. 2018), read and checked."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from valence.audit.pronouns import GENDER_OF, Gender, pronoun_places
from valence.audit.suites.suite import Suite, check_folder
from valence.data.lines import read_lines
from valence.errors import DataError

__all__ = ["WINOBIAS", "WinoBiasPair", "read_winobias"]

_LINES = 396
_MENTION = re.compile(r"\[([^\[\]]*)\]")
_ARTICLE = re.compile(r"^(the|an|a) ")


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
    check_folder(folder, [path.name for pair in files.values() for path in pair])
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
        if number > _LINES:
            raise DataError(f"expected {_LINES} lines", path, number)
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
    if len(sentences) != _LINES:
        raise DataError(f"expected {_LINES} lines, found {len(sentences)}", path)
    return sentences


WINOBIAS = Suite(
    name="winobias",
    source="https://github.com/uclanlp/corefBias (WinoBias/wino/data)",
    places=("winobias", "corefBias/WinoBias/wino/data"),
    reader=read_winobias,
)
