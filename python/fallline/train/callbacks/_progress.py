"""How does a run show where it is?  A bar on a terminal and in a notebook, where tqdm is installed; else nothing."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["Progress", "in_notebook"]


class Progress(Callback):
    """A bar of steps on a terminal or in a notebook, with the last epoch's values behind it; `fit` adds one itself."""

    every = None
    _bar: Any = None

    def begin(self, run: Run) -> None:
        """Draw the bar where somebody looks."""
        notebook = in_notebook()
        if not (notebook or sys.stderr.isatty()):
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tqdm's word on a notebook without ipywidgets: it draws with letters
                from tqdm.auto import tqdm
        except ModuleNotFoundError:
            return
        self._bar = tqdm(total=run.steps, initial=run.step, unit="step", leave=notebook, dynamic_ncols=True)

    def batch(self, run: Run) -> None:
        """Go on."""
        if self._bar is not None:
            self._bar.update(run.step - self._bar.n)

    def epoch(self, run: Run) -> None:
        """Show the values of the last epoch."""
        if self._bar is not None:
            self._bar.set_postfix({name: f"{v[-1]:.4g}" for name, v in run.history.curves.items()}, refresh=False)
            self._bar.update(run.step - self._bar.n)

    def end(self, run: Run) -> None:
        """Take the bar away, or leave it in the notebook."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_bar"}


def in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and hasattr(shell, "kernel")
