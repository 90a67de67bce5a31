"""Is everything in the address, and does a strange one give a page?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from browsing import Page

Tab = Callable[..., Page]
LINKS = [
    "lab=optimizers&landscape=beale&start=-1,2&steps=77&run=adam;lr:0.2;beta1:0.8&run=sgd;lr:inverse_time(initial:0.01,rate:1)",
    "lab=optimizers&landscape=bumpy&noise=1.5&seed=9&clip=value&limit=0.5&view=hills&map=earth&speed=99&run=momentum;lr:0.1;wrap:lookahead",
    "lab=optimizers&landscape=hill&start=3,0&shift=0.01,0&gradient=1&momentum=1&ahead=1&dtype=float32&run=rprop;lr:0.02",
    "lab=optimizers&zoom=-1,1,-2,0&landscape=saddle&run=momentum;lr:0.03&run=momentum;lr:0.04",
    "lab=line&points=77&noise=1.2&slope=-1&intercept=3&sample=4&loss=mae&batch=7&seed=2&start=1,1&steps=33&run=adam;lr:0.3",
    "lab=line&theme=dark&embed=1&hide=player,questions",
]


@pytest.mark.parametrize("link", LINKS)
def test_a_link_gives_the_state_it_came_from(tab: Tab, address: str, link: str) -> None:
    lab = "line" if "lab=line" in link else "optimizers"
    first, second = tab().open(address, link), tab()
    told = first.state()
    assert set(told.split("&")) == set(link.split("&"))
    second.open(address, told)
    assert second.ask("JSON.stringify(page.state)") == first.ask("JSON.stringify(page.state)")
    assert np.array_equal(second.points(0, lab), first.points(0, lab), equal_nan=True)


def test_what_is_changed_is_in_the_address(tab: Tab, address: str) -> None:
    page = tab().open(address)
    assert page.state() == "lab=optimizers"
    page.tab.get_by_label("Landscape", exact=True).select_option("himmelblau")
    page.tab.get_by_label("steps", exact=True).fill("123")
    assert "landscape=himmelblau" in page.state()
    assert "steps=123" in page.state()
    page.tab.get_by_role("tab", name="Line fit").click()
    assert page.state() == "lab=line"
    page.tab.keyboard.press("ArrowLeft")
    assert "landscape=himmelblau" in page.state()


STRANGE = [
    "lab=moon",
    "run=&run=;;",
    "steps=1e99",
    "start=a,b",
    "landscape=%",
    "run=adam;lr:-1;beta1:7",
    "run=adam;lr:moon(a:1)",
    "zoom=1,2",
    "theme=%3Cscript%3E",
    "run=__proto__;lr:1",
    "hide=%22%3E%3Cscript%3E",
    "noise=-1&points=0&batch=9.5",
]


@pytest.mark.parametrize("link", STRANGE)
def test_a_strange_link_gives_a_page(tab: Tab, file_address: str, link: str) -> None:
    page = tab().open(file_address, link)
    assert page.tab.locator(".card").count() >= 1
    assert np.isfinite(page.points(0)).all()


def test_a_lesson_hides_what_it_does_not_need(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&embed=1&hide=presets,runs,more,charts,tabs,exports")
    for hidden in (".presets", ".cards", ".settings", ".chart", ".tabs", ".exports", "footer", "h1"):
        assert not page.tab.locator(hidden).first.is_visible(), hidden
    assert page.tab.locator(".plane").first.is_visible()
    assert page.tab.locator(".player .run").is_visible()


def test_light_and_dark(tab: Tab, file_address: str) -> None:
    page = tab(color_scheme="dark").open(file_address)
    root = page.tab.locator("#playground")
    assert root.get_attribute("data-theme") == "dark"
    dark = page.tab.locator(".plane image").first.get_attribute("href")
    for wanted in ("light", "dark"):
        page.tab.locator(".theme").click()
        assert root.get_attribute("data-theme") == wanted
    page.tab.locator(".theme").click()
    page.tab.emulate_media(color_scheme="light")
    page.tab.wait_for_function("document.getElementById('playground').dataset.theme === 'light'")
    assert page.tab.locator(".plane image").first.get_attribute("href") != dark
