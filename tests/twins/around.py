"""What do wrappers and gradient transforms compute?  Each around Adam, on a tree of arrays by path.

A twin yields the parameters, or (parameters, averages), and is sent their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, NamedTuple

import numpy as np

Tree = dict[str, Any]
Path = Generator[Any, Tree, None]
LR = 0.05


class Adam:
    """The rule inside: its second moment remembers every gradient that it has seen."""

    def __init__(self, lr: float = LR) -> None:
        self.lr, self.t, self.m, self.v = lr, 0, dict[str, Any](), dict[str, Any]()

    def __call__(self, w: Tree, g: Tree) -> Tree:
        self.t += 1
        new = dict(w)
        for path in g:
            self.m[path] = 0.9 * self.m.get(path, 0.0) + 0.1 * g[path]
            self.v[path] = 0.999 * self.v.get(path, 0.0) + 0.001 * g[path] ** 2
            root = np.sqrt(self.v[path] / (1 - 0.999**self.t)) + 1e-8
            new[path] = w[path] - self.lr * self.m[path] / (1 - 0.9**self.t) / root
        return new


class Descent:
    """Plain steps."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def __call__(self, w: Tree, g: Tree) -> Tree:
        return w | {path: w[path] - self.lr * g[path] for path in g}


def ema(w: Tree, decay: float) -> Path:
    inner, mean = Adam(), w
    for t in count(1):
        g = yield w, mean
        w = inner(w, g)
        mean = w if t == 1 else {p: decay * mean[p] + (1 - decay) * w[p] for p in w}


def swa(w: Tree, start: int = 0, c: int = 1) -> Path:
    """n_models is i / c, and the start point one more."""
    inner, mean = Adam(), w
    for t in count(1):
        g = yield w, mean
        w = inner(w, g)
        i = t - start
        if i <= 0:
            mean = w
        elif i % c == 0:
            n = i // c
            mean = {p: (mean[p] * n + w[p]) / (n + 1) for p in w}


def lookahead(w: Tree, k: int, alpha: float) -> Path:
    inner, slow = Adam(), w
    for t in count(1):
        g = yield w, slow
        w = inner(w, g)
        if t % k == 0:
            slow = {p: slow[p] + alpha * (w[p] - slow[p]) for p in w}
            w = slow


def switch(w: Tree, at: int) -> Path:
    first, then = Adam(), Descent(0.01)
    for t in count():
        g = yield w
        w = first(w, g) if t < at else then(w, g)


def partition(w: Tree, patterns: dict[str, Any]) -> Path:
    """Separate optimizers, each for the parameters that its pattern is the first to fit."""
    owner = {path: next(p for p in patterns if fnmatchcase(path, p)) for path in w}
    while True:
        g = yield w
        for pattern, rule in patterns.items():
            mine = {path: g[path] for path in w if owner[path] == pattern}
            w = rule(w, mine)


def transformed(w: Tree, *links: Callable[[Tree, Tree, int], Tree | None]) -> Path:
    """Transform the gradients one after the other; None holds the step back."""
    inner = Adam()
    for t in count():
        g: Tree | None = yield w
        for link in links:
            g = link(g, w, t) if g is not None else None
        if g is not None:
            w = inner(w, g)


def length(*arrays: Any) -> float:
    return float(np.sqrt(sum(np.sum(a**2) for a in arrays)))


def value(limit: float) -> Any:
    return lambda g, w, t: {p: np.maximum(-limit, np.minimum(limit, a)) for p, a in g.items()}


def norm(limit: float) -> Any:
    """Pascanu et al. 2013, Algorithm 1, for each tensor by itself."""
    return lambda g, w, t: {p: a * limit / length(a) if length(a) > limit else a for p, a in g.items()}


def global_norm(limit: float) -> Any:
    """Pascanu et al. 2013, Algorithm 1."""

    def link(g: Tree, w: Tree, t: int) -> Tree:
        long = length(*g.values())
        return {p: a * limit / long if long > limit else a for p, a in g.items()}

    return link


def adaptive(limit: float, eps: float) -> Any:
    """Brock et al. 2021, eq. (3): by rows, and vectors as wholes."""

    def unit(g: Any, w: Any) -> Any:
        most = limit * max(length(w), eps)
        return g * most / length(g) if length(g) > most else g

    return lambda g, w, t: {
        p: np.stack([unit(*row) for row in zip(a, w[p], strict=True)]) if a.ndim > 1 else unit(a, w[p])
        for p, a in g.items()
    }


def centred(g: Tree, w: Tree, t: int) -> Tree:
    """Yong et al. 2020, eq. (1): the mean of each row of the matrix (out, rest)."""
    return {p: np.stack([row - np.sum(row) / row.size for row in a]) if a.ndim > 1 else a for p, a in g.items()}


def noisy(eta: float, gamma: float, draws: Callable[[int], Tree]) -> Any:
    """Neelakantan et al. 2015, eq. (1), t counted from 0."""
    return lambda g, w, t: {p: a + np.sqrt(eta / (1 + t) ** gamma) * draws(t)[p] for p, a in g.items()}


def gathered(k: int) -> Any:
    kept: list[Tree] = []

    def link(g: Tree, w: Tree, t: int) -> Tree | None:
        kept.append(g)
        if len(kept) < k:
            return None
        mean = {p: sum(other[p] for other in kept) / k for p in g}
        kept.clear()
        return mean

    return link


def finite(g: Tree, w: Tree, t: int) -> Tree | None:
    return g if all(np.isfinite(a).all() for a in g.values()) else None


def frozen(*patterns: str) -> Any:
    return lambda g, w, t: {p: a for p, a in g.items() if not any(fnmatchcase(p, pattern) for pattern in patterns)}


def scaled(scale: float, interval: int) -> Any:
    """Micikevicius et al. 2018, section 3.2, with PyTorch's factors of 2 and 1/2."""
    good = 0

    def link(g: Tree, w: Tree, t: int) -> Tree | None:
        nonlocal scale, good
        now = scale
        if finite(g, w, t) is None:
            scale, good = scale / 2, 0
            return None
        good += 1
        if good == interval:
            scale, good = scale * 2, 0
        return {p: a / now for p, a in g.items()}

    return link


class Around(NamedTuple):
    """A wrapper or a chain: what it is called with, and its twin."""

    ours: str  # as one writes it, `inner` being Adam(0.05)
    twin: Callable[[Tree], Path]
    where: str
    missing: bool = False  # some gradients are NaN


SWA_PAPER = "Izmailov et al. 2018, Algorithm 1"
LOOKAHEAD_PAPER = "Zhang et al. 2019, Algorithm 1"
AROUND = [
    Around("EMA(inner, decay=0.9)", lambda w: ema(w, 0.9), "PyTorch, get_ema_avg_fn"),
    Around("EMA(inner)", lambda w: ema(w, 0.999), "PyTorch, get_ema_avg_fn"),
    Around("SWA(inner)", swa, SWA_PAPER),
    Around("SWA(inner, start=10, every=7)", lambda w: swa(w, 10, 7), SWA_PAPER),
    Around("Lookahead(inner)", lambda w: lookahead(w, 5, 0.5), LOOKAHEAD_PAPER),
    Around("Lookahead(inner, k=7, alpha=0.8)", lambda w: lookahead(w, 7, 0.8), LOOKAHEAD_PAPER),
    Around("SwitchTo(inner, SGD(0.01), at=40)", lambda w: switch(w, 40), "the first 40 steps"),
    Around(
        "SwitchTo(inner, SGD(0.01), at=3, per='epoch', steps_per_epoch=15)",
        lambda w: switch(w, 45),
        "the first 3 epochs of 15 steps",
    ),
    Around(
        "partition({'b': SGD(0.01), '[bc]*': Adam(0.2), '*': inner})",
        lambda w: partition(w, {"b": Descent(0.01), "[bc]*": Adam(0.2), "*": Adam()}),
        "separate optimizers",
    ),
    Around("chain(clip_value(0.5), inner)", lambda w: transformed(w, value(0.5)), "by elements"),
    Around("chain(clip_norm(1.0), inner)", lambda w: transformed(w, norm(1.0)), "Pascanu et al. 2013"),
    Around("chain(clip_global_norm(1.0), inner)", lambda w: transformed(w, global_norm(1.0)), "Pascanu et al. 2013"),
    Around("chain(adaptive_clip(), inner)", lambda w: transformed(w, adaptive(0.01, 1e-3)), "Brock et al. 2021"),
    Around("chain(adaptive_clip(0.3, 1.0), inner)", lambda w: transformed(w, adaptive(0.3, 1.0)), "Brock et al. 2021"),
    Around("chain(centralize(), inner)", lambda w: transformed(w, centred), "Yong et al. 2020"),
    Around("chain(accumulate(3), inner)", lambda w: transformed(w, gathered(3)), "the mean of 3"),
    Around("chain(skip_nonfinite(), inner)", lambda w: transformed(w, finite), "no step", True),
    Around("chain(freeze('a', 'c.*'), inner)", lambda w: transformed(w, frozen("a", "c.*")), "no gradient"),
    Around(
        "LossScale(inner, initial=8.0, growth_interval=3)",
        lambda w: transformed(w, scaled(8.0, 3)),
        "Micikevicius et al. 2018",
        True,
    ),
    Around(
        "chain(skip_nonfinite(), accumulate(2), clip_global_norm(1.0), centralize(), inner)",
        lambda w: transformed(w, finite, gathered(2), global_norm(1.0), centred),
        "from left to right",
        True,
    ),
]
