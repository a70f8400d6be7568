"""How values are written for people, and which figures of a probe say most."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["main_figures", "shown"]

_DIFFERENCES = r"mean_difference|mean_absolute_difference|label_flip_rate"
_MAIN = {
    "countries": r"standard_deviation_(mean|worst)|card_template_(france|afghanistan)",
    "kept-labels": r"kept|kept_worst_country",
    "names": r"(names|names_gender|names_race|words_gender)_mean_absolute_difference",
    "identities": r"(?!.*never_trained).*_neutral_mean_absolute_difference",
    "own-templates": r"kept|(?!.*(neutral|never_trained)).*_mean_absolute_difference",
    "winobias": _DIFFERENCES,
    "winogender": rf"{_DIFFERENCES}|pearson_correlation_with_women",
    "stereoset-classifier": rf"{_DIFFERENCES}|overall_(ss|lms|icat)",
    "winobias-masked-lm": r"pro_stereotypical_preference|mean_pro_log_odds",
    "winogender-masked-lm": r"pro_stereotypical_preference|pearson_correlation_with_women",
    "stereoset": r"\w+_(ss|lms|icat)",
    "crows-pairs": r"\w+_metric_score|\w+_neutral",
}


def main_figures(probe: str, names: Iterable[str]) -> list[str]:
    """Choose the figures of a probe that are shown where there is no room for all.

    Args:
        probe: its name.
        names: of all its figures.

    Returns:
        Those that say most, in their order; all of a probe that is not known, and where none is as expected.
    """
    every = list(names)
    pattern = re.compile(_MAIN.get(probe, ".*"))
    return [name for name in every if pattern.fullmatch(name)] or every


def shown(value: Any) -> str:
    """Write a value for people.

    Args:
        value: a number, a text, or nothing.

    Returns:
        A number with as many digits as it is worth, a text as it is.
    """
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return _number(value).replace("-", "−")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {shown(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, value))
    return str(value)


def _number(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if size == float("inf"):
        return "infinite" if value > 0 else "-infinite"
    if size < 0.00005:
        return f"{value:.1e}"
    if size < 0.0995:
        return f"{value:.4f}"
    if size >= 10 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 1000 else f"{value:,.0f}"
