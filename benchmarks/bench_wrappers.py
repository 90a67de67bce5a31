"""What does each wrapper cost beside plain Adam?  Steps of `fit` at 784-128-10, batch 32.

    python benchmarks/bench_wrappers.py                 print the table
    python benchmarks/bench_wrappers.py --only EMA      of some rows
    python benchmarks/bench_wrappers.py --rounds 40

Each round runs Adam and then the row, one epoch each; the ratio is the median over the rounds of the two times of one
round, so that a machine whose speed changes slowly does no harm.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

import fallline as fl
from fallline import optim
from fallline._bench._machine import processor

STEPS, BATCH = 400, 32
ROWS: dict[str, Callable[[], optim.Optimizer]] = {
    "clip_value": lambda: optim.chain(optim.clip_value(1.0), optim.Adam(1e-3)),
    "clip_norm": lambda: optim.chain(optim.clip_norm(1.0), optim.Adam(1e-3)),
    "clip_global_norm": lambda: optim.chain(optim.clip_global_norm(1.0), optim.Adam(1e-3)),
    "adaptive_clip": lambda: optim.chain(optim.adaptive_clip(), optim.Adam(1e-3)),
    "centralize": lambda: optim.chain(optim.centralize(), optim.Adam(1e-3)),
    "freeze": lambda: optim.chain(optim.freeze("*bias"), optim.Adam(1e-3)),
    "skip_nonfinite": lambda: optim.chain(optim.skip_nonfinite(), optim.Adam(1e-3)),
    "accumulate(4)": lambda: optim.chain(optim.accumulate(4), optim.Adam(1e-3)),
    "partition": lambda: optim.partition({"*bias": optim.SGD(1e-2), "*": optim.Adam(1e-3)}),
    "EMA": lambda: optim.EMA(optim.Adam(1e-3)),
    "SWA(every=10)": lambda: optim.SWA(optim.Adam(1e-3), every=10),
    "Lookahead": lambda: optim.Lookahead(optim.Adam(1e-3)),
    "LossScale": lambda: optim.LossScale(optim.Adam(1e-3)),
    "SwitchTo": lambda: optim.SwitchTo(optim.Adam(1e-3), optim.SGD(1e-2), at=10**6),
    "LARS": lambda: optim.LARS(1e-2),
    "LAMB": lambda: optim.LAMB(1e-3),
    "NovoGrad": lambda: optim.NovoGrad(1e-3),
    "Adafactor": lambda: optim.Adafactor(1e-3),
    "SM3": lambda: optim.SM3(1e-3),
    "MADGRAD": lambda: optim.MADGRAD(1e-3),
    "Prodigy": lambda: optim.Prodigy(),
    "SWATS": lambda: optim.SWATS(1e-3),
    "Muon": lambda: optim.Muon(1e-3),
    "Shampoo": lambda: optim.Shampoo(1e-3),
    "SOAP": lambda: optim.SOAP(1e-3),
}


def epoch(opt: optim.Optimizer) -> Callable[[], float]:
    """Return a function that trains for one epoch and returns the seconds of a step."""
    rng = fl.random.default_rng(0)
    model = fl.nn.Sequential(fl.nn.Linear(784, 128, rng=rng), fl.nn.ReLU(), fl.nn.Linear(128, 10, rng=rng))
    data = np.random.default_rng(0)
    x = data.normal(size=(STEPS * BATCH, 784)).astype(np.float32)
    y = data.integers(0, 10, STEPS * BATCH)
    marks: list[float] = []

    def mark(*epoch_history_model_optimizer: object) -> None:
        marks.append(time.perf_counter())

    def run() -> float:
        marks.clear()
        fl.fit(
            model,
            x,
            y,
            loss="cross_entropy",
            optimizer=opt,
            batch_size=BATCH,
            epochs=2,
            callbacks=[mark],
            progress=False,
        )
        return (marks[1] - marks[0]) / STEPS

    return run


def ratio(make: Callable[[], optim.Optimizer], rounds: int) -> tuple[float, float, float]:
    """Return the medians of Adam's seconds, the row's, and of their ratio."""
    plain, wrapped = epoch(optim.Adam(1e-3)), epoch(make())
    pairs = [(plain(), wrapped()) for _ in range(rounds + 1)][1:]
    before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
    return before, after, statistics.median(b / a for a, b in pairs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=ROWS, help="this row (several times for several)")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    print(f"{processor()}, {fl.get_num_threads()} threads; 784-128-10, batch {BATCH}, {options.rounds} rounds\n")
    print("| optimizer | Adam, us | this, us | ratio |\n|---|---:|---:|---:|")
    for name in options.only or ROWS:
        before, after, cost = ratio(ROWS[name], options.rounds)
        print(f"| {name} | {1e6 * before:.1f} | {1e6 * after:.1f} | {cost:.2f} |", flush=True)


if __name__ == "__main__":
    main()
