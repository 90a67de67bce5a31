"""Every example of the documentation runs, without a warning, and says what it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def run(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(pattern: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(pattern + r" ([-0-9.]+)", text)]


def test_fit_mnist(data_folder: Path) -> None:
    assert numbers("accuracy", run("fit_mnist.py", str(data_folder / "mnist.npz")))[-1] > 0.97


def test_disease_progression() -> None:
    pytest.importorskip("sklearn")
    assert numbers("r2", run("disease_progression.py"))[0] > 0.3


def test_custom_loss() -> None:
    text = run("custom_loss.py")
    assert abs(numbers("below the line", text)[0] - 0.9) < 0.02
    assert abs(numbers("slope", text)[0] - 2) < 0.3


def test_optimizer_on_arrays() -> None:
    losses = numbers("loss", run("optimizer_on_arrays.py"))
    assert len(losses) == 3
    assert max(losses) < 0.45
    assert max(losses) - min(losses) < 0.02


def test_every_example_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    for example in EXAMPLES.glob("*.py"):
        assert f'"{example.name}"' in text, example.name


def test_random_hessians() -> None:
    text = run("random_hessians.py")
    minima, coins = numbers("minima", text), numbers("coins", text)
    assert abs(minima[0] - 0.5) < 0.03  # one direction: a coin
    assert all(found < coin for found, coin in zip(minima[1:], coins[1:], strict=True))
    assert minima[4] < 0.002
    assert numbers("saddles", text) == [20]
