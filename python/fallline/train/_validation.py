"""What is the model worth on samples that it does not learn from?  Asked after an epoch, as a callback."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from fallline._array import Array
from fallline.train._data import as_rows, check_finite, check_like, check_rows
from fallline.train._evaluate import Evaluation
from fallline.train._steps import model_dtype
from fallline.train._targets import check_targets
from fallline.train.callbacks._protocol import Callback
from fallline.train.metrics._meter import Meter

if TYPE_CHECKING:
    from fallline.train._run import Run
    from fallline.train._steps import Task

__all__ = ["Validation", "validation"]


class Validation(Callback):
    """Write loss and metrics of other samples into the history, as ``val_loss`` and so on."""

    def __init__(self, task: Task, x: Array, y: Array, freq: int = 1) -> None:
        self.freq, self._names = freq, ["val_loss", *(f"val_{name}" for name in task.meter.metrics)]
        self.evaluation = Evaluation(task._replace(meter=Meter(task.meter.metrics)), x, y)

    def epoch(self, run: Run) -> None:
        """Evaluate at the parameters at which the optimizer wants to be judged; NaN where it is not time."""
        if (run.epoch + 1) % self.freq and not run.ending:
            run.history.put(run.epoch, dict.fromkeys(self._names, math.nan))
            return
        run.history.put(run.epoch, self.values(run))

    def values(self, run: Run) -> dict[str, Any]:
        """Return loss and metrics as they are now."""
        with averaged(run):
            values = self.evaluation.run()
        return {f"val_{name}": value for name, value in values.items()}


@contextmanager
def averaged(run: Run) -> Iterator[None]:
    """Hold the parameters that the optimizer averages for a while."""
    parameters = run.model.parameters()
    found = run.optimizer.averaged(parameters)
    with nullcontext() if found is parameters else run.model.holding(found):
        yield


def validation(task: Task, given: Any, of_x: Array, of_y: Array, freq: int = 1) -> list[Validation]:
    """Return the callback for samples that were given as (x, y), or none for None."""
    if given is None:
        if task.meter.everything:
            raise ValueError(
                f"[fit] {', '.join(task.meter.everything)} needs all outputs of one model at once, which a training "
                "epoch does not have: pass validation=(x, y), or ask fl.evaluate afterwards"
            )
        return []
    x, y = as_rows("validation x", given[0]), as_rows("validation y", given[1])
    check_rows({"validation x": x, "validation y": y})
    for name, array, of in (("x", x, of_x), ("y", y, of_y)):
        check_like(f"validation {name}", array, name, of)
        check_finite(f"validation {name}", array, model_dtype(task.model))
    check_targets(task, x, y, "validation y")
    return [Validation(task, x, y, freq)]
