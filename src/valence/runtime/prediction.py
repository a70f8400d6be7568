"""What a classifier answers."""

from dataclasses import dataclass, field

__all__ = ["Prediction", "WindowPrediction"]


@dataclass(frozen=True, slots=True)
class WindowPrediction:
    """What the model says of one window of a long text."""

    label: str
    """The class with the highest score in this window."""
    score: float
    """Its score."""
    scores: dict[str, float] = field(hash=False)
    """The score of every class."""
    start: int
    """The window's first character in the text, from 0; of a pair in the second text."""
    end: int
    """The character after its last."""
    n_tokens: int
    """Tokens of the text in this window, without special tokens: its weight in the mean."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one text."""

    label: str
    """The class with the highest score."""
    score: float
    """Its score: a probability, or the predicted number itself for a regression model."""
    scores: dict[str, float] = field(hash=False)
    """The score of every class. They add up to 1 unless the model is multi-label or a regression."""
    n_tokens: int
    """Tokens the text has, special tokens included; more than were read if `truncated`."""
    truncated: bool
    """Whether the text was longer than the limit, so that its end was not read."""
    windows: tuple[WindowPrediction, ...] | None = None
    """The windows that a long text was read in; None where it was read at once."""
    n_unknown: int = 0
    """How many of its tokens the model does not know: they are all one to it, as emoji are to most models."""
