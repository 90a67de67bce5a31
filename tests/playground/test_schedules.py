"""The schedules of the page: every one of the library, with its numbers, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from playground.conftest import Engine

import fallline as fl

STEPS = 130


def cosine(**more: Any) -> dict[str, Any]:
    return {"name": "cosine", "arguments": {"initial": 0.3, "steps": 60, "final": 0.01, **more}}


NESTED: list[dict[str, Any]] = [
    {"name": "multi_step", "arguments": {"initial": 0.3, "milestones": [20, 70], "factor": 0.3}},
    {"name": "piecewise", "arguments": {"boundaries": [20, 70], "values": [0.3, 0.2, 0.1]}},
    {"name": "warmup", "arguments": {"after": cosine(), "steps": 20, "initial": 0.01}},
    {"name": "warmup", "arguments": {"after": 0.2, "steps": 20, "shape": "cosine"}},
    {"name": "scale", "arguments": {"schedule": cosine(), "factor": 0.5}},
    {"name": "join", "arguments": {"schedules": [0.2, cosine(), 0.05], "boundaries": [30, 100]}},
    {"name": "step", "arguments": {"initial": 0.3, "every": 2, "per": "epoch", "steps_per_epoch": 13}},
    cosine(steps=6, per="epoch", steps_per_epoch=17),
]


def made(given: Any) -> Any:
    """Make the library's schedule that a spec stands for."""
    if isinstance(given, list):
        return [made(one) for one in given]
    if not isinstance(given, dict):
        return given
    arguments = {name: made(value) for name, value in given["arguments"].items()}
    return getattr(fl.optim.schedules, given["name"])(**arguments)


def specs(tables: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every schedule that is made of numbers alone with the table's numbers, with every choice; and NESTED."""
    found = []
    for row in tables["schedules"]:
        if row["marks"] or row["parts"]:
            continue
        base = {p["name"]: p["value"] for p in row["parameters"]}
        found.append({"name": row["name"], "arguments": base})
        found += [
            {"name": row["name"], "arguments": {**base, p["name"]: choice}}
            for p in row["parameters"]
            for choice in p.get("choices", [])
        ]
    return [*found, *NESTED]


def test_every_schedule_of_the_library_is_there(tables: dict[str, Any]) -> None:
    names = {row["name"] for row in tables["schedules"]}
    assert names == set(fl.optim.schedules.__all__) - {"Schedule"}
    assert names == {spec["name"] for spec in specs(tables)}


def test_every_schedule_has_the_values_of_the_library(engine: Engine, tables: dict[str, Any]) -> None:
    wanted = specs(tables)
    for spec, found in zip(wanted, engine(*[["schedule", spec, STEPS] for spec in wanted]), strict=True):
        assert not isinstance(found, Exception), (spec, found)
        schedule = made(spec)
        np.testing.assert_array_equal(found, [schedule(t) for t in range(STEPS)], str(spec))
        assert spec["name"] == "constant" or len(set(found)) > 1, spec


def test_scheduled_hyper_parameters_give_the_same_path(engine: Engine) -> None:
    momentum = {"name": "linear", "arguments": {"initial": 0.5, "final": 0.95, "steps": 30}}
    optimizer = {
        "rule": "momentum",
        "hypers": {"l2": 0.1},
        "schedules": {"lr": cosine(initial=0.003), "momentum": momentum},
    }
    spec = {"landscape": "beale", "start": [1.0, 1.5], "steps": STEPS, "optimizer": optimizer}
    path, code = engine(["path", spec], ["python", spec])
    opt = fl.optim.Momentum(made(cosine(initial=0.003)), momentum=made(momentum), l2=0.1)
    found = fl.landscapes.path(fl.landscapes.beale, [1.0, 1.5], opt, STEPS)
    np.testing.assert_array_equal(path["points"].reshape(-1, 2), found.points)
    np.testing.assert_array_equal(path["hypers"]["momentum"], [made(momentum)(t) for t in range(STEPS)])
    names: dict[str, Any] = {}
    exec(code.replace("print(", "(lambda *_: None)("), names)
    np.testing.assert_array_equal(names["path"].points, found.points)


def test_every_rule_follows_a_schedule(engine: Engine, tables: dict[str, Any]) -> None:
    """Among them those that carry a number made of past hyper-parameters, such as NAdam's product of momenta."""
    schedule = {"name": "warmup", "arguments": {"after": cosine(initial=0.02, steps=30), "steps": 5, "initial": 0.001}}
    base = {"landscape": "himmelblau", "start": [1.0, 1.5], "steps": 50}
    specs = [{**base, "optimizer": {"rule": rule["key"], "schedules": {"lr": schedule}}} for rule in tables["rules"]]
    for rule, path in zip(tables["rules"], engine(*[["path", spec] for spec in specs]), strict=True):
        opt = getattr(fl.optim, rule["name"])(**rule["arguments"])
        opt.set_hyperparameters(lr=made(schedule))
        found = fl.landscapes.path(fl.landscapes.himmelblau, [1.0, 1.5], opt, 50)
        np.testing.assert_array_equal(path["points"].reshape(-1, 2), found.points, rule["key"])


def test_the_exported_python_of_a_schedule_is_the_schedule(engine: Engine, tables: dict[str, Any]) -> None:
    for spec in specs(tables):
        optimizer = {"rule": "sgd", "schedules": {"lr": spec}}
        (code,) = engine(["python", {"landscape": "bowl", "start": [1, 1], "steps": 5, "optimizer": optimizer}])
        names: dict[str, Any] = {}
        exec(code.replace("print(", "(lambda *_: None)("), names)
        schedule = made(spec)
        assert [names["rule"].hyper_rows(t, 1)[0, 0] for t in range(20)] == [schedule(t) for t in range(20)], code


WRONG: list[tuple[Any, str]] = [
    ({"name": "sawtooth", "arguments": {}}, "[schedule] there is no schedule named 'sawtooth'; there are constant, "),
    (cosine(period=3), "[schedule] cosine has no argument 'period'; it has initial, steps, final"),
    (
        {"name": "cosine", "arguments": {"initial": 0.1}},
        "[schedule] cosine needs steps, a number (length), got undefined",
    ),
    (cosine(steps=0), "[schedule] cosine needs steps, a number (length), got 0"),
    (cosine(per="epoch"), "[schedule] cosine: per='epoch' needs steps_per_epoch"),
    ({"name": "join", "arguments": {"schedules": [0.1], "boundaries": [3]}}, "join needs 2 of schedules, got 1"),
]


def test_what_is_wrong_is_said(engine: Engine) -> None:
    for (_, text), error in zip(WRONG, engine(*[["schedule", spec, 5] for spec, _ in WRONG]), strict=True):
        assert isinstance(error, RuntimeError) and text in str(error), error
