"""Can everyone use the page: by keys, with a screen reader, with large fingers, on a small screen?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import Page

Tab = Callable[..., Page]
AXE = Path(__file__).parents[2] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
STATES = ["lab=optimizers", "lab=optimizers&landscape=hill", "lab=optimizers&view=hills", "lab=line"]
SMALL = """(all) => all.filter((e) => e.checkVisibility()).map((e) => [e.getBoundingClientRect(), e])
  .filter(([box]) => box.width < 24 || box.height < 24).map(([, e]) => e.outerHTML.slice(0, 90))"""


@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(tab: Tab, file_address: str, state: str, size: str, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm install --prefix build/axe axe-core@4")
    page = tab(size, color_scheme=scheme).open(file_address, state)
    page.tab.locator("details").evaluate_all("(all) => all.forEach((d) => { d.open = true; })")
    page.tab.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    found = page.tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"]  # it has looked
    assert not [(v["id"], v["help"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found["violations"]]


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("state", STATES)
def test_targets_are_large_and_nothing_is_wider_than_the_screen(
    tab: Tab, file_address: str, state: str, size: str
) -> None:
    page = tab(size).open(file_address, state)
    page.tab.locator("details").evaluate_all("(all) => all.forEach((d) => { d.open = true; })")
    targets = page.tab.locator("button, select, input, summary, .handle .reach, label.tick")
    assert targets.count() > 20
    assert not targets.evaluate_all(SMALL)
    assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("state", STATES)
def test_everything_is_reached_by_the_tab_key(tab: Tab, file_address: str, state: str) -> None:
    page = tab().open(file_address, state)
    want = page.tab.locator("button, select, input, summary, .handle, canvas").evaluate_all(
        "(all) => all.filter((e) => e.checkVisibility() && e.tabIndex >= 0).length"
    )
    seen = set()
    for _ in range(want + 5):
        page.tab.keyboard.press("Tab")
        seen.add(page.tab.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(seen) >= want


def test_sliders_say_their_values(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&run=sgd;lr:0.01")
    slider = page.tab.get_by_label("learning rate α, slider")
    assert slider.get_attribute("aria-valuetext") == "learning rate α 0.01"
    slider.focus()
    told = []
    for key in ("ArrowRight", "PageUp", "End", "ArrowLeft", "PageDown", "Home"):
        page.tab.keyboard.press(key)
        told.append(slider.get_attribute("aria-valuetext"))
    assert len(set(told)) == 6
    assert told[2] == "learning rate α 10"
    assert told[-1] == "learning rate α 1×10⁻⁴"


def test_what_happened_is_told_once_after_a_change(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&landscape=bowl&steps=60&run=sgd;lr:0.3")
    page.tab.wait_for_function("document.querySelector('.unseen').textContent.includes('in the minimum')")
    page.tab.get_by_label("learning rate α", exact=True).fill("2")
    page.tab.wait_for_function("document.querySelector('.unseen').textContent.includes('left the map')")


def test_first_paint_needs_no_network(tab: Tab, file_address: str) -> None:
    page = tab(offline=True).open(file_address)
    assert page.tab.locator(".plane .paths .path").count() == 2
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
