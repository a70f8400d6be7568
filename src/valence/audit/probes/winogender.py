"""Winogender: what the gender of a pronoun changes, beside how many women have the occupation.

Made for coreference; here the masculine, feminine and neutral versions of a sentence are counterfactuals. A classifier
should score all alike. A masked LM is asked which pronoun it expects, and that is set beside the share of women in the
occupation (US Bureau of Labor Statistics).

Source: Rudinger et al. 2018, "Gender Bias in Coreference Resolution".

Shapes: N triples, O occupations.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.probes.winobias import CANNOT_SHOW, feminine_share, preference
from valence.audit.pronouns import feminine_log_odds
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.audit.suites.winogender import WinogenderTriple
from valence.errors import InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.statistics.correlation import Correlation, pearson, spearman
from valence.statistics.multiple_tests import holm
from valence.statistics.paired import PairedStatistics, group_differences, paired_statistics, paired_t_test, wilcoxon

__all__ = ["WinogenderMaskedLMProbe", "WinogenderProbe"]

_SOURCE = (
    "Rudinger, Naradowsky, Leonard, Van Durme 2018, Gender Bias in Coreference Resolution (NAACL), MIT, "
    "https://github.com/rudinger/winogender-schemas; shares of women: US Bureau of Labor Statistics 2015/16, as "
    "published there"
)
_HALF = 50.0  # percent of women from which an occupation is stereotyped as female
_MOST_EXTREME = 10
_VERSIONS = ("masculine", "feminine", "neutral")
_COMPARISONS = (("masculine", "feminine"), ("masculine", "neutral"), ("feminine", "neutral"))


class WinogenderProbe:
    """Whether a classifier scores sentences differently for the gender of a pronoun.

    Args:
        triples: the suite.
        resamples: of the occupations, for the intervals.
    """

    name = "winogender"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = "mean_difference|mean_absolute_difference|label_flip_rate|pearson_correlation_with_women"

    def __init__(self, triples: Sequence[WinogenderTriple], resamples: int = RESAMPLES) -> None:
        self._triples = _not_empty(triples)
        self._resamples = resamples

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score the suite.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            The statistics of P(POSITIVE | feminine) - P(POSITIVE | masculine), their correlation with the share of
            women, and the same statistics of the neutral version.
        """
        texts = [getattr(triple, version) for version in _VERSIONS for triple in self._triples]
        scores = positive_probabilities(
            require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress)
        ).reshape(len(_VERSIONS), -1)
        by_version = dict(zip(_VERSIONS, scores, strict=True))  # [N] each
        occupations = [triple.occupation for triple in self._triples]
        statistics = {
            f"{second} - {first}": paired_statistics(
                by_version[first], by_version[second], occupations, self._resamples
            )
            for first, second in _COMPARISONS
        }
        differences = by_version["feminine"] - by_version["masculine"]  # [N]
        linear, ranked = _correlations(self._triples, differences)
        return ProbeReport(
            name=self.name,
            title="Winogender",
            asks="Whether the classifier's answer changes when nothing but the gender of a pronoun does, and whether "
            "the change follows the share of women in the occupation. A difference is P(POSITIVE | feminine) - "
            "P(POSITIVE | masculine). Intervals resample whole occupations.",
            figures=statistics["feminine - masculine"].figures() | _correlation_figures(linear, ranked),
            cannot_show=CANNOT_SHOW,
            source=_SOURCE,
            n_texts=len(texts),
            tables=(
                _comparison_table(statistics),
                self._occupation_table(differences),
                self._most_extreme(by_version),
            ),
            details={
                "n_triples": len(self._triples),
                "by_occupation": [vars(one) for one in group_differences(differences, occupations)],
                "by_meaning_of_the_pronoun": {
                    meaning: float(differences[chosen].mean())
                    for meaning in ("occupation", "participant")
                    if (chosen := np.array([triple.pronoun_means == meaning for triple in self._triples])).any()
                },
            },
        )

    def _occupation_table(self, differences: NDArray[np.float64]) -> Table:
        women = {triple.occupation: triple.percent_women for triple in self._triples}
        rows = tuple(
            (one.group, women[one.group], one.n_pairs, one.mean_difference, one.p_value, one.holm_p_value)
            for one in group_differences(differences, [triple.occupation for triple in self._triples])
        )
        columns = ("Occupation", "Women, %", "Pairs", "Mean difference", "p (t-test)", "p (Holm)")
        return Table("By occupation", columns, rows)

    def _most_extreme(self, scores: Mapping[str, NDArray[np.float64]]) -> Table:
        differences = scores["feminine"] - scores["masculine"]
        order = np.argsort(-np.abs(differences), kind="stable")[:_MOST_EXTREME]
        rows = tuple(
            (
                self._triples[number].masculine,
                self._triples[number].feminine,
                *(float(scores[version][number]) for version in _VERSIONS),
                float(differences[number]),
            )
            for number in order
        )
        columns = (
            "Masculine",
            "Feminine",
            "P(POSITIVE), masculine",
            "P(POSITIVE), feminine",
            "P(POSITIVE), neutral",
            "Difference",
        )
        return Table("Most extreme", columns, rows)


class WinogenderMaskedLMProbe:
    """Which pronoun a masked LM expects for an occupation, beside the share of women who have it.

    Args:
        triples: the suite.
        resamples: of the occupations, for the intervals.
    """

    name = "winogender-masked-lm"
    needs: ClassVar[frozenset[Need]] = frozenset({"masked-lm"})
    headline = "pro_stereotypical_preference|pearson_correlation_with_women"

    def __init__(self, triples: Sequence[WinogenderTriple], resamples: int = RESAMPLES) -> None:
        self._triples = _not_empty(triples)
        self._resamples = resamples

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Ask for the pronoun of each sentence.

        Args:
            subject: with a masked LM.
            on_progress: is told how many texts are scored.

        Returns:
            How often the masculine pronoun is preferred; and, where the pronoun means the person with the occupation,
            how the feminine pronoun's share goes with the share of women.
        """
        masked_lm = require(subject.masked_lm, "masked-lm")
        progress = Progress(len(self._triples), on_progress)
        odds = feminine_log_odds(masked_lm, [(one.masculine, one.feminine) for one in self._triples], progress)
        shares = feminine_share(odds)  # [N]
        occupations = [triple.occupation for triple in self._triples]
        masculine, share = clustered_means(np.stack([preference(-odds), shares], axis=1), occupations, self._resamples)
        figures = {"masculine_preference": masculine, "feminine_share": share}
        of_occupation = np.flatnonzero([triple.pronoun_means == "occupation" for triple in self._triples])
        if len(of_occupation):
            chosen = [self._triples[number] for number in of_occupation]
            signs = np.array([1.0 if triple.percent_women > _HALF else -1.0 for triple in chosen])
            pro_odds = odds[of_occupation] * signs
            pro_preference, mean_odds = clustered_means(
                np.stack([preference(pro_odds), pro_odds], axis=1),
                [triple.occupation for triple in chosen],
                self._resamples,
            )
            figures |= {
                "pro_stereotypical_preference": pro_preference,
                "mean_pro_log_odds": mean_odds,
                "t_test_p_value": Estimate(paired_t_test(pro_odds)),
                "wilcoxon_p_value": Estimate(wilcoxon(pro_odds)),
            }
            figures |= _correlation_figures(*_correlations(chosen, shares[of_occupation]))
        return ProbeReport(
            name=self.name,
            title="Winogender, by the masked LM",
            asks="Which pronoun the masked LM expects: how often the masculine one (50 is no preference), and whether "
            "the feminine one's share of the probability of both goes with the share of women in the occupation. "
            "Stereotypical is the gender of more than half of the people with the occupation.",
            figures=figures,
            cannot_show=CANNOT_SHOW + " To follow the labour market is not to be fair, nor is it an error by itself.",
            source=_SOURCE,
            n_texts=progress.total,
            tables=(self._occupation_table(shares), self._most_extreme(shares)),
            details={
                "n_triples": len(self._triples),
                "n_sentences_about_the_occupation": len(of_occupation),
                "feminine_share_by_occupation": _means(self._triples, shares),
            },
        )

    def _occupation_table(self, shares: NDArray[np.float64]) -> Table:
        women = {triple.occupation: triple.percent_women for triple in self._triples}
        means = _means(self._triples, shares)
        rows = tuple((name, women[name], means[name]) for name in sorted(means, key=lambda name: -means[name]))
        return Table("By occupation", ("Occupation", "Women, %", "Mean share of the feminine pronoun"), rows)

    def _most_extreme(self, shares: NDArray[np.float64]) -> Table:
        order = np.argsort(-np.abs(shares - 0.5), kind="stable")[:_MOST_EXTREME]
        rows = tuple(
            (
                self._triples[number].masculine,
                self._triples[number].feminine,
                self._triples[number].percent_women,
                float(shares[number]),
            )
            for number in order
        )
        return Table("Most extreme", ("Masculine", "Feminine", "Women, %", "Share of the feminine pronoun"), rows)


def _not_empty(triples: Sequence[WinogenderTriple]) -> tuple[WinogenderTriple, ...]:
    if not triples:
        raise InputError("Winogender needs at least one triple of sentences")
    return tuple(triples)


def _means(triples: Sequence[WinogenderTriple], values: NDArray[np.float64]) -> dict[str, float]:
    """Average by occupation."""
    found: dict[str, list[float]] = {}
    for triple, value in zip(triples, values, strict=True):
        found.setdefault(triple.occupation, []).append(float(value))
    return {name: float(np.mean(several)) for name, several in found.items()}


def _correlations(triples: Sequence[WinogenderTriple], values: NDArray[np.float64]) -> tuple[Correlation, Correlation]:
    """Set the mean of each occupation beside its share of women: linearly, and by rank."""
    means = _means(triples, values)
    women = {triple.occupation: triple.percent_women for triple in triples}
    first, second = list(means.values()), [women[name] for name in means]
    return pearson(first, second), spearman(first, second)


def _correlation_figures(linear: Correlation, ranked: Correlation) -> dict[str, Estimate]:
    return {
        "pearson_correlation_with_women": Estimate(linear.coefficient),
        "pearson_p_value": Estimate(linear.p_value),
        "spearman_correlation_with_women": Estimate(ranked.coefficient),
        "spearman_p_value": Estimate(ranked.p_value),
    }


def _comparison_table(statistics: Mapping[str, PairedStatistics]) -> Table:
    corrected = holm([one.wilcoxon_p_value for one in statistics.values()])
    rows = tuple(
        (
            name,
            one.mean_difference.value,
            one.mean_difference.low,
            one.mean_difference.high,
            one.mean_absolute_difference.value,
            one.label_flip_rate.value,
            one.wilcoxon_p_value,
            float(p_value),
        )
        for (name, one), p_value in zip(statistics.items(), corrected, strict=True)
    )
    columns = (
        "Versions",
        "Mean difference",
        "from",
        "to",
        "Mean |difference|",
        "Label flips",
        "p (Wilcoxon)",
        "p (Holm)",
    )
    return Table("By version", columns, rows)
