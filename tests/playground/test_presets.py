"""What the lessons of the page claim is what their paths do; how each run ends is tested in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playground.conftest import Engine

import fallline as fl

Claim = Callable[["Lesson"], None]


class Lesson:
    """A lesson's runs, and what becomes of them when something in it is changed."""

    def __init__(self, state: dict[str, Any], engine: Engine) -> None:
        self.state, self.engine = state, engine
        self.f = fl.landscapes.ALL[state["landscape"]]
        self.start = np.array(state.get("start") or self.f.start)
        self.runs = self.changed()

    def changed(self, **changes: Any) -> list[dict[str, Any]]:
        state = {**self.state, **changes}
        around: dict[str, Any] = {}
        if state.get("noise"):
            around["noise"] = {"sigma": state["noise"], "seed": 0}
        if state.get("clip", "none") != "none":
            around["clip"] = {"kind": state["clip"], "value": state["limit"]}
        base = {"landscape": state["landscape"], "steps": state["steps"], "shift": state.get("shift", [0, 0]), **around}
        start = state.get("start") or self.f.start
        optimizers = [{name: run[name] for name in ("rule", "hypers", "schedules")} for run in state["runs"]]
        found = self.engine(*[["path", {**base, "start": start, "optimizer": opt}] for opt in optimizers])
        for path in found:
            assert isinstance(path, dict), path
            for name in ("points", "gradients", "raw", "ahead"):
                path[name] = path[name].reshape(-1, 2)
            path["lengths"] = np.linalg.norm(np.diff(path["points"], axis=0), axis=1)
        return found


def turns(values: np.ndarray) -> int:
    """Count the changes of sign."""
    return int(np.sum(np.diff(np.sign(values)) != 0))


def momentum(lesson: Lesson) -> None:
    plain, heavy = lesson.runs
    assert turns(plain["points"][:20, 1]) >= 15, "it jumps from wall to wall"
    assert heavy["losses"][-1] < plain["losses"][-1] / 10
    assert heavy["points"][15, 0] > plain["points"][15, 0] + 0.5, "it is further along the floor"


def rates(lesson: Lesson) -> None:
    small, right, over, large = lesson.runs
    assert np.all(np.diff(small["losses"]) < 0) and small["losses"][-1] > 0.05 * small["losses"][0]
    assert right["losses"][-1] < 1e-12
    assert turns(over["points"][:, 0]) == 60 and np.all(np.diff(over["losses"]) < 0), "over the minimum with every step"
    assert np.all(np.diff(large["losses"]) > 0)


def limit(lesson: Lesson) -> None:
    curvature = np.asarray(fl.hessian(lesson.f)(fl.asarray(lesson.start)))[1, 1]
    for run, path in zip(lesson.state["runs"], lesson.runs, strict=True):
        most = 2 * (1 + run["hypers"].get("momentum", 0.0)) / curvature
        below = run["hypers"]["lr"] < most
        assert 0.95 < run["hypers"]["lr"] / most < 1.05
        across = np.abs(path["points"][:, 1])
        assert across[-10:].max() < 0.2 * across[0] if below else across[-10:].max() > 5 * across[0]


def pits(lesson: Lesson) -> None:
    plain, heavy = lesson.runs
    assert np.abs(plain["gradients"][-1]).max() < 1e-6 and np.linalg.norm(plain["points"][-1]) > 1, "stuck in a pit"
    assert np.linalg.norm(heavy["points"][-1]) < 0.05


def noise(lesson: Lesson) -> None:
    (quiet,) = lesson.changed(noise=0)
    assert np.linalg.norm(quiet["points"][-1]) > 1, "stuck without noise"
    assert np.linalg.norm(lesson.runs[0]["points"][-1]) < 0.1


def rest(lesson: Lesson) -> None:
    constant, falling = (np.linalg.norm(path["points"][-100:], axis=1).mean() for path in lesson.runs)
    assert np.all(lesson.runs[0]["raw"][0] == 0) and np.any(lesson.runs[0]["gradients"][0] != 0)
    assert constant > 3 * falling
    lower = [{**run, "hypers": {"lr": 0.03}} for run in lesson.state["runs"][:1]]
    slower = np.linalg.norm(lesson.changed(runs=lower)[0]["points"][-100:], axis=1).mean()
    assert constant > 2 * slower, "the distance grows with the rate"


def decays(lesson: Lesson) -> None:
    constant, *others = (path["losses"][-30:].mean() for path in lesson.runs)
    assert all(constant > 3 * other for other in others)
    assert all(np.all(np.diff(path["hypers"]["lr"]) <= 0) for path in lesson.runs)


def correction(lesson: Lesson) -> None:
    on, off = lesson.runs
    np.testing.assert_allclose(np.abs(np.diff(on["points"][:2], axis=0)), 0.2, rtol=1e-6)
    np.testing.assert_allclose(off["lengths"][0] / on["lengths"][0], 0.1 / np.sqrt(0.001), rtol=1e-6)
    assert np.linalg.norm(off["points"], axis=1)[10:].max() > np.linalg.norm(on["points"], axis=1)[20:].max()


def rolling(lesson: Lesson) -> None:
    goals = np.arange(lesson.state["steps"] + 1)[:, None] * np.array(lesson.state["shift"])
    behind, follows = (np.linalg.norm(path["points"] - goals, axis=1)[-1] for path in lesson.runs)
    assert behind > 4 * follows


def axes(lesson: Lesson) -> None:
    adagrad = lesson.runs[0]
    moved = -np.diff(adagrad["points"], axis=0) / adagrad["gradients"]
    assert np.all(np.diff(moved, axis=0) <= 1e-15), "effective rates only fall"
    across, along = moved[0, 1], moved[0, 0]
    g = np.abs(adagrad["gradients"][0])
    np.testing.assert_allclose(along / across, g[1] / g[0], rtol=1e-6)
    assert turns(adagrad["points"][:, 1]) <= 1, "straight, without zigzag"


def annealing(lesson: Lesson) -> None:
    adam, signum = lesson.runs
    assert adam["lengths"][-50:].mean() < 0.5 * adam["lengths"][:15].mean()
    np.testing.assert_allclose(signum["lengths"], 0.2 * np.sqrt(2), rtol=1e-12)


def ahead(lesson: Lesson) -> None:
    looks, plain = lesson.runs
    lr, mu = 0.04, 0.8
    np.testing.assert_allclose(looks["ahead"], looks["points"][:-1] - lr * mu * looks["slots"]["v"].reshape(-1, 2)[:-1])
    assert np.array_equal(plain["ahead"], plain["points"][:-1])
    swings = [np.abs(path["points"][5:, 1]).max() for path in lesson.runs]
    assert swings[0] < 0.7 * swings[1], "it swings less"


def hill(lesson: Lesson) -> None:
    plain, heavy = lesson.runs
    low, high = (minimum[0] for minimum in lesson.f.minima)
    np.testing.assert_allclose(plain["points"][-1, 0], high, atol=1e-3)
    np.testing.assert_allclose(heavy["points"][-1, 0], low, atol=0.1)
    np.testing.assert_allclose(lesson.changed(start=[-0.5, 0.0])[0]["points"][-1, 0], low, atol=1e-3)


def curvature(lesson: Lesson) -> None:
    value, g = lesson.f.value_and_grad(lesson.start)
    errors = [lesson.f(*(lesson.start - s * g)) - (value - s * g @ g) for s in (0.01, 0.02, 0.04)]
    np.testing.assert_allclose([errors[1] / errors[0], errors[2] / errors[1]], 4, rtol=1e-6)


def saddle(lesson: Lesson) -> None:
    sgd, _, rmsprop, adam = (np.abs(path["points"][:, 1]) for path in lesson.runs)
    assert sgd[30] < 0.1 and rmsprop[30] > 0.5 and adam[30] > 0.5


def cliff(lesson: Lesson) -> None:
    clipped, thrown = lesson.runs[0], lesson.changed(clip="none")[0]
    assert (
        np.linalg.norm(clipped["gradients"], axis=1).max() <= 1 + 1e-12 < np.linalg.norm(clipped["raw"], axis=1).max()
    )
    x0, _, _, _ = lesson.f.domain
    assert thrown["points"][:, 0].min() < x0 <= clipped["points"][:, 0].min()


def wells(lesson: Lesson) -> None:
    sharp, flat = (minimum[0] for minimum in lesson.f.minima)
    small, large = (path["points"][-1] for path in lesson.runs)
    np.testing.assert_allclose(small, [sharp, 0], atol=0.05)
    np.testing.assert_allclose(large, [flat, 0], atol=0.05)
    steepest = np.linalg.eigvalsh(np.asarray(fl.hessian(lesson.f)(fl.asarray([sharp, 0.0])))).max()
    assert 0.03 < 2 / steepest < 0.3, "the larger rate is above the limit there"


def all_at_once(lesson: Lesson) -> None:
    minima = np.array(lesson.f.minima)[:, :2]
    far = [np.linalg.norm(minima - path["points"][-1], axis=1).min() for path in lesson.runs]
    assert len(far) == 10 and max(far) < 0.15


CLAIMS: dict[str, Claim] = {
    "momentum": momentum,
    "rates": rates,
    "limit": limit,
    "pits": pits,
    "noise": noise,
    "rest": rest,
    "decays": decays,
    "correction": correction,
    "rolling": rolling,
    "axes": axes,
    "annealing": annealing,
    "ahead": ahead,
    "hill": hill,
    "curvature": curvature,
    "saddle": saddle,
    "cliff": cliff,
    "wells": wells,
    "all": all_at_once,
}


@pytest.fixture(scope="module")
def presets(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the lessons by key."""
    return {lesson["key"]: lesson for lesson in tables["presets"]}


def test_every_lesson_has_its_claims_tested(presets: dict[str, Any]) -> None:
    assert set(presets) == set(CLAIMS)
    assert {"R40", "R43", "R48", "R51", "R74", "R83", "R86", "R104", "R106", "R122", "R159"} <= {
        row for lesson in presets.values() for row in lesson["rows"]
    }


@pytest.mark.parametrize("key", CLAIMS)
def test_a_lesson_does_what_it_claims(key: str, presets: dict[str, Any], engine: Engine) -> None:
    CLAIMS[key](Lesson(presets[key]["state"], engine))
