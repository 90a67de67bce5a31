"""What do the papers, and their authors' codes, compute?  A few lines of NumPy for each, in the source's letters.

A twin is a generator: it yields the parameter and is sent the gradient there. These files import NumPy alone.
"""

from __future__ import annotations

from twins import (
    adam,
    adaptive,
    averaging,
    descent,
    distance,
    elsewhere,
    factored,
    layerwise,
    matrices,
    mixtures,
    signs,
)
from twins.row import Twin

__all__ = ["TWINS", "Twin"]

# By the name of our class.
TWINS: dict[str, tuple[Twin, ...]] = {
    **descent.TWINS,
    **adaptive.TWINS,
    **adam.TWINS,
    **mixtures.TWINS,
    **signs.TWINS,
    **averaging.TWINS,
    **layerwise.TWINS,
    **factored.TWINS,
    **matrices.TWINS,
    **distance.TWINS,
    **elsewhere.TWINS,
}
