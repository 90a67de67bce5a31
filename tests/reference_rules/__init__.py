"""What must every native update rule compute?  A few lines of NumPy each, which the kernels equal bit for bit.

These files import NumPy alone. Constants are formed in Python's floats and rounded once, by T, to the arrays' type.
What papers and authors' codes compute stands in tests/twins.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reference_rules import adam, adaptive, descent, mixtures, signs
from reference_rules.row import Arrays, Hypers, RuleRow, square_bound

__all__ = ["REFERENCE_RULES", "reference_slots", "reference_step"]

REFERENCE_RULES: dict[str, RuleRow] = {
    **descent.RULES,
    **adaptive.RULES,
    **adam.RULES,
    **mixtures.RULES,
    **signs.RULES,
}


def reference_step(name: str, h: Hypers, t: int, w: np.ndarray, g: np.ndarray, slots: Arrays = ()) -> Arrays:
    """Return the parameter and the slots after step t (1 first), with the part that all rules share."""
    T = w.dtype.type
    g = T(1 - 2 * h["maximize"]) * g + T(h["l2"]) * w
    if REFERENCE_RULES[name].squares:
        g = np.where(np.isfinite(g), np.clip(g, -square_bound(T), square_bound(T)), g)
    if not REFERENCE_RULES[name].decays_itself:
        w = T(1 - h["lr"] * h["weight_decay"]) * w
    return REFERENCE_RULES[name].step(T, h, t, g, w, *slots)


def reference_slots(starts: Mapping[str, str | None], h: Hypers, w: np.ndarray) -> Arrays:
    """Return the slots before the first step: zeros, a hyper-parameter, or the parameter."""
    return tuple(
        w.copy() if start == "parameter" else np.full_like(w, h[start] if start else 0.0) for start in starts.values()
    )
