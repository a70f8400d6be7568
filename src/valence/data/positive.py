"""Which of its classes a classifier is meant to find: the one whose precision, recall and F1 stand for it."""

from collections.abc import Collection, Sequence

from valence.data.labels import match_names
from valence.data.visible import visible
from valence.errors import InputError

__all__ = ["find_positive", "positive_class", "positive_sentiment"]

_SENTIMENT = frozenset({"positive", "pos", "1", "label_1"})
_NAMES = _SENTIMENT | {"yes", "true"}
_LISTED = 20  # names that a message lists


def positive_class(labels: Sequence[str]) -> int | None:
    """Tell from the names of two classes which is the positive one.

    Args:
        labels: the class names, by number.

    Returns:
        The number of the one that is called positive, pos, yes, true, 1 or LABEL_1, in any case. None where both or
        neither are, and where there are not two classes: of more, the one called 1 is one like the others.
    """
    return _only_one_called(labels, _NAMES)


def positive_sentiment(labels: Sequence[str]) -> int | None:
    """Tell from the names of two classes which is that of texts that speak well of something.

    Args:
        labels: the class names, by number.

    Returns:
        As `positive_class`, but neither yes nor true is a name for it: what is affirmed may be that a text is abusive.
    """
    return _only_one_called(labels, _SENTIMENT)


def _only_one_called(labels: Sequence[str], names: Collection[str]) -> int | None:
    found = [number for number, label in enumerate(labels) if visible(label).casefold() in names]
    return found[0] if len(found) == 1 and len(labels) == 2 else None


def find_positive(labels: Sequence[str], name: str | None) -> int | None:
    """Find the positive class: the one that the user names, else the one that its name gives away.

    Args:
        labels: the class names, by number.
        name: what the user said, if anything.

    Returns:
        Its number, or None where nobody said and no name gives it away.

    Raises:
        InputError: if no class, or more than one, is called so.
    """
    if name is None:
        return positive_class(labels)
    (number,) = match_names([name], labels)
    if number is not None:
        return number
    listed = ", ".join(labels[:_LISTED]) + (", …" if len(labels) > _LISTED else "")
    raise InputError(f"the positive class must be one of {listed}; found {name!r:.80}")
