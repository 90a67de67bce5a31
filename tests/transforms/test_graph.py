"""A traced function can be read, and drawn."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fallline as fl

W = fl.asarray(np.ones((4, 3), np.float32))


def loss(p: Any, x: Any) -> Any:
    return {"sum": (fl.relu(x @ p["w"].T) * 2.0).sum(), "w": p["w"][0]}


def test_a_graph_names_arguments_calls_and_results() -> None:
    graph = fl.trace(loss)({"w": W}, np.ones((5, 3), np.float32))
    text = str(graph)
    assert text.splitlines()[0] == "loss(p.w: float32 (4, 3), x: float32 (5, 3))"
    assert text.splitlines()[-1] == f"  return {graph.results[0]}, {graph.results[1]}"
    names = [step.name for step in graph.steps]
    assert names[:3] == ["transpose", "matmul", "relu"]
    assert "multiply(%3, 2.0) -> float32 (5, 4)" in text
    assert "[axes (0, 1), keepdims false] -> float32 ()" in text
    for step in graph.steps:
        assert all(name in graph.layouts for name in step.outs)


def test_closed_arrays_bodies_and_keys_are_shown() -> None:
    drop = fl.nn.Dropout(0.5)
    drop.train()

    def f(x: Any) -> Any:
        last, _ = fl.scan(lambda c, row: (fl.tanh(c + row @ W.T @ W), None), x[0], x)
        return drop(last)

    graph = fl.trace(f)(fl.ones((6, 3)))
    assert graph.inputs == ["key", "x"]
    scan = next(step for step in graph.steps if step.name == "scan")
    assert scan.runs == 6
    assert scan.body is not None
    assert [step.name for step in scan.body.steps][-1] == "tanh"
    assert re.search(r"%\d+ = scan\(.*\) -> float32 \(3,\), 6 times:\n    body\(a0: float32 \(3,\)", str(graph))
    assert "c0 = constant float32 (4, 3)" in str(graph)


def test_a_gradient_is_a_graph() -> None:
    graph = fl.trace(fl.grad(lambda w: (fl.sin(w) ** 2).sum()))(fl.ones(3))
    assert graph.inputs == ["w"] or graph.inputs == ["x0"]
    assert {"sin", "cos"} & {step.name for step in graph.steps} or "sin_grad" in str(graph)


def test_the_drawing_is_dot() -> None:
    text = fl.trace(loss)({"w": W}, np.ones((5, 3), np.float32)).to_graphviz()
    assert text.startswith("digraph {")
    assert text.endswith("}")
    boxes = set(re.findall(r'^  ("[^"]+") \[', text, re.MULTILINE))
    ends = set(re.findall(r'("[^"]+")', " ".join(re.findall(r"^  (.* -> .*);$", text, re.MULTILINE))))
    assert ends <= boxes  # every arrow joins what has been drawn
    assert text.count("shape=box") == len(fl.trace(loss)({"w": W}, np.ones((5, 3), np.float32)).steps)
    with pytest.raises(TypeError, match=r"\[trace\] expected a function"):
        fl.trace(3)  # type: ignore[arg-type]
