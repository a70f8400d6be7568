"""How a report names the data that something was measured on."""

import msgspec

__all__ = ["Columns", "DataRef"]


class Columns(msgspec.Struct, frozen=True):
    """Which columns of a table were read.

    Args:
        text: of the text; several are joined.
        pair: of the second text, if there is one.
        label: of the label.
    """

    text: tuple[str, ...] | None = None
    pair: str | None = None
    label: str | None = None


class DataRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A labelled data set.

    Args:
        name: how it is called.
        sha256: of its files.
        texts: how many it has, where the report says it here.
        columns: that were read; None in reports of earlier versions.
        reading: what the user said about the format.
        labels: the names that the user gave to the classes.
    """

    name: str
    sha256: str
    texts: int | None = None
    columns: Columns | None = None
    reading: dict[str, str | bool | None] | None = None
    labels: tuple[str, ...] | None = None
