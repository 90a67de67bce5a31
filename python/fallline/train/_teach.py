"""One step at a time, as a lesson: forward, loss, backward, update (R9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fallline import _core
from fallline.train.callbacks._protocol import Callback
from fallline.transforms import value_and_grad
from fallline.transforms._effects import collecting

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["Teach"]


class Teach(Callback):
    """Print what happens in each step, computed anew with the parameters from before it; the step stays what it is."""

    def begin(self, run: Run) -> None:
        """Keep the parameters that the first step begins with."""
        self._before = {path: np.array(w) for path, w in run.model.state_dict().items()}

    def batch(self, run: Run) -> None:
        """Go through the step again, slowly."""
        rows, key = run.last_batch()
        x, y, *weights = run.samples(rows)
        held = {path: _core.wrap(array) for path, array in self._before.items()}
        seen: list[Any] = []

        def loss(model: Any) -> Any:
            seen.append(model(x))
            return run.task.loss(seen[-1], y, **({"sample_weight": weights[0]} if weights else {}))

        with run.model.holding(held), collecting(key):
            value, grads = value_and_grad(loss)(run.model)
        output = np.asarray(seen[-1].detach())
        print(f"step {run.step}, epoch {run.epoch + 1}: {len(rows)} samples, {_few(rows)}")
        print(f"  forward   outputs {output.shape} from {output.min():.4g} to {output.max():.4g}")
        print(f"  loss      {float(value):.6g}")
        print(f"  backward  {_norms({path: np.asarray(g) for path, g in grads.items()})}")
        after = {path: np.array(w) for path, w in run.model.state_dict().items()}
        print(f"  update    {_norms({path: after[path] - self._before[path] for path in grads})}")
        self._before = after


def _few(rows: np.ndarray) -> str:
    return ", ".join(map(str, rows[:5].tolist())) + (" ..." if len(rows) > 5 else "")


def _norms(arrays: dict[str, np.ndarray]) -> str:
    return ", ".join(f"|{path}| {float(np.linalg.norm(a.astype(np.float64))):.4g}" for path, a in arrays.items())
