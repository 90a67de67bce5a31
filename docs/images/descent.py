"""The README's picture: four update rules on one slope, each step computed by fallline."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import fallline as fl

START = np.array([-1.6, 1.3])
RULES = {
    "gradient descent": fl.optim.SGD(0.002),
    "momentum": fl.optim.Momentum(0.0006, momentum=0.9),
    "RMSprop": fl.optim.RMSprop(0.02),
    "Adam": fl.optim.Adam(0.1),
}


def rosenbrock(w):
    x, y = w[0], w[1]
    return (1 - x) ** 2 + 20 * (y - x * x) ** 2


def path(rule: fl.optim.Optimizer, steps: int) -> np.ndarray:
    """Descend from the common start; one row per step."""
    w, loss_and_grad = START.copy(), fl.value_and_grad(rosenbrock)
    rows = [w.copy()]
    for _ in range(steps):
        _, g = loss_and_grad(w)
        rule.step([w], [np.asarray(g)])
        rows.append(w.copy())
    return np.array(rows)


def main() -> None:
    x, y = np.meshgrid(np.linspace(-2, 2, 300), np.linspace(-1, 2.2, 300))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    height = rosenbrock(np.stack([x, y]))
    axes.contourf(x, y, np.log(height + 0.05), levels=24, cmap="Blues_r", alpha=0.85)
    for color, (name, rule) in zip(("#d55e00", "#e69f00", "#009e73", "#cc79a7"), RULES.items(), strict=True):
        points = path(rule, 400)
        axes.plot(*points.T, color=color, linewidth=1.6, label=name)
        axes.plot(*points[-1], "o", color=color, markeredgecolor="white")
    axes.plot(*START, "o", color="black")
    axes.plot(1, 1, "*", color="white", markersize=14, markeredgecolor="black")
    axes.set(xlim=(-2, 2), ylim=(-1, 2.2), xticks=[], yticks=[], title="400 steps down one slope, from the same start")
    axes.legend(loc="lower right", framealpha=0.9)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
