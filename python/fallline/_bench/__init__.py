"""What is measured beside what: cases, peers and limits behind ``fallline bench`` and ``benchmarks/run.py``.

Every part yields rows. A row holds medians of one run in which all contenders took turns, after they were seen to do
the same work, and the least time that the machine allows, measured in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fallline._bench import _around, _kernels, _landscape, _optimizers, _steps
from fallline._bench._machine import describe
from fallline._bench._measure import FULL, QUICK, Effort, Row
from fallline._bench._table import markdown, picture

__all__ = ["FULL", "PARTS", "QUICK", "Effort", "Row", "describe", "markdown", "picture", "run"]

PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    "steps": _steps.rows,
    "landscape": _landscape.rows,
    "optimizers": _optimizers.rows,
    "kernels": _kernels.rows,
    "around": _around.rows,
}


def run(effort: Effort, parts: list[str] | None = None, only: str = "") -> Iterator[Row]:
    """Yield the rows of the parts, as they are measured."""
    for part in parts or PARTS:
        yield from PARTS[part](effort, only)
