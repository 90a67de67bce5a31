"""What is put back when training diverges? Parameters, buffers and the optimizer's state."""

from __future__ import annotations

import copy

import numpy as np

from fallline.nn import Module
from fallline.optim import Optimizer


class Snapshot:
    """Parameters and optimizer state as they were when `take` was called last."""

    def __init__(self, model: Module, opt: Optimizer) -> None:
        live = [np.asarray(a) for a in model.state_dict().values()]
        if opt.native:  # the rule binds these arrays; others make new ones as they go
            live += [np.asarray(slot) for slots in opt.state.values() for slot in slots.values()]
        self.opt, self.arrays = opt, [(array, array.copy(order="K")) for array in live]

    def take(self) -> None:
        """Look at them as they are now."""
        for array, saved in self.arrays:
            np.copyto(saved, array)
        self.t, self.python = self.opt.t, None if self.opt.native else copy.deepcopy(self.opt.__dict__)

    def restore(self) -> None:
        """Put them back."""
        for array, saved in self.arrays:
            np.copyto(array, saved)
        self.opt.t = self.t
        if self.python is not None:
            self.opt.__dict__.update(self.python)
