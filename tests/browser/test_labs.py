"""Does every control of both labs do what it says: by mouse, by touch and by keys, on a desk and on a phone?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from browsing import Page

Tab = Callable[..., Page]
MAP = ".optimizers .plane:not([hidden])"
BOTH = pytest.mark.parametrize("size", ["desktop", "phone"])


def handle_of(page: Page, kind: str = "start") -> Any:
    return page.tab.locator(f".plane .handle.{kind}").first


def start_of(page: Page, lab: str = "optimizers") -> np.ndarray:
    return page.points(0, lab)[0]


def centre(locator: Any) -> tuple[float, float]:
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@BOTH
def test_the_start_is_dragged_by_mouse_and_paths_follow(tab: Tab, address: str, size: str) -> None:
    page = tab(size).open(address, "lab=optimizers&landscape=himmelblau&start=-1,-1&run=sgd;lr:0.005&run=adam;lr:0.1")
    x, y = centre(handle_of(page).locator(".dot"))
    before, seen = page.points(1), []
    page.tab.mouse.move(x + 2, y + 1)
    page.tab.mouse.down()
    for k in range(1, 6):
        page.tab.mouse.move(x + 2 + 12 * k, y + 1 - 9 * k)
        seen.append(page.points(1))
    page.tab.mouse.up()
    assert len({points[0].tobytes() for points in seen}) == 5  # every move has its own paths
    width = page.tab.locator(f"{MAP} .edge").evaluate("(e) => e.width.baseVal.value")
    assert np.allclose(start_of(page), [-1 + 60 * 10 / width, -1 + 45 * 10 / width], atol=0.05)
    assert np.array_equal(page.points(0)[0], page.points(1)[0])
    assert not np.array_equal(before, page.points(1))
    page.tab.mouse.move(x, y)
    assert np.array_equal(seen[-1], page.points(1))  # let go is let go


@BOTH
def test_a_click_moves_the_start(tab: Tab, file_address: str, size: str) -> None:
    page = tab(size).open(file_address, "lab=optimizers&landscape=himmelblau&start=-1,-1&run=sgd;lr:0.005")
    box = page.tab.locator(f"{MAP} .edge").bounding_box()
    page.tab.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    assert np.allclose(start_of(page), [2.5, 2.5], atol=0.05)


def test_the_start_is_dragged_by_touch(tab: Tab, file_address: str) -> None:
    page = tab("phone", has_touch=True, is_mobile=True).open(
        file_address, "lab=optimizers&landscape=himmelblau&start=-1,-1&run=sgd;lr:0.005"
    )
    x, y = centre(handle_of(page).locator(".dot"))
    touch = page.tab.context.new_cdp_session(page.tab)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for k in range(1, 6):
        touch.send(
            "Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 10 * k, "y": y - 10 * k}]}
        )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    width = page.tab.locator(f"{MAP} .edge").evaluate("(e) => e.width.baseVal.value")
    assert np.allclose(start_of(page), [-1 + 50 * 10 / width] * 2, atol=0.1)
    page.tab.touchscreen.tap(x - 40, y)
    assert start_of(page)[0] < -1


KEYS = {
    "ArrowRight": (0.1, 0),
    "ArrowLeft": (-0.1, 0),
    "ArrowUp": (0, 0.1),
    "ArrowDown": (0, -0.1),
    "Shift+ArrowRight": (0.01, 0),
    "PageUp": (0, 1),
    "PageDown": (0, -1),
    "Home": (-4, 0),
    "End": (6, 0),
}


@pytest.mark.parametrize("key", KEYS)
def test_the_start_is_moved_by_keys(tab: Tab, file_address: str, key: str) -> None:
    page = tab().open(file_address, "lab=optimizers&landscape=himmelblau&start=-1,-1&run=sgd;lr:0.005")
    handle = handle_of(page)
    handle.focus()
    page.tab.keyboard.press(key)
    assert np.allclose(start_of(page), np.array([-1, -1]) + KEYS[key], atol=1e-9)
    assert handle.get_attribute("role") == "slider"
    assert f"w₁ {start_of(page)[0]:g}".replace("-", "−") in handle.get_attribute("aria-valuetext")


@BOTH
def test_run_pause_step_and_reset(tab: Tab, address: str, size: str) -> None:
    page = tab(size).open(address, "lab=optimizers&landscape=ravine&steps=200&speed=40&run=sgd;lr:0.05")
    told, run = page.tab.locator(".player .told"), page.tab.locator(".player .run")
    shown = lambda: int(told.inner_text().split("/")[0])  # noqa: E731
    assert shown() == 200  # a new page shows whole paths
    page.tab.get_by_role("button", name="Reset").click()
    assert shown() == 0
    for k in (1, 2, 3):
        page.tab.get_by_role("button", name="Step", exact=True).click()
        assert shown() == k
    assert page.tab.locator(".plane .paths .path").first.get_attribute("d").count("L") == 3
    run.click()
    page.tab.wait_for_function("Number(document.querySelector('.told').textContent.split('/')[0]) > 8")
    assert run.inner_text() == "Pause"
    run.click()
    paused = shown()
    page.tab.wait_for_timeout(150)
    assert shown() == paused
    assert 8 < paused < 200
    scrub = page.tab.get_by_label("step shown")
    scrub.focus()
    page.tab.keyboard.press("End")
    assert shown() == 200
    page.tab.keyboard.press("ArrowLeft")
    assert shown() == 199


def test_who_wants_less_motion_sees_the_end_at_once(tab: Tab, file_address: str) -> None:
    page = tab(reduced_motion="reduce").open(
        file_address, "lab=optimizers&landscape=ravine&steps=300&speed=1&run=sgd;lr:0.05"
    )
    page.tab.get_by_role("button", name="Reset").click()
    page.tab.locator(".player .run").click()
    assert page.tab.locator(".told").inner_text() == "300 / 300"


@pytest.mark.parametrize(("lab", "size"), [("optimizers", "desktop"), ("line", "phone")])
def test_every_control_does_something(tab: Tab, file_address: str, lab: str, size: str) -> None:
    """Each native control, one after the other: a key or a click changes the state, the paths or what is shown."""
    page = tab(size).open(file_address, f"lab={lab}")
    page.tab.locator("details").evaluate_all("(all) => all.forEach((d) => { d.open = true; })")
    everything = """JSON.stringify([
        page.encode(),
        Array.from(page.labs[page.state.lab].results()[0].result.points),
        document.querySelector('.stage').innerHTML,
    ])"""
    dull = []
    controls = page.tab.locator(".stage input[type=range], .stage input[type=number], .stage input[type=checkbox]")
    for control in [controls.nth(k) for k in range(controls.count())]:
        before = page.ask(everything)
        if control.get_attribute("type") == "range":
            control.focus()
            page.tab.keyboard.press("ArrowLeft")
            page.tab.keyboard.press("Home")
        elif control.get_attribute("type") == "number":
            control.fill("3")
        else:
            control.click()
        if page.ask(everything) == before:
            dull.append(control.evaluate("(e) => e.getAttribute('aria-label') ?? e.labels[0]?.textContent"))
    assert not dull
    selects = page.tab.locator(".stage select")
    for k in range(selects.count()):
        page.tab.locator("details").evaluate_all("(all) => all.forEach((d) => { d.open = true; })")
        before, select = page.ask(everything), selects.nth(k)
        select.select_option(select.locator("option:not(:checked)").last.get_attribute("value"))
        assert page.ask(everything) != before, select.evaluate("(e) => e.ariaLabel ?? e.labels[0].textContent")


def test_optimizers_are_added_changed_and_removed(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&landscape=beale&start=-1,2")
    count = lambda: page.tab.locator(".card").count()  # noqa: E731
    before = count()
    keys = [r["key"] for r in page.ask("page.engine.rules.map(({key}) => ({key}))")]
    for key in keys[3::3]:
        page.tab.get_by_label("Add an optimizer").select_option(key)
    added = len(keys[3::3])
    assert count() == before + added >= 10
    assert len(page.ask("page.labs.optimizers.results().map(({result}) => result.losses.length)")) == before + added
    page.tab.get_by_label("Optimizer 1", exact=True).select_option("adam")
    assert page.spec(0)["optimizer"]["rule"] == "adam"
    while count() > 1:
        page.tab.locator(".card .remove").last.click()
    assert page.spec(0)["optimizer"]["rule"] == "adam"
    assert page.tab.locator(".card .remove").count() == 0


def test_the_view_turns_and_zooms(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&landscape=rosenbrock&run=adam;lr:0.1")
    page.tab.get_by_role("button", name="Zoom in").click()
    assert page.ask("page.state.optimizers.zoom") == [[-2.2, -0.2], [0, 2]]
    page.tab.get_by_role("button", name="The whole map").click()
    page.tab.get_by_role("button", name="3-D").click()
    hills = page.tab.locator(".optimizers canvas.surface")
    picture = lambda: hills.evaluate("(c) => c.toDataURL()")  # noqa: E731
    first = picture()
    hills.focus()
    page.tab.keyboard.press("ArrowLeft")
    second = picture()
    x, y = centre(hills)
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    page.tab.mouse.move(x + 60, y + 10)
    page.tab.mouse.up()
    assert len({first, second, picture()}) == 3


def test_overflow_is_said_and_freezes_nothing(tab: Tab, address: str) -> None:
    page = tab().open(
        address, "lab=optimizers&landscape=rosenbrock&start=-1.2,1&steps=30&run=sgd;lr:0.5&run=sgd;lr:0.001"
    )
    said = page.tab.locator(".card .outcome")
    assert "left the map at step 1, overflow at step" in said.nth(0).inner_text()
    assert "on its way" in said.nth(1).inner_text()
    for kind in ("Effective rate per axis", "Step length / α", "Learning rate", "Along the step", "Loss"):
        page.tab.get_by_role("button", name=kind, exact=True).click()
    page.tab.get_by_role("button", name="3-D").click()
    page.tab.get_by_label("learning rate α", exact=True).first.fill("0.001")
    assert "on its way" in said.nth(0).inner_text()


def test_the_map_of_rates_sets_rate_and_momentum(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&landscape=ravine&steps=60&run=momentum;lr:0.01;momentum:0.5")
    page.tab.locator(".sweep summary").click()
    assert page.tab.locator(".sweep .note").inner_text().startswith("Momentum, best of 625")
    box = page.tab.locator(".sweep .edge").bounding_box()
    page.tab.locator(".sweep .plane").scroll_into_view_if_needed()
    box = page.tab.locator(".sweep .edge").bounding_box()
    page.tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.3)
    hypers = page.spec(0)["optimizer"]["hypers"]
    assert hypers["lr"] == pytest.approx(0.1, rel=0.05)
    assert hypers["momentum"] == pytest.approx(0.693, abs=0.02)


def test_the_map_of_rates_shows_a_rule_that_has_a_momentum(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&landscape=ravine&steps=60&run=sgd;lr:0.01&run=momentum;lr:0.01")
    page.tab.locator(".sweep summary").click()
    assert page.tab.locator(".sweep .note").inner_text().startswith("Momentum, best of 625")


PRESETS = """page.labs.optimizers.presets.map(({key, ends}) => [key, ends])"""


def test_every_lesson_ends_as_it_says(tab: Tab, file_address: str) -> None:
    page = tab(reduced_motion="reduce").open(file_address)
    wrong = []
    for key, ends in page.ask(PRESETS):
        page.tab.locator(f"[data-preset={key}]").click()
        found = page.tab.locator(".card .outcome").evaluate_all("(all) => all.map((o) => o.className.split(' ')[1])")
        if found != ends:
            wrong.append((key, found, ends))
        assert page.tab.locator(".lesson h2").inner_text().endswith("?")
    assert not wrong


def test_momentum_in_a_ravine_is_there_in_two_clicks(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address)
    page.tab.get_by_role("button", name="Why momentum?").click()
    page.tab.get_by_role("button", name="Reset").click()
    assert "walls" in page.tab.locator(".lesson p").inner_text()
    gd, momentum = page.tab.locator(".card .outcome").all_inner_texts()
    assert "on its way" in gd
    assert "in the minimum" in momentum


def test_the_server_computes_rules_on_whole_tensors(tab: Tab, server: Any) -> None:
    page = tab().open(
        server.url, "lab=optimizers&landscape=ravine&start=-4.5,1.5&steps=20&run=Muon;lr:0.3&run=sgd;lr:0.05"
    )
    page.tab.wait_for_function("document.querySelector('.card .outcome').textContent.length > 2")
    assert page.points(0).shape == (21, 2)
    assert np.isfinite(page.points(0)).all()


def test_the_file_says_that_whole_tensors_need_the_server(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=optimizers&run=Muon;lr:0.3&run=sgd;lr:0.05")
    assert page.tab.locator(".card").count() == 1
    assert "fallline playground" in page.tab.locator(".toast").inner_text()
    assert page.tab.get_by_text("need the local server").is_visible()
