"""Do all units of a layer start equal?  Then they stay equal, and the layer is worth a single unit: a warning says so.

Goodfellow, Bengio & Courville 2016, "Deep Learning", section 8.4: units with the same inputs and the same weights must
start differently, for a deterministic rule moves them alike.
"""

from __future__ import annotations

import numpy as np

from fallline._arguments import warn
from fallline._array import Array
from fallline.nn._convolution import _ConvTranspose
from fallline.nn._recurrent import KINDS
from fallline.nn._slots import Slot
from fallline.train._steps import Task, training_plan

__all__ = ["warn_of_equal_units"]

SAMPLES = 32  # that are looked at


def warn_of_equal_units(task: Task, x: Array, y: Array, weights: tuple[Array, ...]) -> None:
    """Warn of layers whose units have equal weights and equal gradients, so that no step can tell them apart.

    Equal weights alone are none: the last layer may start at zero, for its gradients differ.
    """
    slots = [slot for slot in task.model._slots() if slot.trained]
    suspects = [place for place, slot in enumerate(slots) if _equal(_units(slot, np.asarray(slot.array)), 0.0)]
    if not suspects:
        return
    batch = min(SAMPLES, x.shape[0])
    plan = training_plan(task, batch, x, y, weights)
    plan.run(0, 0, 0)
    gradients = plan.gradients()
    stuck = [slots[place] for place in suspects if _equal(_units(slots[place], np.asarray(gradients[place])), 1e-5)]
    if stuck:
        names = ", ".join(
            f"{slot.path.rpartition('.')[0] or slot.path} ({type(slot.owner).__name__})" for slot in stuck
        )
        warn(
            f"[fit] all units of {names} start equal and get equal gradients, so they will stay equal: a layer of one "
            "unit would do as well. Start from random weights, such as weight_init='glorot_uniform'"
        )


def _units(slot: Slot, array: np.ndarray) -> np.ndarray | None:
    """Return the weights of each unit, (gates, units, weights of one); None of what has no units, such as a bias."""
    if array.ndim < 2:
        return None
    if isinstance(slot.owner, _ConvTranspose):
        array = array.swapaxes(0, 1)
    gates = KINDS[slot.owner.kind][0] if hasattr(slot.owner, "kind") and slot.owner.kind in KINDS else 1
    gates = gates if array.shape[0] % gates == 0 else 1
    return array.reshape(gates, array.shape[0] // gates, -1)


def _equal(units: np.ndarray | None, tolerance: float) -> bool:
    """Whether there are several units, and none differs from the first of its gate."""
    if units is None or units.shape[1] < 2 or units.size == 0:
        return False
    if not np.allclose(units[0, 0], units[0, 1], rtol=0, atol=tolerance * np.abs(units[0, :2]).max()):
        return False  # nearly always: nothing else is read
    return bool(np.abs(units - units[:, :1]).max() <= tolerance * np.abs(units).max())
