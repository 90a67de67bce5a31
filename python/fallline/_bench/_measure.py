"""How is a time measured?  In turns, as medians, beside the limit of the machine in the same minute."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

import numpy as np

from fallline import _core

Wanted = Callable[[str], bool]  # whether a case of this name shall be measured
Runner = Callable[[], float]  # does the work once and returns its seconds per unit


@dataclass(frozen=True)
class Effort:
    """How much to measure: rounds of every contender, seconds of each round, and whether slow cases take part."""

    rounds: int
    seconds: float
    thorough: bool


# Seconds until the threads of the one before, which wait busily, have gone to sleep; OpenBLAS takes longest.
SETTLE, SETTLE_BLAS = 0.03, 0.2
BLAS = ("NumPy", "scikit-learn")
FULL, QUICK = Effort(21, 0.05, thorough=True), Effort(5, 0.05, thorough=False)


@dataclass
class Row:
    """One case: medians in microseconds by contender."""

    part: str
    case: str
    times: dict[str, float]
    limit: float | None = None  # microseconds
    note: str = ""
    skipped: list[str] = field(default_factory=list)

    @property
    def ours(self) -> float:
        """Our time."""
        return self.times["fallline"]

    @property
    def best_peer(self) -> tuple[str, float] | None:
        """The fastest of the others."""
        peers = [(name, t) for name, t in self.times.items() if not name.startswith("fallline")]
        return min(peers, key=lambda pair: pair[1], default=None)


LONG, ENOUGH_OF_LONG = 2.0, 5  # seconds of a turn, and how many such turns are enough


def in_turns(runners: Mapping[str, Runner], rounds: int) -> dict[str, float]:
    """Return the median of each runner's seconds over `rounds` rounds, one of each per round.

    A runner whose turns are long takes part in the first of them only.
    """
    times: dict[str, list[float]] = {name: [] for name in runners}
    longest = dict.fromkeys(runners, 0.0)
    before = ""
    for _ in range(rounds):
        for name, run in runners.items():
            if longest[name] > LONG and len(times[name]) >= ENOUGH_OF_LONG:
                continue
            time.sleep(SETTLE_BLAS if before.startswith(BLAS) else SETTLE)
            start = time.perf_counter()
            times[name].append(run())
            longest[name] = max(longest[name], time.perf_counter() - start)
            before = name
    return {name: statistics.median(record) for name, record in times.items()}


def repeated(call: Callable[[], object], seconds: float) -> Runner:
    """Return a runner that calls as often as fits into `seconds`; the first calls, which are cold, are not counted."""
    call()
    count, took = 1, 0.0
    while took < seconds / 4:
        start = time.perf_counter()
        for _ in range(count):
            call()
        took = time.perf_counter() - start
        count *= 2
    count = max(1, int(count / 2 * seconds / took))

    def run() -> float:
        call()
        start = time.perf_counter()
        for _ in range(count):
            call()
        return (time.perf_counter() - start) / count

    return run


def microseconds(times: Mapping[str, float]) -> dict[str, float]:
    """Return seconds as microseconds."""
    return {name: 1e6 * t for name, t in times.items()}


@cache
def peak() -> float:
    """Return the float32 multiply-add peak of all threads, in FLOP/s: the best of some samples."""
    return 1e9 * max(_core.peak(np.float32) for _ in range(20))


@cache
def sweep(elements: int, read: int) -> float:
    """Return the seconds of one pass that reads `read` float32 arrays and writes all but one of them."""
    arrays = [np.zeros(elements, np.float32) for _ in range(read)]
    wrapped = [_core.wrap(a) for a in arrays]
    inner = max(1, 100_000 // max(elements, 1))
    best = 1e9
    for _ in range(20):
        total = sum(_core.sweep_seconds(wrapped) for _ in range(inner))
        best = min(best, total / inner)
    return best


def different(results: Mapping[str, float], rtol: float) -> list[str]:
    """Return the contenders that came to another number than fallline."""
    ours = results["fallline"]
    return [name for name, value in results.items() if not abs(value - ours) <= rtol * abs(ours) + 1e-12]


def check_equal(results: Mapping[str, float], rtol: float, what: str) -> None:
    """Raise unless all contenders came to the same number."""
    for name in different(results, rtol):
        raise AssertionError(
            f"[bench] {what}: {name} came to {results[name]!r}, fallline to {results['fallline']!r}; not the same work"
        )


def leave_out_different(results: Mapping[str, float], rtol: float, what: str) -> tuple[list[str], str]:
    """Return the peers that came to another number than fallline, and a note that says so; raise where all did."""
    others = different(results, rtol)
    if len(others) == len(results) - 1:
        check_equal(results, rtol, what)
    return others, ", ".join(
        f"{name} came to {results[name]:.5g} instead of {results['fallline']:.5g}" for name in others
    )


def installed(names: Iterable[str]) -> list[str]:
    """Return those of the packages that can be imported."""
    return [name for name in names if _can_import(name)]


@cache
def _can_import(name: str) -> bool:
    try:
        import_module(name)
    except Exception as error:  # a package that is not whole, or does not fit the others, may raise anything
        absent = isinstance(error, ModuleNotFoundError) and name.startswith(error.name or "-")
        if not absent:
            print(f"{name} is left out, it cannot be imported: {error}", file=sys.stderr)
        return False
    return True
