"""A card and its pictures, written into a folder."""

from dataclasses import replace
from pathlib import Path

from valence.card.render import render
from valence.card.sources import MAPS, RISKS, Missing, Sources, map_details
from valence.errors import MissingExtraError, ValenceError
from valence.files import refuse_lfs_pointer, write_text
from valence.reports.report import JsonObject

__all__ = ["README", "with_pictures", "write_card"]

README = "README.md"


def write_card(sources: Sources, target: Path) -> Sources:
    """Write a model's card, with its maps beside it.

    Args:
        sources: of the model.
        target: the folder of README.md.

    Returns:
        The sources of the card as it is written: a map that cannot be drawn here is missing.

    Raises:
        ValenceError: if the folder cannot be written.
    """
    known, pictures = with_pictures(sources)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, content in pictures.items():
            (target / name).write_bytes(content)
        write_text(target / README, render(known))
    except OSError as problem:
        raise ValenceError(f"{target}: cannot be written: {problem.strerror or problem}") from None
    return known


def with_pictures(sources: Sources) -> tuple[Sources, dict[str, bytes]]:
    """Read or draw the maps.

    Args:
        sources: of the model.

    Returns:
        The sources, where a map that cannot be drawn here is missing; and the files of the others by their names.
    """
    reports = dict(zip(MAPS, (sources.audit, sources.audit_before), strict=True))
    made: dict[str, bytes] = {}
    missing: list[Missing] = []
    for name, path in sources.pictures.items():
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
        sources,
        pictures={name: path for name, path in sources.pictures.items() if name in made},
        missing=(*sources.missing, *missing),
    )
    return known, {known.picture_file(name): content for name, content in made.items()}


def _draw_map(details: JsonObject) -> bytes:
    """Draw the map of a probe as a PNG."""
    try:
        from valence.audit.page.pictures import map_files

        return map_files(details)["map.png"]
    except ModuleNotFoundError:
        raise MissingExtraError("audit", "Drawing the map") from None
