"""What an explanation comes down to, in sentences that the terminal and the page share."""

from valence.explain.attribution import Attribution

__all__ = ["decimals", "sentences"]


def sentences(attribution: Attribution) -> list[str]:
    """Say what the classifier answers, what the figures mean, and whether they sum to what the method promises.

    Args:
        attribution: the explanation.

    Returns:
        One line each.
    """
    target, unit = attribution.target, attribution.unit
    lines = [
        f"The classifier says {attribution.label}; {target} gets {attribution.target_score:.4f} "
        f"(engine {attribution.engine})."
    ]
    if attribution.truncated:
        lines.append("The end of the text was not read: its words count for nothing.")
    if attribution.n_windows > 1:
        lines.append(f"The text was read in {attribution.n_windows} windows.")
    if attribution.method == "leave-one-out":
        lines.append(f"Leave-one-out: how far the {unit} of {target} falls where a word is left out.")
    else:
        lines.append(f"Integrated gradients: what a word adds to the {unit} of {target}, beside padding in its place.")
    return [*lines, _sum(attribution)]


def decimals(attribution: Attribution) -> int:
    """Choose how many decimal places show three digits of the strongest attribution.

    Args:
        attribution: the explanation.

    Returns:
        From 2 to 6.
    """
    strongest = attribution.strongest
    return next((places for places in range(2, 6) if strongest >= 10.0 ** (2 - places)), 6) if strongest else 2


def _sum(attribution: Attribution) -> str:
    places = decimals(attribution)
    difference, error = attribution.expected_difference, attribution.completeness_error
    if difference is None or error is None:
        return f"Their sum is {attribution.total:+.{places}f}; leave-one-out promises none."
    share = f", {error / abs(difference):.2%}" if difference else ""
    rough = "" if attribution.is_complete else ", which is too far: take the figures as rough"
    return (
        f"Their sum is {attribution.total:+.{places}f}; score {attribution.score:.{places}f} minus baseline "
        f"{attribution.baseline_score:.{places}f} is {difference:+.{places}f} (error {error:.1g}{share}, "
        f"{attribution.n_steps} steps{rough})."
    )
