"""Counterfactual versions of any text: the same text about another country, name or gender.

Only words that training may use are found and put in; a text that holds none of them has no other version. Pronouns are
swapped by their form alone: "her" becomes "his" before a word and "him" elsewhere, which is sometimes wrong grammar and
never another meaning.

Source: counterfactual augmentation as in Lu et al. 2018, "Gender Bias in Neural Natural Language Processing", and
Maudslay et al. 2019, "It's All in the Name".
"""

import re
from collections.abc import Callable
from functools import cache
from random import Random

from valence.templates.countries import COUNTRIES
from valence.templates.people import GENDER_PAIRS, NAMES

__all__ = ["SWAPS", "swap_countries", "swap_gender", "swap_names"]

_PRONOUNS = {"he": "she", "she": "he", "him": "her", "his": "her", "himself": "herself", "herself": "himself"}
_AMBIGUOUS = {"Chad", "Georgia", "Jordan", "Polish", "Turkey"}  # in lower case, or as a name, mostly something else
_DETERMINERS = ("that ", "the ", "my ", "our ")


def swap_countries(text: str, random: Random) -> str | None:
    """Let a text be about other countries: names become names, adjectives adjectives, equal ones alike.

    Args:
        text: any.
        random: chooses.

    Returns:
        The text, or None if it names no country that training may use.
    """
    names, adjectives = _countries()
    # "Papua New Guinea" is not about Guinea, so all names are found and some are left alone.
    every = {word for one in COUNTRIES for word in (one.name, one.adjective)}
    return _replace(text, _any_of(every), names, adjectives, random)


def swap_names(text: str, random: Random) -> str | None:
    """Let a text be about people of other names, of any gender and origin.

    Args:
        text: any.
        random: chooses.

    Returns:
        The text, or None if it holds no name that training may use.
    """
    names = _names()
    return _replace(text, _any_of(set(names)), names, (), random)


def swap_gender(text: str, random: Random) -> str | None:
    """Let a text be about people of the other gender: pronouns, and the nouns that training may use.

    Args:
        text: any.
        random: not needed.

    Returns:
        The text, or None if it has no such word.
    """
    swapped = _gendered().sub(lambda found: _like(found[0], _other_gender(found)), text)
    return None if swapped == text else swapped


def _replace(
    text: str, pattern: re.Pattern[str], words: tuple[str, ...], others: tuple[str, ...], random: Random
) -> str | None:
    """Put a word of its own list in place of each that is found."""
    chosen: dict[str, str] = {}
    lists = {word.lower(): group for group in (others, words) for word in group}

    def other(found: re.Match[str]) -> str:
        old = found[0].lower()
        if old not in lists:
            return found[0]
        if old not in chosen:
            chosen[old] = random.choice(lists[old])
        return _like(found[0], chosen[old])

    swapped = pattern.sub(other, text)
    return None if swapped == text else swapped


def _like(old: str, new: str) -> str:
    """Write a word as the one in its place: small in a text in lower case, with a capital at a start."""
    if old.islower():
        return new.lower()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


def _any_of(words: set[str]) -> re.Pattern[str]:
    return _compiled(tuple(sorted(words, key=lambda word: (-len(word), word))))


@cache
def _compiled(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)", re.IGNORECASE)


@cache
def _countries() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and adjectives of the countries that training may use; an adjective shared with another one is left out."""
    kept_out = {one.adjective for one in COUNTRIES if not one.used_in_training} | _AMBIGUOUS
    trained = [one for one in COUNTRIES if one.used_in_training]
    names = tuple(one.name for one in trained if one.name not in _AMBIGUOUS)
    return names, tuple(dict.fromkeys(one.adjective for one in trained if one.adjective not in kept_out))


@cache
def _names() -> tuple[str, ...]:
    return tuple(one.subject for one in NAMES if one.use == "training")


@cache
def _nouns() -> dict[str, str]:
    """Each noun to the one of the other gender, without determiners."""
    found: dict[str, str] = {}
    for pair in GENDER_PAIRS:
        if pair.use == "training" and " " in pair.male.subject:
            male, female = (_bare(person.subject) for person in (pair.male, pair.female))
            found |= {male: female, female: male}
    return found


def _bare(noun: str) -> str:
    for determiner in _DETERMINERS:
        noun = noun.removeprefix(determiner)
    return noun


@cache
def _gendered() -> re.Pattern[str]:
    words = "|".join(map(re.escape, (*_PRONOUNS, *_nouns())))
    # "her" and what follows it, to tell a possessive from an object
    return re.compile(rf"(?<!\w)(?:(?P<her>her)(?=(?P<before> [a-z-])?)|{words})(?!\w)", re.IGNORECASE)


def _other_gender(found: re.Match[str]) -> str:
    if found["her"]:
        return "his" if found["before"] else "him"
    old = found[0].lower()
    return _PRONOUNS.get(old) or _nouns()[old]


SWAPS: dict[str, Callable[[str, Random], str | None]] = {
    "countries": swap_countries,
    "names": swap_names,
    "gender": swap_gender,
}
"""What may be swapped, by the name of what it is about."""
