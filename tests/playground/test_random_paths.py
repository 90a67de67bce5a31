"""Random paths: any rule with any hyper-parameters, schedules and surroundings, in the engine and in the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playground.conftest import Engine
from playground.test_paths import expected
from playground.test_schedules import made

import fallline as fl

Rng = np.random.Generator


def number(rng: Rng, hyper: dict[str, Any]) -> float:
    """Draw a value that is allowed, the edges among them."""
    if hyper["name"] == "lr":
        return float(10 ** rng.uniform(-4, 0.5))
    if hyper["range"] == "flag":
        return int(rng.integers(2))
    if hyper["range"] in ("unit", "closed_unit"):
        return float(rng.choice([0, 0.5, 0.9, 0.99, rng.uniform(0, 0.999)]))
    return float(rng.uniform(-1, 2) if hyper["range"] == "any" else rng.choice([0, 10 ** rng.uniform(-8, 1)]))


def optimizer(rng: Rng, rule: dict[str, Any]) -> dict[str, Any]:
    hypers = {h["name"]: number(rng, h) for h in rule["hypers"] if h["name"] == "lr" or rng.random() < 0.5}
    schedules = {}
    for hyper in rule["hypers"][:2]:  # lr, and what the rule has next
        if hyper["range"] != "flag" and rng.random() < 0.3:
            ends = sorted([number(rng, hyper), number(rng, hyper)])
            kind = str(rng.choice(["linear", "cosine"]))
            arguments = {"initial": ends[1], "final": ends[0], "steps": int(rng.integers(1, 50))}
            schedules[hyper["name"]] = {"name": kind, "arguments": arguments}
    return {"rule": rule["key"], "hypers": hypers, "schedules": schedules}


def ground(rng: Rng) -> dict[str, Any]:
    if rng.random() < 0.7:
        shift = rng.uniform(-0.05, 0.05, 2).tolist() if rng.random() < 0.2 else [0.0, 0.0]
        return {"landscape": str(rng.choice(list(fl.landscapes.ALL))), "shift": shift}
    points = {"points": int(rng.integers(2, 60)), "seed": int(rng.integers(9)), "loss": str(rng.choice(["mse", "mae"]))}
    return {"line": {"made": points}, "batch": int(rng.integers(0, 30)), "seed": int(rng.integers(99))}


def surroundings(rng: Rng, rule: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if rng.random() < 0.25:
        found["noise"] = {"eta": rng.uniform(0, 2), "gamma": rng.uniform(0, 1.5), "seed": int(rng.integers(2**40))}
    if rng.random() < 0.25:
        found["clip"] = {"kind": str(rng.choice(["norm", "value"])), "value": float(10 ** rng.uniform(-2, 1))}
    if rng.random() < 0.15:
        found["wrap"] = {"kind": "lookahead", "k": int(rng.integers(1, 7)), "alpha": rng.uniform(0, 1)}
    elif rng.random() < 0.15 and not rule["lookahead"]:
        found["wrap"] = {"kind": "sam", "rho": rng.uniform(0, 0.5)}
    return found


def steps_that_are_ours(spec: dict[str, Any], points: np.ndarray) -> int:
    """Return how many points come before sines of more than 100,000, which are the C library's own."""
    far = np.abs(points).max(axis=1) > 1e4
    waves = spec.get("landscape") in ("ackley", "branin", "bumpy", "rastrigin")
    return int(np.argmax(far)) if waves and far.any() else len(points)


@pytest.mark.filterwarnings("ignore:.*the learning rate has come to its end")
@pytest.mark.parametrize("seed", range(4))
def test_random_paths_have_the_same_bits(engine: Engine, tables: dict[str, Any], seed: int) -> None:
    rng, cases = np.random.default_rng(seed), []
    for _ in range(60):
        rule = tables["rules"][rng.integers(len(tables["rules"]))]
        base = {"start": rng.uniform(-2, 2, 2).tolist(), "steps": int(rng.integers(1, 80))}
        base |= {"dtype": str(rng.choice(["float64", "float32"])), "optimizer": optimizer(rng, rule)}
        cases.append((rule, {**base, **ground(rng), **surroundings(rng, rule)}))
    for (rule, spec), path in zip(cases, engine(*[["path", spec] for _, spec in cases]), strict=True):
        assert not isinstance(path, Exception), (path, spec)
        opt = getattr(fl.optim, rule["name"])(**rule["arguments"])
        opt.set_hyperparameters(**spec["optimizer"]["hypers"])
        opt.set_hyperparameters(**{name: made(given) for name, given in spec["optimizer"]["schedules"].items()})
        with np.errstate(all="ignore"):
            wanted = expected(spec, opt)
        n = steps_that_are_ours(spec, wanted.points)
        np.testing.assert_array_equal(path["points"].reshape(-1, 2)[:n], wanted.points[:n], str(spec))
        np.testing.assert_array_equal(path["losses"][:n], wanted.losses[:n], str(spec))
        np.testing.assert_array_equal(path["raw"].reshape(-1, 2)[: n - 1], wanted.gradients[: n - 1], str(spec))
