"""Means of the parameters along the path: EMA, SWA, and the slow weights of Lookahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fallline._arguments import takes, whole
from fallline.optim._base import Optimizer
from fallline.optim._kinds import below_one, in_unit
from fallline.optim._program import Program, Rows, Values
from fallline.optim._wrapper import Arrays, Wrapper, flat, like, write

__all__ = ["EMA", "SWA", "Lookahead"]


def moved(old: Any, new: Any, part: Any) -> Any:
    """Return `old` after a part of the way to `new`."""
    return old + part * (new - old)


class _Averaging(Wrapper):
    def averaged(self, params: Any) -> Any:
        """Return copies of the averages of the parameters; before there are any, the parameters themselves."""
        return like(params, self.own["mean"]) if self._counts() else params

    def _counts(self) -> bool:
        return bool(self.t)

    def _average(self, params: Mapping[str, Any], part: float) -> None:
        mean: Arrays = self.own.setdefault("mean", {})
        for path, w in params.items():
            new = np.asarray(w)
            mean[path] = np.array(moved(mean.get(path, new), new, part), new.dtype)

    def _add_average(self, program: Program, parts: Rows) -> None:
        mean = program.zeros(self.own, "mean")

        def move(v: Values) -> None:
            for path, old in v.of(mean).items():
                v.of(mean)[path] = moved(old, v.w[path], v.row[0].astype(old.dtype))

        program.add(move, parts)


class EMA(_Averaging):
    r"""Keep an exponential mean of the parameters: :math:`\bar w \leftarrow d \bar w + (1 - d) w`; see `averaged`.

    Parameters
    ----------
    inner
        Makes the steps.
    decay
        d. The mean starts at the parameters after the first step, as PyTorch's, not at those before it.

    References
    ----------
    Polyak & Juditsky 1992; Tarvainen & Valpola 2017, section 2.
    """

    @takes(decay=below_one)
    def __init__(self, inner: Optimizer, decay: float = 0.999) -> None:
        super().__init__(inner)
        self.decay = decay

    def step(self, params: Any, grads: Any) -> None:
        """Step, then move the mean."""
        self.inner.step(params, grads)
        self.t += 1
        self._average(flat(params), 1 - self.decay if self.t > 1 else 1.0)

    def _add_to(self, program: Program) -> None:
        program.count(self)
        self.inner._add_to(program)
        self._add_average(program, self._parts)

    def _parts(self, count: int) -> np.ndarray:
        parts = np.full((count, 1), 1 - self.decay)
        parts[: max(1 - self.t, 0)] = 1
        return parts


class SWA(_Averaging):
    r"""Average the parameters along the path, with equal weights: those after `start` steps, and every `every`-th then.

    .. math::
        \bar w \leftarrow \frac{n \bar w + w}{n + 1}

    where n counts the parameters in :math:`\bar w` so far, the start point among them.

    After ``model.load_state_dict({**model.state_dict(), **opt.averaged(model.parameters())})`` a network with batch
    normalisation needs its running statistics again: :func:`fallline.train.update_running_statistics`.

    References
    ----------
    Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization", Algorithm 1.
    """

    @takes(start=whole(0), every=whole(1))
    def __init__(self, inner: Optimizer, start: int = 0, every: int = 1) -> None:
        super().__init__(inner)
        self.start, self.every = start, every

    def step(self, params: Any, grads: Any) -> None:
        """Step, and count the parameters in."""
        if self.t == self.start:
            self._count(params)
        self.inner.step(params, grads)
        self.t += 1
        if self.t > self.start and (self.t - self.start) % self.every == 0:
            self._count(params)

    def _count(self, params: Any) -> None:
        self.own["count"] = n = self.own.get("count", 0) + 1
        self._average(flat(params), 1 / n)

    def _counts(self) -> bool:
        return bool(self.own.get("count"))

    def _add_to(self, program: Program) -> None:
        scopes = [program.scope]
        program.count(self)
        with program.within(turns=lambda count: np.arange(self.t, self.t + count) == self.start) as scope:
            self._add_average(program, lambda count: np.ones((count, 1)))
            scopes.append(scope)
        self.inner._add_to(program)
        with program.within(turns=self._turns) as scope:
            self._add_average(program, self._parts)
            scopes.append(scope)

        def clock() -> Callable[[Callable[[int], int]], None]:
            before = self.own.get("count", 0)
            return lambda times: self.own.update(count=before + times(scopes[1]) + times(scopes[2]))

        program.after(clock)

    def _turns(self, count: int) -> np.ndarray:
        after = np.arange(self.t + 1, self.t + count + 1) - self.start
        return np.asarray((after > 0) & (after % self.every == 0))

    def _parts(self, count: int) -> np.ndarray:
        first = max(self.own.get("count", 0), 1) + 1  # the start point was counted in before
        return 1 / np.arange(first, first + count, dtype=np.float64)[:, None]


class Lookahead(Wrapper):
    r"""Every k steps, go back a part of the way: :math:`\phi \leftarrow \phi + \alpha (w - \phi)`, :math:`w = \phi`.

    `averaged` gives the slow weights :math:`\phi`, which the paper evaluates. The inner optimizer's state goes on.

    Parameters
    ----------
    inner
        Makes the steps.
    k, alpha
        How many steps, and which part of the way is kept.

    References
    ----------
    Zhang, Lucas, Hinton & Ba 2019, "Lookahead optimizer: k steps forward, 1 step back", Algorithm 1.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> w, opt = np.zeros(1), Lookahead(fl.optim.SGD(0.1), k=2)
    >>> for _ in range(2):
    ...     opt.step(w, np.ones(1))
    >>> w
    array([-0.1])
    """

    @takes(k=whole(1), alpha=in_unit)
    def __init__(self, inner: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        super().__init__(inner)
        self.k, self.alpha = k, alpha

    def averaged(self, params: Any) -> Any:
        r"""Return copies of the slow weights :math:`\phi`; before the first step, the parameters themselves."""
        return like(params, self.own["slow"]) if self.t else params

    def step(self, params: Any, grads: Any) -> None:
        """Step, and go back at every k-th."""
        self._start(params)
        self.inner.step(params, grads)
        self._go_back(params)

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Let the rule inside take its gradients, and go back at every k-th step."""
        self._start(params)
        value = self.inner.minimize(value_and_grad, params)
        self._go_back(params)
        return value

    def _add_to(self, program: Program) -> None:
        self._start({path: program.params[path] for path in program.paths})
        program.count(self)
        self.inner._add_to(program)
        slow = program.keep(self.own["slow"])

        def go_back(v: Values) -> None:
            for path, old in v.of(slow).items():
                v.of(slow)[path] = v.w[path] = moved(old, v.w[path], v.row[0].astype(old.dtype))

        with program.within(turns=lambda count: np.arange(self.t + 1, self.t + count + 1) % self.k == 0):
            program.add(go_back, lambda count: np.full((count, 1), self.alpha))

    def _start(self, params: Any) -> None:
        if not self.t or "slow" not in self.own:
            self.own["slow"] = {path: np.array(w) for path, w in flat(params).items()}

    def _go_back(self, params: Any) -> None:
        paths = flat(params)
        self.t += 1
        if self.t % self.k == 0:
            slow: Arrays = self.own["slow"]
            for path, w in paths.items():
                slow[path] = moved(slow[path], np.asarray(w), self.alpha)
            write(paths, slow)
