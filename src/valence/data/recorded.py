"""How a data set was read, as reports keep it, and back from a report."""

from valence.data.columns import ColumnNames
from valence.data.examples import Examples
from valence.data.tables import TableOptions
from valence.errors import InputError
from valence.reports.data_ref import Columns, DataRef
from valence.reports.training import AgreementSample

__all__ = ["describe_data", "recorded_columns", "recorded_labels", "recorded_options"]


def describe_data(data: Examples, count: bool = False) -> DataRef:
    """Describe a data set for a report.

    Args:
        data: the data set.
        count: say how many texts it has.

    Returns:
        Its name, the hash of its files, the columns, and what the user said about the format and the classes, if
        anything.
    """
    usual = TableOptions()
    said = {name: value for name, value in vars(data.source.options).items() if value != getattr(usual, name)}
    columns = data.columns
    return DataRef(
        name=data.source.title,
        sha256=data.source.sha256(),
        texts=len(data) if count else None,
        columns=Columns(tuple(columns.text), columns.pair, columns.label),
        reading=said or None,
        labels=data.given,
    )


def recorded_columns(described: DataRef | AgreementSample) -> ColumnNames:
    """Read back which columns were read.

    Args:
        described: from a report.

    Returns:
        The columns; to be guessed where nothing is recorded.
    """
    columns = described.columns or Columns()
    return ColumnNames(text=columns.text or None, label=columns.label, pair=columns.pair)


def recorded_labels(described: DataRef | AgreementSample) -> tuple[str, ...] | None:
    """Read back the names that the user gave to the classes of a data set.

    Args:
        described: from a report.

    Returns:
        The names; None where nothing is recorded.
    """
    return (described.labels or None) if isinstance(described, DataRef) else None


def recorded_options(described: DataRef | AgreementSample) -> TableOptions:
    """Read back what the user said about the format.

    Args:
        described: from a report.

    Returns:
        The options; the usual ones where nothing is recorded, or nothing of use.
    """
    said = described.reading or {}
    if not said.keys() <= {"format", "encoding", "delimiter", "header"}:
        return TableOptions()
    try:
        return TableOptions(**said)  # type: ignore[arg-type]  # which it checks
    except (InputError, TypeError):
        return TableOptions()
