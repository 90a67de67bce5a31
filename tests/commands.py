"""Data to fit, and reading what the command line printed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[..., "subprocess.CompletedProcess[str]"]
LINE = re.compile(r"^(train|validation|test)((?: [a-z0-9]+ -?[0-9.e+-]+)+)$", re.MULTILINE)


def results(text: str) -> dict[str, dict[str, float]]:
    """Read the plain lines of results, by split."""
    found = {}
    for split, values in LINE.findall(text):
        words = values.split()
        found[split] = {name: float(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    return found


def table(folder: Path, rows: int = 200) -> Path:
    """Write a CSV file whose price follows from a number and a name."""
    rng = np.random.default_rng(0)
    a, kind = rng.normal(size=rows), rng.choice(["u", "v"], rows)
    price = 1000 + 300 * a + 500 * (kind == "u")
    lines = [f"{x:.4f},{k},{p:.1f},{'yes' if p > 1200 else 'no'}" for x, k, p in zip(a, kind, price, strict=True)]
    path = folder / "t.csv"
    path.write_text("a,kind,price,dear\n" + "\n".join(lines) + "\n")
    return path


def npz(folder: Path, **arrays: Any) -> str:
    """Write `d.npz`."""
    np.savez(folder / "d.npz", **arrays)
    return "d.npz"
