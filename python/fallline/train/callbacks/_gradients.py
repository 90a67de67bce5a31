"""How large are the gradients of each layer, and which units are dead?  GradientMonitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fallline import _core
from fallline._arguments import takes, whole
from fallline.nn import Module, ReLU
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["GradientMonitor"]


class GradientMonitor(Callback):
    """Write into the history how large the gradient of each parameter is, and how many units are dead.

    That is after each epoch, for the first samples, in the mode of evaluation: ``grad_norm 0.weight``. A unit of a ReLU
    is dead where it gives 0 for all of these samples, so that nothing behind it is trained: ``dead 1`` is the share of
    such units in the layer ``1``. The norm over all parameters at every step stands in the history without this.

    Parameters
    ----------
    samples
        How many samples to look at.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    >>> model = fl.nn.Sequential(fl.nn.Linear(4, 8), fl.nn.ReLU(), fl.nn.Linear(8, 1))
    >>> monitor = fl.train.callbacks.GradientMonitor()
    >>> history = fl.fit(model, x, x[:, :1], loss="mse", callbacks=[monitor], progress=False)
    >>> sorted(history)[:4]
    ['dead 1', 'grad_norm', 'grad_norm 0.bias', 'grad_norm 0.weight']
    """

    @takes(samples=whole(1))
    def __init__(self, samples: int = 256) -> None:
        self.samples = samples

    def epoch(self, run: Run) -> None:
        """Look at the model as it is now."""
        gradients = run.gradients(self.samples)
        found = {f"grad_norm {path}": _core.global_norm([g]) for path, g in gradients.items()}
        run.history.put(run.epoch, found | {f"dead {path}": share for path, share in dead(run, self.samples).items()})


def dead(run: Run, samples: int) -> dict[str, float]:
    """Return the share of units of each ReLU that are 0 for all of the first samples."""
    shares: dict[str, float] = {}
    paths = {id(module): path for path, module in run.model._named_modules("")}

    def watched(module: Module, output: Any) -> None:
        active = np.asarray(output) > 0
        shares[paths[id(module)]] = 1 - float(active.any(axis=0).mean())

    x, _ = run.first(samples)
    with _watching(run.model, watched), run.model.in_mode(training=False), _core.no_grad():
        run.model(x)
    return shares


class _watching:
    """Tell a function of the outputs of every ReLU for a while."""

    def __init__(self, model: Module, tell: Any) -> None:
        self.layers = [module for module in model.modules() if isinstance(module, ReLU)]
        self.tell = tell

    def __enter__(self) -> None:
        for layer in self.layers:
            layer.__dict__["forward"] = self._telling(layer)

    def _telling(self, layer: Module) -> Any:
        def forward(*args: Any, **kwargs: Any) -> Any:
            output = type(layer).forward(layer, *args, **kwargs)
            self.tell(layer, output)
            return output

        return forward

    def __exit__(self, *error: object) -> None:
        for layer in self.layers:
            layer.__dict__.pop("forward", None)
