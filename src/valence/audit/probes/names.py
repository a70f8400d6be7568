"""Names and gendered words: whether a sentence gets another answer for another person.

The sentences come in comparison sets, equal but for the person: a first name, African-American or European-American,
or one of a pair of words such as "my brother" and "my sister". They are the project's own in the form of the Equity
Evaluation Corpus, whose file this reads too; figures on the one are not figures on the other.

Sources: Kiritchenko and Mohammad 2018, "Examining Gender and Race Bias in Two Hundred Sentiment Analysis Systems";
names of Bertrand and Mullainathan 2004.

Shapes: N sentences, S comparison sets, W names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.audit.word_differences import WordDifference, by_word, figures, n_significant, picture, template_means
from valence.data.tables import open_table
from valence.errors import DataError, InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.statistics.multiple_tests import holm
from valence.statistics.paired import paired_t_test
from valence.templates.people import NAME_SENTENCES
from valence.templates.template import POLARITIES, Polarity

__all__ = ["NameSentence", "NamesProbe", "read_name_sentences"]

_NEEDED = ("Sentence", "Template", "Person", "Gender", "Race", "Emotion", "Emotion word")
_POLARITY_OF = {"": "neutral", "joy": "positive", "anger": "negative", "fear": "negative", "sadness": "negative"}
_RACES = {"European": "European-American"}  # as the Equity Evaluation Corpus calls it
_OVERALL = ("names_gender", "names_race", "words_gender")  # other comparisons are single pairs, such as "he/she"
_THRESHOLD = 0.5  # a probability above it is the label POSITIVE
_MOST_EXTREME = 10


@dataclass(frozen=True)
class NameSentence:
    """A sentence about a person."""

    text: str
    template: str
    person: str
    gender: str
    """ "female" or "male"."""
    race: str
    """Of a name, as the source calls it; empty for other words."""
    pair: str
    """Such as "he/she"; empty for names, and where the source does not pair words."""
    emotion_word: str
    """Empty in a neutral sentence."""
    polarity: Polarity

    @property
    def comparison_set(self) -> tuple[str, str]:
        """What it shares with the sentences that are equal but for the person."""
        return self.template, self.emotion_word


def read_name_sentences(path: Path = NAME_SENTENCES) -> tuple[NameSentence, ...]:
    """Read sentences about people from a CSV.

    Args:
        path: with the columns of the Equity Evaluation Corpus; `Pair` and `Polarity` may stand beside them.

    Returns:
        The sentences.

    Raises:
        DataError: if the file cannot be read, or lacks a column or a value.
    """
    table = open_table(path)
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise DataError(
            f"no column {', '.join(map(repr, missing))}: expected those of the Equity Evaluation Corpus "
            f"({', '.join(_NEEDED)})",
            path,
        )
    sentences = []
    for row in table.rows():
        values = {name: str(row.values.get(name) or "").strip() for name in table.columns}
        if not values["Sentence"]:
            raise DataError("expected a sentence, found nothing", path, row.line)
        gender = values["Gender"].lower()
        if gender not in ("female", "male"):
            raise DataError(f"Gender must be 'female' or 'male', found {values['Gender']!r}", path, row.line)
        emotion = values["Emotion"].lower()
        polarity = values.get("Polarity") or _POLARITY_OF.get(emotion, "")
        if polarity not in POLARITIES:
            raise DataError(
                f"expected a Polarity ({', '.join(POLARITIES)}) or a known Emotion "
                f"({', '.join(filter(None, _POLARITY_OF))} or none), found {polarity or emotion!r}",
                path,
                row.line,
            )
        sentences.append(
            NameSentence(
                text=values["Sentence"],
                template=values["Template"],
                person=values["Person"],
                gender=gender,
                race=_RACES.get(values["Race"], values["Race"]),
                pair=values.get("Pair", ""),
                emotion_word=values["Emotion word"],
                polarity=polarity,
            )
        )
    if not sentences:
        raise DataError("the file has no rows", path)
    return tuple(sentences)


@dataclass(frozen=True)
class _Comparison:
    """Sentences of two kinds, set by set: what is measured is P of the second kind minus P of the first."""

    name: str
    first: list[list[int]]
    """[S]: the numbers of the sentences of the first kind in each set."""
    second: list[list[int]]
    templates: list[str]
    """[S]."""
    polarities: list[str]
    """[S]."""

    def both(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """[S, 2], the mean P(POSITIVE) of either kind; exactly equal where all scores of a set are."""
        starts = [scores[first[0]] for first in self.first]
        return np.array(
            [
                (start + (scores[first] - start).mean(), start + (scores[second] - start).mean())
                for start, first, second in zip(starts, self.first, self.second, strict=True)
            ]
        )


@dataclass(frozen=True)
class _Result:
    name: str
    n: int
    mean: Estimate
    absolute: Estimate
    largest: float
    flips: Estimate
    p_value: float


class NamesProbe:
    """Whether P(POSITIVE) depends on the name, race or gender of the person that a sentence is about.

    Args:
        sentences: in comparison sets; those that ship with the package if None.
        resamples: of the templates, for the intervals.
        source: where the sentences come from, if they are others.

    Raises:
        InputError: if there is nothing to compare.
    """

    name = "names"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = r"(names|names_gender|names_race|words_gender)_mean_absolute_difference"

    def __init__(
        self,
        sentences: Sequence[NameSentence] | None = None,
        resamples: int = RESAMPLES,
        source: str | None = None,
    ) -> None:
        self._sentences = read_name_sentences() if sentences is None else tuple(sentences)
        self._resamples = resamples
        self._source = source
        self._names, self._name_sets = _name_sets(self._sentences)
        self._comparisons = [
            *_compare_names(self._sentences, "gender", "names_gender", ("male", "female")),
            *_compare_races(self._sentences),
            *_compare_words(self._sentences),
        ]
        if not self._comparisons and not self._names:
            raise InputError("the names probe needs sentences that are equal but for the person: found none")

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score the sentences.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            What the person changes.
        """
        texts = [sentence.text for sentence in self._sentences]
        scores = positive_probabilities(
            require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress)
        )
        results = [self._measure(one, scores) for one in self._comparisons]
        found: dict[str, Estimate] = {}
        for one in results:
            if one.name in _OVERALL:  # of single pairs of words the tables tell
                found[f"{one.name}_mean_difference"] = one.mean
                found[f"{one.name}_mean_absolute_difference"] = one.absolute
        by_name: list[WordDifference] = []
        if self._names:
            matrix = scores[np.array(list(self._name_sets.values()))]  # [S, W]
            templates = [template for template, _ in self._name_sets]
            found |= {f"names_{name}": figure for name, figure in figures(matrix, templates, self._resamples).items()}
            by_name = by_word(matrix, self._names, templates, self._resamples)
            found["names_significant"] = Estimate(n_significant(by_name))
        for one in results:
            if one.name == "words_gender":
                found["words_gender_label_flip_rate"] = one.flips
        corrected = holm([one.p_value for one in results])
        return ProbeReport(
            name=self.name,
            title="Names and gendered words",
            asks="Whether a sentence gets another answer when it is about another person: first names by gender and by "
            "race (as the source sorts them), and male and female words such as he and she. A difference is P(POSITIVE "
            "| female) - P(POSITIVE | male), or African-American - European-American, within sentences equal but for "
            "the person. Of names by gender and by race it is that of two means, over all names of either kind; of "
            "gendered words that of a pair, such as my sister and my brother; of single names that of one from the "
            "mean of all. Intervals resample, and tests count, whole templates; p-values are corrected after Holm.",
            figures=found,
            cannot_show="A dozen templates and a few dozen names of two groups in the United States: it can show a "
            "bias, never the absence of one. Names stand for many things beside race and gender, such as age and "
            "class. The sentences are not the Equity Evaluation Corpus, and figures are not to be reported as its.",
            source=self._source
            or "Sentences written for this project in the form of the Equity Evaluation Corpus (Kiritchenko and "
            "Mohammad 2018); names: Bertrand and Mullainathan 2004, Are Emily and Greg More Employable than Lakisha "
            "and Jamal?",
            n_texts=len(texts),
            tables=(
                _comparison_table(results, corrected.tolist()),
                self._by_polarity(scores),
                _names_table(by_name),
                self._most_extreme(scores),
            ),
            details={
                "differences": {
                    "Difference in P(POSITIVE): female - male, African-American - European-American": {
                        one.name.replace("_", " "): {
                            "value": one.mean.value,
                            "low": one.mean.low,
                            "high": one.mean.high,
                            "holm_p_value": p_value,
                        }
                        for one, p_value in zip(results, corrected.tolist(), strict=True)
                    },
                    "Difference in P(POSITIVE) from the mean of all names": picture(by_name),
                },
            },
        )

    def _measure(self, comparison: _Comparison, scores: NDArray[np.float64]) -> _Result:
        both = comparison.both(scores)
        differences = both[:, 1] - both[:, 0]
        flips = (both[:, 0] > _THRESHOLD) != (both[:, 1] > _THRESHOLD)
        columns = np.stack([differences, np.abs(differences), flips], axis=1)
        mean, absolute, flip_rate = clustered_means(columns, comparison.templates, self._resamples)
        p_value = paired_t_test(template_means(differences[:, None], comparison.templates)[:, 0])
        largest = float(np.abs(differences).max())
        return _Result(comparison.name, len(both), mean, absolute, largest, flip_rate, p_value)

    def _by_polarity(self, scores: NDArray[np.float64]) -> Table:
        rows = []
        for comparison in self._comparisons:
            if comparison.name not in _OVERALL:
                continue
            both = comparison.both(scores)
            differences = both[:, 1] - both[:, 0]
            for polarity in POLARITIES:
                chosen = differences[[one == polarity for one in comparison.polarities]]
                if len(chosen):
                    rows.append(
                        (comparison.name, polarity, len(chosen), float(chosen.mean()), float(np.abs(chosen).mean()))
                    )
        columns = ("Comparison", "Sentences", "Sets", "Mean difference", "Mean |difference|")
        return Table("By polarity", columns, tuple(rows))

    def _most_extreme(self, scores: NDArray[np.float64]) -> Table:
        """The widest sets: their lowest and their highest sentence."""
        sets: dict[tuple[str, str], list[int]] = {}
        for number, sentence in enumerate(self._sentences):
            sets.setdefault(sentence.comparison_set, []).append(number)
        ends = [(min(one, key=lambda n: scores[n]), max(one, key=lambda n: scores[n])) for one in sets.values()]
        ends.sort(key=lambda pair: -(scores[pair[1]] - scores[pair[0]]))
        rows = tuple(
            (
                self._sentences[low].text,
                float(scores[low]),
                self._sentences[high].text,
                float(scores[high]),
                float(scores[high] - scores[low]),
            )
            for low, high in ends[:_MOST_EXTREME]
        )
        columns = ("Lowest", "P(POSITIVE), lowest", "Highest", "P(POSITIVE), highest", "Difference")
        return Table("Most extreme", columns, rows)


def _name_sets(
    sentences: Sequence[NameSentence],
) -> tuple[list[str], dict[tuple[str, str], list[int]]]:
    """The names that occur in every set of names, and for each set the numbers of their sentences."""
    by_set: dict[tuple[str, str], dict[str, int]] = {}
    for number, sentence in enumerate(sentences):
        if sentence.race:
            by_set.setdefault(sentence.comparison_set, {})[sentence.person] = number
    everywhere = set.intersection(*map(set, by_set.values())) if by_set else set()
    names = [name for name in dict.fromkeys(one.person for one in sentences) if name in everywhere]
    if len(names) < 2:
        return [], {}
    return names, {key: [numbers[name] for name in names] for key, numbers in by_set.items()}


def _compare_names(
    sentences: Sequence[NameSentence], what: str, name: str, kinds: tuple[str, str]
) -> list[_Comparison]:
    named = [(number, one) for number, one in enumerate(sentences) if one.race]
    return _comparison(name, [(number, one, getattr(one, what), "") for number, one in named], kinds)


def _compare_races(sentences: Sequence[NameSentence]) -> list[_Comparison]:
    races = sorted({one.race for one in sentences} - {""}, reverse=True)
    if len(races) != 2:
        return []
    return _compare_names(sentences, "race", "names_race", (races[0], races[1]))


def _compare_words(sentences: Sequence[NameSentence]) -> list[_Comparison]:
    """All words but names by gender, then each pair."""
    words = [(number, one, one.gender, one.pair) for number, one in enumerate(sentences) if not one.race]
    found = _comparison("words_gender", words, ("male", "female"))
    for pair in sorted({pair for *_, pair in words} - {""}):
        found += _comparison(pair, [one for one in words if one[3] == pair], ("male", "female"))
    return found


def _comparison(
    name: str, sentences: Sequence[tuple[int, NameSentence, str, str]], kinds: tuple[str, str]
) -> list[_Comparison]:
    """Put sentences together that have set and pair in common; none where a set has but one kind."""
    sets: dict[tuple[str, str, str], tuple[list[int], list[int]]] = {}
    polarities: dict[tuple[str, str, str], str] = {}
    for number, sentence, kind, pair in sentences:
        key = (*sentence.comparison_set, pair)
        sets.setdefault(key, ([], []))[kinds.index(kind)].append(number)
        polarities[key] = sentence.polarity
    whole = {key: both for key, both in sets.items() if all(both)}
    if not whole:
        return []
    return [
        _Comparison(
            name,
            [first for first, _ in whole.values()],
            [second for _, second in whole.values()],
            [template for template, _, _ in whole],
            [polarities[key] for key in whole],
        )
    ]


def _comparison_table(results: Sequence[_Result], corrected: Sequence[float]) -> Table:
    rows = tuple(
        (one.name, one.n, one.mean.value, one.absolute.value, one.largest, one.flips.value, one.p_value, p_value)
        for one, p_value in zip(results, corrected, strict=True)
    )
    columns = (
        *("Comparison", "Sets", "Mean difference", "Mean |difference|", "Largest |difference|", "Label flips"),
        *("p (t-test)", "p (Holm)"),
    )
    return Table("Group by group", columns, rows)


def _names_table(by_name: Sequence[WordDifference]) -> Table:
    rows = tuple((one.word, one.difference.value, one.p_value, one.holm_p_value) for one in by_name)
    return Table("Name by name", ("Name", "Difference from the mean of all names", "p (t-test)", "p (Holm)"), rows)
