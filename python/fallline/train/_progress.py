"""How does a run show where it is?  A bar on a terminal and in a notebook, where tqdm is installed; else nothing."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from fallline.train._history import History


class NoBar:
    """Shows nothing."""

    def __enter__(self) -> NoBar:
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def update(self, steps: int) -> None:
        """Go on by some steps."""

    def show(self, history: History) -> None:
        """Show the values of the last epoch."""


class Bar(NoBar):
    """A bar of steps, with the last epoch's values behind it."""

    def __init__(self, total: int, tqdm: Any, *, stays: bool) -> None:
        self.tqdm = tqdm(total=total, unit="step", leave=stays, dynamic_ncols=True)

    def __exit__(self, *args: object) -> None:
        self.tqdm.close()

    def update(self, steps: int) -> None:
        """Go on by some steps."""
        self.tqdm.update(steps)

    def show(self, history: History) -> None:
        """Show the values of the last epoch."""
        self.tqdm.set_postfix({name: f"{values[-1]:.4g}" for name, values in history.items()}, refresh=False)


def bar(total: int, progress: bool) -> NoBar:
    """Return a bar where somebody looks, and tqdm is there to draw it."""
    notebook = in_notebook()
    if not progress or not (notebook or sys.stderr.isatty()):
        return NoBar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm's word on a notebook without ipywidgets, where it draws with letters
            from tqdm.auto import tqdm
    except ModuleNotFoundError:
        return NoBar()
    return Bar(total, tqdm, stays=notebook)


def in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and hasattr(shell, "kernel")
