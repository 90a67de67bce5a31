"""How are results shown?  A table on a terminal, one plain line per split elsewhere, and a picture of the history."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import Any

import fallline as fl

Results = dict[str, dict[str, float]]
FORMATS = {"rmse": "{:.1f}"}  # in the user's units; everything else is a share or a loss


def show_results(results: Results) -> None:
    """Print the splits: aligned in a table where a person looks, else one line each."""
    if not sys.stdout.isatty():
        for split, values in results.items():
            print(plain_line(split, values))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("split")
    for name in next(iter(results.values())):
        table.add_column(name, justify="right")
    for split, values in results.items():
        table.add_row(split, *(_spell(name, value) for name, value in values.items()))
    Console().print(table)


def plain_line(split: str, values: Mapping[str, float]) -> str:
    """Spell one split.

    Examples
    --------
    >>> plain_line("test", {"accuracy": 0.97712, "loss": 0.08031})
    'test accuracy 0.9771 loss 0.0803'
    """
    return " ".join([split, *(f"{name} {_spell(name, value)}" for name, value in values.items())])


def _spell(name: str, value: float) -> str:
    if name == "rmse" and abs(value) < 100:
        return f"{value:.4g}"
    return FORMATS.get(name, "{:.4f}").format(value)


def draw_history(history: Mapping[str, Any]) -> bytes:
    """Draw each quantity that was recorded, training and validation together, as a PNG picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [name for name in ("loss", "accuracy") if name in history]
    figure = Figure(figsize=(5 * len(names), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                epochs = range(1, len(history[key]) + 1)
                axes.plot(epochs, history[key], label=label, marker="o", markersize=3)
        if name == "loss" and min(history[name]) > 0:
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    return picture.getvalue()


def reason(error: OSError) -> str:
    """Say why the system refused, in its own words."""
    return error.strerror or str(error)


def show_info() -> int:
    """Print what `fl.info()` knows, one line per entry."""
    for name, value in fl.info().items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {number}" for key, number in value.items())
        elif isinstance(value, (list, tuple)):
            value = ", ".join(map(str, value))
        print(f"{name.replace('_', ' ')}: {value}")
    return 0
