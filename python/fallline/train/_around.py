"""Words of fit that stand for something around the optimizer: clipping, accumulation and averages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fallline import optim
from fallline.nn import Module
from fallline.train._batches import Sizes
from fallline.train._statistics import norms, update_running_statistics
from fallline.train.callbacks._monitors import Timer
from fallline.train.callbacks._protocol import Callback

if TYPE_CHECKING:
    from fallline.train._run import Run

__all__ = ["Averages", "around", "check_accumulate", "limits"]


LINKS = {
    "clip_value": optim.clip_value,
    "clip_norm": optim.clip_norm,
    "clip_global_norm": optim.clip_global_norm,
    "adaptive_clip": optim.adaptive_clip,
}


def around(
    opt: optim.Optimizer,
    model: Module,
    sizes: Sizes,
    *,
    clips: dict[str, float | None],
    accumulate: int,
    ema: float | None,
    swa: int | None,
) -> tuple[optim.Optimizer, float]:
    """Return the optimizer with what `fit` was told to put around it, and the norm that the loop itself clips to."""
    limits = {name: limit for name, limit in clips.items() if limit is not None}
    max_norm = 0.0
    if limits.keys() == {"clip_global_norm"} and accumulate == 1:  # the loop knows the norm anyway
        max_norm = limits.pop("clip_global_norm")
    links: list[Any] = [optim.accumulate(accumulate)] if accumulate > 1 else []
    links += [LINKS[name](limit) for name, limit in limits.items()]
    opt.hold(model)
    made = optim.chain(*links, opt) if links else opt
    made = made if ema is None else optim.EMA(made, ema)
    made = made if swa is None else optim.SWA(made, start=swa * sizes.steps(0), every=sizes.steps(0))
    if made is not opt:
        made.t = opt.t * accumulate  # it has gone so far already
        made.hold(model)
    return made, max_norm


def check_accumulate(accumulate: int, sizes: Sizes, epochs: int) -> None:
    """Raise ValueError where the training has fewer batches than one step takes."""
    batches = sum(steps * times for steps, times in sizes.runs(0, epochs)) if accumulate > 1 else accumulate
    if 0 < batches < accumulate:
        raise ValueError(
            f"[fit] accumulate={accumulate} batches make a step, and this training has {batches}: nothing would be "
            "learned; accumulate fewer, or train for more epochs"
        )


def limits(steps: int | None, seconds: float | None) -> list[Callback]:
    """Return what ends the training after so many steps or seconds."""
    by_steps = [] if steps is None else [Limit(steps)]
    return [*by_steps, *([] if seconds is None else [Timer(seconds, record=False)])]


class Limit(Callback):
    """End the training after so many steps."""

    def __init__(self, steps: int) -> None:
        self.every = steps

    def batch(self, run: Run) -> bool:
        """Be called when it is so far."""
        return True


class Averages(Callback):
    """When the training has ended, the model holds what was averaged, with running statistics that belong to it."""

    def end(self, run: Run) -> None:
        """Take the averages over."""
        if run.finished:
            run.model.load_state_dict({path: np.array(array) for path, array in run.evaluated().items()})
            if norms(run.model):
                update_running_statistics(run.model, run.data.x)
