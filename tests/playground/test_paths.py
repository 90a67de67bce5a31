"""The paths of the page equal `fl.landscapes.path` bit for bit: on every landscape, with all that surrounds a rule."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from playground.conftest import Engine

import fallline as fl

STEPS = 40


def around(spec: dict[str, Any], opt: Any) -> Any:
    """Put around an optimizer what the spec says."""
    noise, clip, wrap = spec.get("noise"), spec.get("clip"), spec.get("wrap")
    links = []
    if noise:
        eta = noise.get("eta", noise.get("sigma", 0.0) ** 2)
        links.append(fl.optim.add_noise(eta, noise.get("gamma", 0.55 if "eta" in noise else 0.0), noise.get("seed", 0)))
    if clip:
        links.append({"value": fl.optim.clip_value, "norm": fl.optim.clip_norm}[clip["kind"]](clip["value"]))
    opt = fl.optim.chain(*links, opt) if links else opt
    if wrap and wrap["kind"] == "sam":
        return fl.optim.SAM(opt, wrap["rho"])
    return fl.optim.Lookahead(opt, wrap["k"], wrap["alpha"]) if wrap else opt


def expected(spec: dict[str, Any], opt: Any) -> fl.landscapes.Path:
    """Make the path with the library."""
    made = spec.get("line", {}).get("made")
    f = fl.landscapes.line(**made) if made else fl.landscapes.ALL[spec["landscape"]]
    start = np.array(spec["start"], spec.get("dtype", "float64"))
    batch = {"batch_size": spec["batch"], "seed": spec.get("seed", 0)} if spec.get("batch") else {}
    return fl.landscapes.path(f, start, around(spec, opt), spec["steps"], **batch, shift=spec.get("shift", (0, 0)))


def check(engine: Engine, cases: list[tuple[dict[str, Any], Any]]) -> None:
    found = engine(*[["path", spec] for spec, _ in cases])
    for (spec, opt), path in zip(cases, found, strict=True):
        assert not isinstance(path, Exception), (spec, path)
        wanted = expected(spec, opt)
        np.testing.assert_array_equal(path["points"].reshape(-1, 2), wanted.points, str(spec))
        np.testing.assert_array_equal(path["losses"], wanted.losses, str(spec))
        np.testing.assert_array_equal(path["raw"].reshape(-1, 2), wanted.gradients, str(spec))


def adam(lr: float = 0.1) -> dict[str, Any]:
    return {"rule": "adam", "hypers": {"lr": lr}}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_landscape_gives_the_same_path(engine: Engine, dtype: str) -> None:
    specs = [
        {"landscape": f.name, "start": f.start, "steps": STEPS, "dtype": dtype, "optimizer": adam()}
        for f in fl.landscapes.ALL.values()
    ]
    check(engine, [(spec, fl.optim.Adam(0.1)) for spec in specs])


SPECS: list[dict[str, Any]] = [
    {"noise": {"sigma": 0.4, "seed": 3}},
    {"noise": {"eta": 0.3, "gamma": 0.55, "seed": 2**40 + 1}},
    {"clip": {"kind": "value", "value": 0.7}},
    {"clip": {"kind": "norm", "value": 0.3}},
    {"clip": {"kind": "norm", "value": 1e9}},
    {
        "noise": {"sigma": 0.2},
        "clip": {"kind": "norm", "value": 0.3},
        "wrap": {"kind": "lookahead", "k": 3, "alpha": 0.6},
    },
    {"wrap": {"kind": "lookahead", "k": 5, "alpha": 0.5}},
    {"wrap": {"kind": "sam", "rho": 0.1}},
    {"wrap": {"kind": "sam", "rho": 0.1}, "noise": {"sigma": 0.1}, "clip": {"kind": "value", "value": 1.0}},
    {"shift": [0.01, -0.02]},
    {"start": [0.0, 0.0], "wrap": {"kind": "sam", "rho": 0.1}},
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_all_that_surrounds_a_rule_gives_the_same_path(engine: Engine, dtype: str) -> None:
    base = {"landscape": "himmelblau", "start": [-0.5, 1.0], "steps": STEPS, "dtype": dtype, "optimizer": adam()}
    check(engine, [({**base, **spec}, fl.optim.Adam(0.1)) for spec in SPECS])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("consistent", [True, False])
def test_the_rule_that_looks_ahead_gives_the_same_path(engine: Engine, dtype: str, consistent: bool) -> None:
    hypers = {"lr": 0.002, "momentum": 0.9, "consistent": int(consistent), "weight_decay": 0.1, "l2": 0.01}
    spec = {"landscape": "beale", "start": [1.0, 1.2], "steps": STEPS, "dtype": dtype}
    spec["optimizer"] = {"rule": "nesterov_lookahead", "hypers": hypers}
    extras = [{}, *(extra for extra in SPECS if extra.get("wrap", {}).get("kind") != "sam")]
    opt = fl.optim.NesterovLookahead(**{**hypers, "consistent": consistent})
    check(engine, [({**spec, **extra}, opt) for extra in extras])


@pytest.mark.parametrize("dtype, steps", [("float64", 2600), ("float32", 500)])
def test_numbers_too_small_for_the_format_give_the_same_path(engine: Engine, dtype: str, steps: int) -> None:
    """Steps flush subnormal numbers to zero, losses and gradients keep them; these paths meet both."""
    rules = {
        "sgd": ({"lr": 0.25}, fl.optim.SGD(0.25)),
        "momentum": ({"lr": 0.1, "momentum": 0.5}, fl.optim.Momentum(0.1, momentum=0.5)),
        "rmsprop": ({"lr": 0.1, "alpha": 0.5, "eps": 0.5}, fl.optim.RMSprop(0.1, alpha=0.5, eps=0.5)),
        "adam": ({"lr": 0.1, "beta1": 0.2, "eps": 0.1}, fl.optim.Adam(0.1, betas=(0.2, 0.999), eps=0.1)),
    }
    base = {"landscape": "bowl", "start": [1.0, 0.7], "steps": steps, "dtype": dtype}
    cases = [({**base, "optimizer": {"rule": key, "hypers": hypers}}, opt) for key, (hypers, opt) in rules.items()]
    check(engine, cases)
    smallest = np.finfo(dtype).smallest_normal
    assert all(np.abs(expected(*case).points[-1]).max() < 4 * smallest for case in cases[:2])


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_lines_give_the_same_path(engine: Engine, loss: str) -> None:
    made = {"points": 50, "noise": 0.4, "slope": 1.5, "intercept": 0.5, "seed": 9, "loss": loss}
    base = {"line": {"made": made}, "start": [0.0, 0.0], "steps": STEPS, "optimizer": adam()}
    extras: list[dict[str, Any]] = [{}, {"batch": 1}, {"batch": 24, "seed": 5}, {"batch": 50}, {"batch": 99}]
    extras += [{"batch": 7, "wrap": {"kind": "sam", "rho": 0.1}}, {"batch": 7, "dtype": "float32"}]
    check(engine, [({**base, **extra}, fl.optim.Adam(0.1)) for extra in extras])


def test_lines_have_the_same_points_and_batches(engine: Engine) -> None:
    made = {"points": 45, "noise": 0.4, "slope": 1.5, "intercept": 0.5, "seed": 9}
    f = fl.landscapes.line(**made)
    line, *batches = engine(["line", made], *[["batch", {"made": made}, t, 20, 3] for t in range(7)])
    np.testing.assert_array_equal(line["x"], f.x)
    np.testing.assert_array_equal(line["y"], f.y)
    for t, rows in enumerate(batches):
        np.testing.assert_array_equal(rows, f.rows(t, 20, 3))
    slope, intercept, loss = line["best"]
    np.testing.assert_allclose([slope, intercept], np.polyfit(f.x, f.y, 1), rtol=1e-10)
    assert f(slope, intercept) == loss < f(1.5, 0.5), "the best line beats the one that the points came from"


def test_draws_are_those_of_the_library(engine: Engine) -> None:
    rng = fl.random.default_rng
    normal, uniform = engine(["normal", 11, 101], ["uniform", 11, 101])
    np.testing.assert_array_equal(normal, np.asarray(rng(11).normal(size=101, dtype="float64")))
    np.testing.assert_array_equal(uniform, np.asarray(rng(11).uniform(size=101, dtype="float64")))


def test_values_gradients_and_grids_are_those_of_the_library(engine: Engine) -> None:
    places = [
        (f, x, y) for f in fl.landscapes.ALL.values() for x, y in ((0.3, -0.7), f.start, (-1.9, 1.1), (2.5, 0.25))
    ]
    found = engine(*[["gradient", f.name, x, y] for f, x, y in places])
    for (f, x, y), (value, *g) in zip(places, found, strict=True):
        wanted, gradient = f.value_and_grad([x, y])
        assert [value, *g] == [wanted, *gradient], f.name
    grids = engine(*[["grid", f.name, f.domain, 21, 13] for f in fl.landscapes.ALL.values()])
    for f, grid in zip(fl.landscapes.ALL.values(), grids, strict=True):
        x, y = np.meshgrid(np.linspace(*f.domain[:2], 21), np.linspace(*f.domain[2:], 13))
        np.testing.assert_allclose(grid.reshape(13, 21), f(x, y), rtol=1e-12, atol=1e-12, err_msg=f.name)


def test_the_table_of_landscapes_is_the_library_s(tables: dict[str, Any]) -> None:
    assert [row["name"] for row in tables["landscapes"]] == list(fl.landscapes.ALL)
    for row in tables["landscapes"]:
        f = fl.landscapes.ALL[row["name"]]
        for name in ("title", "formula", "teaches", "dimensions"):
            assert row[name] == getattr(f, name)
        for name in ("domain", "start", "minima", "saddles"):
            np.testing.assert_array_equal(row[name], getattr(f, name))
        assert row["scale"] == ("log" if f.logarithmic else "linear")


def test_multiply_and_add_rounds_once(engine: Engine) -> None:
    """Of random numbers, of such that almost cancel, and of the edges of the range; against Python's fractions."""
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 400)) * 2.0 ** rng.integers(-40, 40, (2, 400))
    c = np.concatenate([rng.standard_normal(200), -(a[200:] * b[200:]) * (1 + rng.integers(-3, 4, 200) * 2.0**-53)])
    edges = [1e308, 5e-324, 2.0**-1022, 1.0, -1.0, 1 + 2.0**-52, 3e-320, 2.0**-600, -(2.0**500)]
    cases = [*zip(a.tolist(), b.tolist(), c.tolist(), strict=True)]
    cases += [(x, y, z) for x in edges for y in edges for z in edges]
    found = engine(*[["fused", *case] for case in cases])
    for (x, y, z), got in zip(cases, found, strict=True):
        exact = Fraction(x) * Fraction(y) + Fraction(z)
        try:
            wanted = float(exact)
        except OverflowError:
            wanted = float("inf") if exact > 0 else float("-inf")
        assert float(got) == wanted, (x, y, z)


def test_what_left_the_map_and_what_broke_is_said(engine: Engine) -> None:
    base = {"landscape": "bowl", "start": [1.0, 1.0], "optimizer": {"rule": "sgd", "hypers": {"lr": 10.0}}}
    over, stays, returns = engine(
        ["path", {**base, "steps": 600}],
        ["path", {**base, "steps": 20, "optimizer": {"rule": "sgd", "hypers": {"lr": 0.1}}}],
        ["path", {**base, "start": [100.0, 0.0], "steps": 50, "optimizer": {"rule": "sgd", "hypers": {"lr": 0.1}}}],
    )
    assert over["left_at"] == 1 and abs(over["points"][2]) > 12 > abs(over["points"][0])
    first = over["broke_at"]
    assert not np.isfinite(over["losses"][first]) and np.isfinite(over["losses"][:first]).all()
    assert (stays["left_at"], stays["broke_at"]) == (None, None)
    assert returns["left_at"] is None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"landscape": "hills"}, "[path] there is no landscape named 'hills'; there are bowl, "),
    ({"optimizer": {"rule": "muon"}}, "[path] there is no rule named 'muon'; there are sgd, "),
    ({"optimizer": {"rule": "sgd", "hypers": {"lr": -1}}}, "[path] lr must be nonnegative, got -1"),
    (
        {"optimizer": {"rule": "sgd", "hypers": {"beta1": 0.5}}},
        "[path] sgd has no hyper-parameter 'beta1'; it has lr, ",
    ),
    ({"steps": 1.5}, "[path] steps is a whole number from 0 to 100000, got 1.5"),
    (
        {"optimizer": {"rule": "nesterov_lookahead"}, "wrap": {"kind": "sam"}},
        "[path] SAM and NesterovLookahead both take",
    ),
    ({"noise": {"sigma": 1, "seed": -1}}, "[path] a seed is an integer in [0, 2^64), got -1"),
]


def test_what_is_wrong_is_said(engine: Engine) -> None:
    base = {"landscape": "bowl", "start": [1, 1], "steps": 3, "optimizer": adam()}
    for (_, text), error in zip(WRONG, engine(*[["path", {**base, **spec}] for spec, _ in WRONG]), strict=True):
        assert isinstance(error, RuntimeError) and text in str(error), error


def rule(key: str, **hypers: float) -> dict[str, Any]:
    return {"rule": key, "hypers": hypers}


AROUND: dict[str, Any] = {"noise": {"sigma": 0.1, "seed": 4}, "clip": {"kind": "norm", "value": 2}}
EXPORTED: list[dict[str, Any]] = [
    {"landscape": "rosenbrock", "start": [-1.2, 1.0], "optimizer": rule("adam", lr=0.02, beta2=0.99)},
    {"landscape": "ravine", "start": [-4.0, 1.0], "optimizer": rule("rmsprop_centered_momentum", momentum=0.5)},
    {"landscape": "bowl", "start": [1, 2], "optimizer": rule("nadam", rate=0.99, maximize=1)},
    {"landscape": "bowl", "start": [1, 2], "optimizer": rule("qhadam", nu1=0.5), "shift": [0.1, 0]},
    {"landscape": "cliff", "start": [1.6, 1.5], "dtype": "float32", "optimizer": rule("aggmo", beta3=0.95), **AROUND},
    {"landscape": "cliff", "start": [1.6, 1.5], "optimizer": adam(), **AROUND, "wrap": {"kind": "lookahead"}},
    {"landscape": "saddle", "start": [1, 0.1], "optimizer": adam(), "wrap": {"kind": "sam", "rho": 0.2}},
    {
        "line": {"made": {"points": 30, "loss": "mae"}},
        "start": [0, 0],
        "optimizer": rule("adamw"),
        "batch": 7,
        "seed": 2,
    },
    {"line": {"made": {"x": [0.5, 1.0, 2.0], "y": [1.0, 2.0, 3.5]}}, "start": [0, 0], "optimizer": rule("lion")},
]


def test_the_exported_python_makes_the_same_path(engine: Engine) -> None:
    specs = [{**spec, "steps": 25} for spec in EXPORTED]
    answers = engine(*[["path", spec] for spec in specs], *[["python", spec] for spec in specs])
    for spec, path, code in zip(specs, answers[: len(specs)], answers[len(specs) :], strict=True):
        names: dict[str, Any] = {}
        exec(code.replace("print(", "(lambda *_: None)("), names)
        np.testing.assert_array_equal(path["points"].reshape(-1, 2), names["path"].points, f"{spec}\n{code}")
    run = subprocess.run([sys.executable, "-c", answers[len(specs)]], capture_output=True, text=True, check=True)
    assert run.stdout.count("\n") == 1, run.stdout
