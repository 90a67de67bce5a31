"""How good predictions are, in the user's own units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline.data.target import Classification, Target


def score(target: Target, outputs: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """Compare raw network outputs with encoded targets: accuracy, or R2 and root mean squared error.

    R2 is 1 - sum (y - p)^2 / sum (y - mean y)^2; it is NaN where the truth does not vary.
    """
    if isinstance(target, Classification):
        return {"accuracy": float(np.mean(target.decode(outputs) == target.values(truth)))}
    y, p = target.values(truth), target.decode(outputs)
    spread = float(np.sum((y - y.mean()) ** 2))
    residual = float(np.sum((y - p) ** 2))
    return {"r2": 1 - residual / spread if spread else float("nan"), "rmse": float(np.sqrt(residual / len(y)))}
