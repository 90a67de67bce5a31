"""The rules of the page: every rule of the library, with all its options, gives the library's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playground.conftest import Engine

import fallline as fl
from fallline import _core

START, STEPS = [-1.3, 1.6], 60
# Values away from the defaults for every kind of range.
OTHER = {"any": 0.3, "nonnegative": 0.02, "unit": 0.8, "closed_unit": 0.6}


def optimizer_of(rule: dict[str, Any], hypers: dict[str, float]) -> Any:
    """Make the library's object that a row of the table stands for."""
    opt = getattr(fl.optim, rule["name"])(**rule["arguments"])
    opt.set_hyperparameters(**hypers)
    return opt


def options(rule: dict[str, Any]) -> list[dict[str, float]]:
    """Return hyper-parameters to try: the defaults, every flag the other way round, and every number elsewhere."""
    base = {"lr": 0.05}
    found = [base]
    for hyper in rule["hypers"]:
        name = hyper["name"]
        if hyper["range"] == "flag":
            found.append({**base, name: 1 - hyper["value"]})
        elif name != "lr":
            found.append({**base, name: OTHER[hyper["range"]]})
    return found


def replayed(opt: Any, path: dict[str, Any], dtype: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Step with the gradients of a path."""
    w = np.array(START, dtype)
    points = [w.astype(np.float64)]
    for g in path["gradients"].reshape(-1, 2):
        opt.minimize(lambda p, g=g: (0.0, g.astype(dtype)), w)
        points.append(w.astype(np.float64))
    return np.array(points), {name: np.asarray(slot) for name, slot in opt.state[""].items()}


def test_every_rule_of_the_library_is_there(tables: dict[str, Any]) -> None:
    keys = [rule["key"] for rule in tables["rules"]]
    assert set(_core.rule_names()) <= set(keys)
    classes = {rule["name"] for rule in tables["rules"]} | {rule["name"] for rule in tables["wholeTensor"]}
    assert {type(fl.optim.get(name)).__name__ for name in fl.optim.names()} == classes


def test_the_table_says_what_the_library_says(tables: dict[str, Any]) -> None:
    for rule in tables["rules"]:
        opt = optimizer_of(rule, {})
        specs = [(h["name"], h["value"], h["range"]) for h in rule["hypers"]]
        assert [(name, kind) for name, _, kind in opt._specs] == [(name, kind) for name, _, kind in specs], rule["key"]
        assert opt.hyperparameters() == {name: value for name, value, _ in specs}, rule["key"]
        assert [slot["name"] for slot in rule["slots"]] == list(opt.init(np.zeros(2))["slots"][""])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_rule_with_every_option_steps_as_the_library(engine: Engine, tables: dict[str, Any], dtype: str) -> None:
    cases = [(rule, hypers) for rule in tables["rules"] for hypers in options(rule)]
    specs = [
        {
            "landscape": "bowl",
            "start": START,
            "steps": STEPS,
            "dtype": dtype,
            "optimizer": {"rule": rule["key"], "hypers": hypers},
        }
        for rule, hypers in cases
    ]
    paths = engine(*[["path", spec] for spec in specs])
    for (rule, hypers), path in zip(cases, paths, strict=True):
        with np.errstate(all="ignore"):
            points, slots = replayed(optimizer_of(rule, hypers), path, dtype)
        case = f"{rule['key']} with {hypers}"
        np.testing.assert_array_equal(path["points"].reshape(-1, 2), points, case)
        assert not np.array_equal(points[0], points[-1]), case
        for name, slot in slots.items():
            np.testing.assert_array_equal(path["slots"][name][-2:], slot.astype(np.float64), f"{case}: {name}")
