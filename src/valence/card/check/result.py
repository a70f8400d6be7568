"""What became of each figure of a card."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

__all__ = ["OUTCOMES", "Checked", "Finding", "Outcome"]

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
class Finding:
    """A figure and what became of it.

    Args:
        name: of the figure.
        claimed: what the card says.
        outcome: what became of it.
        detail: what was found, or what is missing and where to get it.
        line: of README.md, where the figure stands on one.
    """

    name: str
    claimed: str
    outcome: Outcome
    detail: str
    line: int | None = None


@dataclass(frozen=True)
class Checked:
    """A card that was checked.

    Args:
        findings: one for each figure.
        left_out: facts that the card does not state, though reports give them.
    """

    findings: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: all checked and holding; 1: a claim fails; 3: none fails, and something was not checked."""
        outcomes = {finding.outcome for finding in self.findings}
        return _FAILS if "fails" in outcomes else _NOT_ALL_CHECKED if "not checked" in outcomes else _HOLDS

    def counts(self) -> dict[Outcome, int]:
        """Count the figures of each outcome.

        Returns:
            The outcomes that occur, the worst first.
        """
        counted = Counter(finding.outcome for finding in self.findings)
        return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}

    def as_json(self) -> dict[str, Any]:
        """Describe it for programs.

        Returns:
            What JSON can hold.
        """
        return {
            "exit_code": self.exit_code,
            "counts": self.counts(),
            "findings": [asdict(finding) for finding in self.findings],
            "left_out": list(self.left_out),
        }
