"""What do optimizers around optimizers share?  Parts that step, with clocks and states, and state of their own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline._arguments import check
from fallline.optim._base import Hyper, Optimizer
from fallline.optim._clock import Clock
from fallline.optim._kinds import an_optimizer
from fallline.optim._owner import UNSAVED, Owned

__all__ = ["Arrays", "Wrapper", "flat", "like", "write"]

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

    def _plannable(self) -> bool:  # not unless a class says so: some ask for gradients elsewhere
        return type(self)._add_to is not Optimizer._add_to and all(part._plannable() for part in self.parts)

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
        self.parts, self.own, self.t = parts, own, int(state_dict["t"])
        self._disown()
        self._load_clock(state_dict)

    def _everyone(self) -> list[Owned]:
        return [self, *(one for opt in self.parts for one in opt._everyone())]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in UNSAVED}

    def __repr__(self) -> str:
        own = [f"{name}={getattr(self, name)!r}" for name in getattr(type(self).__init__, "kinds", ())
               if name in self.__dict__]  # fmt: skip
        return f"{self._name}({', '.join([*map(repr, self.parts), *own])})"


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
