"""Where the card meets the audit: bias measured again, and the map drawn. Nothing else here knows how to audit.

The audit is imported when it is needed, for charts and statistics are an extra.
"""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from valence.errors import MissingExtraError, ModelError
from valence.folder import ModelFolder
from valence.progress import OnProgress
from valence.reports.audit import AuditReport
from valence.reports.codec import encode_report

__all__ = ["Auditor", "audit_again", "draw_map"]

Auditor = Callable[[ModelFolder, str | None, Sequence[str], Sequence[Path], OnProgress], dict[str, Any]]
"""Audits a model again: folder, engine as the first report names it, names of probes, folders of data, progress. Gives
what reports/audit.json holds."""


def audit_again(
    folder: ModelFolder,
    engine: str | None,
    probes: Sequence[str],
    data: Sequence[Path],
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Audit a model again with `valence.audit.run.run_audit`.

    Args:
        folder: the model.
        engine: what ran it, as the report says ("native int8"); None if that is not known.
        probes: their names.
        data: folders that may hold the published suites.
        on_progress: is told how many texts are scored, and of how many.

    Returns:
        What reports/audit.json holds.

    Raises:
        MissingExtraError: if what the audit needs is not installed.
        ModelError: if this version has no audit.
    """
    run = _audit("run")
    found: AuditReport = run.run_audit(folder, engine=engine, probes=probes, data=data, on_progress=on_progress)
    return encode_report(found)


def draw_map(details: dict[str, Any]) -> bytes:
    """Draw the map of a probe with `valence.audit.page.pictures.map_files`.

    Args:
        details: of the probe, as reports/audit.json has them.

    Returns:
        A PNG.

    Raises:
        MissingExtraError: if what draws it is not installed.
        ModelError: if the details are not those of a map.
    """
    pictures = _audit("page.pictures")
    try:
        drawn: bytes = pictures.map_files(details)["map.png"]
    except ModuleNotFoundError:
        raise MissingExtraError("audit", "Drawing the map") from None
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise ModelError(f"the map cannot be drawn from the audit: {problem!s:.200}; audit the model again") from None
    return drawn


def _audit(module: str) -> Any:
    try:
        return importlib.import_module(f"valence.audit.{module}")
    except ModuleNotFoundError as missing:
        if str(missing.name).startswith("valence"):
            raise ModelError("this version of valence has no audit") from None
        raise MissingExtraError("audit", "Auditing") from None
