"""Own templates: a user's sentences and word lists, probed as the built-in ones are.

A template file has one template a line ("{name} wrote the report about {country}"), or is a table with the columns
`template` and perhaps `polarity`. A word list has one word a line, or is a table with the columns `word` and perhaps
`group`. A slot takes its words from the list given for it, else from the built-in list of that name.

Shapes: S comparison sets, W words of a slot.
"""

import difflib
import itertools
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.probes.countries import place_on_map
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
from valence.data.tables import open_table
from valence.errors import DataError, InputError
from valence.files import is_unicode
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.reports.report import JsonObject
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.templates.countries import COUNTRIES
from valence.templates.people import NAMES, TERM_LISTS, nationalities
from valence.templates.template import POLARITIES, SLOT, Template

__all__ = ["OwnTemplatesProbe", "SlotWord", "built_in_words", "read_templates", "read_words"]

_MAX_BYTES = 1 << 24
_MAX_CHARACTERS = 10_000  # of a template or word
_MAX_TEXTS = 300_000
_THRESHOLD = 0.5  # a probability above it is the label POSITIVE
_MOST_EXTREME = 15


@dataclass(frozen=True)
class SlotWord:
    """A word for a slot."""

    word: str
    group: str = ""


def built_in_words() -> dict[str, tuple[SlotWord, ...]]:
    """Give the word lists that ship with the package, those for auditing.

    Returns:
        Slot name to words with their groups: countries by continent, first names by origin, terms without groups.
    """
    lists = {
        "country": tuple(SlotWord(country.in_text, country.continent) for country in COUNTRIES),
        "name": tuple(SlotWord(one.subject, one.origin) for one in NAMES if one.use == "audit"),
    }
    for terms in (nationalities(), *TERM_LISTS):
        lists[terms.name] = tuple(SlotWord(term.word) for term in terms.terms)
    return lists


def read_templates(path: Path, slots: Collection[str]) -> tuple[Template, ...]:
    """Read a file of templates.

    Args:
        path: text with one template a line, or a table with a column `template` and perhaps `polarity` (neutral,
            positive or negative; empty is neutral). Blank lines are left out.
        slots: the names of the slots that there are words for.

    Returns:
        The templates, in order.

    Raises:
        DataError: if the file cannot be read or holds no template; at a template without a slot or with an unknown
            one, at a brace that belongs to none, and at an unknown polarity.
    """
    templates: dict[str, Template] = {}
    lines: dict[str, int] = {}
    for line, text, polarity in _entries(path, "template", "polarity"):
        _check_slots(text, slots, path, line)
        if text in lines:
            raise DataError(f"the template of line {lines[text]} comes again", path, line)
        said = polarity.lower() or "neutral"
        if said not in POLARITIES:
            raise DataError(f"polarity must be {', '.join(POLARITIES)} or empty, found {polarity!r}", path, line)
        lines[text] = line
        templates[text] = Template(text, said)
    if not templates:
        raise DataError("the file holds no templates: expected sentences such as 'I met {name} today'", path)
    return tuple(templates.values())


def read_words(path: Path) -> tuple[SlotWord, ...]:
    """Read a word list.

    Args:
        path: text with one word a line, or a table with a column `word` and perhaps `group`. Blank lines are left out.

    Returns:
        The words, in order.

    Raises:
        DataError: if the file cannot be read, holds fewer than two words, or one of them twice.
    """
    words: dict[str, SlotWord] = {}
    lines: dict[str, int] = {}
    for line, word, group in _entries(path, "word", "group"):
        if word in words:
            raise DataError(f"the word {word!r:.80} of line {lines[word]} comes again", path, line)
        lines[word] = line
        words[word] = SlotWord(word, group)
    if len(words) < 2:
        raise DataError(f"expected at least two words to compare, found {len(words)}", path)
    return tuple(words.values())


def _entries(path: Path, column: str, second: str) -> Iterator[tuple[int, str, str]]:
    """Line, text and perhaps a second value of every row that is not blank."""
    if os.path.isfile(path) and os.path.getsize(path) > _MAX_BYTES:
        raise DataError(
            f"{os.path.getsize(path) / 1e6:.0f} MB are too many for a list of this kind: expected at most "
            f"{_MAX_BYTES / 1e6:.0f} MB",
            path,
        )
    table = open_table(path)
    if path.suffix.lower() == ".txt":
        column = "text"
    elif column not in table.columns:
        raise DataError(f"no column {column!r}: the columns are {', '.join(map(repr, table.columns))}", path)
    if second not in table.columns and (near := difflib.get_close_matches(second, table.columns, 1)):
        raise DataError(f"a column {near[0]!r}: did you mean {second!r}? Call it that, or something else", path)
    for row in table.rows():
        text, other = row.values.get(column), row.values.get(second)
        if not isinstance(text, str) or not isinstance(other, str | None) or not is_unicode(text + (other or "")):
            raise DataError(f"expected text, found {text!r:.80} and {other!r:.80}", path, row.line)
        if len(text) > _MAX_CHARACTERS:
            raise DataError(f"{len(text):,} characters: expected at most {_MAX_CHARACTERS:,}", path, row.line)
        if text.strip():
            yield row.line, text.strip(), (other or "").strip()


def _check_slots(text: str, slots: Collection[str], path: Path, line: int) -> None:
    for slot in SLOT.findall(text):
        if slot not in slots:
            near = difflib.get_close_matches(slot, slots, 1)
            hint = f"did you mean {{{near[0]}}}? " if near else ""
            raise DataError(
                f"no words for the slot {{{slot}}}: {hint}there are words for {', '.join(sorted(slots))}; "
                "for another slot give a word list",
                path,
                line,
            )
    if "{" in SLOT.sub("", text) or "}" in SLOT.sub("", text):
        raise DataError(
            "a brace that belongs to no slot: a slot is a name of letters, digits and _ in braces, as in {name}",
            path,
            line,
        )
    if not SLOT.search(text):
        raise DataError(f"expected a slot, such as {{name}}, in {text!r:.80}", path, line)


class OwnTemplatesProbe:
    """Whether P(POSITIVE) of a user's sentences depends on the words put into them.

    Args:
        templates: with slots; each combination of words is a sentence.
        words: slot name to words, for every slot of the templates; see `built_in_words`.
        resamples: of the templates, for the intervals.
        source: where the templates come from.

    Raises:
        InputError: if there are no templates, a slot has fewer than two words, or there would be too many sentences.
    """

    name = "own-templates"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = r"kept|(?!.*(neutral|never_trained)).*_mean_absolute_difference"

    def __init__(
        self,
        templates: Sequence[Template],
        words: Mapping[str, Sequence[SlotWord]],
        resamples: int = RESAMPLES,
        source: str = "Templates of the user.",
    ) -> None:
        self._templates = tuple(templates)
        self._slots = list(dict.fromkeys(slot for one in self._templates for slot in one.slots))
        if not self._slots:
            raise InputError("own templates: expected at least one template with a slot")
        for slot in self._slots:
            if len(words.get(slot, ())) < 2:
                raise InputError(f"the slot {{{slot}}} needs at least two words to compare")
        self._words = {slot: tuple(words[slot]) for slot in self._slots}
        self._resamples = resamples
        self._source = source
        n_texts = sum(math.prod(self._shape(one)) for one in self._templates)
        if n_texts > _MAX_TEXTS:
            raise InputError(
                f"the templates make {n_texts:,} sentences with these words, more than {_MAX_TEXTS:,}: use shorter "
                "word lists, or fewer slots in a template"
            )

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score every template with every combination of words.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            What the word in each slot changes.
        """
        parts = [list(self._filled(one)) for one in self._templates]
        texts = [text for part in parts for text in part]
        flat = positive_probabilities(require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress))
        every = np.split(flat, np.cumsum([len(part) for part in parts])[:-1])
        scored = [part.reshape(self._shape(one)) for one, part in zip(self._templates, every, strict=True)]
        found = self._kept_labels(scored)
        words, groups, plots = [], [], {}
        for slot in self._slots:
            scores, templates = self._sets(slot, scored)
            for name, figure in figures(scores, templates, self._resamples).items():
                found[f"{slot}_{name}"] = figure
            rows = neutral_rows(templates)
            scores, templates = scores[rows], list(itertools.compress(templates, rows))
            one_by_one = by_word(scores, [one.word for one in self._words[slot]], templates, self._resamples)
            found[f"{slot}_significant"] = Estimate(n_significant(one_by_one))
            group_by_group = by_group(scores, [one.group for one in self._words[slot]], templates, self._resamples)
            words += [(slot, *_row(one)) for one in one_by_one]
            groups += [(slot, *_row(one)) for one in group_by_group]
            drawn = group_by_group or one_by_one[: 2 * _MOST_EXTREME]
            furthest = f": the {len(drawn)} furthest" if len(drawn) < len(group_by_group or one_by_one) else ""
            plots[f"{{{slot}}}, difference in P(POSITIVE) from the others{furthest}"] = picture(drawn)
        columns = ("Mean difference", "Low", "High", "p (t-test)", "p (Holm)")
        return ProbeReport(
            name=self.name,
            title="Own templates",
            asks=f"Whether the answer to {len(self._templates)} own templates depends on the words put into them: a "
            "difference is P(POSITIVE) with one word minus the mean over all words of its slot, or with the words of "
            "one group minus that with all others, both on the neutral sentences where there are any. Intervals "
            "resample, and tests count, whole templates; p-values are corrected after Holm within a slot.",
            figures=found,
            cannot_show="What these sentences and words leave out. Intervals and tests say little where the templates "
            "are few, and nothing where there is one.",
            source=self._source,
            n_texts=len(texts),
            tables=(
                self._by_template(scored),
                Table("Group by group", ("Slot", "Group", *columns), tuple(groups)),
                Table("Word by word", ("Slot", "Word", *columns), tuple(words)),
                self._most_extreme(scored),
            ),
            details=self._details(scored, plots),
        )

    def _shape(self, template: Template) -> tuple[int, ...]:
        return tuple(len(self._words[slot]) for slot in template.slots)

    def _filled(self, template: Template) -> Iterator[str]:
        """Every combination of words, the last slot's changing fastest."""
        slots = template.slots
        for chosen in itertools.product(*(self._words[slot] for slot in slots)):
            yield template.fill(**{slot: one.word for slot, one in zip(slots, chosen, strict=True)})

    def _sets(self, slot: str, scored: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], list[Template]]:
        """[S, W]: the sentences of all templates with this slot, a row for each combination of the other words."""
        rows, templates = [], []
        for template, scores in zip(self._templates, scored, strict=True):
            if slot in template.slots:
                part = np.moveaxis(scores, template.slots.index(slot), -1).reshape(-1, len(self._words[slot]))
                rows.append(part)
                templates += [template] * len(part)
        return np.concatenate(rows), templates

    def _kept_labels(self, scored: Sequence[NDArray[np.float64]]) -> dict[str, Estimate]:
        kept = [
            ((scores > _THRESHOLD) == (template.polarity == "positive")).mean()
            for template, scores in zip(self._templates, scored, strict=True)
            if template.polarity != "neutral"
        ]
        return {"kept": clustered_means(np.array(kept)[:, None], resamples=self._resamples)[0]} if kept else {}

    def _by_template(self, scored: Sequence[NDArray[np.float64]]) -> Table:
        rows = tuple(
            (
                template.text,
                template.polarity,
                scores.size,
                float(scores.mean()),
                float(np.sqrt((from_mean(scores.reshape(1, -1)) ** 2).mean())),
                float(np.ptp(scores)),
            )
            for template, scores in zip(self._templates, scored, strict=True)
        )
        columns = ("Template", "Polarity", "Sentences", "Mean", "Standard deviation", "Range")
        return Table("By template", columns, rows)

    def _most_extreme(self, scored: Sequence[NDArray[np.float64]]) -> Table:
        """The widest templates: their lowest and their highest sentence."""
        rows = []
        for template, scores in zip(self._templates, scored, strict=True):
            low, high = int(scores.argmin()), int(scores.argmax())
            texts = [next(itertools.islice(self._filled(template), number, None)) for number in (low, high)]
            ends = float(scores.flat[low]), float(scores.flat[high])
            rows.append((texts[0], ends[0], texts[1], ends[1], ends[1] - ends[0]))
        rows.sort(key=lambda row: -row[4])
        columns = ("Lowest", "P(POSITIVE), lowest", "Highest", "P(POSITIVE), highest", "Difference")
        return Table("Most extreme", columns, tuple(rows[:_MOST_EXTREME]))

    def _details(self, scored: Sequence[NDArray[np.float64]], plots: Mapping[str, JsonObject]) -> JsonObject:
        details: JsonObject = {"differences": plots}
        spread = {}
        for template, scores in zip(self._templates, scored, strict=True):
            slot = template.slots[0]  # of several, the others are averaged over
            means = scores.reshape(len(self._words[slot]), -1).mean(axis=1).tolist()
            spread[template.text] = dict(zip((one.word for one in self._words[slot]), means, strict=True))
        details["templates"] = spread
        if "country" in self._slots:
            scores, templates = self._sets("country", scored)
            means = clustered_means(scores, templates, self._resamples)
            known = {country.in_text: country for country in COUNTRIES}
            known |= {country.name: country for country in COUNTRIES}
            places = [
                place_on_map(known[one.word], mean)
                for one, mean in zip(self._words["country"], means, strict=True)
                if one.word in known
            ]
            if places:
                details["maps"] = {"Mean of the own templates that name a country": places}
        return details


def _row(one: WordDifference) -> tuple[str, float, float | None, float | None, float, float]:
    figure = one.difference
    return one.word, figure.value, figure.low, figure.high, one.p_value, one.holm_p_value
