"""Sets of texts that differ only in the country, name or gendered word: what debiasing trains on.

A set is a training template filled with several words, neutral or with the label that it speaks for; or a text of the
training data, tied to several countries, or beside a version of it about somebody else. No audit template and no
country, name, noun or group that is kept for auditing is in a set, not even in a text of the training data: those live
in `valence.templates`, each marked for the one or the other.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from valence.errors import InputError
from valence.templates.countries import COUNTRIES
from valence.templates.people import GENDER_PAIRS, NAMES, TERM_LISTS, nationalities
from valence.templates.person_sentences import (
    FEELING_TEMPLATES,
    IDENTITY_TEMPLATES,
    PERSON_CARRIERS,
    PERSON_TEMPLATES,
)
from valence.templates.sentences import COUNTRY_CARRIERS, COUNTRY_TEMPLATES
from valence.templates.swaps import SWAPS
from valence.templates.template import Polarity, Template, select
from valence.text.tokenizer import Text

__all__ = ["CONSISTENCY_WEIGHT", "DEBIAS", "CounterfactualSet", "Counterfactuals", "parse_debias"]

DEBIAS = ("countries", "names", "gender", "identities")
"""What a classifier can be made to answer alike for."""
CONSISTENCY_WEIGHT = 60.0
"""Of the divergence between the answers in a set."""
_SETS = 15  # of templates, drawn for a step
_TURNS = {"countries": 3, "names": 3, "gender": 4, "identities": 2}  # of that many sets, as often as each
_SIZE = 6  # texts in each
_SWAPPED = 8  # at most so many texts of a batch stand beside their other version
_PEOPLE = (PERSON_TEMPLATES, FEELING_TEMPLATES)
_LONGEST = 20  # words of a text of the training data
_NEUTRAL, _POLAR = 0.5, 0.75  # share of neutral templates; up to here sentences with a label; then tied texts


def parse_debias(given: str) -> tuple[str, ...]:
    """Read what is to be debiased.

    Args:
        given: names between commas.

    Returns:
        Each once, in the order of `DEBIAS`.

    Raises:
        InputError: if one is unknown.
    """
    names = {name.strip() for name in given.split(",")}
    if unknown := sorted(names - set(DEBIAS)):
        raise InputError(f"--debias {given}: expected some of {','.join(DEBIAS)}, found {unknown[0]!r}")
    return tuple(name for name in DEBIAS if name in names)


@cache
def _kept_out() -> re.Pattern[str]:
    """Find what is kept for auditing: a text of the training data that holds such a word makes no set.

    Of nouns the bare one is kept out, too: "man" for "this man". Pronouns are not: a language has few.
    """
    words = {word for one in COUNTRIES if not one.used_in_training for word in (one.name, one.adjective)}
    words |= {one.subject for one in NAMES if one.use == "audit"}
    words |= {term.word for terms in TERM_LISTS for term in terms.terms if not term.used_in_training}
    people = [one for pair in GENDER_PAIRS if pair.use == "audit" for one in (pair.male, pair.female)]
    words |= {one.subject.split()[-1] for one in people if " " in one.subject}
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(words)))})(?!\w)", re.IGNORECASE)


def _is_usable(text: Text) -> bool:
    """Tell whether a text of the training data can stand in a set: one that is short and holds no word kept out."""
    return isinstance(text, str) and len(text.split()) <= _LONGEST and not _kept_out().search(text)


@dataclass(frozen=True)
class CounterfactualSet:
    """Texts that must get the same answer.

    Args:
        texts: at least two.
        label: a class number, or None where any answer is right as long as it is the same.
    """

    texts: tuple[str, ...]
    label: int | None


class Counterfactuals:
    """Draws sets.

    Args:
        kinds: some of `DEBIAS`.
        texts: N texts of the training data; pairs are left alone.
        labels: N class numbers; a negative one is no label.
        positive: the number of the positive class, where the classes are a positive and a negative one.
    """

    def __init__(
        self, kinds: Sequence[str], texts: Sequence[Text], labels: Sequence[int], positive: int | None
    ) -> None:
        self._texts = texts
        self._labels = labels
        self._label_of: dict[Polarity, int | None] = {"neutral": None, "positive": None, "negative": None}
        if positive is not None:
            self._label_of |= {"positive": positive, "negative": 1 - positive}
        makers: dict[str, Callable[[Random], CounterfactualSet]] = {
            "countries": self._countries,
            "names": self._names,
            "gender": self._gender,
            "identities": self._identities,
        }
        self._makers = [makers[kind] for kind in kinds for _ in range(_TURNS[kind])]
        self._swaps = [SWAPS[kind] for kind in kinds if kind in SWAPS]

    def draw(self, random: Random, examples: Sequence[int]) -> list[CounterfactualSet]:
        """Draw the sets of a step: as many of each kind, and texts of the step's batch with their other versions.

        Args:
            random: chooses.
            examples: numbers of the texts in the batch.

        Returns:
            Sets.
        """
        first = random.randrange(len(self._makers))
        found = [self._makers[(first + number) % len(self._makers)](random) for number in range(_SETS)]
        n_swapped = 0
        for number in examples:
            if n_swapped == _SWAPPED:
                break
            if (swapped := self._other_version(self._texts[number], random)) is not None:
                found.append(CounterfactualSet((str(self._texts[number]), swapped), self._label(number)))
                n_swapped += 1
        return found

    def _label(self, number: int) -> int | None:
        return None if self._labels[number] < 0 else int(self._labels[number])

    def _other_version(self, text: Text, random: Random) -> str | None:
        """Swap all that can be swapped."""
        if not _is_usable(text):
            return None
        swapped = str(text)
        for swap in self._swaps:
            swapped = swap(swapped, random) or swapped
        return None if swapped == text else swapped

    def _countries(self, random: Random) -> CounterfactualSet:
        countries = random.sample([one for one in COUNTRIES if one.used_in_training], _SIZE)
        words = [{"country": one.in_text} for one in countries]
        return self._about(words, (COUNTRY_TEMPLATES,), COUNTRY_CARRIERS, random)

    def _names(self, random: Random) -> CounterfactualSet:
        people = random.sample([one for one in NAMES if one.use == "training"], _SIZE)
        return self._about([one.words for one in people], _PEOPLE, PERSON_CARRIERS, random)

    def _gender(self, random: Random) -> CounterfactualSet:
        pairs = random.sample([one for one in GENDER_PAIRS if one.use == "training"], _SIZE // 2)
        words = [one.words for pair in pairs for one in (pair.male, pair.female)]
        return self._about(words, _PEOPLE, PERSON_CARRIERS, random)

    def _about(
        self,
        words: Sequence[dict[str, str]],
        templates: Sequence[Sequence[Template]],
        carriers: Sequence[Template],
        random: Random,
    ) -> CounterfactualSet:
        """Fill a template of one of some lists, or tie a text of the training data to the words."""
        form = random.random()
        if form >= _POLAR and (tied := self._tied(random)) is not None:
            number, text = tied
            carrier = random.choice(carriers)
            return CounterfactualSet(tuple(carrier.fill(text=text, **one) for one in words), self._label(number))
        return self._filled(_template(templates, form, random), words)

    def _tied(self, random: Random) -> tuple[int, str] | None:
        """Choose a short text of the training data."""
        for _ in range(20):
            number = random.randrange(len(self._texts))
            text = self._texts[number]
            if _is_usable(text):
                return number, str(text)
        return None

    def _identities(self, random: Random) -> CounterfactualSet:
        template = _template((IDENTITY_TEMPLATES,), random.random(), random)
        every = random.choice((nationalities(), *TERM_LISTS))
        terms = [one.word for one in every.terms if one.used_in_training]
        return self._filled(template, [{"identity": word} for word in random.sample(terms, min(_SIZE, len(terms)))])

    def _filled(self, template: Template, words: Sequence[dict[str, str]]) -> CounterfactualSet:
        return CounterfactualSet(tuple(template.fill(**one) for one in words), self._label_of[template.polarity])


def _template(lists: Sequence[Sequence[Template]], form: float, random: Random) -> Template:
    """Choose a neutral template or one with a label, of every list that has such as often."""
    ours = ([one for one in select(every, "training") if _is_neutral(one) == (form < _NEUTRAL)] for every in lists)
    return random.choice(random.choice([fitting for fitting in ours if fitting]))


def _is_neutral(template: Template) -> bool:
    return template.polarity == "neutral"
