"""The page: whole, self-contained, and harmless whatever a model or a user calls things."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import pytest
from page_fixtures import audit, figure, report

from valence.audit.page.pictures import map_files, pictures
from valence.audit.page.render import audit_page, shown
from valence.errors import ModelError
from valence.reports.audit import AuditReport
from valence.reports.codec import decode_report

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Reader(HTMLParser):
    """Reads a page strictly: every element that is opened is closed, in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.words, self.scripts, self.styles = [], [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        within = self.open[-1] if self.open else None
        if within == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif within == "style":
            self.styles.append(data)
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("\n".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def one():
    return Reader(audit_page(report()))


@pytest.fixture(scope="module")
def two():
    return Reader(audit_page(report(against=True)))


def read(content):
    return decode_report(content, AuditReport, "audit.json")


def small(**changes):
    """The content of an audit with one probe that has nothing but what every probe has."""
    probe = {
        "name": "kept",
        "title": "Labels kept",
        "asks": "What?",
        "figures": {"kept": figure(0.99)},
        "tables": [],
        "details": {},
        "cannot_show": "Much.",
        "source": "Us.",
        "n_texts": 3,
    }
    content = {"model": {"name": "m"}, "date": "2026-11-24", "versions": {"valence": "0.6.0"}}
    return content | {"probes": [probe | changes]}


@pytest.mark.slow
def test_every_probe_says_what_it_asks_found_and_cannot_show(one):
    for probe in audit()["probes"]:
        for part in ("title", "asks", "cannot_show", "source"):
            assert " ".join(probe[part].split()) in one.text
        for name in probe["figures"]:
            assert name.replace("_", " ") in one.text
        assert f"Texts scored: {probe['n_texts']:,}." in one.text


def test_figures_come_with_their_intervals(one):
    assert "standard deviation 0.204 0.174 to 0.234" in one.text
    assert "largest absolute difference 0.610 –" in one.text
    assert "t test p value 3.1e−07" in one.text


def test_the_model_the_date_the_versions_and_what_was_left_out_are_named(one):
    assert "Audit of default" in one.text
    for part in ("22,713,986", "NEGATIVE, POSITIVE", "Measured 2026-11-24.", "valence 0.6.0", "Vega-Lite"):
        assert part in one.text
    assert "stereoset it needs a masked LM: name one with --masked-lm" in one.text


def test_the_contents_lead_to_every_probe(one):
    ids = {attributes["id"] for _, attributes in one.elements if "id" in attributes}
    links = [attributes["href"] for attributes in one.all("a")]
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    assert {"#probe-countries", "#probe-winobias", "#probe-names"} <= set(links)


def test_screen_readers_find_headings_and_headed_tables(one):
    levels = [int(tag[1]) for tag, _ in one.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(one.all("caption")) == len(one.all("table")) > 6
    assert all(attributes.get("scope") in ("col", "row") for attributes in one.all("th"))
    assert one.all("html")[0]["lang"] == "en"
    identities = [attributes["id"] for _, attributes in one.elements if "id" in attributes]
    assert len(identities) == len(set(identities))


def test_the_most_extreme_examples_are_open_and_long_tables_closed(one):
    assert one.text.index("Most extreme") < one.text.index("Templates (10)")
    assert ["open" in attributes for attributes in one.all("details")] == [True, False, False]


def test_nothing_is_fetched_and_nothing_runs_but_the_pages_own_scripts(one):
    for tag, attributes in one.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert not {"src", "srcset", "style", "onload", "onerror", "onclick"} & set(attributes)
    policy = next(
        attributes["content"]
        for attributes in one.all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    run = [code for attributes, code in one.scripts if attributes.get("type") != "application/json"]
    assert len(run) == 2
    for part in run + one.styles:
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


@pytest.mark.slow
def test_the_shapes_are_in_the_page_once(two):
    data = [attributes["id"] for attributes, _ in two.scripts if attributes.get("type") == "application/json"]
    charts = [attributes["data-chart"] for _, attributes in two.elements if "data-chart" in attributes]
    assert sorted(data) == sorted(["shapes", *charts])
    assert len([attributes for _, attributes in two.elements if "data-ratio" in attributes]) == 4
    for attributes, text in two.scripts:
        if attributes.get("type") == "application/json":
            assert json.loads(text)


@pytest.mark.slow
def test_a_page_without_a_map_goes_without_the_shapes():
    assert len(audit_page(read(small()))) < 1_000_000 < len(audit_page(report()))


def test_two_models_stand_side_by_side(two):
    assert "Audit of default and runs/debiased" in two.text
    assert "standard deviation 0.204 0.174 to 0.234 0.0204 0.0174 to 0.0234 −0.184" in two.text
    assert "A: default" in two.text
    assert "B: runs/debiased" in two.text
    assert two.text.count("Both models") == 3


@pytest.mark.slow
def test_a_probe_that_only_one_model_can_take_is_shown_for_that_one():
    content = audit(against=True)
    content["against"]["probes"] = [*content["against"]["probes"][1:], *small(name="only-b")["probes"]]
    page = Reader(audit_page(read(content)))
    assert "standard deviation 0.204 0.174 to 0.234 – – –" in page.text
    assert "kept – – 0.990 – –" in page.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "evil", ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "\"'><b>", "<!--<script>", "\ud800"]
)
def test_hostile_names_are_text(evil):
    places = [{"name": evil, "iso_numeric": "250", "value": 0.5}]
    content = small(
        name=evil,
        title=evil,
        asks=evil,
        figures={evil: figure(0.1)},
        tables=[{"title": evil, "columns": [evil, "b"], "rows": [[evil, 0.5]]}],
        details={
            "maps": {evil: places},
            "templates": {evil: {evil: 0.5}},
            "differences": {evil: {evil: figure(0.5)}},
            "by_occupation": [{"group": evil, "mean_difference": 0.1, "holm_p_value": 0.5}],
        },
        cannot_show=evil,
        source=evil,
    )
    content["model"] = {"name": evil} | ({} if evil == "\ud800" else {evil: evil})  # a key of no field
    content["skipped"] = {evil: evil}
    content["against"] = {"model": {"name": evil}, "probes": content["probes"]}
    made = structs_of(content) if evil == "\ud800" else read(content)
    page = audit_page(made)
    page.encode("utf-8")
    found = Reader(page)
    assert len([one for one, _ in found.scripts if one.get("type") != "application/json"]) == 2
    assert not {"b", "img"} & {tag for tag, _ in found.elements}
    if evil != "\ud800":
        assert found.text.count(" ".join(evil.split())) > 10


def structs_of(content):
    """A report that was made here, not read: no file can hold halves of surrogate pairs, names of folders can."""
    return msgspec.convert(AuditReport.nested(content), AuditReport)


@pytest.mark.parametrize(
    "details",
    [
        {"maps": {"a": [{"name": "France"}]}},
        {"maps": [1]},
        {"templates": {"a": 1}},
        {"templates": "x"},
        {"differences": {"a": {"b": {"value": "high"}}}},
        {"by_occupation": [{"group": "nurse"}]},
    ],
)
def test_details_that_cannot_be_drawn_are_named(details):
    with pytest.raises(ModelError, match=r"the details of a probe cannot be drawn: .*; audit the model again"):
        audit_page(read(small(details=details)))


def test_what_is_not_defined_for_a_model_is_shown_as_such():
    page = Reader(audit_page(read(small(figures={"kept": figure(0.99), "share": figure(None)}))))
    assert "share – –" in page.text


def test_the_headline_of_a_probe_is_at_a_glance():
    figures = {"kept": figure(0.99), "kept_worst": figure(0.5)}
    for headline, shown_first in (
        ([], {"kept", "kept worst"}),
        (["kept_worst"], {"kept worst"}),
        (["gone"], {"kept", "kept worst"}),
    ):
        page = audit_page(read(small(figures=figures, headline=headline)))
        glance = Reader(page).text.split("At a glance")[1].split("What?")[0]
        assert {name for name in ("kept worst", "kept") if f"Labels kept {name} 0" in glance} == shown_first


def test_a_long_table_is_cut_and_says_so():
    rows = [[f"word {number}", number / 5000] for number in range(5000)]
    page = Reader(audit_page(read(small(tables=[{"title": "Words", "columns": ["word", "P"], "rows": rows}]))))
    assert "Words (5,000, of which 2,000 here and all in audit.json)" in page.text
    assert len(page.all("tr")) < 2100


@pytest.mark.slow
def test_crowded_charts_keep_their_ends_and_say_that_they_are_thinned():
    words = {f"word {number}": number / 5000 for number in range(5001)}
    groups = {word: figure(value) for word, value in words.items()}
    (spread, _), (differences, _) = pictures({"templates": {"{word}": words}, "differences": {"All": groups}})
    assert "1,000 fillers are drawn" in spread.note
    assert "100 of 5,001 groups are drawn" in differences.note
    for picture, most in ((spread, 1000), (differences, 100)):
        drawn = max(picture.specification["datasets"].values(), key=len)
        names = {row.get("filler") or row.get("group") for row in drawn}
        assert len(names) == most
        assert {"word 0", "word 5000"} <= names


@pytest.mark.slow
def test_maps_are_also_files_and_two_models_share_one():
    details = audit()["probes"][0]["details"]
    title, places = next(iter(details["maps"].items()))
    files = map_files({"maps": {title: places, "b": places[:3]}}, {"maps": {title: places}}, ("base", "even"))
    assert list(files) == ["map.png", "map.svg", "map-2.png", "map-2.svg"]
    assert files["map.png"].startswith(b"\x89PNG")
    assert b">base<" in files["map.svg"]
    assert b">even<" in files["map.svg"]
    assert b">even<" not in files["map-2.svg"]
    assert map_files({}) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("nan"), "–"), (True, "yes"), (1584, "1,584"), (-3, "−3"), (0.0, "0"), (0.0104, "0.0104"),
        (-0.25, "−0.250"), (3.14e-7, "3.1e−07"), (60.477, "60.48"), (20.0, "20"), (0.00021, "0.0002"),
        (22713986.0, "22,713,986"), ("well-known", "well-known"), (float("-inf"), "−infinite"), ([1, "a"], "1, a"),
    ],
)  # fmt: skip
def test_values_are_written_for_people(value, text):
    assert shown(value) == text
