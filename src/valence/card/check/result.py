"""The outcome of checking a card: what became of each of its statements."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Literal, get_args

__all__ = ["OUTCOMES", "CheckResult", "CheckedStatement", "Outcome"]

Outcome = Literal[
    "fails",
    "not checked",
    "known not to hold",
    "measured again",
    "measured as a ratio to the reference in the same run",
    "equal to its report",
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_HOLDS, _FAILS, _NOT_ALL_CHECKED = 0, 1, 3


@dataclass(frozen=True)
class CheckedStatement:
    """A statement of a card and what became of it.

    Args:
        name: of the statement, or what else of the card was checked.
        claimed: what the card says.
        outcome: what became of it.
        detail: what was found, or what is missing and where to get it.
        line: of README.md, where it stands on one.
    """

    name: str
    claimed: str
    outcome: Outcome
    detail: str
    line: int | None = None


@dataclass(frozen=True)
class CheckResult:
    """A card that was checked.

    Args:
        statements: of the card.
        left_out: names of statements that it lacks, though its sources make them.
    """

    statements: tuple[CheckedStatement, ...]
    left_out: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: all checked and holding; 1: a claim fails; 3: none fails, and something was not checked."""
        outcomes = {one.outcome for one in self.statements}
        return _FAILS if "fails" in outcomes else _NOT_ALL_CHECKED if "not checked" in outcomes else _HOLDS

    def counts(self) -> dict[Outcome, int]:
        """Count the statements of each outcome.

        Returns:
            The outcomes that occur, the worst first.
        """
        counted = Counter(one.outcome for one in self.statements)
        return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}

    def as_json(self) -> dict[str, object]:
        """Describe it for programs.

        Returns:
            What JSON can hold.
        """
        return {
            "exit_code": self.exit_code,
            "counts": self.counts(),
            "findings": [asdict(one) for one in self.statements],
            "left_out": list(self.left_out),
        }
