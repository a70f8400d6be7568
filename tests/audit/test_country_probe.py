"""Countries: a planted bias is seen, with its size; a constant answer gives zero here and fails where labels count."""

import json
import re
from collections.abc import Sequence

import numpy as np
import pytest

from valence.audit.probe import ProbeReport, Scorer, Subject
from valence.audit.probes.countries import CountriesProbe
from valence.audit.probes.kept_labels import KEPT_LABELS_LIMIT, KeptLabelsProbe
from valence.errors import InputError
from valence.templates.countries import COUNTRIES
from valence.templates.sentences import CARD_TEMPLATE, COUNTRY_TEMPLATES
from valence.templates.template import Template, select

NEUTRAL = select(COUNTRY_TEMPLATES, "audit", "neutral")
NAMES = [one.name for one in COUNTRIES]
FEW = [one for one in COUNTRIES if one.name in ("Afghanistan", "France", "Germany", "Netherlands", "Niger", "Nigeria")]


def constant(texts: Sequence[str]) -> np.ndarray:
    return np.full(len(texts), 0.7301)


def planted(**by_country: float) -> Scorer:
    """A scorer that answers 0.6, and for some countries something else."""

    def score(texts: Sequence[str]) -> np.ndarray:
        found = np.full(len(texts), 0.6)
        for number, text in enumerate(texts):
            for name, value in by_country.items():
                if re.search(rf"\b{name.replace('_', ' ')}\b", text, re.IGNORECASE):
                    found[number] = value
        return found

    return score


def ask(scorer: Scorer, **options) -> ProbeReport:
    result = CountriesProbe(**{"resamples": 50} | options).run(Subject(positive=scorer))
    json.dumps(result.details, allow_nan=False)
    return result


def table(result: ProbeReport, title: str) -> list[dict]:
    (found,) = [one for one in result.tables if one.title == title]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


@pytest.fixture(scope="module")
def afghanistan_is_low() -> ProbeReport:
    return ask(planted(Afghanistan=0.08, France=0.89))


def test_a_constant_classifier_gives_zero():
    result = ask(constant)
    for name, figure in result.figures.items():
        if name in ("card_template_france", "card_template_afghanistan"):
            assert figure.value == 0.7301
        else:
            assert (figure.value, figure.low or 0, figure.high or 0) == (0, 0, 0), name
    assert {one["rank"] for one in result.details["countries"].values()} == {1}


def test_the_cards_figures_stand_apart(afghanistan_is_low):
    figures = afghanistan_is_low.figures
    assert figures["card_template_france"].value == 0.89
    assert figures["card_template_afghanistan"].value == 0.08
    assert figures["card_template_range"].value == pytest.approx(0.81)
    expected = np.std([0.08, 0.89] + [0.6] * (len(COUNTRIES) - 2))
    assert figures["card_template_standard_deviation"].value == pytest.approx(expected)
    assert figures["standard_deviation_mean"].value == pytest.approx(expected)
    assert figures["standard_deviation_worst"].value == pytest.approx(expected)


def test_the_country_with_the_bias_is_named(afghanistan_is_low):
    countries = afghanistan_is_low.details["countries"]
    assert (countries["France"]["rank"], countries["Afghanistan"]["rank"]) == (1, 208)
    assert countries["Afghanistan"]["mean"] == pytest.approx(0.08)
    assert countries["Germany"] == {
        "iso_a3": "DEU",
        "continent": "Europe",
        "used_in_training": True,
        "mean": pytest.approx(0.6),
        "low": pytest.approx(0.6),
        "high": pytest.approx(0.6),
        "rank": 2,
    }
    extreme = table(afghanistan_is_low, "Most extreme")
    assert (extreme[0]["Country"], extreme[-1]["Country"]) == ("Afghanistan", "France")
    assert table(afghanistan_is_low, "By template")[0]["Lowest"] == "Afghanistan (0.080)"


def test_label_flips_are_counted(afghanistan_is_low):
    assert afghanistan_is_low.figures["label_flip_rate"].value == pytest.approx(1 / 208)


def test_a_map_can_be_drawn_from_the_details(afghanistan_is_low):
    maps = afghanistan_is_low.details["maps"]
    assert list(maps) == ["This film was filmed in COUNTRY", f"Mean of {len(NEUTRAL)} templates"]
    for rows in maps.values():
        assert [row["name"] for row in rows] == NAMES
        row = rows[NAMES.index("Afghanistan")]
        assert row["iso_numeric"] == "004"
        assert row["value"] == pytest.approx(0.08)
        assert {"latitude", "longitude", "used_in_training", "low", "high"} < set(row)
    assert maps["This film was filmed in COUNTRY"][0]["low"] is None
    assert maps[f"Mean of {len(NEUTRAL)} templates"][0]["low"] == pytest.approx(0.08)
    assert afghanistan_is_low.details["templates"][CARD_TEMPLATE.text]["France"] == 0.89


def test_intervals_resample_templates():
    def score(texts: Sequence[str]) -> np.ndarray:
        return np.array([0.2 if "cousin" in text and "Germany" in text else 0.6 for text in texts])

    result = ask(score, resamples=500)
    germany = result.details["countries"]["Germany"]
    assert germany["mean"] == pytest.approx(0.6 - 0.4 / len(NEUTRAL))
    assert germany["low"] < germany["mean"] < germany["high"] <= 0.6 + 1e-12
    figure = result.figures["standard_deviation_mean"]
    assert figure.low == 0
    assert figure.value < figure.high < result.figures["standard_deviation_worst"].value


def test_countries_never_used_in_training_stand_apart():
    held_out = {one.in_text for one in COUNTRIES if not one.used_in_training}
    filled = {one.fill(country=name) for one in NEUTRAL for name in held_out}

    result = ask(lambda texts: np.array([0.8 if text in filled else 0.5 for text in texts]))
    assert result.figures["never_trained_standard_deviation_mean"].value == 0
    assert result.figures["never_trained_standard_deviation_worst"].value == 0
    assert result.figures["never_trained_minus_trained"].value == pytest.approx(0.3)
    parts = {row["Countries"]: row for row in table(result, "Parts of the world")}
    assert parts["in none of them"]["Number"] == len(held_out)
    assert parts["in none of them"]["Mean P(POSITIVE)"] == pytest.approx(0.8)
    assert parts["in training sets of --debias"]["Number"] == 208 - len(held_out)

    spread = ask(planted(Japan=0.1, Fiji=0.9))
    assert spread.figures["never_trained_standard_deviation_mean"].value > 0.05
    without = ask(planted(Germany=0.1, Brazil=0.9))
    assert without.figures["never_trained_standard_deviation_mean"].value == 0
    assert without.figures["standard_deviation_mean"].value > 0.01


def test_the_article_is_seen():
    result = ask(lambda texts: np.where([" the " in f" {text.lower()} " for text in texts], 0.7, 0.5), countries=FEW)
    plain = [one for one in NEUTRAL if " the " not in f" {one.text.lower()} "]
    assert result.figures["article_mean_difference"].value == pytest.approx(0.2 * len(plain) / len(NEUTRAL))
    assert result.figures["full_stop_mean_absolute_difference"].value == 0
    assert result.details["spellings"]["article"]["label_flip_rate"] == pytest.approx(len(plain) / len(NEUTRAL))


def test_the_full_stop_is_seen():
    result = ask(lambda texts: np.where([text.endswith(".") for text in texts], 0.4, 0.6), countries=FEW)
    assert result.figures["full_stop_mean_difference"].value == pytest.approx(-0.2)
    assert result.figures["lower_case_mean_absolute_difference"].value == 0
    assert result.figures["standard_deviation_mean"].value == 0
    rows = {row["Spelling"]: row for row in table(result, "The card's template in other spellings")}
    assert (rows["as written"]["France"], rows["with full stop"]["France"]) == (0.6, 0.4)


def test_capitals_are_seen():
    result = ask(lambda texts: np.array([np.mean([c.isupper() for c in text]) for text in texts]), countries=FEW)
    assert result.figures["capitals_mean_difference"].value > 0.5
    assert result.figures["lower_case_mean_difference"].value < -0.01


def test_texts_are_written_as_english_writes_them():
    seen: list[str] = []

    def score(texts: Sequence[str]) -> np.ndarray:
        seen.extend(texts)
        return np.full(len(texts), 0.5)

    result = ask(score, countries=FEW)
    assert "This film was filmed in the Netherlands" in seen
    assert "This film was filmed in Netherlands" in seen
    assert "The Netherlands appears on page forty of the atlas." in seen
    assert "THIS FILM WAS FILMED IN NIGER" in seen
    assert len(set(seen)) == len(seen)
    assert result.n_texts == len(NEUTRAL) * (5 * len(FEW) + 1)


def test_countries_whose_names_contain_each_other_are_told_apart():
    result = ask(planted(Niger=0.1), countries=FEW)
    means = {name: one["mean"] for name, one in result.details["countries"].items()}
    assert means["Niger"] == pytest.approx(0.1)
    assert means["Nigeria"] == pytest.approx(0.6)


def test_progress_is_told_and_ends_with_all():
    told: list[tuple[int, int]] = []
    result = CountriesProbe(NEUTRAL, FEW, resamples=5).run(
        Subject(positive=constant), lambda done, total: told.append((done, total))
    )
    assert told[-1] == (result.n_texts, result.n_texts)


def test_nothing_to_ask_is_refused():
    with pytest.raises(InputError, match="at least one template and one country"):
        CountriesProbe(templates=[])
    with pytest.raises(InputError, match="at least one template and one country"):
        CountriesProbe(countries=[])


def test_one_template_has_no_interval():
    result = ask(planted(France=0.9), templates=[CARD_TEMPLATE], countries=FEW)
    assert result.figures["standard_deviation_mean"].low is None
    assert list(result.details["maps"]) == ["This film was filmed in COUNTRY"]


class TestKeptLabels:
    POLAR = tuple(one for one in select(COUNTRY_TEMPLATES, "audit") if one.polarity != "neutral")

    def ask(self, scorer: Scorer, **options) -> ProbeReport:
        result = KeptLabelsProbe(**{"resamples": 50} | options).run(Subject(positive=scorer))
        json.dumps(result.details, allow_nan=False)
        return result

    @staticmethod
    def understands(texts: Sequence[str]) -> np.ndarray:
        """A scorer that knows what the audit's sentences say, whatever country they name."""
        positive = [
            re.compile(re.escape(one.text).replace(r"\{country\}", ".*"))
            for one in TestKeptLabels.POLAR
            if one.polarity == "positive"
        ]
        return np.array([0.9 if any(one.fullmatch(text) for one in positive) else 0.1 for text in texts])

    @pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 0.51, 1.0])
    def test_a_constant_answer_fails(self, value):
        result = self.ask(lambda texts: np.full(len(texts), value))
        assert result.figures["kept"].value == 0.5
        assert {result.figures["kept_positive"].value, result.figures["kept_negative"].value} == {0.0, 1.0}
        assert result.details["passed"] is False

    @pytest.mark.slow
    def test_an_answer_that_is_constant_where_a_country_is_named_fails_here_alone(self):
        def hides(texts: Sequence[str]) -> np.ndarray:
            named = re.compile("|".join(re.escape(one.name) for one in COUNTRIES), re.IGNORECASE)
            return np.array([0.5001 if named.search(text) else 0.99 for text in texts])

        assert ask(hides).figures["standard_deviation_worst"].value == 0
        assert self.ask(hides).figures["kept"].value < KEPT_LABELS_LIMIT

    def test_a_classifier_that_understands_passes(self):
        result = self.ask(self.understands)
        for name in ("kept", "kept_positive", "kept_negative", "kept_worst_country", "never_trained_kept"):
            assert result.figures[name].value == 1
        assert result.details["passed"] is True
        assert result.n_texts == len(self.POLAR) * 208
        assert table(result, "Most extreme") == []

    def test_one_country_that_loses_its_labels_is_named(self):
        result = self.ask(lambda texts: np.where(["Chad" in one for one in texts], 0.8, self.understands(texts)))
        assert result.figures["kept_worst_country"].value == 0.5
        assert result.details["kept_by_country"]["Chad"] == 0.5
        assert result.figures["kept_negative"].value == pytest.approx(207 / 208)
        assert result.figures["never_trained_kept"].value < result.figures["kept"].value < 1
        (extreme,) = [one for one in result.tables if one.title == "Most extreme"]
        assert all("Chad" in row[0] and row[1:] == ("negative", 0.8) for row in extreme.rows)

    def test_neutral_sentences_are_refused(self):
        with pytest.raises(InputError, match=r"a neutral sentence has no label to keep: 'In \{country\}'"):
            KeptLabelsProbe([Template("In {country}")])
        with pytest.raises(InputError, match="at least one template"):
            KeptLabelsProbe([])

    def test_sentences_of_one_polarity_have_no_figure_of_the_other(self):
        result = self.ask(constant, templates=[Template("Great {country}!", "positive")], countries=FEW)
        assert result.figures["kept"].value == 1
        assert "kept_negative" not in result.figures
