"""What does NumPy reach if its OpenBLAS is told to use AVX-512?  The same products, timed by another process.

OpenBLAS takes AMD's processors with AVX-512 for older ones without. It chooses while it is loaded, so the other choice
needs a process of its own, which waits for products and is asked in its turn.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

import fallline as fl
from fallline._bench._measure import Runner, repeated

NAME = "NumPy, told to use AVX-512"


def is_mistaken() -> bool:
    """Return whether this is a processor that OpenBLAS does not recognise."""
    text = Path("/proc/cpuinfo")
    return fl.info()["simd_target"] == "avx512" and text.exists() and "AuthenticAMD" in text.read_text()


def numbers(*shape: int) -> np.ndarray:
    """Return operands that are the same for all contenders."""
    return np.random.default_rng(0).uniform(0.1, 1.0, shape).astype(np.float32)


def operands(m: int, k: int, n: int, turned: str) -> tuple[np.ndarray, np.ndarray]:
    """Return matrices of (m, k) and (k, n), of which one may lie transposed."""
    left = numbers(k, m).T if "left" in turned else numbers(m, k)
    return left, numbers(n, k).T if "right" in turned else numbers(k, n)


@dataclass(frozen=True)
class Product:
    """A product for the other process: (m, k) by (k, n)."""

    m: int
    k: int
    n: int
    turned: str

    def runner(self, seconds: float) -> Runner:
        """Return a runner that has it repeated for so long."""
        worker = _worker()
        assert worker.stdin
        assert worker.stdout
        questions, answers = worker.stdin, worker.stdout

        def run() -> float:
            print(self.m, self.k, self.n, self.turned.strip(", "), seconds, sep=",", file=questions, flush=True)
            return float(answers.readline())  # no number: the process has ended, and has said why

        run()  # which has it prepare
        return run


@cache
def _worker() -> subprocess.Popen[str]:
    choice = {"OPENBLAS_CORETYPE": "SkylakeX"} if is_mistaken() else {}  # elsewhere its instructions may be missing
    command = [sys.executable, "-c", "from fallline._bench._openblas import answer; answer()"]
    worker = subprocess.Popen(
        command, env=os.environ | choice, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(worker.communicate)  # its input ends, so it does
    return worker


def answer() -> None:
    """Time what standard input asks for, until it ends."""
    asked = ""
    for line in sys.stdin:
        if line != asked:
            m, k, n, turned, seconds = line.split(",")
            asked, run = line, repeated(partial(np.matmul, *operands(int(m), int(k), int(n), turned)), float(seconds))
        print(run(), flush=True)
