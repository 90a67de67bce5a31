"""How straight is the way that an optimizer took?  Its length, and how often it turned back along each dimension."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fallline import _core

__all__ = ["PathMetrics", "path_metrics"]


class PathMetrics(NamedTuple):
    """What `path_metrics` found."""

    length: float  # of all steps together
    distance: float  # between the first and the last point
    sign_changes: np.ndarray  # for each dimension


def path_metrics(points: Any) -> PathMetrics:
    r"""Measure the path of an optimizer: how long it is, how far it leads, and how much it oscillates.

    A rule that oscillates across a ravine turns back in nearly every step along the steep dimension: on a parabola of
    curvature L descent does so from a learning rate of 1 / L on, until it diverges at 2 / L.

    Parameters
    ----------
    points
        (steps + 1, dimensions): the parameters before each step and after the last, such as ``path(...).points`` of
        :func:`fallline.landscapes.path`.

    Returns
    -------
    PathMetrics
        ``length``, the sum of the Euclidean lengths of the steps; ``distance`` from the first point to the last, equal
        to the length where the path is straight; ``sign_changes``, how often the steps change their sign along each
        dimension, where steps of zero do not count.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> found = fl.diagnose.path_metrics(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0]]))
    >>> round(found.length, 3), round(found.distance, 3), found.sign_changes.tolist()
    (4.243, 3.162, [0, 2])
    """
    path = np.asarray(points, np.float64)
    if path.ndim != 2 or not path.size:
        raise _core.ShapeError(f"[path_metrics] expected points (steps + 1, dimensions), got {path.shape}")
    steps = np.diff(path, axis=0)
    return PathMetrics(
        float(np.linalg.norm(steps, axis=1).sum()),
        float(np.linalg.norm(path[-1] - path[0])),
        np.array([_sign_changes(along) for along in steps.T]),
    )


def _sign_changes(steps: np.ndarray) -> int:
    signs = np.sign(steps[steps != 0])
    return int((signs[1:] != signs[:-1]).sum())
