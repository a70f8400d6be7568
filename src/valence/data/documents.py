"""Plain text for training without labels: files to documents.

In a .txt file a blank line ends a document, and where there is none every line is a document. In a table every row is
one.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from valence.data.columns import ColumnNames, choose_columns
from valence.data.examples import read_texts
from valence.data.lines import read_lines, warn_of_returns
from valence.data.sources import DataSource
from valence.data.tables import Table
from valence.errors import DataError

__all__ = ["read_documents"]


def read_documents(sources: Sequence[DataSource], text_column: str | tuple[str, ...] | None = None) -> list[str]:
    """Read every document.

    Args:
        sources: data sets; labels in them are not looked at.
        text_column: the text of tables, if the header does not make it plain.

    Returns:
        The documents in order, lines of one divided by a line feed; none is blank.

    Raises:
        DataError: at the first file or row that cannot be read, or if there is no text at all.
    """
    documents: list[str] = []
    for source in sources:
        for table in source.tables():
            plain = table.format == "txt"
            documents += _of_text(table.path, table.options.encoding) if plain else _of_table(table, text_column)
    if not documents:
        raise DataError("no text in it", sources[0].paths[0])
    return documents


def _of_text(path: Path, encoding: str) -> list[str]:
    numbered = warn_of_returns(read_lines(path, encoding), path)
    lines = "\n".join(line.strip() for _, line in numbered).strip("\n").split("\n")
    if "" not in lines:
        return lines
    documents: list[str] = []
    document: list[str] = []
    for line in [*lines, ""]:
        if line:
            document.append(line)
        elif document:
            documents.append("\n".join(document))
            document = []
    return documents


def _of_table(table: Table, text_column: str | tuple[str, ...] | None) -> Iterator[str]:
    columns = choose_columns(table, ColumnNames(text=text_column), labelled=False)
    for _, text, _ in read_texts(table, columns):
        whole = text if isinstance(text, str) else "\n".join(text)
        if whole.strip():
            yield whole.strip()
