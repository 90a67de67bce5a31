"""What is measured beside what: cases, peers and limits behind ``fallline bench`` and ``benchmarks/run.py``.

Every part yields rows. A row holds medians of one run in which all contenders took turns, after they were seen to do
the same work, and the least time that the machine allows, measured in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fallline._bench import _around, _growth, _kernels, _landscape, _optimizers, _steps
from fallline._bench._growth import picture as growth_picture
from fallline._bench._machine import describe
from fallline._bench._measure import FULL, QUICK, Effort, Row, Wanted
from fallline._bench._table import markdown, picture

__all__ = [
    "FULL",
    "PARTS",
    "QUICK",
    "Effort",
    "Row",
    "describe",
    "growth_picture",
    "markdown",
    "picture",
    "run",
    "run_brief",
]


def _training_steps(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    yield from _steps.rows(effort, wanted)
    yield from _landscape.rows(effort, wanted)


# Each part makes one table.
PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    "steps": _training_steps,
    "optimizers": _optimizers.rows,
    "kernels": _kernels.rows,
    "around": _around.rows,
    "growth": _growth.rows,
}
# What takes about a minute: beginnings of names.
BRIEF = (
    "S1 ",
    "S2 ",
    "S4 ",
    "S8 ",
    "S13 ",
    "Adam 10 x ",
    "Momentum 10 x 100,000",
    "matmul 64",
    "matmul 1024",
    "exp of 4",
    "gelu",
    "cross-entropy and gradient (128",
    "x + y",
    "100 operations",
    "import",
    "training step 46-",
)


def run(effort: Effort, parts: Sequence[str] = (), only: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the rows of the parts (all by default) whose names contain one of `only`, as they are measured."""
    for part in parts or PARTS:
        yield from PARTS[part](effort, lambda name: not only or any(text in name for text in only))


def run_brief() -> Iterator[Row]:
    """Yield the rows that take about a minute."""
    for rows in PARTS.values():
        yield from rows(QUICK, lambda name: name.startswith(BRIEF))
