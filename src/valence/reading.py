"""What a text is, and how it is read: options that go whole from the command line to the tokenizer and the engine."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from valence.errors import InputError

__all__ = ["AGGREGATIONS", "LONG_TEXTS", "TRUNCATED", "Aggregation", "LongText", "Reading", "Text"]

Text = str | tuple[str, str]
"""One text, or a pair of texts that are read together."""
LongText = Literal["window", "truncate", "error"]
"""What to do with a text of more tokens than the model reads: read it in windows, leave out its end, refuse it."""
Aggregation = Literal["mean", "max", "vote"]
"""How the windows of a long text become one answer; see `valence.runtime.scores.aggregate`."""
LONG_TEXTS: tuple[LongText, ...] = get_args(LongText)
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)

_SHORTEST = 3  # one token between two special ones


@dataclass(frozen=True)
class Reading:
    """How texts are read, checked once.

    Args:
        max_length: the most tokens read at once, special tokens included; the model's limit if None.
        long_text: what is done with a text of more tokens; of a pair the second text is divided into windows.
        stride: the tokens that neighbouring windows share.
        aggregation: how windows become one answer.

    Raises:
        InputError: if one of them is of no use, or does not go with the others.
    """

    max_length: int | None = None
    long_text: LongText = "window"
    stride: int = 0
    aggregation: Aggregation = "mean"

    def __post_init__(self) -> None:
        if self.max_length is not None and not _is_whole(self.max_length, _SHORTEST):
            raise InputError(f"max length must be a whole number from {_SHORTEST}, found {self.max_length!r}")
        if self.long_text not in LONG_TEXTS:
            raise InputError(f"long_text must be 'error', 'truncate' or 'window', found {self.long_text!r}")
        if self.aggregation not in AGGREGATIONS:
            names = ", ".join(map(repr, AGGREGATIONS))
            raise InputError(f"aggregation must be one of {names}, found {self.aggregation!r}")
        if self.long_text != "window" and (self.stride != 0 or self.aggregation != "mean"):
            raise InputError(f"stride and aggregation go with long_text 'window', found {self.long_text!r}")
        most = None if self.max_length is None else (self.max_length - 2) // 2
        if not _is_whole(self.stride, 0, most):
            span = "0" if most is None else f"0 to {most}, half of what a window of {self.max_length} tokens holds"
            raise InputError(f"stride must be a whole number from {span}, found {self.stride!r}")

    def fitted(self, max_length: int) -> "Reading":
        """Say how long the texts are that a tokenizer gives.

        Args:
            max_length: the tokenizer's.

        Returns:
            The same options, with this `max_length`.

        Raises:
            InputError: if another one was asked for, or the stride is too large for it.
        """
        if self.max_length not in (None, max_length):
            raise InputError(f"max length must be the tokenizer's {max_length}, found {self.max_length}")
        return replace(self, max_length=max_length)


def _is_whole(value: object, least: int, most: int | None = None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least and (most is None or value <= most)


TRUNCATED = Reading(long_text="truncate")
