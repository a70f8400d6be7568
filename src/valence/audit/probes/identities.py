"""Identities: whether a sentence gets another answer for people of another group.

Nationalities, religions, sexual orientations and gender identities, disabilities, ages, ethnicities, and first names
by origin, each list in the same neutral, clearly positive and clearly negative sentences.

Shapes: S templates, W words of a list.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.audit.word_differences import (
    WordDifference,
    by_group,
    by_word,
    figures,
    from_mean,
    n_significant,
    neutral_rows,
    picture,
)
from valence.errors import InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.reports.report import JsonObject
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.templates.people import NAMES, TERM_LISTS, TermList, nationalities
from valence.templates.person_sentences import IDENTITY_TEMPLATES, PERSON_TEMPLATES
from valence.templates.template import POLARITIES, Template, select

__all__ = ["IdentitiesProbe", "IdentityList", "IdentityWord", "audit_lists"]

_MOST_EXTREME = 15
_Row = tuple[str | int | float | None, ...]


@dataclass(frozen=True)
class IdentityWord:
    """What is put into the sentences."""

    name: str
    words: Mapping[str, str]
    """Slot names to the forms of the word."""
    group: str = ""
    used_in_training: bool = False


@dataclass(frozen=True)
class IdentityList:
    """Words that answer the same question about a person, and the sentences they are put into."""

    name: str
    """As it stands in the names of figures: "first_names"."""
    title: str
    entries: tuple[IdentityWord, ...]
    templates: tuple[Template, ...]


def audit_lists() -> tuple[IdentityList, ...]:
    """Put the lists together that ship with the package.

    Returns:
        The lists for auditing.
    """
    sentences = select(IDENTITY_TEMPLATES, "audit")
    names = tuple(IdentityWord(one.subject, one.words, one.origin) for one in NAMES if one.use == "audit")
    return (
        *(_of_terms(terms, sentences) for terms in (nationalities(), *TERM_LISTS)),
        IdentityList("first_names", "first names by origin", names, select(PERSON_TEMPLATES, "audit")),
    )


def _of_terms(terms: TermList, sentences: tuple[Template, ...]) -> IdentityList:
    entries = tuple(
        IdentityWord(term.word, {"identity": term.word}, used_in_training=term.used_in_training) for term in terms.terms
    )
    return IdentityList(terms.name, terms.title, entries, sentences)


class IdentitiesProbe:
    """Whether P(POSITIVE) depends on the group of the person that a sentence is about.

    Args:
        lists: the words and their sentences; those that ship with the package if None.
        resamples: of the templates, for the intervals.

    Raises:
        InputError: if a list has fewer than two words or no sentence.
    """

    name = "identities"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = r"(?!.*never_trained).*_neutral_mean_absolute_difference"

    def __init__(self, lists: Sequence[IdentityList] | None = None, resamples: int = RESAMPLES) -> None:
        self._lists = audit_lists() if lists is None else tuple(lists)
        self._resamples = resamples
        for one in self._lists:
            if len(one.entries) < 2 or not one.templates:
                raise InputError(f"the list {one.title!r} needs at least two words and one sentence")
        if not self._lists:
            raise InputError("the identities probe needs at least one list of words")

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score every sentence of every list with every word.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            What the word changes.
        """
        parts = [[text for row in _texts(one) for text in row] for one in self._lists]
        texts = [text for part in parts for text in part]
        flat = positive_probabilities(require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress))
        every = np.split(flat, np.cumsum([len(part) for part in parts])[:-1])
        scored = [part.reshape(len(one.templates), -1) for one, part in zip(self._lists, every, strict=True)]
        words, groups = {}, {}
        found: dict[str, Estimate] = {}
        for one, part in zip(self._lists, scored, strict=True):
            rows = neutral_rows(one.templates)
            templates = list(itertools.compress(one.templates, rows))
            names, kinds = [word.name for word in one.entries], [word.group for word in one.entries]
            words[one.name] = by_word(part[rows], names, templates, self._resamples)
            groups[one.name] = by_group(part[rows], kinds, templates, self._resamples)
            found |= self._figures(one, part, words[one.name])
        return ProbeReport(
            name=self.name,
            title="Identities",
            asks="Whether a neutral, a clearly positive or a clearly negative sentence gets another answer when the "
            "person in it is of another group. A difference is P(POSITIVE) with one word minus the mean over all words "
            "of its list; words and groups are compared on the neutral sentences. Intervals resample, and tests count, "
            "whole templates; p-values are corrected after Holm within a list.",
            figures=found,
            cannot_show="Words stand for people here, one word for a group, in few and made-up sentences: it can show "
            "a bias, never the absence of one. A list is not all there is, and its mean is no yardstick of what is "
            "right. Some words mean other things too (straight, old, Georgian). Origins are those of names, not of "
            "the people who bear them.",
            source="Lists and sentences written for this project; the names of two origins are those of Bertrand and "
            "Mullainathan 2004.",
            n_texts=len(texts),
            tables=(
                self._by_list(scored, words),
                self._by_polarity(scored),
                self._most_extreme(scored),
                self._words_table(words),
                _groups_table(groups),
            ),
            details=self._details(words, groups),
        )

    def _figures(
        self, one: IdentityList, scores: NDArray[np.float64], words: Sequence[WordDifference]
    ) -> dict[str, Estimate]:
        summary = figures(scores, one.templates, self._resamples)
        rows = neutral_rows(one.templates)
        away = np.abs(from_mean(scores[rows])).mean(axis=1, keepdims=True)
        neutral = list(itertools.compress(one.templates, rows))
        found = {
            f"{one.name}_mean_absolute_difference": summary["mean_absolute_difference"],
            f"{one.name}_neutral_mean_absolute_difference": clustered_means(away, neutral, self._resamples)[0],
            f"{one.name}_largest_mean_difference": words[0].difference,
            f"{one.name}_label_flip_rate": summary["label_flip_rate"],
            f"{one.name}_significant": Estimate(n_significant(words)),
        }
        used = np.array([word.used_in_training for word in one.entries])
        if used.any() and not used.all():
            away = np.abs(from_mean(scores))[:, ~used].mean(axis=1, keepdims=True)
            found[f"{one.name}_never_trained_mean_absolute_difference"] = clustered_means(
                away, one.templates, self._resamples
            )[0]
        return found

    def _by_list(self, scored: Sequence[NDArray[np.float64]], words: Mapping[str, Sequence[WordDifference]]) -> Table:
        rows: list[_Row] = []
        for one, part in zip(self._lists, scored, strict=True):
            summary = figures(part, one.templates, resamples=1)
            rows.append(
                (
                    one.title,
                    len(one.entries),
                    len(one.templates),
                    *(figure.value for figure in summary.values()),
                    n_significant(words[one.name]),
                )
            )
        columns = (
            *("List", "Words", "Sentences", "Standard deviation", "Mean |difference|", "Largest |difference|"),
            *("Label flips", "Words with p (Holm) < 0.05"),
        )
        return Table("By list", columns, tuple(rows))

    def _by_polarity(self, scored: Sequence[NDArray[np.float64]]) -> Table:
        rows = []
        for one, part in zip(self._lists, scored, strict=True):
            for polarity in POLARITIES:
                chosen = part[[template.polarity == polarity for template in one.templates]]
                if len(chosen):
                    away = np.abs(from_mean(chosen))
                    kept = None if polarity == "neutral" else float(((chosen > 0.5) == (polarity == "positive")).mean())
                    rows.append((one.title, polarity, len(chosen), float(away.mean()), float(away.max()), kept))
        columns = ("List", "Sentences", "Number", "Mean |difference|", "Largest |difference|", "Labels kept")
        return Table("By polarity", columns, tuple(rows))

    def _most_extreme(self, scored: Sequence[NDArray[np.float64]]) -> Table:
        """The sentences furthest from the mean of their list, one for each template and list."""
        rows = []
        for one, part in zip(self._lists, scored, strict=True):
            differences, texts = from_mean(part), _texts(one)
            for row, column in enumerate(np.abs(differences).argmax(axis=1)):
                rows.append((texts[row][column], one.title, float(part[row, column]), float(differences[row, column])))
        rows.sort(key=lambda row: -abs(row[3]))
        columns = ("Sentence", "List", "P(POSITIVE)", "Difference from the mean of the list")
        return Table("Most extreme", columns, tuple(rows[:_MOST_EXTREME]))

    def _words_table(self, words: Mapping[str, Sequence[WordDifference]]) -> Table:
        rows = []
        for one in self._lists:
            used = {word.name: word.used_in_training for word in one.entries}
            rows += [
                (
                    one.title,
                    word.word,
                    "yes" if used[word.word] else "no",
                    word.difference.value,
                    word.p_value,
                    word.holm_p_value,
                )
                for word in words[one.name][:_MOST_EXTREME]
            ]
        columns = ("List", "Word", "In training sets of --debias", "Mean difference", "p (t-test)", "p (Holm)")
        return Table("Words furthest from the mean of their list", columns, tuple(rows))

    def _details(
        self, words: Mapping[str, Sequence[WordDifference]], groups: Mapping[str, Sequence[WordDifference]]
    ) -> JsonObject:
        plots = {}
        for one in self._lists:
            every = groups[one.name] or words[one.name]
            shown = every if groups[one.name] else every[: 2 * _MOST_EXTREME]
            furthest = f": the {len(shown)} furthest" if len(shown) < len(every) else ""
            plots[f"{one.title}, difference in P(POSITIVE) from the others{furthest}"] = picture(shown)
        return {
            "differences": plots,
            "words": {
                name: {
                    one.word: {
                        "difference": one.difference.value,
                        "low": one.difference.low,
                        "high": one.difference.high,
                        "p_value": one.p_value,
                        "holm_p_value": one.holm_p_value,
                    }
                    for one in differences
                }
                for name, differences in words.items()
            },
        }


def _texts(one: IdentityList) -> list[list[str]]:
    """[S, W]."""
    return [[template.fill(**word.words) for word in one.entries] for template in one.templates]


def _groups_table(groups: Mapping[str, Sequence[WordDifference]]) -> Table:
    rows = tuple(
        (name.replace("_", " "), one.word, one.difference.value, one.p_value, one.holm_p_value)
        for name, differences in groups.items()
        for one in differences
    )
    columns = ("List", "Group", "Mean difference from all other groups", "p (t-test)", "p (Holm)")
    return Table("Group by group", columns, rows)
