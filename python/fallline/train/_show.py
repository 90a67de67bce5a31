"""How do numbers of runs become tables and pictures?  In letters, as data frames, and on axes of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["aligned", "axes", "pandas"]


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Return rows of texts in columns.

    >>> print(aligned([["epoch", "loss"], ["1", "0.25"]]))
    epoch  loss
    1      0.25
    """
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def axes() -> Any:
    """Return new axes of matplotlib."""
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("plotting needs matplotlib: pip install 'fallline[plot]'") from error
    return plt.subplots()[1]


def pandas() -> Any:
    """Return pandas."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("data frames need pandas: pip install pandas") from error
    return pandas
