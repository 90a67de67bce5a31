"""Updates that change nothing: new parameters and new state from old ones, also recorded and traced."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline import _core, _ops, _tree
from fallline.optim import _leaves
from fallline.optim._hypers import Hypers

if TYPE_CHECKING:
    from fallline.optim._formats import Format

__all__ = ["PureUpdates"]

State = dict[str, dict[str, np.ndarray]]


class PureUpdates(Hypers):
    """`init` and `update` of an optimizer."""

    _rule_name: str
    _slots: Mapping[str, str | None]
    _format: Format
    _new_state: Callable[[np.ndarray], dict[str, np.ndarray]]
    _match_state: Callable[[Mapping[str, Mapping[str, Any]], Mapping[str, Any]], None]

    def init(self, params: Any) -> dict[str, Any]:
        """Return the state from which `update` starts: a tree of new arrays."""
        leaves = _tree.flatten(params).items()
        at_parameter = [slot for slot, start in self._slots.items() if start == "parameter"]
        slots: dict[str, dict[str, Any]] = {}
        for path, leaf in leaves:
            if _leaves.recorded(leaf):
                slots[path] = {**self._new_state(np.zeros(leaf.shape, leaf.dtype)), **dict.fromkeys(at_parameter, leaf)}
            else:
                slots[path] = self._new_state(np.asarray(leaf))
        return {"t": np.zeros((), np.int64), "slots": slots}

    def update(self, grads: Any, state: Mapping[str, Any], params: Any) -> tuple[Any, dict[str, Any]]:
        """Return new parameters and new state; the arguments and this object stay as they are.

        The rule and the bits are those of `step`. Derivatives pass through: those of arrays that are being recorded,
        and of hyper-parameters that are 0-d arrays; then `t` must be known, so not traced. The root of a mean of
        squares that is zero counts as constant, so that parameters without a gradient do not make derivatives NaN.
        In a function that is traced (:func:`fallline.jit`, :func:`fallline.scan`) the update is one native call for
        each parameter.
        """
        inner = [slot for slots in state["slots"].values() for slot in slots.values()]
        outer = [*_tree.flatten(params).values(), *_tree.flatten(grads).values()]
        if any(isinstance(v, _core.Array) and v._tracked for v in [*inner, *outer, *self._hypers.values()]):
            t: Any = _leaves.known(self._name, state["t"])
            new, slots = self._taped_update(grads, state["slots"], params, t)
        elif _core.is_tracing():
            t = state["t"]
            new, slots = self._planned_update(grads, state["slots"], params, t)
        else:
            t = int(state["t"])
            new, slots = self._native_update(grads, state["slots"], params, t)
        return _tree.unflatten(params, new), {"t": t + 1 if _core.is_tracing() else np.array(t + 1), "slots": slots}

    def _native_update(self, grads: Any, slots: Any, params: Any, t: int) -> tuple[dict[str, Any], State]:
        leaves = _leaves.check(self._name, params, grads, writable=False)
        weights = [np.array(w, order="K") for w in leaves.w]
        states = {p: {s: np.asarray(a) for s, a in slot.items()} for p, slot in slots.items()}
        self._match_state(states, leaves.params)
        states = {
            path: {s: np.array(_leaves.ordered_as(slot, w), order="K") for s, slot in states[path].items()}
            for path, w in zip(leaves.params, weights, strict=True)
        }
        order, row = [list(slots.values()) for slots in states.values()], self.hyper_rows(t, 1)[0]
        _core.rule_step(self._rule_name, weights, leaves.g, order, row, t + 1, self._format.precision)
        return leaves.like_params(weights), states

    def _taped_update(self, grads: Any, slots: Any, params: Any, t: int) -> tuple[dict[str, Any], Any]:
        if self._format.state_dtype is not None:
            raise _core.DTypeError(f"[{self._name}] compressed state has no derivative; use state_dtype=None")
        leaves = _tree.flatten(params)
        given = _leaves.match(self._name, leaves, _tree.flatten(grads))
        self._match_state(slots, leaves)
        hypers = {**self._hypers, **self._running_at(t)}
        row = [value(t) if callable(value) else value for value in map(hypers.get, self._columns)]
        new, states = {}, {}
        for path, w in leaves.items():
            new[path], *state = _core.taped_step(self._rule_name, row, t + 1, given[path], w, [*slots[path].values()])
            states[path] = dict(zip(slots[path], state, strict=True))
        return new, states

    def _planned_update(self, grads: Any, slots: Any, params: Any, t: Any) -> tuple[dict[str, Any], Any]:
        """Add one call of the native rule for each parameter to the graph that is being traced."""
        if self._format.state_dtype is not None:
            raise _core.TraceError(f"[{self._name}] compressed state cannot be traced; use state_dtype=None")
        leaves = _tree.flatten(params)
        given = _leaves.match(self._name, leaves, _tree.flatten(grads))
        self._match_state(slots, leaves)
        running = self._running_at(int(t)) if not _leaves.recorded(t) else dict.fromkeys(self._running.names, math.nan)
        hypers = {name: self._traced_hyper(name, t) for name in self._hypers}
        hypers |= {name: np.float64(value) for name, value in running.items()}
        row = _ops.stack([_ops.astype(hypers[name], np.float64) for name in self._columns])
        clock = _ops.astype(t, np.int64)
        return planned(self._rule_name, self._format.precision, row, clock, given, leaves, slots)

    def _traced_hyper(self, name: str, t: Any) -> Any:
        value = self._hypers[name]
        if not callable(value):
            return np.float64(value) if isinstance(value, float) else value
        if _leaves.recorded(t):
            raise _core.TraceError(
                f"[{self._name}] the schedule of '{name}' cannot be evaluated while t is traced: compute it outside "
                "and pass the value as an array, or take the state's 't' from outside the function"
            )
        return np.float64(value(int(t)))


def planned(
    rule: str,
    precision: str,
    row: Any,
    t: Any,
    grads: Mapping[str, Any],
    params: Mapping[str, Any],
    slots: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Any], Any]:
    """Add one call of a native rule on all tensors to the graph that is being traced; return parameters and slots."""
    new, states = {}, {}
    for dtype in dict.fromkeys(w.dtype for w in params.values()):
        paths = [path for path, w in params.items() if w.dtype == dtype]
        state = [a for path in paths for a in slots[path].values()]
        gs, ws = [grads[path] for path in paths], [params[path] for path in paths]
        found = iter(_core.planned_step(rule, precision, row, t, gs, ws, state))
        for path in paths:
            new[path] = next(found)
            states[path] = {slot: next(found) for slot in slots[path]}
    return {path: new[path] for path in params}, {path: states[path] for path in params}
