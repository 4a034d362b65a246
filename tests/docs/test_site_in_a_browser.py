"""The site in a real Chromium: readable by everybody, searchable, and at work without a kernel."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from beyond.cost import formula as cost
from beyond.cost.explorer import compare

pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

LESSON = "lessons/04-the-cost-formula.html"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def opened(browser, site):
    """Open a page in a color scheme and width; nothing may be asked of another server."""
    contexts, elsewhere = [], []

    def open_page(path, scheme="light", width=1280):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US"
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.broken = []
        page.on("pageerror", lambda error: page.broken.append(str(error)))
        page.on("response", lambda got: got.ok or page.broken.append(f"{got.status} {got.url}"))
        page.on(
            "request",
            lambda one: one.url.startswith((site.url, "data:")) or elsewhere.append(one.url),
        )
        page.goto(site.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert elsewhere == []


def assert_accessible(page):
    found = axe.Axe().run(page).response
    said = [
        (one["id"], len(one["nodes"]), one["nodes"][0]["html"][:200]) for one in found["violations"]
    ]
    assert said == []
    assert any(one["id"] == "color-contrast" for one in found["passes"])


@pytest.mark.parametrize(
    ("path", "scheme", "width"),
    [
        ("en/index.html", "light", 1280),
        ("ko/index.html", "dark", 390),
        ("en/" + LESSON, "light", 390),
        ("ko/" + LESSON, "dark", 1280),
        ("en/lessons/00-start-here.html", "dark", 390),
        ("ko/lessons/00-start-here.html", "light", 1280),
        ("en/lessons/appendix-mixture-of-experts.html", "light", 1280),
        ("ko/lessons/appendix-mixture-of-experts.html", "dark", 390),
        ("ko/guides/elsewhere.html", "dark", 390),
        ("en/guides/engineers.html", "light", 390),
        ("en/guides/what-counts.html", "dark", 1280),
        ("en/api/student.html", "dark", 390),
        ("index.html?choose", "dark", 390),
    ],
)
def test_everybody_can_read_it(opened, path, scheme, width):
    page = opened(path, scheme, width)
    assert page.evaluate(OVERFLOW) == 0
    assert page.broken == []  # before axe asks for what style sheets import, from the wrong folder
    assert_accessible(page)


@pytest.mark.parametrize(
    ("language", "query", "title"),
    [
        ("en", "tornado", "The cost formula"),
        ("ko", "손익분기", "비용 공식"),  # part of 손익분기점을
        ("ko", "값", "비용 공식"),  # one syllable
    ],
)
def test_search_finds_a_word(opened, language, query, title):
    page = opened(f"{language}/search.html?q={query}")
    found = page.locator("#search-results li a", has_text=title)
    found.first.wait_for()
    assert found.first.is_visible()


def test_search_finds_nothing_for_a_word_that_is_nowhere(opened):
    page = opened("ko/search.html?q=두루미")
    page.locator("#search-results .search-summary", has_text=re.compile(r"\S")).first.wait_for()
    assert page.locator("#search-results li").count() == 0


def test_the_language_is_switched_and_remembered(opened, site):
    page = opened("en/" + LESSON)
    page.locator(".language-switch").click()
    page.wait_for_url(f"{site.url}ko/{LESSON}")
    page.goto(site.url)
    page.wait_for_url(f"{site.url}ko/index.html")
    assert page.locator("html").get_attribute("lang") == "ko"


def test_a_self_check_shows_its_answers_without_a_kernel(opened):
    page = opened("ko/" + LESSON)
    fold = page.locator("summary", has_text="답 보기").first
    fold.focus()
    page.keyboard.press("Enter")
    assert fold.locator("xpath=..").get_attribute("open") is not None


def test_the_cost_explorer_computes_as_the_lesson_does(opened):
    page = opened("en/" + LESSON)
    box = page.locator(".cost-explorer")

    def shown():
        return [
            [cell.strip() for cell in row.locator("th, td").all_inner_texts()]
            for row in box.locator("tbody tr").all()
        ]

    names = box.evaluate(
        "one => JSON.parse(one.querySelector('script').text).controls.map(({name}) => name)"
    )
    controls = dict(zip(names, box.locator("input, select").all(), strict=True))
    labels = box.locator("legend").all_inner_texts()
    prices = controls["price_before"].locator("option").all_text_contents()
    assert len(prices) >= 5
    before = shown()
    for name, control in controls.items():
        if "price" not in name:
            control.focus()
            page.keyboard.press("PageUp")
    controls["price_before"].select_option(index=2)
    assert shown() != before
    told = {
        name: control.evaluate("one => one.ariaValueText ?? one.value")
        for name, control in controls.items()
    }
    numbers = {name: float(value.replace(",", "")) for name, value in told.items()}

    def price(which):
        given, sent = re.search(
            r": ([\d.]+) in, ([\d.]+) out", prices[int(numbers[which])]
        ).groups()
        return cost.Price(float(given), float(sent))

    calls = 10 ** float(controls["calls"].input_value())
    table = compare(
        cost.Option(
            price("price_before"),
            numbers["input_before"],
            numbers["output_before"],
            label=labels[0],
        ),
        cost.Option(
            price("price_after"),
            numbers["input_after"],
            numbers["output_after"],
            hosting=numbers["hosting_after"],
            training=numbers["training_after"],
            trainings_per_year=numbers["trainings_after"],
            label=labels[1],
            reserve=box.evaluate("one => JSON.parse(one.querySelector('script').text).reserve"),
        ),
        calls,
    )
    assert shown() == [list(row) for row in table.rows]
    assert "They cross at" in box.locator("svg").get_attribute("aria-label")


def test_the_korean_explorer_speaks_korean(opened):
    page = opened("ko/" + LESSON)
    drawn = page.locator(".cost-explorer svg")
    assert re.search("[가-힣]", drawn.get_attribute("aria-label"))
    assert "calls" not in unquote(page.locator(".cost-explorer").inner_text())
