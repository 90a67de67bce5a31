"""Running statistics for parameters that were not trained with them, such as averages."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import takes
from fallline.nn import BatchNorm1d, BatchNorm2d, Module
from fallline.train import _kinds
from fallline.train._batches import batch_of
from fallline.train._data import as_rows, check_rows
from fallline.train._steps import model_dtype

__all__ = ["update_running_statistics"]


def norms(model: Module) -> list[Any]:
    """Return the layers that keep running statistics."""
    return [m for m in model.modules() if isinstance(m, BatchNorm1d | BatchNorm2d) and m.track_running_stats]


@takes(**_kinds.STATISTICS)
def update_running_statistics(model: Module, x: Any, batch_size: int | str = 1024) -> None:
    """Set the running statistics of all batch normalisation layers to the mean over the batches of x.

    After weights were averaged (:class:`fallline.optim.SWA`, :class:`fallline.optim.EMA`), the statistics that were
    kept along the way belong to other weights. All other layers compute as in evaluation.

    Parameters
    ----------
    model
        Its parameters stay as they are, and so does its mode.
    x
        Samples along the first axis.
    batch_size
        Samples per batch, or "full"; each batch counts alike, so a last one of less than two samples is left out.

    References
    ----------
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", section 3.2.
    """
    rows = as_rows("x", x)
    n = check_rows({"x": rows})
    batch = batch_of(batch_size, n)
    found = norms(model)
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in found]
    dtype, samples = model_dtype(model), np.asarray(rows)
    try:
        model.eval()
        for norm in found:
            norm.train()
            norm.momentum = None  # the plain mean over all batches
            np.asarray(norm.num_batches_tracked)[...] = 0
        with _core.no_grad():
            for start in range(0, n, batch):
                part = samples[start : start + batch]
                if len(part) > 1 and found:
                    model(_core.wrap(np.ascontiguousarray(part, dtype)))
    finally:
        for norm, momentum in zip(found, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
