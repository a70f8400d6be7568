"""Two lists of class names: are they the same classes, and which row of a head is which class?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from valence.data.labels import match_names
from valence.errors import listed

__all__ = ["HeadChoice", "choose_head", "class_rows"]

_NUMBERED = re.compile(r"(?:LABEL_)?(\d+)")


@dataclass(frozen=True)
class HeadChoice:
    """Whether a base's trained head goes on, and why.

    Args:
        rows: for each class of the new model the row of the base's head; None where the head is left out.
        note: in words, for the terminal and the report.
    """

    rows: tuple[int, ...] | None
    note: str


def class_rows(names: Sequence[str], known: Sequence[str]) -> tuple[int, ...] | None:
    """Find each class in another list of the same classes.

    Args:
        names: class names.
        known: class names, in another order or spelling perhaps.

    Returns:
        For each of `names` its place in `known`, as `match_names` finds it. None where the two are not the same
        classes, one to one.
    """
    found = match_names(names, known)
    rows = tuple(place for place in found if place is not None)
    return rows if len(rows) == len(names) == len(known) == len(set(rows)) else None


def choose_head(
    labels: tuple[str, ...], base: tuple[str, ...] | None, n_rows: int, given: tuple[str, ...] | None = None
) -> HeadChoice:
    """Decide whether a trained classifier's head goes on as the head of a new one.

    Args:
        labels: the classes of the new model.
        base: the classes of the old one, as its config names them, if it does.
        n_rows: of the old head.
        given: the old one's classes by number, for one whose config has numbers only.

    Returns:
        The choice.
    """
    base = base or tuple(f"LABEL_{row}" for row in range(n_rows))
    wanted, theirs = listed(labels, 8), listed(base, 8)
    if len(base) != n_rows:
        return HeadChoice(None, f"left out: its config names {len(base)} classes, and it has {n_rows} rows")
    if n_rows != len(labels):
        return HeadChoice(
            None, f"left out: it has {n_rows} classes ({theirs}), and wanted are {len(labels)} ({wanted})"
        )
    if (rows := class_rows(labels, base)) is not None:
        return HeadChoice(
            rows, "kept" if labels == base else f"kept, its rows in the order {wanted} (in the base: {theirs})"
        )
    numbers = _numbers(base)
    if numbers is None:
        return HeadChoice(None, f"left out: its classes are {theirs}, and wanted are {wanted}")
    if (own := _numbers(labels)) is not None and sorted(own) == sorted(numbers):
        return HeadChoice(tuple(map(numbers.index, own)), f"kept, class by number, for {wanted}")
    if given is not None and (rows := class_rows(labels, given)) is not None:
        return HeadChoice(rows, f"kept, for {wanted}: --labels names the base's classes by number")
    return HeadChoice(
        None,
        f"left out: its config does not name its classes ({theirs}), so they may be others; if they are not, name them "
        "in its order with --labels",
    )


def _numbers(names: Sequence[str]) -> list[int] | None:
    """Read names such as LABEL_0 or "0" as numbers; None where one is something else."""
    found = [match for name in names if (match := _NUMBERED.fullmatch(name))]
    return [int(match[1]) for match in found] if len(found) == len(names) else None
