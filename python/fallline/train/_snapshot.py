"""What is put back when training diverges? Parameters, buffers and the optimizer's state."""

from __future__ import annotations

import copy

import numpy as np

from fallline.nn import Module
from fallline.optim import Optimizer


class Snapshot:
    """Parameters and optimizer state as they are now."""

    def __init__(self, model: Module, opt: Optimizer) -> None:
        self.opt, self.t = opt, opt.t
        self.python = None if opt.native else copy.deepcopy(opt.__dict__)
        live = [np.asarray(a) for a in model.state_dict().values()]
        live += [np.asarray(slot) for slots in opt.state.values() for slot in slots.values()]
        self.arrays = [(array, array.copy(order="K")) for array in live]

    def restore(self) -> None:
        """Put them back."""
        for array, saved in self.arrays:
            array[...] = saved
        self.opt.t = self.t
        if self.python is not None:
            self.opt.__dict__.update(self.python)
