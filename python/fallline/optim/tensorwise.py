"""Rules that look at a whole tensor at once, such as its norm: written with NumPy's functions, one tensor at a time."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _tree
from fallline._array import asarray
from fallline.optim import _leaves
from fallline.optim._base import Hyper, Optimizer

__all__ = ["TensorRule"]

Slots = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]

COMMON = (("weight_decay", 0.0, "nonnegative"), ("l2", 0.0, "nonnegative"), ("maximize", 0.0, "flag"))


class TensorRule(Optimizer):
    """The base of rules in Python, yours too: name the hyper-parameters and slots, and write `formula` with ``np.*``.

    NumPy's functions work on plain arrays and on arrays that are recorded, so that `update` has derivatives as every
    optimizer's does. `fit` takes such a rule as any other; its steps then go through Python.

    Parameters
    ----------
    **hypers
        Values for the names in `hypers`; those not given take the default there. ``betas=(a, b)`` stands for ``beta1=a,
        beta2=b``.

    Attributes
    ----------
    hypers
        (name, default, range) of each hyper-parameter; range is "any", "nonnegative", "unit" for [0, 1), "closed_unit"
        for [0, 1], or "flag".
        `weight_decay`, `l2` and `maximize` come with every rule.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> class SignOfMean(fl.optim.TensorRule):
    ...     hypers = (("lr", 1e-3, "nonnegative"), ("momentum", 0.9, "unit"))
    ...
    ...     def slots(self, shape):
    ...         return {"m": shape}
    ...
    ...     def formula(self, h, t, g, w, s):
    ...         m = h["momentum"] * s["m"] + (1 - h["momentum"]) * g
    ...         return w - h["lr"] * np.sign(m), {"m": m}
    >>> w = np.zeros(2)
    >>> SignOfMean(lr=0.5).step(w, np.array([3.0, -1.0]))
    >>> w
    array([-0.5,  0.5])
    """

    native: ClassVar[bool] = False
    #: Slots that are float64 whatever the parameter is: few numbers, or such that are decomposed.
    wide: ClassVar[tuple[str, ...]] = ()
    hypers: ClassVar[tuple[tuple[str, float, str], ...]] = (("lr", 1e-3, "nonnegative"),)
    #: Whether `weight_decay` shrinks w before the rule; otherwise the rule reads it.
    decays_first: ClassVar[bool] = True

    def __init__(self, lr: Hyper | None = None, **hypers: Hyper | bool) -> None:
        own: dict[str, Any] = {} if lr is None else {"lr": lr}
        mine = {name for name, _, _ in self.hypers}
        specs = (*self.hypers, *(row for row in COMMON if row[0] not in mine))
        self._begin(type(self).__name__.lower(), {}, specs, own | hypers)

    def slots(self, shape: tuple[int, ...]) -> Shapes:
        """Return the shape of every array that the rule keeps for a parameter of this shape; they start at zero."""
        return {}

    def start(self, slot: str, w: np.ndarray) -> Any:
        """Return what a slot starts with, where that is not zero."""
        return 0.0

    @abstractmethod
    def formula(self, h: Mapping[str, Any], t: int, g: Any, w: Any, s: Slots) -> tuple[Any, Slots]:
        """Return the new parameter and slots at step t (1 first); g already has `l2` and `maximize` in it."""

    def apply(
        self, h: Mapping[str, Any], t: Any, grads: dict[str, Any], params: dict[str, Any], states: dict[str, Slots]
    ) -> tuple[dict[str, Any], dict[str, Slots]]:
        """Return all new parameters and states by path. Rules that look at all tensors at once override this."""
        new, slots = {}, {}
        for path, w in params.items():
            if not w.size:  # has no mean, no length and no side
                new[path], slots[path] = w, states[path]
                continue
            g = directed(h, grads[path], w)
            if self.decays_first and _given(h["weight_decay"]):
                w = (1 - h["lr"] * h["weight_decay"]) * w
            new[path], slots[path] = self.formula(h, t, g, w, states[path])
        return new, slots

    def _advance(
        self, h: Mapping[str, Any], t: Any, grads: Any, params: dict[str, Any], states: dict[str, Slots]
    ) -> tuple[dict[str, Any], dict[str, Slots]]:
        """Apply the rule, and bring what comes out to the dtypes that are kept."""
        with np.errstate(over="ignore", invalid="ignore"):  # as in native rules: what is not finite shows in the result
            new, slots = self.apply(h, t, grads, params, states)
        kept = {
            path: {name: _cast(a, self._slot_dtype(name, params[path].dtype)) for name, a in s.items()}
            for path, s in slots.items()
        }
        return {path: _cast(a, params[path].dtype) for path, a in new.items()}, kept

    def step(self, params: Any, grads: Any) -> None:
        """Update a tree of arrays in place, with the gradients in a tree of the same paths."""
        tree = params.parameters() if callable(getattr(params, "parameters", None)) else params
        leaves = _leaves.check(self._name, tree, grads)
        states = self._states_for(leaves)
        given = dict(zip(leaves.params, leaves.g, strict=True))
        new, self._states = self._advance(self._values(self.t), self.t + 1, given, leaves.params, states)
        for path, w in leaves.params.items():
            w[...] = new[path]
        _core.written(list(leaves.originals.values()))
        self._note_arrays(leaves.originals)
        self.t += 1

    def update(self, grads: Any, state: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """Return new parameters and new state; the arguments and this object stay as they are.

        In a function that is traced (:func:`fallline.jit`, :func:`fallline.scan`) the formula gets `t` as a float64
        array, so that what it makes of it is as exact as from a number, and results go back to their dtypes.
        """
        t = state["t"]
        if isinstance(t, _core.Array) and not t._readable:
            return self._traced_update(grads, state["slots"], params, t)
        t = int(t)
        leaves = _tree.flatten(params)
        given = dict(_leaves.match(self._name, leaves, _tree.flatten(grads)))
        self._check_paths(state["slots"], leaves)
        states = {path: dict(slots) for path, slots in state["slots"].items()}
        new, slots = self._advance(self._values(t), t + 1, given, leaves, states)
        kinds = {p: (asarray if isinstance(a, _core.Array) else np.asarray) for p, a in leaves.items()}
        alike = {p: a if _leaves.recorded(a) else kinds[p](a) for p, a in new.items()}
        return _tree.unflatten(params, alike), {"t": np.array(t + 1), "slots": slots}

    def _traced_update(self, grads: Any, slots: Any, params: Any, t: Any) -> tuple[Any, dict[str, Any]]:
        schedules = [name for name, value in self._hypers.items() if callable(value)]
        if schedules:
            raise _core.TraceError(
                f"[{self._name}] the schedule of '{schedules[0]}' cannot be evaluated while t is traced: compute it "
                "outside and pass the value as an array, or take the state's 't' from outside the function"
            )
        leaves = _tree.flatten(params)
        given = dict(_leaves.match(self._name, leaves, _tree.flatten(grads)))
        self._check_paths(slots, leaves)
        clock = _core.astype(t, np.float64) + 1.0
        new, kept = self._advance(dict(self._hypers), clock, given, leaves, {p: dict(s) for p, s in slots.items()})
        return _tree.unflatten(params, new), {"t": t + 1, "slots": kept}

    def prepare(self, params: Any) -> Mapping[str, Mapping[str, np.ndarray]]:
        """Make the state for these parameters, as the first step would, and return it."""
        leaves = _leaves.check(self._name, params, _leaves.NO_GRADIENTS)
        self._states = self._states_for(leaves)
        self._note_arrays(leaves.originals)
        return self.state

    def memory_bytes(self, params: Any = None) -> int:
        """Return the bytes that the state takes: for `params` where they are given, else now."""
        if params is None:
            return super().memory_bytes()
        leaves = [np.asarray(leaf) for leaf in _tree.flatten(params).values()]
        slots = ((a.dtype, name, shape) for a in leaves for name, shape in self.slots(a.shape).items())
        return sum(math.prod(shape) * self._slot_dtype(name, dtype).itemsize for dtype, name, shape in slots)

    def _slot_dtype(self, slot: str, dtype: Any) -> np.dtype[Any]:
        return np.dtype(np.float64 if slot in self.wide else dtype)

    def _values(self, t: int) -> dict[str, Any]:
        hypers = self._hypers.items()
        if any(_leaves.recorded(value) for _, value in hypers):
            return {name: value(t) if callable(value) else value for name, value in hypers}
        return dict(zip(self._hypers, self.hyper_rows(t, 1)[0].tolist(), strict=True))

    def _new_state(self, array: np.ndarray) -> dict[str, np.ndarray]:
        shapes = self.slots(array.shape)
        return {
            name: np.full(shape, self.start(name, array), self._slot_dtype(name, array.dtype))
            for name, shape in shapes.items()
        }

    def _states_for(self, leaves: _leaves.Leaves) -> dict[str, dict[str, np.ndarray]]:
        if self._states:
            self._check_paths(self._states, leaves.params)
            self._check_arrays(leaves.originals)
        return {path: dict(self._states.get(path) or self._new_state(a)) for path, a in leaves.params.items()}

    def _check_paths(self, states: Mapping[str, Any], params: Mapping[str, Any]) -> None:
        if states.keys() != params.keys():
            new, gone = sorted(params.keys() - states.keys()), sorted(states.keys() - params.keys())
            raise ValueError(f"[{self._name}] the state belongs to other parameters: new {new}, missing {gone}")
        for path, w in params.items():
            wanted = self.slots(tuple(w.shape))
            found = {name: tuple(a.shape) for name, a in states[path].items()}
            if found != wanted:
                raise _core.ShapeError(f"[{self._name}] '{path}' {tuple(w.shape)} needs a state {wanted}, got {found}")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over what `state_dict` returned; schedules stay. Nothing changes when something does not fit."""
        arrays = {tuple(key.rsplit("/", 1)): np.asarray(a) for key, a in state_dict.items() if "/" in key}
        numbers = {name for name, value in self._hypers.items() if isinstance(value, float)}
        wrong = self._misfits(state_dict, numbers, strict)
        for (path, slot), new in arrays.items():
            old = self._states.get(path, {}).get(slot)
            if old is not None and old.shape != new.shape:
                wrong.append(f"'{path}/{slot}' has shape {new.shape}, expected {old.shape}")
        if wrong:
            raise ValueError(f"[{self._name}] this state does not fit: {'; '.join(wrong)}")
        self._load_clock(state_dict)
        states = {path: dict(slots) for path, slots in self._states.items()}
        for (path, slot), new in arrays.items():
            if strict or not self._states or slot in self._states.get(path, {}):
                states.setdefault(path, {})[slot] = np.array(new)
        self.set_hyperparameters(**{key: state_dict[key] for key in numbers & state_dict.keys()})
        self._states, self.t = states, int(state_dict.get("t", self.t))
        self._disown()

    def _misfits(self, state_dict: Mapping[str, Any], numbers: set[str], strict: bool) -> list[str]:
        wrong = []
        if state_dict.get("rule", self._rule_name) != self._rule_name:
            wrong.append(f"it belongs to the rule '{state_dict['rule']}', not '{self._rule_name}'")
        if not isinstance(state_dict.get("t", 0), int | np.integer) or state_dict.get("t", 0) < 0:
            wrong.append(f"t is {state_dict['t']!r}")
        expected = {f"{path}/{slot}" for path, slots in self._states.items() for slot in slots}
        expected |= {"rule", "t"} | numbers
        if strict and self._states:
            wrong += [f"'{key}' is missing" for key in sorted(expected - state_dict.keys())]
            wrong += [
                f"'{key}' is not expected" for key in sorted(state_dict.keys() - expected - {*self._hypers, "epochs"})
            ]
        return wrong


def directed(h: Mapping[str, Any], g: Any, w: Any) -> Any:
    """Return the gradient with `maximize` and `l2` in it."""
    g = -g if h["maximize"] else g
    return g + h["l2"] * w if _given(h["l2"]) else g


def _cast(a: Any, dtype: Any) -> Any:
    # Row by row, as files keep it: products of the same numbers in another order of memory may differ in the last bit.
    return _core.astype(a, dtype) if isinstance(a, _core.Array) else np.asarray(a, dtype, order="C")


def _given(value: Any) -> bool:
    """Whether a hyper-parameter does something: a number that is not zero, or an array."""
    return isinstance(value, _core.Array) or bool(value)


del Optimizer._classes["tensorrule"]  # a base, not a rule
