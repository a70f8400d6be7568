"""How a data set was read, as reports keep it, and back from a report."""

from typing import Any

from valence.data.columns import ColumnNames
from valence.data.examples import Examples
from valence.data.tables import TableOptions
from valence.errors import InputError

__all__ = ["describe_data", "recorded_columns", "recorded_labels", "recorded_options"]


def describe_data(data: Examples) -> dict[str, Any]:
    """Describe a data set for a report.

    Args:
        data: the data set.

    Returns:
        Its name, the hash of its files, the columns, and what the user said about the format and the classes, if
        anything.
    """
    usual = TableOptions()
    said = {name: value for name, value in vars(data.source.options).items() if value != getattr(usual, name)}
    columns = data.columns
    return {
        "name": data.source.title,
        "sha256": data.source.sha256(),
        "columns": {"text": list(columns.text), "pair": columns.pair, "label": columns.label},
        **({"reading": said} if said else {}),
        **({} if data.given is None else {"labels": list(data.given)}),
    }


def recorded_columns(described: Any) -> ColumnNames:
    """Read back which columns were read.

    Args:
        described: what `describe_data` wrote, or an older version, or anything else.

    Returns:
        The columns; to be guessed where nothing is recorded.
    """
    columns = described.get("columns") if isinstance(described, dict) else None
    if not isinstance(columns, dict):
        return ColumnNames()
    label, pair = columns.get("label"), columns.get("pair")
    return ColumnNames(
        text=_texts(columns.get("text")),
        label=label if isinstance(label, str) else None,
        pair=pair if isinstance(pair, str) else None,
    )


def recorded_labels(described: Any) -> tuple[str, ...] | None:
    """Read back the names that the user gave to the classes of a data set.

    Args:
        described: as for `recorded_columns`.

    Returns:
        The names; None where nothing is recorded.
    """
    return _texts(described.get("labels")) if isinstance(described, dict) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    known = isinstance(value, list) and value and all(isinstance(text, str) for text in value)
    return tuple(value) if known else None


def recorded_options(described: Any) -> TableOptions:
    """Read back what the user said about the format.

    Args:
        described: as for `recorded_columns`.

    Returns:
        The options; the usual ones where nothing is recorded, or nothing of use.
    """
    said = described.get("reading") if isinstance(described, dict) else None
    known = {"format", "encoding", "delimiter", "header"}
    if not isinstance(said, dict) or not set(said) <= known:
        return TableOptions()
    try:
        return TableOptions(**said)
    except (InputError, TypeError):
        return TableOptions()
