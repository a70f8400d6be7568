"""The page as somebody sees it: in a real browser, without a network."""

import re
import shutil
from contextlib import contextmanager

import pytest
from page_fixtures import audit, figure, report

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("needs chromium: apt-get install chromium", allow_module_level=True)

from valence.audit.page.render import audit_page  # noqa: E402  after the skips: they save its imports
from valence.reports.audit import AuditReport  # noqa: E402
from valence.reports.codec import decode_report  # noqa: E402

pytestmark = pytest.mark.slow  # it starts a browser

DRAWN = "html[data-drawn=yes]"
# A pixel inside a shape's mainland: the middle of its box may be at sea.
INSIDE = """(shape) => {
  const box = shape.getBoundingClientRect();
  for (let row = 1; row < 40; row++) for (let column = 1; column < 40; column++) {
    const x = box.x + box.width * column / 40, y = box.y + box.height * row / 40;
    if (document.elementFromPoint(x, y) === shape) return [x, y];
  }
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        # The sandbox needs rights that a container may lack; the page is our own.
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "audit.html"
    path.write_text(audit_page(report()), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser):
    """Opens a page without a network; in the end nothing may have been asked for or complained of."""

    @contextmanager
    def open_page(path, **context):
        messages = []
        context = browser.new_context(offline=True, **context)
        try:
            page = context.new_page()
            page.on("console", lambda message: messages.append(f"console: {message.text}"))
            page.on("pageerror", lambda error: messages.append(f"error: {error}"))
            page.on("request", lambda request: messages.append(f"request: {request.url}"))
            page.on("dialog", lambda dialog: messages.append(f"dialog: {dialog.message}"))
            page.goto(path.as_uri())
            page.wait_for_selector(DRAWN, timeout=120_000)
            yield page
            assert messages == [f"request: {path.as_uri()}"]
        finally:
            context.close()

    return open_page


def tooltip(page):
    page.wait_for_selector("#vg-tooltip-element.visible", timeout=10_000)
    return " ".join(page.inner_text("#vg-tooltip-element").split())


def test_hovering_france_tells_its_probability(opened, page_file):
    with opened(page_file, viewport={"width": 1200, "height": 900}) as page:
        card = page.locator("figure", has_text="This film was filmed in {country}.").first
        france = card.locator("path[aria-label^='France: ']")
        france.scroll_into_view_if_needed()
        page.mouse.move(*france.evaluate(INSIDE))
        text = tooltip(page)
    for part in ("country France", "P(positive) 0.890", "95 % interval –", "in training sets of --debias no"):
        assert part in text


def test_a_state_without_a_shape_can_be_hovered_too(opened, page_file):
    with opened(page_file, viewport={"width": 1200, "height": 900}) as page:
        page.locator(".chart path[aria-label^='Tuvalu: ']").first.hover()
        text = tooltip(page)
    assert "country Tuvalu" in text
    assert re.search(r"95 % interval 0\.\d{3} to 0\.\d{3}", text)


def test_every_probe_has_its_pictures(opened, page_file):
    with opened(page_file) as page:
        charts = page.locator(".chart")
        assert charts.count() == page.locator(".chart svg").count() == 5
        assert page.locator(".failed").count() == 0
        assert page.locator("section[aria-labelledby=probe-countries] .chart svg").count() == 3


def test_the_map_can_be_enlarged_to_a_region(opened, page_file):
    with opened(page_file) as page:

        def apart():
            circles = (f"path[aria-roledescription=circle][aria-label^='{name}: ']" for name in ("Jamaica", "Grenada"))
            first, second = (page.locator(circle).first.bounding_box() for circle in circles)
            return second["x"] - first["x"]

        before = apart()
        page.locator(".chart select").first.select_option(label="Caribbean")
        page.wait_for_timeout(300)
        assert apart() > 7 * before


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_phone_needs_no_scrolling_sideways(opened, page_file, width):
    with opened(page_file, viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for chart in page.locator(".chart svg").all():
            box = chart.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width + 1


def test_charts_follow_the_width_of_the_window(opened, page_file):
    with opened(page_file, viewport={"width": 1200, "height": 800}) as page:
        svg = page.locator(".chart svg").first
        before = svg.bounding_box()["width"]
        page.set_viewport_size({"width": 500, "height": 800})
        page.wait_for_timeout(3000)
        assert svg.bounding_box()["width"] < 500 < before
        assert page.locator(".chart svg").count() == 5


def test_charts_take_the_colours_of_light_and_dark(opened, page_file):
    seen = {}
    for scheme in ("light", "dark"):
        with opened(page_file, color_scheme=scheme) as page:
            ink = page.locator(".chart svg text").first.evaluate("(text) => getComputedStyle(text).fill")
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            seen[scheme] = [int(re.search(r"\d+", colour)[0]) for colour in (ink, ground)]
    assert seen["light"][0] < 100 < 200 < seen["light"][1]
    assert seen["dark"][1] < 100 < 200 < seen["dark"][0]


def test_printing_opens_every_table(opened, page_file):
    with opened(page_file) as page:
        assert page.locator("details:not([open])").count() == 2
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator("details:not([open])").count() == 2


@pytest.mark.slow
def test_two_models_are_side_by_side_and_on_a_phone_one_below_the_other(opened, tmp_path):
    path = tmp_path / "two.html"
    path.write_text(audit_page(report(against=True)), encoding="utf-8")
    places = {}
    for width in (1200, 390):
        with opened(path, viewport={"width": width, "height": 900}) as page:
            first, second = (page.locator(".pair").first.locator("svg").nth(number).bounding_box() for number in (0, 1))
            places[width] = first, second
    assert places[1200][1]["x"] > places[1200][0]["x"] + 400
    assert abs(places[1200][1]["y"] - places[1200][0]["y"]) < 2
    assert places[390][1]["y"] > places[390][0]["y"] + 100


def test_hostile_names_do_nothing(opened, tmp_path):
    evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>{{7*7}}${alert(3)}"
    content = audit()
    content["model"]["name"] = evil
    probe = content["probes"][0]
    probe["title"] = evil
    probe["details"] = {
        "maps": {evil: [{"name": evil, "iso_numeric": "250", "value": 0.5}]},
        "templates": {evil: {evil: 0.5}},
        "differences": {evil: {evil: figure(0.1)}},
    }
    path = tmp_path / "hostile.html"
    path.write_text(audit_page(decode_report(content, AuditReport, "audit.json")), encoding="utf-8")
    with opened(path, viewport={"width": 1200, "height": 900}) as page:
        shape = page.locator(".chart path[aria-roledescription=geoshape]:not([aria-hidden])").first
        shape.scroll_into_view_if_needed()
        page.mouse.move(*shape.evaluate(INSIDE))
        assert f"country {evil}" in tooltip(page)
        assert page.locator("img").count() == 0
        assert evil in page.inner_text("h1")


@pytest.mark.slow
def test_the_policy_stops_what_is_smuggled_in(browser, tmp_path):
    path = tmp_path / "smuggled.html"
    smuggled = "<script>window.smuggled = 1</script><img src='https://example.org/x.png'>"
    path.write_text(audit_page(report()) + smuggled, encoding="utf-8")
    refused, reached = [], []
    with browser.new_context() as context:
        context.route("https://**", lambda route: (reached.append(route.request.url), route.abort()))
        page = context.new_page()
        page.on("console", lambda message: refused.append(message.text))
        page.goto(path.as_uri())
        page.wait_for_selector(DRAWN, timeout=120_000)
        assert page.evaluate("window.smuggled") is None
    assert sum("Content Security Policy" in text for text in refused) == 2, refused
    assert not reached
