"""Are the paths that the page draws those of `opt.step`, bit for bit, and does the exported code make them again?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from browsing import Page

import fallline as fl
from fallline import landscapes
from fallline.playground import Server

RULES = "&".join(
    f"run={run}"
    for run in (
        "sgd;lr:0.002",
        "momentum;lr:0.001;momentum:0.9",
        "nesterov;lr:0.001",
        "adagrad;lr:0.3",
        "rmsprop;lr:0.02;alpha:0.9",
        "adam;lr:0.05",
        "adamw;lr:0.05;weight_decay:0.1",
        "lion;lr:0.02",
        "nadam;lr:0.02",
        "amsgrad;lr:0.05",
    )
)
CLASSES = [
    lambda: fl.optim.SGD(0.002),
    lambda: fl.optim.Momentum(0.001, momentum=0.9),
    lambda: fl.optim.Nesterov(0.001),
    lambda: fl.optim.Adagrad(0.3),
    lambda: fl.optim.RMSprop(0.02, alpha=0.9),
    lambda: fl.optim.Adam(0.05),
    lambda: fl.optim.AdamW(0.05, weight_decay=0.1),
    lambda: fl.optim.Lion(0.02),
    lambda: fl.optim.NAdam(0.02),
    lambda: fl.optim.AMSGrad(0.05),
]


def steps(optimizer: Any, f: Any, start: list[float], count: int) -> np.ndarray:
    """Go down by `opt.step` alone."""
    w = np.array(start)
    rows = [w.copy()]
    for _ in range(count):
        _, g = f.value_and_grad(w)
        optimizer.step([w], [np.asarray(g)])
        rows.append(w.copy())
    return np.array(rows)


@pytest.mark.parametrize("name", ["rosenbrock", "himmelblau", "beale"])
def test_drawn_paths_are_those_of_opt_step(tab: Callable[..., Page], file_address: str, name: str) -> None:
    page = tab().open(file_address, f"lab=optimizers&landscape={name}&start=-1.2,1&steps=120&{RULES}")
    for i, optimizer in enumerate(CLASSES):
        wanted = steps(optimizer(), getattr(landscapes, name), [-1.2, 1.0], 120)
        assert np.array_equal(page.points(i), wanted, equal_nan=True), i
    drawn = page.tab.locator(".plane .paths .path").evaluate_all("(all) => all.map((p) => p.getAttribute('d'))")
    assert len(drawn) == len(CLASSES)
    assert all(len(re.findall(r"[ML]", d)) == 121 for d in drawn)


def test_a_drawn_point_stands_where_its_numbers_say(tab: Callable[..., Page], address: str) -> None:
    page = tab().open(address, "lab=optimizers&landscape=himmelblau&start=-4,2.5&steps=10&run=sgd;lr:0.005")
    (d,) = page.tab.locator(".plane .paths .path").evaluate_all("(all) => all.map((p) => p.getAttribute('d'))")
    drawn = np.array(re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", d), float)
    box = page.tab.locator(".plane .edge").evaluate("(e) => [e.x, e.y, e.width, e.height].map((v) => v.baseVal.value)")
    x, y = (drawn - box[:2]).T / np.array(box[2:])[:, None]
    assert np.allclose(np.stack([10 * x - 5, 5 - 10 * y], 1), page.points(0), atol=0.02)


LAB = "lab=optimizers&landscape="
STATES = {
    "schedule": LAB + "beale&start=-1,2&steps=60&run=adam;lr:cosine(initial:0.3,steps:60,final:0.01);beta1:0.8",
    "noise": LAB + "bumpy&start=-2,2&steps=60&noise=2&seed=5&run=momentum;lr:0.05",
    "clip": LAB + "cliff&start=1.6,1.5&steps=40&clip=norm&limit=0.7&run=sgd;lr:0.5",
    "moving": LAB + "bowl&start=-3,2.5&steps=80&shift=0.02,-0.01&run=rmsprop;lr:0.1;alpha:0.9",
    "lookahead": LAB + "rosenbrock&start=-1.2,1&steps=60&run=sgd;lr:0.001;wrap:lookahead",
    "sam": LAB + "rosenbrock&start=-1.2,1&steps=60&run=momentum;lr:0.0005;wrap:sam",
    "float32": LAB + "himmelblau&start=-4,2.5&steps=60&dtype=float32&run=adam;lr:0.3",
    "nesterov": LAB + "ravine&start=-4.5,1.5&steps=40&run=nesterov_lookahead;lr:0.04;momentum:0.8",
    "two": LAB + "ravine&start=-4.5,1.5&steps=40&run=sgd;lr:0.04&run=adam;lr:0.1",
    "line": "lab=line&points=120&noise=0.7&slope=1.5&intercept=0.5&sample=3&start=-2,3&steps=50&run=adam;lr:0.2",
    "line, all": "lab=line&points=50&batch=0&loss=mae&start=-2,3&steps=50&run=sgd;lr:0.2",
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_exported_code_makes_the_same_path(tab: Callable[..., Page], file_address: str, state: str) -> None:
    page = tab().open(file_address, state)
    lab = "line" if "lab=line" in state else "optimizers"
    page.tab.locator(".export-python").click()
    code = page.tab.locator("dialog .code").inner_text()
    parts = [part for part in re.split(r"^# .*\n", code, flags=re.MULTILINE) if part.strip()]
    assert len(parts) == state.count("run=")
    for i, part in enumerate(parts):
        names: dict[str, Any] = {}
        exec(part, names)  # what a person would paste
        assert np.array_equal(np.asarray(names["path"].points, np.float64), page.points(i, lab), equal_nan=True), part


def test_the_exported_code_of_a_rule_on_whole_tensors(tab: Callable[..., Page], server: Server) -> None:
    state = LAB + "ravine&start=-4.5,1.5&steps=30&clip=norm&limit=5&run=Muon;lr:0.3"
    page = tab().open(server.url, state)
    page.tab.wait_for_function("document.querySelector('.card .outcome').textContent.length > 2")
    page.tab.locator(".export-python").click()
    names: dict[str, Any] = {}
    exec(page.tab.locator("dialog .code").inner_text(), names)
    assert np.array_equal(names["path"].points, page.points(0))
