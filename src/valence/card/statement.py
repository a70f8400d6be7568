"""A statement: one value that a card can print, and the source that says it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from valence.reports.estimate import Estimate
from valence.reports.printing import fixed

__all__ = ["Basis", "Kind", "Source", "Statement", "Value"]

Kind = Literal[
    "stated",  # a hyper-parameter, a time, a shape: equal to its source
    "exact",  # a size, a count: measured again, and the same
    "share",
    "auc",
    "loss",
    "labels",
    "score",
    "bias",
    "probability",
    "count",
    "p-value",
    "speed",  # measured as a ratio to the reference in the same run
]
Value = float | int | str | bool | None


@dataclass(frozen=True)
class Basis:
    """What a value rests on, which decides how far measuring it again may lie from it.

    Args:
        kind: how it can be checked.
        n_texts: how many texts are behind it, if texts are.
        n_smallest: the texts of the smallest class, true or predicted.
    """

    kind: Kind = "stated"
    n_texts: int | None = None
    n_smallest: int | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A file of a model folder, or a part of one. Its type says how it is measured again.

    Args:
        file: seen from the model folder.
        anchor: how the anchors of its statements begin.
    """

    written_by: ClassVar[str] = ""
    """The command that writes such files."""
    file: str
    anchor: str

    def statements(self) -> Iterator["Statement"]:
        """List what it says.

        Yields:
            The statements, in the order to show.
        """
        yield from ()

    def state(
        self, what: str, value: Value, text: str, key: str, basis: Basis | Kind = "stated", unit: str = ""
    ) -> "Statement":
        """Make a statement.

        Args:
            what: the end of its anchor.
            value: as it stands in the file.
            text: as a card prints it.
            key: where in the file.
            basis: how it can be checked.
            unit: of the value.

        Returns:
            The statement.
        """
        rests_on = basis if isinstance(basis, Basis) else Basis(basis)
        return Statement(f"{self.anchor}.{what}", value, text, self, key, rests_on, unit)

    def state_count(
        self, what: str, value: int, key: str, basis: Basis | Kind = "exact", unit: str = ""
    ) -> "Statement":
        """State a whole number.

        Args:
            what: the end of its anchor.
            value: the number.
            key: where in the file.
            basis: how it can be checked.
            unit: of the number.

        Returns:
            The statement.
        """
        return self.state(what, value, f"{value:,}", key, basis, unit)

    def state_estimate(
        self,
        what: str,
        estimate: Estimate | None,
        key: str,
        basis: Basis,
        unit: str = "",
        form: Callable[[float], str] = fixed,
    ) -> Iterator["Statement"]:
        """State an estimate and the ends of its interval, as far as it has them.

        Args:
            what: the end of its anchor.
            estimate: what was measured; None where it is not defined.
            key: where in the file.
            basis: how it can be checked.
            unit: of the value.
            form: prints a number.

        Yields:
            At most three statements.
        """
        ends = {} if estimate is None else {"value": estimate.value, "low": estimate.low, "high": estimate.high}
        for end, value in ends.items():
            if value is not None:
                name = f"{self.anchor}.{what}" if end == "value" else f"{self.anchor}.{what}.{end}"
                yield Statement(name, value, form(value), self, f"{key}.{end}", basis, unit, end != "value")


@dataclass(frozen=True)
class Statement:
    """A value that a card can print.

    Args:
        name: its anchor, unlike all others; letters, digits and ".-_".
        value: as it stands in the file.
        text: as a card prints it.
        source: what says it.
        key: where in the source's file.
        basis: how it can be checked.
        unit: of the value; empty for a plain number or text.
        is_bound: whether it is one end of an interval.
    """

    name: str
    value: Value
    text: str
    source: Source
    key: str
    basis: Basis
    unit: str = ""
    is_bound: bool = False

    @property
    def number(self) -> float:
        """The value of a statement that is a number."""
        assert isinstance(self.value, int | float), f"{self.name} is no number"
        return float(self.value)

    def as_json(self) -> dict[str, Value]:
        """Describe it for programs.

        Returns:
            What JSON can hold.
        """
        return {
            "name": self.name,
            "value": self.value,
            "text": self.text,
            "file": self.source.file,
            "key": self.key,
            "kind": self.basis.kind,
            "unit": self.unit,
            "n_texts": self.basis.n_texts,
            "n_smallest": self.basis.n_smallest,
            "is_bound": self.is_bound,
        }
