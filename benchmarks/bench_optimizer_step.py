"""Time one optimizer step from Python, beside PyTorch's fused one where that is installed.

Run: python benchmarks/bench_optimizer_step.py [--large]

Medians of at least 20 steps, the contenders in turn, in microseconds. Both sides update the same values with the same
gradients, and the parameters must agree at the end.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np

import fallline as fl

try:
    import torch
except ImportError:
    torch = None

CASES = [(10, 1_000, 2_000), (10, 100_000, 200), (400, 2_500, 100)]  # tensors, elements in each, steps
LARGE = (1, 32_000_000, 20)
RULES = {
    "Adam": ("Adam", {"fused": True}),
    "Momentum": ("SGD", {"fused": True, "momentum": 0.9}),
    "RMSprop": ("RMSprop", {"foreach": True}),
    "Adagrad": ("Adagrad", {"fused": True}),
}


def medians(steps: list[Callable[[], object]], count: int) -> list[float]:
    """Return the median time of each step in microseconds, taken in turn."""
    times: list[list[float]] = [[] for _ in steps]
    for i in range(count + 5):
        for step, record in zip(steps, times, strict=True):
            start = time.perf_counter()
            step()
            if i >= 5:
                record.append(time.perf_counter() - start)
    return [1e6 * statistics.median(record) for record in times]


def compare(rule: str, tensors: int, elements: int, count: int) -> str:
    """Time one case and return its line."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=elements).astype(np.float32) for _ in range(tensors)]
    grads = {str(i): rng.normal(size=elements).astype(np.float32) for i in range(tensors)}
    params = {str(i): a.copy() for i, a in enumerate(start)}
    opt = getattr(fl.optim, rule)(1e-4)
    steps: list[Callable[[], object]] = [lambda: opt.step(params, grads)]
    if torch is not None:
        theirs = [torch.tensor(a, requires_grad=True) for a in start]
        for i, parameter in enumerate(theirs):
            parameter.grad = torch.tensor(grads[str(i)])
        name, options = RULES[rule]
        steps.append(getattr(torch.optim, name)(theirs, lr=1e-4, **options).step)
    ours, *peer = medians(steps, count)
    line = f"{rule:9} {tensors:4} x {elements:<10,} {ours:10.1f} us"
    if not peer:
        return line
    for i, parameter in enumerate(theirs):
        np.testing.assert_allclose(params[str(i)], parameter.detach().numpy(), rtol=1e-3, atol=1e-4)
    return f"{line}   PyTorch {peer[0]:10.1f} us   {peer[0] / ours:6.1f} times"


def main() -> None:
    """Print one line for each rule and case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also one tensor of 32 million elements")
    large = parser.parse_args().large
    info = fl.info()
    threads = fl.get_num_threads()
    if torch is not None:
        torch.set_num_threads(threads)
    peer = "not installed" if torch is None else torch.__version__
    print(f"{platform.processor() or platform.machine()}, {info['simd_target']}, {threads} threads, PyTorch {peer}")
    for rule in RULES:
        for case in [*CASES, LARGE] if large else CASES:
            print(compare(rule, *case))


if __name__ == "__main__":
    main()
