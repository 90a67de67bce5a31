"""How long does one training step take?  fit beside PyTorch (eager, fused Adam), the same work in one run.

    python benchmarks/bench_train_step.py

Both start from the same weights, take the same batches in order and must end at the same loss. Rounds are interleaved;
medians are printed. PyTorch is measured only where it is installed.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from itertools import pairwise

import numpy as np
from machine import describe

import fallline as fl

CASES = {"4-32-32-3, batch 32": ((4, 32, 32, 3), 32, 400), "784-128-10, batch 32": ((784, 128, 10), 32, 150)}
ROUNDS = 21


def network(sizes: tuple[int, ...]) -> fl.nn.Sequential:
    layers: list[fl.nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [fl.nn.Linear(a, b, rng=fl.random.default_rng(a * b)), fl.nn.ReLU()]
    return fl.nn.Sequential(*layers[:-1])


def data(sizes: tuple[int, ...], samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, sizes[-1], samples)
    centres = rng.normal(size=(sizes[-1], sizes[0]))
    return (centres[y] * 0.3 + rng.normal(size=(samples, sizes[0]))).astype(np.float32), y


def fallline_round(model: fl.nn.Module, opt: fl.optim.Optimizer, x: np.ndarray, y: np.ndarray, batch: int):
    start = time.perf_counter()
    history = fl.fit(model, x, y, loss="cross_entropy", optimizer=opt, batch_size=batch, shuffle=False, progress=False)
    return time.perf_counter() - start, history["loss"][-1]


def torch_runner(sizes: tuple[int, ...], x: np.ndarray, y: np.ndarray, batch: int):
    import torch

    layers = []
    for a, b in pairwise(sizes):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    ours = network(sizes)
    model.load_state_dict({k: torch.tensor(np.asarray(v).copy()) for k, v in ours.state_dict().items()})
    opt = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    tx, ty = torch.from_numpy(x), torch.from_numpy(y)

    def run() -> tuple[float, float]:
        total = 0.0
        start = time.perf_counter()
        for i in range(0, len(x), batch):
            opt.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(model(tx[i : i + batch]), ty[i : i + batch])
            loss.backward()
            opt.step()
            total += float(loss.detach())
        return time.perf_counter() - start, total / (len(x) / batch)

    return run


def main() -> None:
    has_torch = importlib.util.find_spec("torch") is not None
    if has_torch:
        import torch

        torch.set_num_threads(fl.get_num_threads())
    print(f"{describe('torch')}; medians of {ROUNDS} rounds, us per step")
    for name, (sizes, batch, steps) in CASES.items():
        x, y = data(sizes, batch * steps)
        model, opt = network(sizes), fl.optim.Adam(1e-3)
        run_torch = torch_runner(sizes, x, y, batch) if has_torch else None
        ours, theirs = [], []
        for _ in range(ROUNDS):
            seconds, loss = fallline_round(model, opt, x, y, batch)
            ours.append(seconds / steps * 1e6)
            if run_torch:
                seconds, peer_loss = run_torch()
                theirs.append(seconds / steps * 1e6)
                np.testing.assert_allclose(loss, peer_loss, rtol=2e-2, err_msg="not the same work")
        line = f"{name:24} fallline {statistics.median(ours):8.2f}"
        if theirs:
            ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
            line += f"   PyTorch {statistics.median(theirs):8.2f}   ratio {statistics.median(ratios):6.1f}"
        print(line)


if __name__ == "__main__":
    main()
