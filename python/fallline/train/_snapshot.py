"""What is put back when training diverges? Parameters, buffers and the optimizer's state."""

from __future__ import annotations

import copy

import numpy as np

from fallline.nn import Module
from fallline.optim import Optimizer
from fallline.optim._program import Running


class Snapshot:
    """Parameters and optimizer state as they were when `take` was called last."""

    def __init__(self, model: Module, opt: Optimizer, running: Running | None = None) -> None:
        live = [np.asarray(a) for a in model.state_dict().values()]
        # What runs natively has bound these arrays; a step in Python makes new ones as it goes.
        if running:
            live += [array for store in running.program.stores for array in store.values()]
        elif opt.native:
            live += [np.asarray(slot) for slots in opt.state.values() for slot in slots.values()]
        self.opt, self.running, self.arrays = opt, running, [(array, array.copy(order="K")) for array in live]

    def take(self) -> None:
        """Look at them as they are now."""
        for array, saved in self.arrays:
            np.copyto(saved, array)
        self.clocks = self.running.program.clocks() if self.running else []
        in_python = not (self.opt.native or self.running)
        self.t, self.python = self.opt.t, copy.deepcopy(self.opt.__dict__) if in_python else None

    def restore(self) -> None:
        """Put them back."""
        for array, saved in self.arrays:
            np.copyto(array, saved)
        for clock in self.clocks:
            clock(lambda scope: 0)
        self.opt.t = self.t
        if self.python is not None:
            self.opt.__dict__.update(self.python)
