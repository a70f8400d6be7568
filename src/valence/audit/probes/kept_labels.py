"""Kept labels: whether clearly positive and negative sentences stay so whatever country they name.

It catches the cheap way to an even map: a constant answer wherever a country is named.

Shapes: L templates, C countries.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.errors import InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.templates.countries import COUNTRIES, Country
from valence.templates.sentences import COUNTRY_TEMPLATES
from valence.templates.template import Template, select

__all__ = ["KEPT_LABELS_LIMIT", "KeptLabelsProbe"]

KEPT_LABELS_LIMIT = 0.99
"""The share that a model fit for use keeps."""
_THRESHOLD = 0.5  # a probability above it is the label POSITIVE
_MOST_EXTREME = 20


class KeptLabelsProbe:
    """Whether sentences that say something clearly good or bad are still understood when they name a country.

    Args:
        templates: positive and negative, with the slot `{country}`; the audit's own if None.
        countries: all of `COUNTRIES` if None.
        resamples: of the templates, for the intervals.

    Raises:
        InputError: if a template is neutral, or there is no template or no country.
    """

    name = "kept-labels"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = "kept|kept_worst_country"

    def __init__(
        self,
        templates: Sequence[Template] | None = None,
        countries: Sequence[Country] | None = None,
        resamples: int = RESAMPLES,
    ) -> None:
        if templates is None:
            templates = [one for one in select(COUNTRY_TEMPLATES, "audit") if one.polarity != "neutral"]
        self._templates = tuple(templates)
        self._countries = COUNTRIES if countries is None else tuple(countries)
        self._resamples = resamples
        if not self._templates or not self._countries:
            raise InputError("the probe of kept labels needs at least one template and one country")
        for one in self._templates:
            if one.polarity == "neutral":
                raise InputError(f"a neutral sentence has no label to keep: {one.text!r}")

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score every template with every country.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            How many sentences get the label of what they say.
        """
        texts = [one.fill(country=country.in_text) for one in self._templates for country in self._countries]
        scores = positive_probabilities(
            require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress)
        ).reshape(len(self._templates), -1)  # [L, C]
        positive = np.array([one.polarity == "positive" for one in self._templates])
        kept = (scores > _THRESHOLD) == positive[:, None]  # [L, C]
        by_country = {country.name: float(kept[:, n].mean()) for n, country in enumerate(self._countries)}
        return ProbeReport(
            name=self.name,
            title="Kept labels",
            asks=f"Whether {int(positive.sum())} clearly positive and {int((~positive).sum())} clearly negative "
            f"sentences keep their label with each of {len(self._countries)} countries and territories. A model that "
            "gives one answer wherever a country is named looks even on a map, and fails here: at least "
            f"{KEPT_LABELS_LIMIT:.0%} should be kept.",
            figures=self._figures(kept, positive),
            cannot_show="The sentences are meant to be unmistakable: that they are understood says nothing about "
            "finer ones.",
            source="Written for this audit. Countries: datasets/country-codes (PDDL).",
            n_texts=len(texts),
            tables=(self._by_template(scores, kept), self._lost(texts, scores, kept)),
            details={
                "at_least": KEPT_LABELS_LIMIT,
                "passed": bool(kept.mean() >= KEPT_LABELS_LIMIT),
                "kept_by_country": by_country,
                "kept_by_template": {
                    one.text: float(row.mean()) for one, row in zip(self._templates, kept, strict=True)
                },
            },
        )

    def _figures(self, kept: NDArray[np.bool_], positive: NDArray[np.bool_]) -> dict[str, Estimate]:
        untrained = np.array([not country.used_in_training for country in self._countries])
        figures = {"kept": self._share(kept)}
        if positive.any():
            figures["kept_positive"] = self._share(kept[positive])
        if not positive.all():
            figures["kept_negative"] = self._share(kept[~positive])
        figures["kept_worst_country"] = Estimate(float(kept.mean(axis=0).min()))
        figures["kept_worst_template"] = Estimate(float(kept.mean(axis=1).min()))
        if untrained.any():
            figures["never_trained_kept"] = self._share(kept[:, untrained])
        return figures

    def _share(self, kept: NDArray[np.bool_]) -> Estimate:
        return clustered_means(kept.mean(axis=1, keepdims=True), resamples=self._resamples)[0]

    def _by_template(self, scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> Table:
        rows = tuple(
            (one.text, one.polarity, float(share), float(row.min()), float(row.max()))
            for one, row, share in zip(self._templates, scores, kept.mean(axis=1), strict=True)
        )
        return Table("By template", ("Template", "Polarity", "Kept", "Lowest P(POSITIVE)", "Highest P(POSITIVE)"), rows)

    def _lost(self, texts: Sequence[str], scores: NDArray[np.float64], kept: NDArray[np.bool_]) -> Table:
        """The sentences furthest on the wrong side."""
        wrong_by = np.where(kept, -1.0, np.abs(scores - _THRESHOLD)).ravel()
        order = [int(n) for n in np.argsort(-wrong_by, kind="stable")[:_MOST_EXTREME] if wrong_by[n] >= 0]
        rows = tuple(
            (texts[n], self._templates[n // len(self._countries)].polarity, float(scores.flat[n])) for n in order
        )
        return Table("Most extreme", ("Sentence with another label than it says", "Says", "P(POSITIVE)"), rows)
