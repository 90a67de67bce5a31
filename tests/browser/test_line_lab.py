"""Does the line fit show what its five questions ask: data, landscape, both dots, batches, the four parts of a step?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from browsing import Page

from fallline import landscapes

Tab = Callable[..., Page]


def test_data_and_landscape_are_the_library_s(tab: Tab, file_address: str) -> None:
    page = tab().open(
        file_address, "lab=line&points=40&noise=0.3&slope=1.5&intercept=-0.5&sample=2&batch=0&run=sgd;lr:0.1"
    )
    f = landscapes.line(points=40, noise=0.3, slope=1.5, intercept=-0.5, seed=2)
    assert page.tab.locator(".points").first.get_attribute("d").count("M") == 40
    losses = page.ask("Array.from(page.labs.line.results()[0].result.losses)")
    assert losses == [f(*point) for point in page.points(0, "line")]


@pytest.mark.parametrize(("kind", "axis"), [("start", 0), ("truth", 1)])
def test_both_dots_are_dragged(tab: Tab, file_address: str, kind: str, axis: int) -> None:
    page = tab().open(file_address, "lab=line")
    dot = page.tab.locator(f".line .handle.{kind}")
    box = dot.locator(".dot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    line = page.tab.locator(".now-line" if kind == "start" else ".truth-line")
    page.tab.get_by_role("button", name="Reset").click()
    before = line.get_attribute("d")
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    page.tab.mouse.move(x - 60, y - 40, steps=4)
    page.tab.mouse.up()
    assert line.get_attribute("d") != before  # the line in the data moves with its dot
    state = page.ask("[page.state.line.start, [page.state.line.slope, page.state.line.intercept]]")
    fixed, moved = state[1 - axis], state[axis]
    assert fixed == [[-1, 2], [2, -1]][1 - axis]
    assert moved[0] < [[-1, 2], [2, -1]][axis][0]
    dot.focus()
    page.tab.keyboard.press("ArrowUp")
    assert page.ask("[page.state.line.start, [page.state.line.slope, page.state.line.intercept]]")[axis][
        1
    ] == pytest.approx(moved[1] + 0.1)


def test_the_four_parts_of_a_step(tab: Tab, address: str) -> None:
    page = tab().open(address, "lab=line&points=60&batch=12&run=sgd;lr:0.1")
    page.tab.get_by_role("button", name="Reset").click()
    part, told = page.tab.get_by_role("button", name="Part of a step"), page.tab.locator(".line .explained")
    residuals, batch = page.tab.locator(".residuals"), page.tab.locator(".points.batch")
    part.click()
    assert "12 points of this batch" in told.inner_text()
    assert batch.get_attribute("d").count("M") == 12
    assert residuals.get_attribute("d") == ""
    part.click()
    assert told.inner_text().startswith("Loss")
    assert residuals.get_attribute("d").count("V") == 12
    part.click()
    assert told.inner_text().startswith("Backward")
    assert page.tab.locator(".line .arrow.gradient").count() == 1
    part.click()
    assert told.inner_text().startswith("Update")
    assert page.tab.locator(".told").inner_text() == "1 / 60"
    part.click()
    assert told.inner_text().startswith("Forward")
    assert page.tab.locator(".told").inner_text() == "1 / 60"


def test_quick_choices_of_rate_batch_and_loss(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=line&points=50&noise=0.4")
    for name, lr in (("small", 0.01), ("medium", 0.1), ("large", 0.9)):
        page.tab.get_by_role("button", name=name, exact=True).click()
        assert page.spec(0, "line")["optimizer"]["hypers"]["lr"] == lr
    for name, size in (("1", 1), ("24", 24), ("all", 0)):
        page.tab.get_by_role("button", name=name, exact=True).click()
        assert page.spec(0, "line")["batch"] == size
    page.tab.get_by_role("button", name="L1, absolute").click()
    assert page.ask("page.labs.line.results()[0].spec.line.loss") == "mae"


def test_cost_ends_below_that_of_the_ground_truth_and_the_page_says_why(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, "lab=line&points=10&noise=1&batch=0&steps=400&run=sgd;lr:0.1")
    assert "below the ground truth" in page.tab.locator(".card .outcome").inner_text()
    f = landscapes.line(points=10, noise=1.0, slope=2.0, intercept=-1.0, seed=0)
    assert f(*page.points(0, "line")[-1]) < f(2.0, -1.0)
    answers = page.tab.locator(".questions details")
    assert answers.count() == 5
    texts = answers.evaluate_all("(all) => all.map((d) => d.textContent)")
    assert "own best line" in texts[2]
    x = np.asarray(page.ask("Array.from(page.labs.line.results()[0].spec.line.x)"))
    limit = 2 / np.linalg.eigvalsh([[2 * np.mean(x * x), 2 * np.mean(x)], [2 * np.mean(x), 2]])[-1]
    assert f"below {limit:.3g}" in texts[3]
