"""What an explanation is: how far each word of a text moved the score of a class."""

from dataclasses import dataclass
from typing import Literal

from valence.data.labels import match_names
from valence.errors import InputError
from valence.text.tokenizer import Text

__all__ = ["Attribution", "Method", "Unit", "WordAttribution", "find_target"]

Method = Literal["leave-one-out", "integrated-gradients"]
Unit = Literal["probability", "log-odds", "value"]
"""What a score is; "value" is the number that a regression predicts."""

_TOLERANCE = 0.01
_ROUNDING = 1e-5  # of scores in single precision
_LISTED = 20  # labels that a message lists


@dataclass(frozen=True, slots=True)
class WordAttribution:
    """How far one word moved the score."""

    text: str
    start: int
    """Its first character in the text, from 0."""
    end: int
    """The character after its last."""
    attribution: float
    """In the unit of the score; above 0 where the word speaks for the target."""
    part: int = 0
    """In a pair 1 for a word of the second text."""


@dataclass(frozen=True)
class Attribution:
    """How far each word of a text moved the score of a class."""

    text: Text
    method: Method
    engine: str
    label: str
    """What the classifier calls the text."""
    target: str
    """The class whose score is explained."""
    target_score: float
    """What the classifier gives that class: a probability, or the number that a regression predicts."""
    unit: Unit
    """Of the score and of the attributions."""
    score: float
    """What is explained: the target's score in this unit."""
    words: tuple[WordAttribution, ...]
    """In the order of the text; in a pair those of the first text come first."""
    truncated: bool
    """Whether the end of the text was not read, so that its words have no say."""
    n_windows: int
    """The windows that the text was read in."""
    baseline_score: float | None = None
    """The score of a text that says nothing; None where the method needs none."""
    n_steps: int | None = None
    """Steps of the integral; None where the method has none."""

    @property
    def total(self) -> float:
        """The sum of the attributions."""
        return sum(word.attribution for word in self.words)

    @property
    def strongest(self) -> float:
        """The size of the largest attribution, whatever its sign; 0 without words."""
        return max((abs(word.attribution) for word in self.words), default=0.0)

    @property
    def expected_difference(self) -> float | None:
        """What the method promises that they sum to: the score minus the baseline's. None where it promises nothing."""
        return None if self.baseline_score is None else self.score - self.baseline_score

    @property
    def completeness_error(self) -> float | None:
        """How far the sum is from what was promised."""
        return None if self.expected_difference is None else abs(self.total - self.expected_difference)

    @property
    def is_complete(self) -> bool | None:
        """Whether that is at most 1 % of the difference, or of the strongest attribution where words cancel out."""
        if self.expected_difference is None or self.completeness_error is None:
            return None
        scale = max(abs(self.expected_difference), self.strongest)
        return self.completeness_error <= max(_TOLERANCE * scale, _ROUNDING)

    def as_json(self) -> dict[str, object]:
        """Collect everything as JSON keeps it.

        Returns:
            Field names to values; `part` stands at the words of a pair alone.
        """
        is_pair = isinstance(self.text, tuple)
        return {
            "text": list(self.text) if isinstance(self.text, tuple) else self.text,
            "method": self.method,
            "engine": self.engine,
            "label": self.label,
            "target": self.target,
            "target_score": self.target_score,
            "unit": self.unit,
            "score": self.score,
            "baseline_score": self.baseline_score,
            "sum": self.total,
            "expected_difference": self.expected_difference,
            "completeness_error": self.completeness_error,
            "complete": self.is_complete,
            "n_steps": self.n_steps,
            "truncated": self.truncated,
            "n_windows": self.n_windows,
            "words": [
                {"text": word.text, "start": word.start, "end": word.end, "attribution": word.attribution}
                | ({"part": word.part} if is_pair else {})
                for word in self.words
            ],
        }


def find_target(labels: tuple[str, ...], wanted: str) -> str:
    """Find the class that somebody names.

    Args:
        labels: the class names.
        wanted: one of them, in any case where that leaves no doubt.

    Returns:
        The name as the model has it.

    Raises:
        InputError: if there is no such class.
    """
    (number,) = match_names([wanted], labels)
    if number is not None:
        return labels[number]
    listed = ", ".join(labels[:_LISTED]) + (", …" if len(labels) > _LISTED else "")
    raise InputError(f"no class {wanted!r:.80}: the target must be one of {listed}")
