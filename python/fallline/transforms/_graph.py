"""What a function computes, to be read: the calls that it made while it was traced."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from fallline import _core, _tree
from fallline.transforms._key import ARRAYS, arrays_of
from fallline.transforms._trace import trace as traced_with

__all__ = ["Graph", "Step", "trace"]


class Step(NamedTuple):
    """One call of a graph: ``outs = name(ins) [attributes]``; a loop or a body has a graph of its own."""

    name: str
    ins: tuple[str, ...]
    outs: tuple[str, ...]
    attributes: str
    body: Graph | None = None
    runs: int = 1


class Graph:
    """A traced function: its inputs, steps and results by name. ``print(graph)`` shows all of them.

    Attributes
    ----------
    inputs, results
        Names of values.
    steps
        The calls, in order.
    layouts
        Of each value by name: dtype and shape, such as ``float32 (3, 4)``.
    """

    def __init__(self, native: Any, names: dict[int, str], results: list[int], title: str) -> None:
        self.title = title
        values = _core.graph_values(native)
        self._names = dict(names)
        constants: list[str] = []
        for i, (_, shape, constant) in enumerate(values):
            if i in self._names or constant is None:
                continue
            if shape == () and constant._readable:
                self._names[i] = repr(constant.item())
            else:
                self._names[i] = f"c{len(constants)}"
                constants.append(self._names[i])
        found = _core.graph_steps(native)
        for i in [out for step in found for out in step[2]]:
            self._names[i] = f"%{sum(name.startswith('%') for name in self._names.values()) + 1}"
        self.inputs = list(names.values())
        self.constants = constants
        self.results = [self._names[i] for i in results]
        self.layouts = {
            self._names[i]: f"{dtype} {shape}" for i, (dtype, shape, _) in enumerate(values) if i in self._names
        }
        self.steps = [self._step(step) for step in found]

    def _step(self, step: Any) -> Step:
        name, ins, outs, attributes, inner, _ = step
        body, runs = None, 1
        if inner is not None:
            graph, results, runs = inner
            names = {value: f"a{i}" for i, value in enumerate(_core.graph_inputs(graph))}
            body = Graph(graph, names, results, "body")
        return Step(
            name, tuple(self._names[i] for i in ins), tuple(self._names[i] for i in outs), attributes, body, runs
        )

    def __repr__(self) -> str:
        return f"Graph({self.title}, {len(self.inputs)} inputs, {len(self.steps)} steps; print(graph) shows them)"

    def __str__(self) -> str:
        return "\n".join(self._lines(""))

    def _lines(self, indent: str) -> list[str]:
        given = ", ".join(f"{name}: {self.layouts[name]}" for name in self.inputs)
        lines = [f"{indent}{self.title}({given})"]
        lines += [f"{indent}  {name} = constant {self.layouts[name]}" for name in self.constants]
        for step in self.steps:
            layouts = ", ".join(self.layouts[out] for out in step.outs)
            call = f"{', '.join(step.outs)} = {step.name}({', '.join(step.ins)})"
            attributes = f" [{step.attributes}]" if step.attributes else ""
            runs = f", {step.runs} times:" if step.body and step.name == "scan" else ":" if step.body else ""
            lines.append(f"{indent}  {call}{attributes} -> {layouts}{runs}")
            if step.body:
                lines += step.body._lines(indent + "    ")
        return [*lines, f"{indent}  return {', '.join(self.results)}"]

    def to_graphviz(self) -> str:
        """Return the graph in the DOT language of Graphviz, as text: boxes are calls, ellipses what goes in.

        A body is a box of its own; ``dot -Tsvg`` draws it.
        """
        lines = ["digraph {", "  node [fontname=monospace];"]
        self._draw(lines, "", {})
        return "\n".join([*lines, "}"])

    def _draw(self, lines: list[str], prefix: str, given: dict[str, str]) -> dict[str, str]:
        """Add the calls; return the node of each value."""
        nodes = dict(given)
        for name in [*self.inputs, *self.constants]:
            if name not in nodes:
                nodes[name] = f'"{prefix}{name}"'
                lines.append(f'  {nodes[name]} [shape=ellipse, label="{name}\\n{self.layouts[name]}"];')
        for place, step in enumerate(self.steps):
            node = f'"{prefix}{place}"'
            label = f"{step.name}\\n{step.attributes}" if step.attributes else step.name
            label += "".join(f"\\n{self.layouts[out]}" for out in step.outs)
            lines.append(f'  {node} [shape=box, label="{label}"];')
            for name in step.ins:
                if name not in nodes:  # a number
                    nodes[name] = f'"{prefix}{name}"'
                    lines.append(f'  {nodes[name]} [shape=plaintext, label="{name}"];')
                lines.append(f"  {nodes[name]} -> {node};")
            if step.body:
                lines.append(f'  subgraph "cluster{prefix}{place}" {{ label="{step.name}";')
                step.body._draw(lines, f"{prefix}{place}.", {})
                lines.append("  }")
            nodes |= dict.fromkeys(step.outs, node)
        for place, name in enumerate(self.results):
            end = f'"{prefix}return{place}"'
            lines.append(f'  {end} [shape=plaintext, label="return"];')
            lines.append(f"  {nodes.get(name, repr(name))} -> {end};")
        return nodes


def trace(f: Callable[..., Any]) -> Callable[..., Graph]:
    """Return a function that shows what `f` computes for its arguments: a `Graph`.

    Parameters
    ----------
    f
        A function of trees of arrays that returns a tree of arrays, as for :func:`fallline.jit`, such as the gradient
        of another.

    Returns
    -------
    callable
        Takes the arguments of `f`; only their shapes and dtypes matter. Values are named by the arguments and their
        paths.

    Examples
    --------
    >>> import fallline as fl
    >>> def loss(w, x):
    ...     return fl.tanh(x @ w).sum()
    >>> print(fl.trace(loss)(fl.zeros(3), fl.zeros((5, 3))))
    loss(w: float32 (3,), x: float32 (5, 3))
      %1 = reshape(w) [shape (3, 1)] -> float32 (3, 1)
      %2 = matmul(x, %1) -> float32 (5, 1)
      %3 = reshape(%2) [shape (5,)] -> float32 (5,)
      %4 = tanh(%3) -> float32 (5,)
      %5 = sum(%4) [axes (0,), keepdims false] -> float32 ()
      return %5
    """
    if not callable(f):
        raise TypeError(f"[trace] expected a function, got {type(f).__name__}")

    def wrapped(*args: Any, **kwargs: Any) -> Graph:
        found = traced_with(f, args, kwargs)
        graph, outputs = found.native
        keys, *inputs = _core.graph_inputs(graph)
        names = dict(zip(inputs, _names(f, args, kwargs), strict=True))
        if found.effects.draws:
            names = {keys: "key", **names}
        return Graph(graph, names, outputs, getattr(f, "__name__", type(f).__name__))

    return wrapped


def _names(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return a name for each array: that of its argument, and its path in it."""
    try:
        places = list(inspect.signature(f).bind(*args).arguments.items()) if not kwargs else []
    except (TypeError, ValueError):
        places = []
    if len(places) != len(args):
        places = [(f"x{i}", arg) for i, arg in enumerate(args)]
    found: list[str] = []
    for name, value in [*places, *kwargs.items()]:
        if not arrays_of(value):
            continue
        leaves = _tree.flatten(value)
        found += [f"{name}.{path}" if path else name for path, leaf in leaves.items() if isinstance(leaf, ARRAYS)]
    return found
