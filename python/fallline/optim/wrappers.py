"""Optimizers around optimizers: chain, partition, SAM, SwitchTo."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline._arguments import check, one_of, optional, takes, whole
from fallline.optim import schedules
from fallline.optim._base import Hyper, Optimizer
from fallline.optim._clock import Clock
from fallline.optim._kinds import a_transform, an_optimizer, not_negative, patterns
from fallline.optim.transforms import Link, Transform

__all__ = ["SAM", "Chain", "Partition", "SwitchTo", "chain", "partition"]

Arrays = dict[str, np.ndarray]


class Wrapper(Optimizer):
    """An optimizer that lets others make the step; `t` counts its own calls, theirs their updates."""

    native: ClassVar[bool] = False
    by_name: ClassVar[bool] = False

    def __init__(self, *inner: Optimizer) -> None:
        self.parts: list[Optimizer] = [check(self._name, "the optimizer inside", an_optimizer, opt) for opt in inner]
        self.own: dict[str, Any] = {}  # what it keeps besides: numbers, and arrays by path
        self.t = 0

    @property
    def inner(self) -> Optimizer:
        """The optimizer that makes the next step."""
        return self.parts[0]

    def _names(self) -> list[str]:
        return [name for name in self.inner._names() if name not in self.__dict__] if self._made else []

    def _read(self, name: str) -> Any:
        return self.inner._read(name)

    def hyperparameters(self) -> dict[str, float]:
        """Return those of the optimizer that makes the next step."""
        return self.inner.hyperparameters()

    def set_hyperparameters(self, **changes: Hyper | bool) -> None:
        """Change those of the optimizer that makes the next step."""
        self.inner.set_hyperparameters(**changes)

    def set_clock(self, clock: Clock, total: int | None) -> None:
        """Tell the schedules of all parts when epochs begin, and how many batches the training has."""
        self._epochs, self._total = clock, total
        for opt, its_own in zip(self.parts, self._clocks(clock, total), strict=True):
            opt.set_clock(*its_own)

    def _clocks(self, clock: Clock, total: int | None) -> list[tuple[Clock, int | None]]:
        """Return the clock of each part, and how many batches it has; `t` of a part counts its own updates."""
        return [(clock, total)] * len(self.parts)

    def hyper_rows(self, first_step: int, count: int) -> np.ndarray:
        """Return the hyper-parameters of `count` updates, one row each."""
        return self.inner.hyper_rows(first_step, count)

    def averaged(self, params: Any) -> Any:
        """Return where to evaluate: what the optimizer inside says."""
        return self.inner.averaged(params)

    @property
    def state(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """The state of the optimizer that makes the next step."""
        return self.inner.state

    def memory_bytes(self, params: Any = None) -> int:
        """Return the bytes that all states take now; wrappers do not know them before."""
        if params is not None:
            raise TypeError(f"[{self._name}] memory_bytes() of a wrapper takes no parameters: call it after a step")
        mine = [a for kept in self.own.values() if isinstance(kept, dict) for a in kept.values()]
        return sum(opt.memory_bytes() for opt in self.parts) + sum(int(a.nbytes) for a in mine)

    def init(self, params: Any) -> dict[str, Any]:
        """Raise: a wrapper has no pure form."""
        raise TypeError(f"[{self._name}] init() and update() are for rules; a wrapper steps in place")

    def update(self, grads: Any, state: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """Raise: a wrapper has no pure form."""
        self.init(params)
        raise AssertionError

    def state_dict(self) -> dict[str, Any]:
        """Return everything: of each part under its number, and what the wrapper keeps."""
        out: dict[str, Any] = {"rule": self._name.lower(), "t": self.t, **self._saved_clock()}
        for i, opt in enumerate(self.parts):
            out |= {f"{i}:{key}": value for key, value in opt.state_dict().items()}
        for key, kept in self.own.items():
            if isinstance(kept, dict):
                out |= {f"{path}/own.{key}": array.copy() for path, array in kept.items()}
            else:
                out[f"own.{key}"] = kept
        return out

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over what `state_dict` returned."""
        if state_dict.get("rule") != self._name.lower():
            raise ValueError(
                f"[{self._name}] this state does not fit: it belongs to '{state_dict.get('rule')}', "
                f"not '{self._name.lower()}'"
            )
        parts = copy.deepcopy(self.parts)
        theirs: list[dict[str, Any]] = [{} for _ in parts]
        own: dict[str, Any] = {}
        for key, value in state_dict.items():
            number, of_part, rest = key.partition(":")
            path, of_path, name = key.rpartition("/own.")
            if of_part and number in map(str, range(len(parts))):
                theirs[int(number)][rest] = value
            elif of_path:
                own.setdefault(name, {})[path] = np.array(value)
            elif key.startswith("own."):
                own[key[4:]] = int(value)
        for opt, state in zip(parts, theirs, strict=True):
            opt.load_state_dict(state, strict)
        self.parts, self.own, self.t, self._owner = parts, own, int(state_dict["t"]), None
        self._load_clock(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_owner"}

    def __repr__(self) -> str:
        own = [f"{name}={getattr(self, name)!r}" for name in getattr(type(self).__init__, "kinds", ())
               if name in self.__dict__]  # fmt: skip
        return f"{self._name}({', '.join([*map(repr, self.parts), *own])})"


def asks(opt: Optimizer) -> bool:
    """Whether a rule takes gradients where it wants them, so that only `minimize` makes its steps."""
    if isinstance(opt, Wrapper) and not isinstance(opt, SAM):
        return any(map(asks, opt.parts))
    return type(opt).minimize is not Optimizer.minimize


def flat(params: Any) -> dict[str, Any]:
    """Return the arrays of a tree or module by path."""
    return _tree.flatten(params.parameters() if callable(getattr(params, "parameters", None)) else params)


def like(params: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return a tree like `params` with copies of these arrays, by path."""
    kinds = {path: (_core.wrap if isinstance(w, _core.Array) else np.asarray) for path, w in flat(params).items()}
    return _tree.unflatten(params, {path: kind(arrays[path].copy()) for path, kind in kinds.items()})


def write(params: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write arrays in place, by path."""
    for path, w in params.items():
        np.asarray(w)[...] = values[path]
    _core.written([w for w in params.values() if isinstance(w, _core.Array)])


class Chain(Wrapper):
    """What `chain` returns."""

    def __init__(self, *links: Transform | Optimizer) -> None:
        *transforms, last = links or (None,)
        for i, link in enumerate(transforms):
            check("chain", f"link {i}", a_transform, link)
        super().__init__(check("chain", "the last link", an_optimizer, last))
        self.transforms: list[Any] = transforms
        gathers = [t.every for t in transforms if isinstance(t, Link) and t.call[0] == "accumulate"]
        if len(gathers) > 1:  # both would gather in the same sum
            times = " * ".join(map(str, gathers))
            raise ValueError(
                f"[chain] accumulate() may stand in a chain once, got {len(gathers)}; write accumulate({times})"
            )

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, [*self.transforms, self.inner]))})"

    def _clocks(self, clock: Clock, total: int | None) -> list[tuple[Clock, int | None]]:
        return [(clock.slower(math.prod(getattr(t, "every", 1) for t in self.transforms)), total)]

    def step(self, params: Any, grads: Any) -> None:
        """Transform the gradients, then step; a transform may hold a step back."""
        paths = flat(params)
        if (now := self._transformed(paths, grads)) is not None:
            self.inner.step({path: paths[path] for path in now}, now)
        self.t += 1

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Step; a rule that takes gradients where it wants them gets all of them transformed."""
        if not asks(self.inner):
            return super().minimize(value_and_grad, params)

        def transformed(there: Any) -> tuple[Any, Any]:
            value, grads = value_and_grad(there)
            now = self._transformed(flat(there), grads)
            if now is None or len(now) < len(flat(there)):
                raise TypeError(
                    f"[chain] {self.inner!r} takes gradients elsewhere too: none may be held back or frozen"
                )
            return value, _tree.unflatten(grads, now)

        value = self.inner.minimize(transformed, params)
        self.t += 1
        return value

    def _transformed(self, paths: Mapping[str, Any], grads: Any) -> Arrays | None:
        now: Arrays | None = {path: np.asarray(g) for path, g in _tree.flatten(grads).items()}
        for transform in self.transforms:
            now = None if now is None else transform(now, paths, self.t, self.own)
        return now


def chain(*links: Transform | Optimizer) -> Chain:
    """Return an optimizer that sends gradients through transforms, from left to right, and then steps.

    >>> import numpy as np, fallline as fl
    >>> w, opt = np.zeros(2), fl.optim.chain(fl.optim.clip_value(1.0), fl.optim.SGD(0.1))
    >>> opt.step(w, np.array([3.0, -0.5]))
    >>> w
    array([-0.1 ,  0.05])
    """
    return Chain(*links)


class Partition(Wrapper):
    """What `partition` returns."""

    @takes(patterns=patterns)
    def __init__(self, patterns: Mapping[str, Optimizer]) -> None:
        super().__init__(*patterns.values())
        self.patterns = list(patterns)

    def __repr__(self) -> str:
        rows = (f"{pattern!r}: {opt!r}" for pattern, opt in zip(self.patterns, self.parts, strict=True))
        return f"partition({{{', '.join(rows)}}})"

    def step(self, params: Any, grads: Any) -> None:
        """Step each parameter with the optimizer of the first pattern that fits its path."""
        paths, given = flat(params), _tree.flatten(grads)
        groups: list[list[str]] = [[] for _ in self.patterns]
        for path in paths:
            fits = next((i for i, pattern in enumerate(self.patterns) if fnmatchcase(path, pattern)), None)
            if fits is None:
                raise ValueError(
                    f"[partition] no pattern takes parameter '{path}'; there are {', '.join(self.patterns)}; "
                    "add '*' for the rest"
                )
            groups[fits].append(path)
        for opt, group in zip(self.parts, groups, strict=True):
            if group:
                opt.step({path: paths[path] for path in group}, {path: given[path] for path in group})
        self.t += 1


def partition(patterns: Mapping[str, Optimizer]) -> Partition:
    """Return an optimizer that gives each parameter to the first pattern (``*.bias``) that fits its path.

    >>> import fallline as fl
    >>> opt = fl.optim.partition({"*bias": fl.optim.SGD(0.1), "*": fl.optim.Adam(0.01, weight_decay=0.1)})
    """
    return Partition(patterns)


class SAM(Wrapper):
    r"""Step with the gradient of the worst point nearby: at :math:`w + \rho\, g / \|g\|`. Needs `minimize`.

    Parameters
    ----------
    inner
        Makes the step.
    rho
        How far to look.

    References
    ----------
    Foret, Kleiner, Mobahi & Neyshabur 2021, "Sharpness-aware minimization", Algorithm 1.
    """

    @takes(rho=not_negative)
    def __init__(self, inner: Optimizer, rho: float = 0.05) -> None:
        super().__init__(inner)
        self.rho = rho

    def step(self, params: Any, grads: Any) -> None:
        """Raise: the rule needs gradients elsewhere."""
        raise TypeError("[SAM] needs the gradient at another point: call minimize(value_and_grad, params)")

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Look at the worst point nearby, come back, and step with its gradient; return the value from before."""
        value, grads = value_and_grad(params)
        paths, given = flat(params), {path: np.asarray(g) for path, g in _tree.flatten(grads).items()}
        length = np.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in given.values()))
        here = {path: np.array(w) for path, w in paths.items()}
        if length != 0:
            write(paths, {path: here[path] + (self.rho / length) * given[path] for path in paths})
        try:
            _, there = value_and_grad(params)
        finally:
            write(paths, here)
        self.inner.step(params, there)
        self.t += 1
        return value


class SwitchTo(Wrapper):
    """Make the first `at` steps, or epochs, with one optimizer and all others with another, whose state starts there.

    Parameters
    ----------
    first, then
        The optimizers.
    at
        How many steps or epochs the first one makes.
    per
        "step" or "epoch".
    steps_per_epoch
        The length of an epoch; `fit` fills it in.

    Examples
    --------
    >>> import fallline as fl
    >>> opt = SwitchTo(fl.optim.Adam(1e-3), fl.optim.SGD(1e-2), at=10, per="epoch")
    """

    @takes(at=whole(0), per=one_of("step", "epoch"), steps_per_epoch=optional(whole(1)))
    def __init__(
        self, first: Optimizer, then: Optimizer, at: int, *, per: str = "step", steps_per_epoch: int | None = None
    ) -> None:
        super().__init__(first, then)
        # A schedule that is 0, and 1 from there on: it has the clock, and is checked and filled in as others are.
        self._at = at
        self._turn = schedules.piecewise([at], [0.0, 1.0], per=per, steps_per_epoch=steps_per_epoch)

    def _clocks(self, clock: Clock, total: int | None) -> list[tuple[Clock, int | None]]:
        self._turn = self._turn.on(clock, total)
        at = (self._turn.end() or 0) * clock.every
        lengths = (None, None) if total is None else (min(total, at), max(total - at, 0))
        return [(clock, lengths[0]), (clock.since(at), lengths[1])]

    def __repr__(self) -> str:
        return f"SwitchTo({self.parts[0]!r}, {self.parts[1]!r}, at={self._at}, per={self._turn.per!r})"

    @property
    def inner(self) -> Optimizer:
        """The one whose turn it is."""
        begins = self.t == 0 and self._at > 0  # this is known also where the length of an epoch is not
        return self.parts[0 if begins else int(self._turn(self.t))]

    def step(self, params: Any, grads: Any) -> None:
        """Step with the one whose turn it is."""
        self.parts[int(self._turn(self.t))].step(params, grads)
        self.t += 1
