"""A measured value, and how far it would vary with other texts."""

import msgspec

__all__ = ["Estimate", "Interval"]


class Estimate(msgspec.Struct, frozen=True):
    """A measured value with the ends of its confidence interval, where there is one.

    Args:
        value: the value; a whole number where something was counted.
        low: the lower end of the interval.
        high: the upper end.
    """

    value: int | float
    low: int | float | None = None
    high: int | float | None = None


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """How the intervals of a report were found.

    Args:
        level: the share of resamples that they cover.
        method: in words.
        resamples: how many.
        seed: of the resampling.
    """

    level: float = 0.95
    method: str = "percentile bootstrap over texts"
    resamples: int = 1000
    seed: int = 0
