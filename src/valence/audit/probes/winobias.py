"""WinoBias: what the gender of a pronoun changes, and which gender goes with which occupation.

Made for coreference; here each sentence with a masculine pronoun and the same one with a feminine pronoun are a
counterfactual pair. A classifier should score both alike. A masked LM is asked which of the two pronouns it expects.

Only pairs in which nothing but the gender of pronouns differs count; as published, 20 of the 1,584 do not qualify.

Source: Zhao et al. 2018, "Gender Bias in Coreference Resolution: Evaluation and Debiasing Methods".

Shapes: N pairs.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.pronouns import feminine_log_odds
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.audit.suites.winobias import WinoBiasPair
from valence.errors import InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.reports.report import JsonObject
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.statistics.paired import group_differences, paired_statistics, paired_t_test, wilcoxon

__all__ = ["CANNOT_SHOW", "WinoBiasMaskedLMProbe", "WinoBiasProbe", "feminine_share", "preference"]

CANNOT_SHOW = (
    "A test of this kind has high positive and low negative predictive value: it can show a bias, never the absence of "
    "one. It was made for coreference, its sentences are short and made up, and it knows two genders."
)
"""Of WinoBias and Winogender alike."""
_SOURCE = (
    "Zhao, Wang, Yatskar, Ordonez, Chang 2018, Gender Bias in Coreference Resolution: Evaluation and Debiasing Methods "
    "(NAACL), MIT, https://github.com/uclanlp/corefBias"
)
_MOST_EXTREME = 10


def feminine_share(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn log-odds into how much of the probability of both pronouns the feminine one has.

    Args:
        log_odds: [N].

    Returns:
        [N], 0.5 for no preference.
    """
    share: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * log_odds))
    return share


def preference(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Say which pairs prefer what their log-odds are of, in percent.

    Args:
        log_odds: [N].

    Returns:
        [N]: 100 where it is preferred, 0 where its opposite is, 50 where the two are equal.
    """
    return 50.0 * (1 + np.sign(log_odds))


class WinoBiasProbe:
    """Whether a classifier scores sentences differently for the gender of a pronoun.

    Args:
        pairs: the suite.
        resamples: of the occupations, for the intervals.
    """

    name = "winobias"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = "mean_difference|mean_absolute_difference|label_flip_rate"

    def __init__(self, pairs: Sequence[WinoBiasPair], resamples: int = RESAMPLES) -> None:
        self._pairs = _usable(pairs)
        self._others = [pair for pair in pairs if not pair.only_pronoun_differs]
        self._resamples = resamples

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score the suite.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            The statistics of P(POSITIVE | feminine) - P(POSITIVE | masculine).
        """
        every = [*self._pairs, *self._others]
        texts = [text for pair in every for text in (pair.masculine, pair.feminine)]
        scores = positive_probabilities(
            require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress)
        ).reshape(-1, 2)  # [N, 2]
        n = len(self._pairs)
        masculine, feminine = scores[:n].T
        occupations = [pair.occupation for pair in self._pairs]
        statistics = paired_statistics(masculine, feminine, occupations, self._resamples)
        differences = feminine - masculine  # [N]
        towards_pro = differences * _pro_signs(self._pairs)
        figures = statistics.figures()
        figures["mean_difference_pro_minus_anti"] = clustered_means(towards_pro[:, None], occupations, self._resamples)[
            0
        ]
        figures["n_pairs"] = Estimate(n)
        figures["n_pairs_left_out"] = Estimate(len(self._others))
        return ProbeReport(
            name=self.name,
            title="WinoBias",
            asks="Whether the classifier's answer changes when nothing but the gender of a pronoun does. A difference "
            "is P(POSITIVE | feminine) - P(POSITIVE | masculine). Intervals resample whole occupations.",
            figures=figures,
            cannot_show=CANNOT_SHOW
            + f" {len(self._others)} of {len(every):,} pairs differ in more than the pronoun and are left out.",
            source=_SOURCE,
            n_texts=len(texts),
            tables=(
                self._part_table(masculine, feminine),
                _occupation_table(differences, occupations),
                _most_extreme(self._pairs, masculine, feminine),
                self._left_out(scores[n:]),
            ),
            details={
                "by_occupation": [vars(one) for one in group_differences(differences, occupations)],
                "lines_with_third_mention": sum(n == 3 for pair in every for n in pair.n_mentions),
                "pairs_that_differ_in_more": [_place(pair) for pair in self._others],
                "pro_minus_anti": {
                    "t_test_p_value": paired_t_test(towards_pro),
                    "wilcoxon_p_value": wilcoxon(towards_pro),
                },
            },
        )

    def _part_table(self, masculine: NDArray[np.float64], feminine: NDArray[np.float64]) -> Table:
        rows = []
        for part in sorted({(pair.type, pair.split) for pair in self._pairs}):
            chosen = np.array([(pair.type, pair.split) == part for pair in self._pairs])
            one = paired_statistics(masculine[chosen], feminine[chosen], resamples=1)
            rows.append(
                (
                    f"type {part[0]}, {part[1]}",
                    one.n_pairs,
                    one.mean_difference.value,
                    one.mean_absolute_difference.value,
                    one.largest_absolute_difference,
                    one.label_flip_rate.value,
                )
            )
        columns = ("Part", "Pairs", "Mean difference", "Mean |difference|", "Largest |difference|", "Label flips")
        return Table("By part", columns, tuple(rows))

    def _left_out(self, scores: NDArray[np.float64]) -> Table:
        rows = [
            (_place(pair), pair.pro, pair.anti, None if pair.pro_gender is None else float(feminine - masculine))
            for pair, (masculine, feminine) in zip(self._others, scores, strict=True)
        ]
        columns = ("Place", "Pro-stereotypical", "Anti-stereotypical", "Difference")
        return Table("Left out: pairs that differ in more than the pronoun", columns, tuple(rows))


class WinoBiasMaskedLMProbe:
    """Which pronoun a masked LM expects for an occupation: the stereotypical one or the other.

    Args:
        pairs: the suite.
        resamples: of the occupations, for the intervals.
    """

    name = "winobias-masked-lm"
    needs: ClassVar[frozenset[Need]] = frozenset({"masked-lm"})
    headline = "pro_stereotypical_preference|mean_pro_log_odds"

    def __init__(self, pairs: Sequence[WinoBiasPair], resamples: int = RESAMPLES) -> None:
        self._pairs = _usable(pairs)
        self._n_left_out = len(pairs) - len(self._pairs)
        self._resamples = resamples

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Ask for the pronoun of each pair.

        Args:
            subject: with a masked LM.
            on_progress: is told how many texts are scored.

        Returns:
            How often, and by how much, the stereotypical pronoun is preferred.
        """
        masked_lm = require(subject.masked_lm, "masked-lm")
        progress = Progress(len(self._pairs), on_progress)
        odds = feminine_log_odds(masked_lm, [(pair.masculine, pair.feminine) for pair in self._pairs], progress)
        signs = _pro_signs(self._pairs)
        pro_odds = odds * signs  # [N], of the stereotypical pronoun
        occupations = [pair.occupation for pair in self._pairs]
        measures = np.stack([preference(pro_odds), pro_odds, preference(-odds)], axis=1)
        pro_preference, mean_odds, masculine_preference = clustered_means(measures, occupations, self._resamples)
        figures = {
            "pro_stereotypical_preference": pro_preference,
            "mean_pro_log_odds": mean_odds,
            "t_test_p_value": Estimate(paired_t_test(pro_odds)),
            "wilcoxon_p_value": Estimate(wilcoxon(pro_odds)),
            "masculine_preference": masculine_preference,
        }
        for name, sign in (("female", 1), ("male", -1)):
            chosen = np.flatnonzero(signs == sign)
            if len(chosen):
                figures[f"feminine_share_{name}_stereotyped"] = clustered_means(
                    feminine_share(odds[chosen])[:, None], [occupations[number] for number in chosen], self._resamples
                )[0]
        return ProbeReport(
            name=self.name,
            title="WinoBias, by the masked LM",
            asks="Which pronoun the masked LM expects where the sentence speaks of a person with an occupation: how "
            "often the one that the stereotype says (50 is no preference), the mean logarithm of how many times "
            "likelier it is, and the feminine pronoun's share of the probability of both.",
            figures=figures,
            cannot_show=CANNOT_SHOW
            + f" {self._n_left_out} of {len(self._pairs) + self._n_left_out:,} pairs differ in more than the pronoun "
            "and are left out. In type 1 the model would have to know whom the pronoun means.",
            source=_SOURCE,
            n_texts=progress.total,
            tables=(self._occupation_table(odds), self._most_extreme(odds)),
            details=self._details(odds),
        )

    def _by_occupation(self, odds: NDArray[np.float64]) -> dict[str, tuple[int, float]]:
        found: dict[str, list[float]] = {}
        for pair, share in zip(self._pairs, feminine_share(odds), strict=True):
            found.setdefault(pair.occupation, []).append(float(share))
        shares = {name: (len(values), float(np.mean(values))) for name, values in found.items()}
        return dict(sorted(shares.items(), key=lambda one: -one[1][1]))

    def _occupation_table(self, odds: NDArray[np.float64]) -> Table:
        rows = tuple((name, n, share) for name, (n, share) in self._by_occupation(odds).items())
        return Table("By occupation", ("Occupation", "Pairs", "Mean share of the feminine pronoun"), rows)

    def _most_extreme(self, odds: NDArray[np.float64]) -> Table:
        order = np.argsort(-np.abs(odds), kind="stable")[:_MOST_EXTREME]
        rows = tuple(
            (
                self._pairs[number].masculine,
                self._pairs[number].feminine,
                str(self._pairs[number].pro_gender),
                float(feminine_share(odds)[number]),
            )
            for number in order
        )
        return Table("Most extreme", ("Masculine", "Feminine", "Stereotype", "Share of the feminine pronoun"), rows)

    def _details(self, odds: NDArray[np.float64]) -> JsonObject:
        by_type: dict[str, dict[str, float]] = {}
        for number in sorted({pair.type for pair in self._pairs}):
            chosen = np.array([pair.type == number for pair in self._pairs])
            pro_odds = (odds * _pro_signs(self._pairs))[chosen]
            by_type[f"type {number}"] = {
                "pro_stereotypical_preference": float(preference(pro_odds).mean()),
                "mean_pro_log_odds": float(pro_odds.mean()),
            }
        occupations = {
            name: {"n_pairs": n, "feminine_share": share} for name, (n, share) in self._by_occupation(odds).items()
        }
        return {"by_type": by_type, "feminine_share_by_occupation": occupations, "n_pairs_left_out": self._n_left_out}


def _usable(pairs: Sequence[WinoBiasPair]) -> list[WinoBiasPair]:
    usable = [pair for pair in pairs if pair.only_pronoun_differs]
    if not usable:
        raise InputError("WinoBias needs at least one pair that differs in the pronoun alone")
    return usable


def _pro_signs(pairs: Sequence[WinoBiasPair]) -> NDArray[np.float64]:
    """[N], 1 where the feminine pronoun is the stereotypical one and -1 where the masculine is."""
    return np.array([1.0 if pair.pro_gender == "feminine" else -1.0 for pair in pairs])


def _place(pair: WinoBiasPair) -> str:
    return f"type {pair.type}, {pair.split}, line {pair.line}"


def _occupation_table(differences: NDArray[np.float64], occupations: Sequence[str]) -> Table:
    rows = tuple(
        (one.group, one.n_pairs, one.mean_difference, one.p_value, one.holm_p_value)
        for one in group_differences(differences, occupations)
    )
    columns = ("Occupation", "Pairs", "Mean difference", "p (t-test)", "p (Holm)")
    return Table("By occupation", columns, rows)


def _most_extreme(
    pairs: Sequence[WinoBiasPair], masculine: NDArray[np.float64], feminine: NDArray[np.float64]
) -> Table:
    order = np.argsort(-np.abs(feminine - masculine), kind="stable")[:_MOST_EXTREME]
    rows = tuple(
        (
            pairs[number].masculine,
            pairs[number].feminine,
            float(masculine[number]),
            float(feminine[number]),
            float(feminine[number] - masculine[number]),
        )
        for number in order
    )
    columns = ("Masculine", "Feminine", "P(POSITIVE), masculine", "P(POSITIVE), feminine", "Difference")
    return Table("Most extreme", columns, rows)
