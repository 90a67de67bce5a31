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


def test_house_prices() -> None:
    """R19, R23, R24: the known prices come out, and the loss falls."""
    text = run("house_prices.py")
    rows = re.findall(r": ([-0-9]+) each, drawn with ([0-9]+)", text)
    assert len(rows) == 3
    for found, drawn in rows:
        assert abs(int(found) - int(drawn)) < 0.1 * int(drawn)
    assert numbers("r2", text)[0] > 0.95
    curve = [float(loss) for loss in re.findall(r"^ *\d+  ([0-9.]+) ", text, re.MULTILINE)]
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] < 0.05 * curve[0]


def test_conv_shapes() -> None:
    """R13: a function of images, learned by convolutions and not by a dense network with 47 times the parameters."""
    dense, convolutional = numbers("accuracy", run("conv_shapes.py"))
    assert convolutional > 0.98
    assert dense < 0.5


def test_detect_boxes() -> None:
    """R20: places, sizes and classes of cars and pedestrians."""
    text = run("detect_boxes.py")
    assert numbers("found", text)[0] > 0.95
    assert numbers("false alarms", text)[0] < 10
    assert numbers("overlap of boxes", text)[0] > 0.75
    assert numbers("right class", text)[0] > 0.97


def test_batch_norm_shift() -> None:
    """R110, R114: what goes into the activation moves much less, and keeps mean 0 and deviation 1."""
    text = run("batch_norm_shift.py")
    without, normalised = numbers("moved by", text)
    assert without > 4 * normalised
    assert all(abs(deviation - 1) < 0.05 for deviation in numbers("deviation", text.splitlines()[1]))


def test_initialisation() -> None:
    """R123: of five starts the two that keep the variance learn; the others do not move, or diverge."""
    found = [
        float(n) for n in re.findall(r"after 60 ([0-9.]+)|diverged inf (inf)", run("initialisation.py")) for n in n if n
    ]
    equal, small, glorot, he, large = found
    assert max(glorot, he) < 0.05
    assert min(equal, small, large) > 0.15
