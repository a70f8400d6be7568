"""A card and its pictures, written into a folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from valence.card.facts import MAPS, RISKS, Facts, Missing, map_details
from valence.card.render import render
from valence.errors import MissingExtraError, ModelError, ValenceError
from valence.files import refuse_lfs_pointer, write_text

__all__ = ["README", "with_pictures", "write_card"]

README = "README.md"


def write_card(facts: Facts, target: Path) -> Facts:
    """Write a model's card, with its maps beside it.

    Args:
        facts: of the model.
        target: the folder of README.md.

    Returns:
        The facts of the card as it is written: a map that cannot be drawn here is missing.

    Raises:
        ValenceError: if the folder cannot be written.
    """
    known, pictures = with_pictures(facts)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, content in pictures.items():
            (target / name).write_bytes(content)
        write_text(target / README, render(known))
    except OSError as problem:
        raise ValenceError(f"{target}: cannot be written: {problem.strerror or problem}") from None
    return known


def with_pictures(facts: Facts) -> tuple[Facts, dict[str, bytes]]:
    """Read or draw the maps.

    Args:
        facts: of the model.

    Returns:
        The facts, where a map that cannot be drawn here is missing; and the files of the others by their names.
    """
    reports = dict(zip(MAPS, (facts.audit, facts.before), strict=True))
    made: dict[str, bytes] = {}
    missing: list[Missing] = []
    for name, path in facts.pictures.items():
        report = reports[name]
        try:
            if path is not None:
                refuse_lfs_pointer(path)
                made[name] = path.read_bytes()
            elif report is not None and (details := map_details(report)) is not None:
                made[name] = _draw_map(details)
        except ValenceError as problem:
            missing.append(Missing(RISKS, "the map", str(problem)))
    known = replace(
        facts,
        pictures={name: path for name, path in facts.pictures.items() if name in made},
        missing=(*facts.missing, *missing),
    )
    return known, {known.picture_file(name): content for name, content in made.items()}


def _draw_map(details: dict[str, Any]) -> bytes:
    """Draw the map of a probe as a PNG."""
    try:
        from valence.audit.pictures import map_files

        return map_files(details)["map.png"]
    except ModuleNotFoundError:
        raise MissingExtraError("audit", "Drawing the map") from None
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ModelError(f"the map cannot be drawn from the audit: {problem!s:.200}; audit the model again") from None
