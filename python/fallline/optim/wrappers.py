"""Optimizers around optimizers: chain, partition, SAM, SwitchTo."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from fallline import _tree
from fallline._arguments import check, one_of, optional, takes, whole
from fallline.optim import schedules
from fallline.optim._attributes import expand
from fallline.optim._base import Hyper, Optimizer
from fallline.optim._clock import Clock
from fallline.optim._kinds import a_transform, an_optimizer, not_negative, patterns
from fallline.optim._program import Program
from fallline.optim._wrapper import Arrays, Wrapper, flat, write
from fallline.optim.transforms import Link, Transform

__all__ = ["SAM", "Chain", "Partition", "SwitchTo", "Wrapper", "chain", "partition"]


def asks(opt: Optimizer) -> bool:
    """Whether a rule takes gradients where it wants them, so that only `minimize` makes its steps."""
    if isinstance(opt, Wrapper) and not isinstance(opt, SAM):
        return any(map(asks, opt.parts))
    return type(opt).minimize is not Optimizer.minimize


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

    def _plannable(self) -> bool:
        return super()._plannable() and all(
            getattr(getattr(link, "transform", None), "plannable", False) for link in self.transforms
        )

    def _add_to(self, program: Program) -> None:
        program.count(self)
        with ExitStack() as scopes:
            for link in self.transforms:
                link.transform.add_to(program, self.own, scopes)
            self.inner._add_to(program)

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

    def averaged(self, params: Any) -> Any:
        """Return where to evaluate: what the optimizer says of the parameters that it steps; others are frozen."""
        paths = flat(params)
        stepped = {path: w for path, w in paths.items() if path in self.inner.state}
        return _tree.unflatten(params, {**paths, **(self.inner.averaged(stepped) if stepped else {})})

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
    """What `partition` returns; ``opt["*bias"]`` is the optimizer of a pattern.

    A hyper-parameter that all parts have, with one value, is an attribute, and setting it sets it in all of them.
    """

    @takes(patterns=patterns)
    def __init__(self, patterns: Mapping[str, Optimizer]) -> None:
        super().__init__(*patterns.values())
        self.patterns = list(patterns)

    def __getitem__(self, pattern: str) -> Optimizer:
        if pattern not in self.patterns:
            raise KeyError(f"[partition] there is no pattern {pattern!r}; there are {', '.join(self.patterns)}")
        return self.parts[self.patterns.index(pattern)]

    def __repr__(self) -> str:
        rows = (f"{pattern!r}: {opt!r}" for pattern, opt in self._rows_of_parts())
        return f"partition({{{', '.join(rows)}}})"

    def _rows_of_parts(self) -> Iterable[tuple[str, Optimizer]]:
        return zip(self.patterns, self.parts, strict=True)

    def _names(self) -> list[str]:
        first, *others = [opt._names() for opt in self.parts] if self._made else [[]]
        return [name for name in first if all(name in names for names in others)]

    def _read(self, name: str) -> Any:
        values = [opt._read(name) for opt in self.parts]
        if any(value is not values[0] and value != values[0] for value in values):
            told = ", ".join(f"{value!r} in {pattern!r}" for pattern, value in zip(self.patterns, values, strict=True))
            raise AttributeError(f"[partition] '{name}' is {told}; name the part: opt[{self.patterns[0]!r}].{name}")
        return values[0]

    def hyperparameters(self) -> dict[str, float]:
        """Return those of the next step: what all parts share by name, else by name and pattern: ``lr[*bias]``."""
        rows = {pattern: opt.hyperparameters() for pattern, opt in self._rows_of_parts()}
        found: dict[str, float] = {}
        for name in dict.fromkeys(name for row in rows.values() for name in row):
            values = [row[name] for row in rows.values() if name in row]
            shared = len(values) == len(rows) and len(set(values)) == 1
            found |= (
                {name: values[0]} if shared else {f"{name}[{p}]": row[name] for p, row in rows.items() if name in row}
            )
        return found

    def set_hyperparameters(self, **changes: Hyper | bool) -> None:
        """Change them in all parts, each of which has to have them, with one value."""
        for name in (names := self._names()) and expand(self._name, changes, names):
            if name not in names:
                having = [pattern for pattern, opt in self._rows_of_parts() if name in opt._names()]
                hint = f"; set it in the part that has it: opt[{having[0]!r}].{name}" if having else ""
                raise AttributeError(f"[partition] there is no '{name}' that all parts have{hint}")
            self._read(name)
        before = [{name: opt._read(name) for name in opt._names()} for opt in self.parts]
        try:
            for opt in self.parts:
                opt.set_hyperparameters(**changes)
        except Exception:
            for opt, values in zip(self.parts, before, strict=True):
                opt.set_hyperparameters(**values)
            raise

    @property
    def state(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """The states of all parts."""
        return MappingProxyType({path: slots for opt in self.parts for path, slots in opt.state.items()})

    def averaged(self, params: Any) -> Any:
        """Return where to evaluate: what each part says of its parameters."""
        paths, found = flat(params), dict[str, Any]()
        for opt, group in self._groups(paths):
            found |= opt.averaged({path: paths[path] for path in group})
        return _tree.unflatten(params, {path: found[path] for path in paths})

    def step(self, params: Any, grads: Any) -> None:
        """Step each parameter with the optimizer of the first pattern that fits its path."""
        paths, given = flat(params), _tree.flatten(grads)
        for opt, group in self._groups(paths):
            opt.step({path: paths[path] for path in group}, {path: given[path] for path in group})
        self.t += 1

    def _groups(self, paths: Iterable[str]) -> list[tuple[Optimizer, list[str]]]:
        """Return the parts with the paths that are theirs, where there are any."""
        groups: list[list[str]] = [[] for _ in self.patterns]
        for path in paths:
            fits = next((i for i, pattern in enumerate(self.patterns) if fnmatchcase(path, pattern)), None)
            if fits is None:
                raise ValueError(
                    f"[partition] no pattern takes parameter '{path}'; there are {', '.join(self.patterns)}; "
                    "add '*' for the rest"
                )
            groups[fits].append(path)
        return [(opt, group) for opt, group in zip(self.parts, groups, strict=True) if group]

    def _add_to(self, program: Program) -> None:
        program.count(self)
        for opt, group in self._groups(program.paths):
            with program.only(group):
                opt._add_to(program)


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

    def _plannable(self) -> bool:
        return False

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

    def _add_to(self, program: Program) -> None:
        program.count(self)
        for i, part in enumerate(self.parts):
            with program.within(turns=partial(self._turns, i)):
                part._add_to(program)

    def _turns(self, part: int, count: int) -> np.ndarray:
        return np.array([int(self._turn(t)) == part for t in range(self.t, self.t + count)])

    def step(self, params: Any, grads: Any) -> None:
        """Step with the one whose turn it is."""
        self.parts[int(self._turn(self.t))].step(params, grads)
        self.t += 1
