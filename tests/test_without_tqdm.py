"""Without tqdm a fit shows no bar and is otherwise the same."""

from __future__ import annotations

from absent import run_without

FIT = """
import numpy as np, fallline as fl
fl.random.seed(0)
x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
model = fl.nn.Sequential(fl.nn.Linear(1, 4), fl.nn.Tanh(), fl.nn.Linear(4, 1))
print(fl.fit(model, x, x**2, loss="mse", optimizer="adam", epochs=2, seed=0, progress=True)["loss"])
"""


def test_a_fit_needs_no_bar() -> None:
    with_bar, without = run_without("nothing", FIT), run_without("tqdm", FIT)
    assert without.returncode == 0, without.stderr
    assert with_bar.stdout == without.stdout
    assert without.stderr == ""
