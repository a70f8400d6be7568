"""Countries: whether a neutral sentence gets another answer for another country.

Source: the card of distilbert-base-uncased-finetuned-sst-2-english, which gives P(POSITIVE) of "This film was filmed in
COUNTRY" as 0.89 for France and 0.08 for Afghanistan, and Aurélien Géron's map of all countries. How they wrote
articles, the full stop and capitals is not published, so their effect is measured too; other neutral sentences stand
beside this one.

Shapes: L templates, C countries.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Scorer, Subject
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.audit.word_differences import from_mean, minority_labels
from valence.errors import InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.reports.report import JsonObject
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.statistics.paired import PairedStatistics, paired_statistics
from valence.templates.countries import COUNTRIES, Country
from valence.templates.sentences import CARD_TEMPLATE, COUNTRY_TEMPLATES
from valence.templates.template import Template, select

__all__ = ["CountriesProbe", "place_on_map"]

_CARD_COUNTRIES = ("France", "Afghanistan")
_MOST_EXTREME = 10
_SOURCE = (
    'The template "This film was filmed in COUNTRY" is that of the card of '
    "distilbert-base-uncased-finetuned-sst-2-english (figures for France, 0.89, and Afghanistan, 0.08), drawn on a map "
    "by Aurélien Géron. Countries: datasets/country-codes (PDDL). The other templates were written for this audit."
)
_CANNOT_SHOW = (
    "The sentences are few, short and made up; a model can be even here and uneven in other words, other languages or "
    "about the people of a country. Intervals say how far a figure would vary with other templates of this kind, not "
    "with other countries: these are all of them. Only what was trained with the countries' names in hand can have "
    "learnt some of them and not others: for any other model the figures for countries never used in training are "
    "those of any quarter of the world."
)


def _with_full_stop(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _without_full_stop(text: str) -> str:
    return text.removesuffix(".")


class CountriesProbe:
    """Whether P(POSITIVE) of neutral sentences depends on the country that they name.

    Args:
        templates: neutral, with the slot `{country}`; the audit's own if None.
        countries: all of `COUNTRIES` if None.
        resamples: of the templates, for the intervals.

    Raises:
        InputError: if there is no template or no country.
    """

    name = "countries"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = r"standard_deviation_(mean|worst)|card_template_(france|afghanistan)"

    def __init__(
        self,
        templates: Sequence[Template] | None = None,
        countries: Sequence[Country] | None = None,
        resamples: int = RESAMPLES,
    ) -> None:
        self._templates = select(COUNTRY_TEMPLATES, "audit", "neutral") if templates is None else tuple(templates)
        self._countries = COUNTRIES if countries is None else tuple(countries)
        self._resamples = resamples
        if not self._templates or not self._countries:
            raise InputError("the countries probe needs at least one template and one country")

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score every template with every country, and in other spellings.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            What the country changes.
        """
        texts = self._texts()
        scored = self._score(require(subject.positive, "classifier"), texts, on_progress)  # each [L, C]
        scores = scored["as written"]
        spellings = self._spellings(scored)
        by_country = clustered_means(scores, resamples=self._resamples)
        return ProbeReport(
            name=self.name,
            title="Countries",
            asks="Whether a sentence that says nothing good or bad gets another answer when it names another country: "
            f"P(POSITIVE) of {len(self._templates)} neutral templates with {len(self._countries)} countries and "
            "territories. Standard deviations and ranges are over the countries.",
            figures=self._figures(scores, spellings),
            cannot_show=_CANNOT_SHOW,
            source=_SOURCE,
            n_texts=sum(len(part) for part in texts.values()),
            tables=(
                self._by_template(scores),
                self._most_extreme(by_country),
                self._spellings_table(spellings),
                self._card_spellings(scored),
                self._parts(scores),
            ),
            details=self._details(scores, by_country, spellings),
        )

    def _texts(self) -> dict[str, list[str]]:
        """Spelling -> texts [L x C]; those without an article only where there is one to leave out."""
        plain = [one.fill(country=country.in_text) for one in self._templates for country in self._countries]
        bare = [one.fill(country=country.name) for one in self._templates for country in self._countries]
        return {
            "as written": plain,
            "without article": [text for text, other in zip(bare, plain, strict=True) if text != other],
            "without full stop": [_without_full_stop(text) for text in plain],
            "with full stop": [_with_full_stop(text) for text in plain],
            "in lower case": [text.lower() for text in plain],
            "in capitals": [text.upper() for text in plain],
        }

    def _score(
        self, scorer: Scorer, texts: dict[str, list[str]], on_progress: OnProgress | None
    ) -> dict[str, NDArray[np.float64]]:
        """Score the texts of all spellings at once, so that equal ones are scored once."""
        flat = [text for part in texts.values() for text in part]
        scores = positive_probabilities(scorer, flat, Progress(len(flat), on_progress))
        ends = np.cumsum([len(part) for part in texts.values()])[:-1]
        parts = np.split(scores, ends)
        return {name: part.reshape(len(self._templates), -1) for name, part in zip(texts, parts, strict=True)}

    def _spellings(self, scored: dict[str, NDArray[np.float64]]) -> dict[str, PairedStatistics]:
        """What each change of spelling does, over all templates and countries that it can be made in."""
        with_article = np.array([bool(country.article) for country in self._countries])
        plain = scored["as written"]
        pairs = {
            "full_stop": (scored["without full stop"], scored["with full stop"]),
            "lower_case": (plain, scored["in lower case"]),
            "capitals": (plain, scored["in capitals"]),
        }
        if with_article.any():
            pairs = {"article": (scored["without article"], plain[:, with_article]), **pairs}
        found = {}
        for name, (first, second) in pairs.items():
            templates = np.repeat(np.arange(len(self._templates)), first.shape[1]).tolist()
            found[name] = paired_statistics(first.ravel(), second.ravel(), templates, self._resamples)
        return found

    def _figures(self, scores: NDArray[np.float64], spellings: dict[str, PairedStatistics]) -> dict[str, Estimate]:
        deviations, ranges = _deviations(scores), np.ptp(scores, axis=1)
        mean_deviation, mean_range, flips = clustered_means(
            np.stack([deviations, ranges, minority_labels(scores).mean(axis=1)], axis=1), resamples=self._resamples
        )
        figures = {
            "standard_deviation_mean": mean_deviation,
            "standard_deviation_worst": Estimate(float(deviations.max())),
            "range_mean": mean_range,
            "range_worst": Estimate(float(ranges.max())),
            "label_flip_rate": flips,
        }
        for place, template in enumerate(self._templates):
            if template.text == CARD_TEMPLATE.text:
                figures["card_template_standard_deviation"] = Estimate(float(deviations[place]))
                figures["card_template_range"] = Estimate(float(ranges[place]))
                for column, country in enumerate(self._countries):
                    if country.name in _CARD_COUNTRIES:
                        figures[f"card_template_{country.name.lower()}"] = Estimate(float(scores[place, column]))
        figures |= self._never_trained_figures(scores)
        for name, statistics in spellings.items():
            figures[f"{name}_mean_difference"] = statistics.mean_difference
            figures[f"{name}_mean_absolute_difference"] = statistics.mean_absolute_difference
        return figures

    def _never_trained_figures(self, scores: NDArray[np.float64]) -> dict[str, Estimate]:
        trained = np.array([country.used_in_training for country in self._countries])
        if trained.all() or not trained.any():
            return {}
        centred = from_mean(scores)
        apart = _deviations(scores[:, ~trained])
        shift = centred[:, ~trained].mean(axis=1) - centred[:, trained].mean(axis=1)
        away = np.abs(centred)
        columns = np.stack([apart, shift, away[:, ~trained].mean(axis=1), away[:, trained].mean(axis=1)], axis=1)
        deviation, difference, away_untrained, away_trained = clustered_means(columns, resamples=self._resamples)
        return {
            "never_trained_standard_deviation_mean": deviation,
            "never_trained_standard_deviation_worst": Estimate(float(apart.max())),
            "never_trained_minus_trained": difference,
            "never_trained_mean_absolute_difference": away_untrained,
            "trained_mean_absolute_difference": away_trained,
        }

    def _by_template(self, scores: NDArray[np.float64]) -> Table:
        rows = tuple(
            (
                template.text,
                float(row.mean()),
                float(deviation),
                float(np.ptp(row)),
                float((row > 0.5).mean()),
                _named(self._countries, row, row.argmin()),
                _named(self._countries, row, row.argmax()),
            )
            for template, row, deviation in zip(self._templates, scores, _deviations(scores), strict=True)
        )
        columns = ("Template", "Mean", "Standard deviation", "Range", "Share labelled positive", "Lowest", "Highest")
        return Table("By template", columns, rows)

    def _most_extreme(self, by_country: Sequence[Estimate]) -> Table:
        order = sorted(range(len(by_country)), key=lambda number: by_country[number].value)
        n = min(_MOST_EXTREME, len(order) // 2)
        chosen = [*order[:n], *order[len(order) - n :]]
        ranks = _ranks(by_country)
        rows = tuple(
            (
                self._countries[number].name,
                ranks[number],
                by_country[number].value,
                by_country[number].low,
                by_country[number].high,
            )
            for number in chosen
        )
        return Table("Most extreme", ("Country", "Rank", "Mean P(POSITIVE)", "Low", "High"), rows)

    def _spellings_table(self, spellings: dict[str, PairedStatistics]) -> Table:
        names = {
            "article": 'with "the" (where there is one) minus without',
            "full_stop": "with a final full stop minus without",
            "lower_case": "in lower case minus as written",
            "capitals": "in capitals minus as written",
        }
        rows = tuple(
            (
                names[name],
                one.n_pairs,
                one.mean_difference.value,
                one.mean_absolute_difference.value,
                one.largest_absolute_difference,
                one.label_flip_rate.value,
            )
            for name, one in spellings.items()
        )
        columns = ("Spelling", "Pairs", "Mean difference", "Mean |difference|", "Largest |difference|", "Label flips")
        return Table("What spelling changes", columns, rows)

    def _card_spellings(self, scored: dict[str, NDArray[np.float64]]) -> Table:
        rows = []
        place = next((n for n, one in enumerate(self._templates) if one.text == CARD_TEMPLATE.text), None)
        for spelling in ("as written", "with full stop", "in lower case", "in capitals"):
            if place is not None:
                row = scored[spelling][place]
                values = dict(zip((country.name for country in self._countries), row.tolist(), strict=True))
                rows.append((spelling, float(row.std()), *(values.get(name) for name in _CARD_COUNTRIES)))
        columns = ("Spelling", "Standard deviation", *_CARD_COUNTRIES)
        return Table("The card's template in other spellings", columns, tuple(rows))

    def _parts(self, scores: NDArray[np.float64]) -> Table:
        """The countries in parts: in training sets of --debias or not, and by continent."""
        trained = np.array([country.used_in_training for country in self._countries])
        continents = np.array([country.continent for country in self._countries])
        parts = {"in training sets of --debias": trained, "in none of them": ~trained}
        parts |= {str(continent): continents == continent for continent in np.unique(continents)}
        centred = from_mean(scores)
        rows: list[tuple[str | int | float | None, ...]] = []
        for name, chosen in parts.items():
            if chosen.any():
                deviations = _deviations(scores[:, chosen])
                figures = scores[:, chosen].mean(), centred[:, chosen].mean(), deviations.mean(), deviations.max()
                rows.append((name, int(chosen.sum()), *map(float, figures)))
        columns = (
            *("Countries", "Number", "Mean P(POSITIVE)", "Difference from all"),
            *("Standard deviation, mean", "Standard deviation, worst"),
        )
        return Table("Parts of the world", columns, tuple(rows))

    def _details(
        self, scores: NDArray[np.float64], by_country: Sequence[Estimate], spellings: dict[str, PairedStatistics]
    ) -> JsonObject:
        ranks = _ranks(by_country)
        maps: dict[str, list[JsonObject]] = {}
        for template, row in zip(self._templates, scores, strict=True):
            if template.text == CARD_TEMPLATE.text:
                title = template.text.replace("{country}", "COUNTRY")
                maps[title] = [
                    place_on_map(one, Estimate(float(value))) for one, value in zip(self._countries, row, strict=True)
                ]
        if len(self._templates) > 1 or not maps:
            maps[f"Mean of {len(self._templates)} templates"] = [
                place_on_map(country, mean) for country, mean in zip(self._countries, by_country, strict=True)
            ]
        names = [country.name for country in self._countries]
        return {
            "maps": maps,
            "templates": {
                template.text: dict(zip(names, row.tolist(), strict=True))
                for template, row in zip(self._templates, scores, strict=True)
            },
            "countries": {
                country.name: {
                    "iso_a3": country.iso_a3,
                    "continent": country.continent,
                    "used_in_training": country.used_in_training,
                    "mean": mean.value,
                    "low": mean.low,
                    "high": mean.high,
                    "rank": rank,
                }
                for country, mean, rank in zip(self._countries, by_country, ranks, strict=True)
            },
            "standard_deviation": {
                template.text: float(deviation)
                for template, deviation in zip(self._templates, _deviations(scores), strict=True)
            },
            "spellings": {
                name: {figure: one.value for figure, one in statistics.figures().items()}
                for name, statistics in spellings.items()
            },
        }


def _deviations(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard deviation of each row, [L, C] to [L]; exactly 0 where all are equal."""
    deviations: NDArray[np.float64] = np.sqrt((from_mean(scores) ** 2).mean(axis=1))
    return deviations


def _ranks(means: Sequence[Estimate]) -> list[int]:
    """1 for the highest; equal ones share the better rank."""
    values = np.array([mean.value for mean in means])
    return [int((values > value).sum()) + 1 for value in values]


def _named(countries: Sequence[Country], row: NDArray[np.float64], column: np.intp) -> str:
    return f"{countries[int(column)].name} ({row[column]:.3f})"


def place_on_map(country: Country, figure: Estimate) -> JsonObject:
    """Write what a map shows of a country, as a picture wants it.

    Args:
        country: the country.
        figure: its probability.

    Returns:
        A row for the map.
    """
    return {
        "name": country.name,
        "iso_numeric": country.iso_numeric,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "latitude": country.latitude,
        "longitude": country.longitude,
        "used_in_training": country.used_in_training,
    }
