"""How do arrays, networks and histories look in a notebook?  Tables of HTML; every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

__all__ = ["of_array", "of_history", "of_module", "of_optimizer", "of_rows"]

MOST = 12  # rows or columns that are shown


def of_array(x: Any) -> str:
    """Return a small matrix as a table, anything else as its text; shape and dtype are above."""
    head = f"<div>Array, shape {x.shape}, {escape(x.dtype.name)}</div>"
    if not x._readable or x.ndim not in (1, 2) or x.size == 0 or max(x.shape) > MOST:
        return f"{head}<pre>{escape(repr(x))}</pre>"
    rows = np.atleast_2d(np.asarray(x))
    return head + _table((), ([np.array2string(value, precision=5) for value in row] for row in rows))


def of_module(module: Any) -> str:
    """Return the arrays of a model with their shapes, and how many numbers are trained."""
    slots = module._slots()
    rows = [[slot.path, type(slot.owner).__name__, slot.role, str(slot.array.shape), slot.array.dtype.name]
            for slot in slots]  # fmt: skip
    if len(rows) > 10 * MOST:
        rows = [*rows[: 10 * MOST], ["...", "", f"{len(rows) - 10 * MOST} more", "", ""]]
    trained = sum(slot.array.size for slot in slots if slot.trained)
    frozen = sum(slot.array.size for slot in slots if slot.role == "frozen")
    asleep = f", {frozen:,} frozen" if frozen else ""
    head = f"<div>{escape(type(module).__name__)}: {trained:,} trained numbers{asleep}</div>"
    return head + _table(("array", "of", "is a", "shape", "dtype"), rows)


def of_optimizer(opt: Any) -> str:
    """Return the hyper-parameters as they were set; of an optimizer around others what it prints."""
    head = f"<div>{escape(type(opt).__name__)} after {opt.t:,} updates</div>"
    if hasattr(opt, "parts"):
        return f"{head}<pre>{escape(repr(opt))}</pre>"
    return head + _table(("hyper-parameter", "value"), ([name, repr(opt._read(name))] for name in opt._names()))


def of_history(history: Mapping[str, Sequence[float]]) -> str:
    """Return the epochs as rows, the first and the last of them where there are many."""
    names = list(history)
    count = max((len(values) for values in history.values()), default=0)
    shown = list(range(count)) if count <= 2 * MOST else [*range(3), -1, *range(count - MOST, count)]
    rows = [
        ["...", *("" for _ in names)]
        if epoch < 0
        else [str(epoch + 1), *(f"{v[epoch]:.5g}" if epoch < len(v) else "" for v in history.values())]
        for epoch in shown
    ]
    return _table(("epoch", *names), rows)


def of_rows(text: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table below a line of text."""
    return f"<div>{escape(text)}</div>{_table(head, rows)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = f"<thead><tr>{''.join(f'<th>{escape(title)}</th>' for title in head)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{titles}<tbody>{body}</tbody></table>"
