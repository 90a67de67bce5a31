"""How long does one optimizer step take from Python?  fallline beside PyTorch and Optax, the same work in one run.

    python benchmarks/bench_optimizers.py [--large]

Medians of at least 20 steps in microseconds, the contenders in turn; all start from the same values, take the same
gradients and must agree at the end. PyTorch: foreach and fused; Optax: update and apply_updates in one jit that may
reuse its arguments. A peer is measured only where it is installed. `--large` adds one tensor of 32 million elements
beside the time of a bare pass over the same memory ("limit": all arrays read, all but the gradient written).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from machine import describe

import fallline as fl
from fallline import _core

try:
    import torch
except ImportError:
    torch = None
try:
    import jax
    import optax
except ImportError:
    jax = optax = None

SMALL = [(10, 1_000, 2_000), (10, 100_000, 200), (400, 2_500, 100)]  # tensors, elements in each, steps
LARGE = (1, 32_000_000, 20)
LR = 1e-4
# rule: PyTorch's class and options, Optax's function, the arrays that a step writes
RULES: dict[str, tuple[str, dict[str, Any], Callable[[], Any], int]] = {
    "Adam": ("Adam", {}, lambda: optax.adam(LR), 3),
    "Momentum": ("SGD", {"momentum": 0.9}, lambda: optax.sgd(LR, momentum=0.9), 2),
    "RMSprop": ("RMSprop", {}, lambda: optax.rmsprop(LR, decay=0.99, eps_in_sqrt=False), 2),
    "Adagrad": ("Adagrad", {}, lambda: optax.adagrad(LR, initial_accumulator_value=0.0, eps=1e-10), 2),
}
COMPRESSED = {"Adam, bfloat16 state": "bfloat16", "Adam, float8 state": "float8"}
Step = Callable[[], object]


def medians(steps: dict[str, Step], count: int) -> dict[str, float]:
    """Return the median time of each step in microseconds: runs of eleven in turn, without the first, which is cold."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(count // 10):
        for name, step in steps.items():
            step()
            for _ in range(10):
                start = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - start)
    return {name: 1e6 * statistics.median(record) for name, record in times.items()}


class TorchStep:
    """PyTorch's step on copies of the values; None where PyTorch has no such form of the rule."""

    def __init__(self, rule: str, form: str, values: list[np.ndarray], grads: list[np.ndarray]) -> None:
        name, options, *_ = RULES[rule]
        self.params = [torch.tensor(a, requires_grad=True) for a in values]
        for parameter, g in zip(self.params, grads, strict=True):
            parameter.grad = torch.tensor(g)
        self.step = getattr(torch.optim, name)(self.params, lr=LR, **{form: True}, **options).step

    def values(self) -> list[np.ndarray]:
        """Return the parameters."""
        return [p.detach().numpy() for p in self.params]


class OptaxStep:
    """Optax's step, compiled."""

    def __init__(self, rule: str, values: list[np.ndarray], grads: list[np.ndarray]) -> None:
        transform = RULES[rule][2]()
        self.params: Any = [jax.numpy.array(a) for a in values]
        self.grads, self.state = [jax.numpy.array(g) for g in grads], transform.init(self.params)

        def update(grads: Any, state: Any, params: Any) -> Any:
            updates, state = transform.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        self.update = jax.jit(update, donate_argnums=(1, 2))

    def step(self) -> None:
        """Make one step and wait for it."""
        self.params, self.state = self.update(self.grads, self.state, self.params)
        jax.block_until_ready(self.params)

    def values(self) -> list[np.ndarray]:
        """Return the parameters."""
        return [np.asarray(p) for p in self.params]


def compare(rule: str, tensors: int, elements: int, count: int) -> dict[str, float]:
    """Time one case for everyone who is there."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=elements).astype(np.float32) for _ in range(tensors)]
    signs = [rng.choice(np.array([-1, 1], np.float32), elements) for _ in range(tensors)]
    grads = [s * rng.uniform(0.1, 2, elements).astype(np.float32) for s in signs]  # zero is where epsilons differ
    params, opt = [a.copy() for a in start], getattr(fl.optim, rule)(LR)
    steps: dict[str, Step] = {"fallline": lambda: opt.step(params, grads)}
    peers: dict[str, Any] = {}
    if torch is not None:
        peers["PyTorch foreach"] = TorchStep(rule, "foreach", start, grads)
        if rule != "RMSprop":  # which has no fused form
            peers["PyTorch fused"] = TorchStep(rule, "fused", start, grads)
    if optax is not None:
        peers["Optax jit"] = OptaxStep(rule, start, grads)
    steps |= {name: peer.step for name, peer in peers.items()}
    if elements == LARGE[1]:
        steps |= {name: compressed_step(name, start, grads) for name in COMPRESSED if rule == "Adam"}
        swept = [np.ones(elements, np.float32) for _ in range(RULES[rule][3] + 1)]
        steps["limit"] = lambda: _core.sweep_seconds(swept)
    found = medians(steps, count)
    for name, peer in peers.items():
        for ours, theirs in zip(params, peer.values(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4, err_msg=name)
    return found


def compressed_step(name: str, start: list[np.ndarray], grads: list[np.ndarray]) -> Step:
    """Return the step with state in fewer bits, on a copy."""
    params, opt = [a.copy() for a in start], fl.optim.Adam(LR, state_dtype=COMPRESSED[name])
    return lambda: opt.step(params, grads)


def main() -> None:
    """Print a table with a line for each rule and case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true", help="also one tensor of 32 million elements")
    large = parser.parse_args().large
    if torch is not None:
        torch.set_num_threads(fl.get_num_threads())
    print(f"{describe('torch', 'jax', 'optax')}; us per step\n")
    peers = ("PyTorch foreach", "PyTorch fused", "Optax jit")
    print(f"| case | fallline | {' | '.join(peers)} | best peer / fallline |\n|{'---|' * (len(peers) + 3)}")
    notes = []
    for rule in RULES:
        for tensors, elements, count in [*SMALL, LARGE] if large else SMALL:
            found = compare(rule, tensors, elements, count)
            best = min((found[p] for p in peers if p in found), default=float("nan"))
            cells = [f"{found[p]:.1f}" if p in found else "" for p in peers]
            case = f"{rule} {tensors} x {elements:,}"
            print(f"| {case} | {found['fallline']:.1f} | {' | '.join(cells)} | {best / found['fallline']:.1f} |")
            if "limit" in found:
                notes.append(f"{case}: {found['fallline'] / found['limit']:.2f} of a bare pass over the same memory")
                notes += [f"{name}, 1 x {elements:,}: {found[name]:.1f}, the best peer with float32 state takes "
                          f"{best / found[name]:.2f} of that" for name in COMPRESSED if name in found]  # fmt: skip
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
