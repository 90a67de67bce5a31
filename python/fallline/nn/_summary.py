"""What is in a model, and what does a call of it take?  One row for each call of a module, found by tracing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fallline import _core
from fallline._array import Array
from fallline.transforms._key import arrays_of
from fallline.transforms._trace import first_of, layout, trace

if TYPE_CHECKING:
    from fallline.nn._module import Module

__all__ = ["Row", "Summary", "summarize"]


class Row(NamedTuple):
    """One call of a module, or one module where nothing was called; what its parts do stands in rows of their own."""

    path: str
    depth: int
    kind: str
    shape: str  # of what it returned, or "" where nothing was called
    parameters: int  # of its own arrays; those that stand in a row above count there
    trained: int
    nbytes: int  # of what it returned, where that is new
    multiply_adds: int


class Summary:
    """The layers of a model with their shapes, parameters, memory and multiplications; ``print`` shows a table.

    Attributes
    ----------
    rows
        A tuple for each call of a module, in order: ``path depth kind shape parameters trained nbytes multiply_adds``.
    parameters, trained
        The numbers in all parameters, and in those that are not frozen.
    parameter_bytes
        The memory of the parameters.
    output_bytes
        The memory of what the layers return, which a derivative keeps most of.
    multiply_adds
        Multiplications with an addition, in products of matrices and in convolutions.
    """

    def __init__(self, rows: Sequence[Row], parameter_bytes: int) -> None:
        self.rows, self.parameter_bytes = tuple(rows), parameter_bytes

    parameters = property(lambda self: sum(row.parameters for row in self.rows))
    trained = property(lambda self: sum(row.trained for row in self.rows))
    output_bytes = property(lambda self: sum(row.nbytes for row in self.rows))
    multiply_adds = property(lambda self: sum(row.multiply_adds for row in self.rows))

    @property
    def head(self) -> tuple[str, ...]:
        """The titles of the table's columns."""
        called = ("output", "bytes", "multiply-adds") if self.rows[0].shape else ()
        return ("layer", "kind", *called[:1], "parameters", *called[1:])

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The cells of the table."""
        found = []
        for row in self.rows:
            frozen = (
                " frozen" if row.parameters > row.trained == 0 else " partly frozen" * (row.parameters > row.trained)
            )
            called = (row.shape, _number(row.nbytes), _number(row.multiply_adds)) if "output" in self.head else ()
            name = "  " * row.depth + (row.path or "(model)")
            found.append((name, row.kind, *called[:1], _number(row.parameters) + frozen, *called[1:]))
        return found

    @property
    def totals(self) -> str:
        """All numbers in one line."""
        frozen = self.parameters - self.trained
        words = [f"{self.parameters:,} parameters" + (f", {frozen:,} of them frozen" if frozen else "")]
        words.append(f"{_size(self.parameter_bytes)} of parameters")
        if self.rows[0].shape:
            words += [f"{_size(self.output_bytes)} of outputs", f"{self.multiply_adds:,} multiply-adds"]
        return "; ".join(words)

    def __repr__(self) -> str:
        rows = [self.head, *self.table]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        numbers = {"parameters", "bytes", "multiply-adds"}
        lines = []
        for row in rows:
            cells = zip(row, widths, self.head, strict=True)
            lines.append("  ".join(c.rjust(w) if title in numbers else c.ljust(w) for c, w, title in cells).rstrip())
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], self.totals])

    def _repr_html_(self) -> str:
        from fallline._html import of_rows  # only in notebooks

        return of_rows(self.totals, self.head, self.table)


def _number(n: int) -> str:
    return f"{n:,}" if n else ""


def _size(nbytes: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if nbytes < 1000:
            return f"{nbytes:.4g} {unit}"
        nbytes = nbytes / 1000  # type: ignore[assignment]
    return f"{nbytes:.4g} GB"


def summarize(model: Module, inputs: Sequence[Any]) -> Summary:
    """Trace a call of the model in evaluation mode; without inputs, go through its modules."""
    paths = {id(module): path for path, module in model.named_modules()}
    slots = [slot for slot in model._slots() if slot.role != "buffer"]
    own = {key: [slot for slot in slots if id(slot.owner) == key] for key in paths}

    def row(module: Module, depth: int, shape: str = "", nbytes: int = 0, products: int = 0) -> Row:
        held = own.pop(id(module), [])  # counted in the first row of a module
        sizes = [(slot.array.size, slot.trained) for slot in held]
        counts = sum(n for n, _ in sizes), sum(n for n, trained in sizes if trained)
        return Row(paths[id(module)], depth, type(module).__name__, shape, *counts, nbytes, products)

    if inputs:
        rows = _called(model, inputs, row)
        rows += [row(module, 0) for module in model.modules() if own.get(id(module))]  # what nobody has called
    else:
        rows = [row(module, path.count(".") + bool(path)) for path, module in model.named_modules()]
    return Summary(rows, sum(slot.array.nbytes for slot in slots))


class _Call:
    """A call under way: which row it has, and where its work began."""

    def __init__(self, place: int, depth: int) -> None:
        self.place, self.depth, self.begin, self.inside = place, depth, _core.traced_work(0)[0], 0


def _called(model: Module, inputs: Sequence[Any], row: Callable[..., Row]) -> list[Row]:
    rows: list[Any] = []
    calls: list[_Call] = []
    known: list[Any] = []  # arrays that are some module's output already, kept so that their identities stay theirs

    def enter(module: Module, args: Any) -> None:
        known.extend(arrays_of(args))
        calls.append(_Call(len(rows), len(calls)))
        rows.append(module)

    def leave(module: Module, args: Any, output: Any) -> None:
        call = calls.pop()
        work = _core.traced_work(call.begin)[1]
        arrays = [a for a in arrays_of(output) if isinstance(a, Array)]
        new = [a for a in arrays if not any(a is other for other in known)]
        known.extend(new)
        shape = ", ".join(str(tuple(a.shape)) for a in arrays) or type(output).__name__
        rows[call.place] = (call, module, shape, sum(a.nbytes for a in new), work - call.inside)
        if calls:
            calls[-1].inside += work

    def attempt(dtype: Any) -> None:
        rows.clear()
        calls.clear()
        shown = [x if hasattr(x, "dtype") else layout(tuple(x), dtype) for x in inputs]
        trace(model, [layout(tuple(x.shape), x.dtype) for x in shown], {})

    floats = (array.dtype for _, array in model.named_parameters() if array.dtype.kind == "f")
    with _watched(model, enter, leave), model.in_mode(training=False), _core.no_grad():
        first_of([next(floats, _core.default_dtype()), np.int64], attempt)
    return [row(module, call.depth, shape, nbytes, work) for call, module, shape, nbytes, work in rows]


@contextmanager
def _watched(model: Module, enter: Any, leave: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for module in list(model.modules()):
            stack.enter_context(module.register_forward_pre_hook(enter))
            stack.enter_context(module.register_forward_hook(leave))
        yield
