"""A textbook program passes the strict type checker, and a wrong one does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TEXTBOOK = '''
"""A network of one's own, trained both ways."""

import numpy as np

import fallline as fl
from fallline import nn


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, width)
        self.blocks = [nn.Linear(width, width), nn.Linear(width, width)]
        self.mean = nn.Buffer(np.zeros(4))
        self.out = nn.Sequential(nn.Dropout(0.1), nn.Linear(width, 1))

    def forward(self, x: fl.Array) -> fl.Array:
        x = fl.relu(self.hidden(x))
        for block in self.blocks:
            x = x + fl.tanh(block(x))
        return self.out(x)


class Pair(nn.Module):
    def forward(self, x: fl.Array, y: fl.Array) -> fl.Array:
        return x * y


def loss(model: Net, x: fl.Array, y: fl.Array) -> fl.Array:
    return fl.nn.losses.mse(model(x), y)


x, y = fl.asarray(np.ones((64, 4), np.float32)), fl.asarray(np.ones((64, 1), np.float32))
model = Net(8).train()
opt = fl.optim.AdamW(1e-3, betas=(0.9, 0.99))
for _ in range(3):
    value, grads = fl.value_and_grad(loss)(model, x, y)
    opt.step(model, grads)
opt.lr = 1e-4
rate: float = opt.lr
history = fl.fit(model, x, y, loss="mse", optimizer=opt, epochs=2, metrics=["mae"], progress=False)
last: float = history["loss"][-1]
prediction: fl.Array = fl.predict(model.eval(), x)
scores: dict[str, float] = fl.evaluate(model, x, y, loss="mse")
chained = fl.optim.chain(fl.optim.clip_global_norm(1.0), fl.optim.Adam(fl.optim.schedules.cosine(1e-3, 100)))
product: fl.Array = Pair()(x, x)
'''

WRONG = """
import fallline as fl

layer = fl.nn.Linear("4", 2)
number: int = layer(fl.ones((1, 4)))
fl.fit(layer, 1, 2, loss="mse", epochs="3")
"""


def strict(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "program.py"
    path.write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=600)


def test_a_textbook_program_passes_mypy_strict_and_runs(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    found = strict(tmp_path, TEXTBOOK)
    assert "Success" in found.stdout, found.stdout + found.stderr
    run = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_a_wrong_program_does_not(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    found = strict(tmp_path, WRONG).stdout
    assert 'Argument 1 to "Linear" has incompatible type "str"' in found
    assert "Incompatible types in assignment" in found
    assert 'Argument "epochs" to "fit" has incompatible type "str"' in found
