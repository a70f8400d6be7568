"""How a data set was read, as reports keep it, and back from a report."""

from typing import Any

from valence.data.columns import ColumnNames, Columns
from valence.data.sources import DataSource
from valence.data.tables import TableOptions
from valence.errors import InputError

__all__ = ["describe_source", "recorded_columns", "recorded_options"]


def describe_source(source: DataSource, columns: Columns) -> dict[str, Any]:
    """Describe a data set for a report.

    Args:
        source: the data set.
        columns: which columns of it were read.

    Returns:
        Its name, the hash of its files, the columns, and what the user said about the format, if anything.
    """
    options, usual = source.options, TableOptions()
    said = {name: value for name, value in vars(options).items() if value != getattr(usual, name)}
    return {
        "name": source.title,
        "sha256": source.sha256(),
        "columns": {"text": list(columns.text), "pair": columns.pair, "label": columns.label},
        **({"reading": said} if said else {}),
    }


def recorded_columns(described: Any) -> ColumnNames:
    """Read back which columns were read.

    Args:
        described: what `describe_source` wrote, or an older version, or anything else.

    Returns:
        The columns; to be guessed where nothing is recorded.
    """
    columns = described.get("columns") if isinstance(described, dict) else None
    if not isinstance(columns, dict):
        return ColumnNames()
    texts, label, pair = columns.get("text"), columns.get("label"), columns.get("pair")
    known = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    return ColumnNames(
        text=",".join(texts) if isinstance(texts, list) and known else None,
        label=label if isinstance(label, str) else None,
        pair=pair if isinstance(pair, str) else None,
    )


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
