"""What does everything around the kernels cost?  Imports, first steps, threads, a whole training."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import fallline as fl
from fallline._bench._growth import one_thread_and_all
from fallline._bench._measure import Effort, Row, Wanted, in_turns, installed, microseconds
from fallline._bench._networks import Net

PACKAGES = ("numpy", "fallline", "sklearn.neural_network", "jax", "torch")
FIRST_STEP = {
    "fallline": """
import numpy as np, fallline as fl
x, y = np.random.rand(32, 13).astype("f"), np.random.rand(32, 1).astype("f")
model = fl.nn.Sequential(fl.nn.Linear(13, 64), fl.nn.ReLU(), fl.nn.Linear(64, 1))
fl.fit(model, x, y, loss="mse", progress=False)
""",
    "PyTorch eager": """
import numpy as np, torch
x, y = torch.rand(32, 13), torch.rand(32, 1)
model = torch.nn.Sequential(torch.nn.Linear(13, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
opt = torch.optim.Adam(model.parameters(), fused=True)
torch.nn.functional.mse_loss(model(x), y).backward()
opt.step()
""",
    "JAX jit": """
import numpy as np, jax, optax
x, y = np.random.rand(32, 13).astype("f"), np.random.rand(32, 1).astype("f")
w = [np.random.rand(13, 64).astype("f"), np.random.rand(64, 1).astype("f")]
rule = optax.adam(1e-3)
@jax.jit
def step(w, s):
    g = jax.grad(lambda w: ((jax.numpy.maximum(x @ w[0], 0) @ w[1] - y) ** 2).mean())(w)
    u, s = rule.update(g, s)
    return optax.apply_updates(w, u), s
jax.block_until_ready(step(w, rule.init(w)))
""",
}
NEEDS: dict[str, list[str]] = {"fallline": [], "PyTorch eager": ["torch"], "JAX jit": ["jax", "optax"]}
LENET = {
    "fallline": """
import os, numpy as np, fallline as fl
data = np.load(os.path.join(os.environ["FALLLINE_DATA"], "mnist.npz"))
images = lambda a: np.divide(a.reshape(-1, 1, 28, 28), 255, dtype=np.float32)
x, y, held, labels = images(data["x_train"]), data["y_train"], images(data["x_test"]), data["y_test"]
rng, nn = fl.random.default_rng(0), fl.nn
model = nn.Sequential(
    nn.Conv2d(1, 6, 5, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5, rng=rng), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(256, 120, rng=rng), nn.ReLU(), nn.Linear(120, 84, rng=rng), nn.ReLU(),
    nn.Linear(84, 10, rng=rng))
opt = fl.optim.Adam(fl.optim.schedules.cosine(2e-3, steps=10 * 469))
fl.fit(model, x, y, loss="cross_entropy", optimizer=opt, batch_size=128, epochs=10, progress=False)
print(fl.evaluate(model, held, labels, loss="cross_entropy", metrics=["accuracy"])["accuracy"])
""",
    "PyTorch eager": """
import os, numpy as np, torch
data = np.load(os.path.join(os.environ["FALLLINE_DATA"], "mnist.npz"))
images = lambda a: torch.from_numpy(np.divide(a.reshape(-1, 1, 28, 28), 255, dtype=np.float32))
labels = lambda a: torch.from_numpy(a.astype(np.int64))
x, y, held, wanted = images(data["x_train"]), labels(data["y_train"]), images(data["x_test"]), labels(data["y_test"])
nn, _ = torch.nn, torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
opt = torch.optim.Adam(model.parameters(), 2e-3, fused=True)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 10 * 469)
for epoch in range(10):
    for rows in torch.randperm(len(x)).split(128):
        opt.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        opt.step()
        schedule.step()
with torch.no_grad():
    print((model(held).argmax(1) == wanted).float().mean().item())
""",
}


def rows(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    """Yield one row for each case that is wanted by name."""
    rounds = max(3, effort.rounds // 3)
    for name, build in (("import", _imports), ("first training step of a new interpreter", _first_steps)):
        if wanted(name):
            yield build(name, rounds)
    for width in (4, 16, 46, 128, 512):
        name = f"training step {width}-{width}-{width}, batch 32, one thread and all"
        if wanted(name):
            yield _threads(name, width, effort)
    name = "LeNet-5 on MNIST, 10 epochs at batch 128, new interpreter"
    if wanted(name) and effort.thorough and os.environ.get("FALLLINE_DATA"):
        yield _lenet(name)


def _command(code: str) -> tuple[float, str]:
    begin = time.perf_counter()
    root = str(Path(fl.__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    # Bytecode is kept between the runs, as in an installed package.
    env = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, done.stdout


def _seconds(code: str) -> float:
    return _command(code)[0]


def _imports(name: str, rounds: int) -> Row:
    named = {p.split(".")[0]: p for p in PACKAGES}
    codes = {p: f"import {named[p]}" for p in installed(named)} | {"python": ""}
    times = {who: [] for who in codes}  # type: dict[str, list[float]]
    for _ in range(rounds):
        for who, code in codes.items():
            times[who].append(_command(code)[0])
    medians = {who: statistics.median(record) for who, record in times.items()}
    beyond = microseconds({who: t - medians["python"] for who, t in medians.items() if who != "python"})
    numpy = beyond.pop("numpy")  # which all of them import
    note = f"the limit is NumPy's import; {1e-3 * (beyond['fallline'] - numpy):.0f} ms more"
    return Row("around", name + ", beyond bare Python", beyond, numpy, note)


def _first_steps(name: str, rounds: int) -> Row:
    codes = {who: code for who, code in FIRST_STEP.items() if installed(NEEDS[who]) == NEEDS[who]}
    times = in_turns({who: partial(_seconds, code) for who, code in codes.items()}, rounds)
    return Row("around", name, microseconds(times))


def _threads(name: str, width: int, effort: Effort) -> Row:
    net = Net(name, (("linear", width, width), ("relu",), ("linear", width, width)), (width,), 32)
    steps = int(max(20, min(2000, 4e6 / width**2)))
    return Row("around", name, one_thread_and_all(net, steps, effort.rounds))


def _lenet(name: str) -> Row:
    times, accuracies = {}, []
    for who in (who for who in LENET if installed(NEEDS[who]) == NEEDS[who]):
        runs = [_command(LENET[who]) for _ in range(3 if who == "fallline" else 1)]
        times[who], printed = sorted(runs)[len(runs) // 2]
        accuracies.append(f"{who} {100 * float(printed):.2f} %")
    return Row("around", name, microseconds(times), note=f"test accuracy: {', '.join(accuracies)}")


def disk(package: str) -> int:
    """Return the bytes of an installed package."""
    from importlib.util import find_spec

    spec = find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return int(
        np.sum([p.stat().st_size for place in places for p in Path(place).rglob("*") if p.is_file()], dtype=np.int64)
    )
