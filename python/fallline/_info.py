"""What this build is, and what it runs on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core
from fallline._arguments import a_dtype, takes, whole

__all__ = ["get_num_threads", "info", "set_default_dtype", "set_num_threads"]


def info() -> dict[str, Any]:
    """Return version, SIMD target and those that could be chosen, threads, CUDA, build flags and counters.

    ``counters["threads_worked"]`` tells how many different threads have taken part in work so far, ``"plans_built"``
    and ``"plans_run"`` how many plans were made and how often one ran.
    """
    built, run = _core.plan_counts()
    return {
        "version": _core.version,
        "simd_target": _core.target(),
        "simd_targets": _core.targets(),
        "threads": _core.num_threads(),
        "cuda": _core.cuda,
        "build_flags": _core.build_flags,
        "numpy": np.__version__,
        "counters": {"threads_worked": _core.threads_that_worked(), "plans_built": built, "plans_run": run},
    }


@takes(threads=whole(1, 1024))
def set_num_threads(threads: int) -> None:
    """Let at most so many threads work on one job; results do not depend on it. Also: FALLLINE_NUM_THREADS."""
    _core.set_num_threads(threads)


def get_num_threads() -> int:
    """Return how many threads may work on one job."""
    return _core.num_threads()


@takes(dtype=a_dtype)
def set_default_dtype(dtype: Any) -> None:
    """Make float32 or float64 the dtype of Python floats, new arrays and layers."""
    _core.set_default_dtype(dtype)
