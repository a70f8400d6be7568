"""The charts: every country in its place, one scale, readable without colours."""

import html
import re
import struct
from itertools import pairwise

import pytest
from page_fixtures import read_countries

from valence.audit.page import charts
from valence.audit.page.charts import MapValue
from valence.audit.world.shapes import largest_parts
from valence.errors import InputError
from valence.reports.estimate import Estimate

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def everywhere(value=0.5):
    known = ("name", "iso_numeric", "latitude", "longitude", "used_in_training")
    return [MapValue(value=value, **{name: row[name] for name in known}) for row in read_countries()]


def labels(svg):
    """What a screen reader says of each mark."""
    return re.findall(r'aria-label="([^"]*)"', svg)


def drawn_as(kind, svg):
    """The countries that are shapes, or circles."""
    found = re.findall(rf'aria-label="([^"]*): [^"]*" role="graphics-symbol" aria-roledescription="{kind}"', svg)
    return {html.unescape(name) for name in found}


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.fixture(scope="module")
def map_svg():
    france = [value for value in everywhere() if value.name == "France"]
    others = [value for value in everywhere() if value.name not in ("France", "Brazil")]
    value = MapValue("France", "250", 0.89, 0.85, 0.93, france[0].latitude, france[0].longitude, False)
    return charts.as_svg(charts.world_map([value, *others], "Where films are filmed", charts.SHAPES_SOURCE))


@pytest.mark.slow
def test_a_map_says_country_probability_and_interval(map_svg):
    assert "France: 0.890, 95 % interval 0.850 to 0.930" in labels(map_svg)
    assert "China: 0.500" in labels(map_svg)


def test_every_country_is_on_the_map_and_only_what_was_asked(map_svg):
    named = {found[1] for label in labels(map_svg) if (found := re.fullmatch(r"(.*): \d\.\d{3}(, .*)?", label))}
    assert named == {row["name"] for row in read_countries()} - {"Brazil"}


def test_a_map_has_its_title_its_source_and_a_legend_from_0_to_1(map_svg):
    assert {"Where films are filmed", charts.SHAPES_SOURCE, "P(positive)", "0.00", "1.00"} <= set(texts(map_svg))


@pytest.mark.slow
def test_a_map_is_drawn_alike_each_time():
    france = MapValue("France", "250", 0.89)
    assert charts.as_svg(charts.world_map([france])) == charts.as_svg(charts.world_map([france]))


def test_countries_without_a_shape_or_too_small_to_see_are_circles(map_svg):
    names = drawn_as("circle", map_svg)
    assert {"Tuvalu", "French Guiana", "Vatican City", "Malta", "Singapore", "Grenada", "Luxembourg"} <= names
    assert not {"France", "Afghanistan", "Belgium", "Denmark", "Chile"} & names


def test_all_others_are_shapes_those_whose_codes_begin_with_zeros_too(map_svg):
    absent = {row["name"] for row in read_countries()} - drawn_as("geoshape", map_svg)
    assert absent == {"Tuvalu", "French Guiana", "Brazil"}


@pytest.mark.parametrize("code", ["4", "04", "0004", "AFG", "٠٠٤", ""])
def test_a_code_that_would_match_no_shape_is_an_error(code):
    with pytest.raises(InputError, match=r"Afghanistan: .*expected text of three digits"):
        charts.world_map([MapValue("Afghanistan", code, 0.08)])


@pytest.mark.slow
def test_a_place_without_a_code_is_a_circle_and_one_without_a_place_is_left_out():
    svg = charts.as_svg(charts.world_map([MapValue("Kosovo", None, 0.5, latitude=42.6, longitude=20.9)]))
    assert labels(svg).count("Kosovo: 0.500") == 1
    svg = charts.as_svg(charts.world_map([MapValue("Atlantis", None, 0.5)]))
    assert not any("Atlantis" in label for label in labels(svg))


@pytest.mark.slow
def test_colours_keep_their_order_in_greyscale_and_their_meaning_from_map_to_map():
    def fills(values):
        svg = charts.as_svg(charts.world_map([MapValue(name, code, value) for name, code, value in values]))
        return {
            found[1]: tuple(int(number) for number in re.findall(r"\d+", found[2]))
            for found in re.finditer(r'aria-label="(\w+): [^>]*? fill="rgb\(([^)]*)\)"', svg)
        }

    countries = [("France", "250"), ("Brazil", "076"), ("China", "156"), ("Kenya", "404"), ("Canada", "124")]
    colours = fills([(*one, value) for one, value in zip(countries, (0, 0.25, 0.5, 0.75, 1), strict=True)])
    luminance = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (colours[name] for name, _ in countries)]
    assert all(after - before > 20 for before, after in pairwise(luminance))
    assert fills([("China", "156", 0.5)])["China"] == colours["China"]


@pytest.mark.slow
def test_a_pair_of_maps_has_both_on_one_scale():
    specification = charts.world_map_pair(everywhere(0.2), everywhere(0.6), ("base", "even"), "Title", "Source")
    svg = charts.as_svg(specification)
    assert {"base", "even", "Title", "Source"} <= set(texts(svg))
    assert [label for label in labels(svg) if "France" in label] == ["France: 0.200", "France: 0.600"]
    assert texts(svg).count("P(positive)") == 1


def test_a_png_has_the_size_that_was_asked_for():
    png = charts.as_png(charts.difference_plot({"nurse": Estimate(0.03)}), scale=3)
    assert png.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 720 * 3 <= width <= 800 * 3
    assert height < width / 4


def test_the_areas_of_shapes_are_those_of_the_world():
    # km², of the mainland or main island
    for code, area in {"352": 101_000, "442": 2_586, "643": 16_500_000, "036": 7_600_000, "336": 0.5}.items():
        assert largest_parts()[code] == pytest.approx(area, rel=0.05, abs=1)
    assert "010" not in largest_parts()


def test_each_template_is_a_row_in_the_order_given():
    templates = {
        "This film was filmed in {country}.": {"France": 0.89, "Afghanistan": 0.08},
        "A {country}": {"France": 0.5},
    }
    svg = charts.as_svg(charts.template_spread(templates, "Spread"))
    assert [text for text in texts(svg) if "{" in text] == list(templates)
    assert "mean: 0.485" in " ".join(labels(svg))


def test_a_template_without_fillers_has_an_empty_row():
    assert "A {country}" in texts(charts.as_svg(charts.template_spread({"A {country}": {}, "B": {"x": 0.1}})))


@pytest.mark.slow
def test_differences_that_leave_zero_out_are_filled():
    differences = {"nurse": Estimate(0.03, 0.01, 0.05), "clerk": Estimate(0.03, -0.01, 0.07), "cook": Estimate(0.02)}

    def filled(specification):
        drawn = re.findall(r'aria-label="(\w+): [^"]*"[^>]*fill-opacity="([01])"', charts.as_svg(specification))
        return {name for name, opacity in drawn if opacity == "1"}

    assert filled(charts.difference_plot(differences)) == {"nurse"}
    assert filled(charts.difference_plot(differences, apart={"cook"})) == {"cook"}
    svg = charts.as_svg(charts.difference_plot(differences))
    assert {"nurse: +0.0300, 95 % interval 0.010 to 0.050", "cook: +0.0200"} <= set(labels(svg))


@pytest.mark.slow
def test_a_constant_classifier_still_gives_a_chart():
    nothing = {name: Estimate(0.0, 0.0, 0.0) for name in "abc"}
    low, high = charts.difference_domain(nothing, {})
    assert low < 0 < high
    assert {"a", "b", "c"} <= set(texts(charts.as_svg(charts.difference_plot(nothing))))
    assert "A 0" in " ".join(
        texts(charts.as_svg(charts.figure_bars({"x": (Estimate(0.0), None)}, ("m", "n"))))
    ).replace("  ", " ")


def test_charts_of_two_models_share_an_axis():
    wide, narrow = {"a": Estimate(0.5, 0.4, 0.6)}, {"a": Estimate(-0.01)}
    low, high = charts.difference_domain(wide, narrow)
    assert low < -0.01
    assert high > 0.6


def test_figures_of_two_models_stand_side_by_side():
    figures = {
        "standard deviation": (Estimate(0.2, 0.1, 0.3), Estimate(0.02)),
        "mean difference": (Estimate(-0.1, -0.2, 0.0), Estimate(0.05)),
        "only in one": (None, Estimate(3.0)),
    }
    written = [text.replace("  ", " ") for text in texts(charts.as_svg(charts.figure_bars(figures, ("base", "even"))))]
    assert [text for text in written if text in figures] == list(figures)
    assert {"A 0.200", "B 0.0200", "A −0.100", "B 0.0500", "B 3.000"} <= set(written)


@pytest.mark.slow
def test_the_script_for_pages_draws_without_asking_anybody():
    code = charts.javascript()
    assert "vegaEmbed" in code
    assert "</script" not in code.lower()
    assert set(charts.renderer_versions()) == {"Vega", "Vega-Lite", "Vega-Embed"}
