"""The optimizer: hyper-parameters, state by path, and one native call per step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import numpy as np

from fallline import _core, _tree
from fallline._arguments import shown
from fallline._array import aligned
from fallline.optim import _leaves
from fallline.optim._formats import Format
from fallline.optim._hypers import Hyper
from fallline.optim._owner import UNSAVED
from fallline.optim._program import Program, Store, Values
from fallline.optim._pure import PureUpdates, planned
from fallline.optim._ranges import checked

__all__ = ["Common", "Hyper", "Optimizer", "get", "names"]

Common: TypeAlias = Hyper | bool | str | None
State = dict[str, dict[str, np.ndarray]]


class Optimizer(PureUpdates):
    """What every optimizer can do; the classes of this package choose the rule.

    Parameters
    ----------
    rule
        The name of a native update rule.
    state_dtype
        How state is kept: None for the parameter's dtype, or, for float32 parameters, "bfloat16" or "float8": two bytes
        or one (and one for each 256) per element and slot, rounded stochastically; see :doc:`/optimizers`.
    **hypers
        Its hyper-parameters: each a number, or a schedule, that is, a pure callable of the number of finished updates.

    Attributes
    ----------
    t
        How many updates are finished.
    """

    _classes: ClassVar[dict[str, type[Optimizer]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.by_name and not cls.__name__.startswith("_"):
            name = cls.__name__.lower()
            ours = Optimizer._classes.get(name)
            if ours is None or not ours.__module__.startswith("fallline."):  # a class of yours takes no name of ours
                Optimizer._classes[name] = cls

    #: Whether the rule is in the native table, so that whole epochs can run without Python.
    native: ClassVar[bool] = True
    #: Whether `get` finds the class.
    by_name: ClassVar[bool] = True

    def __init__(self, rule: str, *, state_dtype: str | None = None, **hypers: Hyper | bool) -> None:
        slots, specs, values = _core.rule_info(rule)
        self._begin(rule, slots, specs, hypers, Format(self._name, values, state_dtype))
        self._stepper = _core.Stepper(rule, self._format.precision)

    def _begin(
        self, rule: str, slots: Any, specs: Any, hypers: Mapping[str, Hyper | bool], form: Format | None = None
    ) -> None:
        self._rule_name, self._slots = rule, slots
        self._format = form or Format(self._name, {}, None)
        self._states: State = {}
        self._clock = [0]
        self._take(rule, specs, hypers)

    @classmethod
    def like(cls, library: str, **arguments: Any) -> Any:
        """Return this optimizer with another library's formula and defaults; other keywords override them.

        Parameters
        ----------
        library
            "torch", "keras", "optax", "mlx", "tinygrad" or "source", where that has the rule. Where a library couples
            weight decay, that is `l2` here.

        >>> from fallline.optim import Adam
        >>> Adam.like("keras", lr=0.01)
        Adam(lr=0.01, eps=1e-07, eps_hat=True)
        """
        from fallline.optim._like import arguments as of  # only here: a table that few need

        return cls(**of(cls.__name__, library, arguments))

    # Updates

    def step(self, params: Any, grads: Any) -> None:
        """Update a tree of arrays in place, with the gradients in a tree of the same paths.

        Nothing is changed when anything is wrong. State is made on the first step and keyed by path.
        """
        clock = self._clock
        t = clock[0] + 1
        row = self._row if self._fixed else self._next_row()
        if not self._stepper.step(params, grads, row, t):
            tree = params.parameters() if callable(getattr(params, "parameters", None)) else params
            if tree is params or not self._stepper.step(tree, grads, row, t):
                self._checked_step(tree, grads, row)
        clock[0] = t

    def _checked_step(self, params: Any, grads: Any, row: np.ndarray) -> None:
        leaves = _leaves.check(self._name, params, grads)
        states = self._states_for(leaves)
        slots = [list(states[path].values()) for path in leaves.params]
        _core.rule_step(self._rule_name, leaves.w, leaves.g, slots, row, self.t + 1, self._format.precision)
        leaves.store()
        self._states = states
        self._note_arrays(leaves.originals)
        self._stepper.forget()
        if leaves.direct:
            self._stepper.remember(params, grads, leaves.w, leaves.g, slots, leaves.grad_order)

    def minimize(self, value_and_grad: Callable[[Any], tuple[Any, Any]], params: Any) -> Any:
        """Evaluate ``value_and_grad(params)``, make one step and return the value from before it."""
        value, grads = value_and_grad(params)
        self.step(params, grads)
        return value

    def effective_learning_rates(self, params: Any, grads: Any) -> dict[str, np.ndarray]:
        """Return by path how far the next step would move each element, over its gradient; NaN where that is zero.

        Nothing is changed. For gradient descent this is the learning rate; adaptive rules give every element its own.
        """
        before = {path: np.asarray(leaf) for path, leaf in _tree.flatten(params).items()}
        state = {"t": self.t, "slots": self._states} if self._states else self.init(params)
        after = _tree.flatten(self.update(grads, state, params)[0])
        g = {path: np.asarray(leaf) for path, leaf in _tree.flatten(grads).items()}
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                path: np.where(g[path] == 0, np.nan, (w - np.asarray(after[path])) / g[path])
                for path, w in before.items()
            }

    def _plannable(self) -> bool:
        """Whether `_add_to` can write the step into a program."""
        return self.native

    def _add_to(self, program: Program) -> None:
        """Add the step of the program's parameters to it."""
        paths, name = program.paths, self._rule_name
        self.prepare({path: program.params[path] for path in paths})
        stores: dict[str, Store] = {
            slot: program.keep({path: self._states[path][slot] for path in paths}) for slot in self._slots
        }

        def update(v: Values) -> None:
            given, weights = {path: v.g.pop(path) for path in paths}, {path: v.w[path] for path in paths}
            slots = {path: {slot: v.of(store)[path] for slot, store in stores.items()} for path in paths}
            t = _core.astype(v.row[-1], np.int64)
            new, states = planned(name, self._format.precision, v.row[:-1], t, given, weights, slots)
            v.w.update(new)
            for slot, store in stores.items():
                v.of(store).update({path: states[path][slot] for path in paths})

        program.step(update, self._timed_rows)
        program.count(self)

    def _timed_rows(self, count: int) -> np.ndarray:
        """Return the hyper-parameters of the next updates, and how many updates there were before each."""
        return np.column_stack([self.hyper_rows(self.t, count), np.arange(self.t, self.t + count)])

    def averaged(self, params: Any) -> Any:
        """Return the parameters at which to evaluate: for this rule, the parameters themselves."""
        return params

    # State

    @property
    def rule(self) -> int:
        """The place of the rule in the native table, for loops that run without Python."""
        return int(_core.rule_index(self._rule_name))

    @property
    def state(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        """The state arrays by path and slot: live, but only their elements may be written."""
        return MappingProxyType({path: MappingProxyType(slots) for path, slots in self._states.items()})

    def prepare(self, params: Any) -> Mapping[str, Mapping[str, np.ndarray]]:
        """Make the state for these parameters, as the first step would, and return it."""
        leaves = _leaves.check(self._name, params, _leaves.NO_GRADIENTS)
        self._states = self._states_for(leaves)
        self._note_arrays(leaves.originals)
        self._stepper.forget()
        return self.state

    def memory_bytes(self, params: Any = None) -> int:
        """Return the bytes that the state takes: for `params` where they are given, else now."""
        if params is None:
            return sum(slot.nbytes for slots in self._states.values() for slot in slots.values())
        leaves = [np.asarray(leaf) for leaf in _tree.flatten(params).values()]
        return sum(self._format.nbytes(slot, leaf) for leaf in leaves for slot in self._slots)

    def state_values(self, params: Any) -> State:
        """Return copies of the state of `params` as numbers in their shapes, compressed or not."""
        leaves = {path: np.asarray(leaf) for path, leaf in _tree.flatten(params).items()}
        self._match_state(self._states, leaves)
        return {
            path: {slot: self._format.decode(slot, a, leaves[path]) for slot, a in slots.items()}
            for path, slots in self._states.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the rule's name, `t`, the hyper-parameters that are numbers, and copies of the state as path/slot."""
        numbers = {name: value for name, value in self._hypers.items() if isinstance(value, float)}
        arrays = {f"{path}/{s}": slot.copy() for path, slots in self._states.items() for s, slot in slots.items()}
        form = {"state_dtype": self._format.state_dtype} if self._format.state_dtype else {}
        running = {} if self._fixed else self._running_at(self.t)
        return {"rule": self._rule_name, "t": self.t, **form, **numbers, **running, **self._saved_clock(), **arrays}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over what `state_dict` returned; schedules stay, numbers and arrays are copied.

        All differences are listed in one error, and nothing is changed then. With ``strict=False``, names that only
        one side has are left alone.
        """
        ranges = {name: kind for name, _, kind in self._specs}
        arrays = {key: np.asarray(value) for key, value in state_dict.items() if "/" in key}
        numbers = {key: value for key, value in state_dict.items() if key in ranges}
        wrong = self._differences(state_dict, arrays, strict)
        if wrong:
            raise ValueError(f"[{self._name}] this state does not fit: {'; '.join(wrong)}")
        self._load_clock(state_dict)
        valid = {name: checked(self._name, name, value, ranges[name]) for name, value in numbers.items()}
        states = {path: dict(slots) for path, slots in self._states.items()}
        for key, value in arrays.items():
            path, slot = key.rsplit("/", 1)
            if slot in self._slots and (strict or not self._states or path in self._states):
                states.setdefault(path, {})[slot] = np.array(value, order="C")
        self.set_hyperparameters(**{n: v for n, v in valid.items() if isinstance(self._hypers[n], float)})
        self._states = {path: {s: slots[s] for s in self._slots} for path, slots in states.items()}
        self.t = int(state_dict.get("t", self.t))
        self._disown()
        self._running.load(self.t, state_dict)
        self._fix()
        self._stepper.forget()

    def _differences(self, state_dict: Mapping[str, Any], arrays: dict[str, np.ndarray], strict: bool) -> list[str]:
        wrong = []
        if state_dict.get("rule", self._rule_name) != self._rule_name:
            wrong.append(f"it belongs to the rule '{state_dict['rule']}', not '{self._rule_name}'")
        if arrays and state_dict.get("state_dtype") != self._format.state_dtype:
            wrong.append(f"its state_dtype is {state_dict.get('state_dtype')!r}, not {self._format.state_dtype!r}")
        if not isinstance(state_dict.get("t", 0), int | np.integer) or state_dict.get("t", 0) < 0:
            wrong.append(f"t is {state_dict['t']!r}")
        paths = dict.fromkeys(key.rsplit("/", 1)[0] for key in arrays)
        expected = {f"{path}/{slot}" for path in (self._states or paths) for slot in self._slots}
        if strict or not self._states:
            wrong += [f"'{key}' is missing" for key in sorted(expected - arrays.keys())]
        if strict:
            numbers = {name for name, value in self._hypers.items() if isinstance(value, float)}
            wrong += [f"'{key}' is missing" for key in sorted(({"rule", "t"} | numbers) - state_dict.keys())]
            known = expected | {*self._columns, "rule", "t", "state_dtype", "epochs"}
            wrong += [f"'{key}' is not expected" for key in sorted(state_dict.keys() - known)]
        for key, new in arrays.items():
            path, slot = key.rsplit("/", 1)
            old = self._states.get(path, {}).get(slot)
            if old is not None and (new.shape, new.dtype) != (old.shape, old.dtype):
                wrong.append(f"'{key}' has {new.dtype}{new.shape}, expected {old.dtype}{old.shape}")
            elif old is None and not self._format.fits_any(slot, new.dtype):
                wrong.append(f"'{key}' has dtype {new.dtype}, expected {self._format.precision} state")
        return wrong

    def _states_for(self, leaves: _leaves.Leaves) -> State:
        """Return the state of these parameters, each array in its parameter's memory order; self is not changed."""
        if self._states:
            self._match_state(self._states, leaves.params)
            self._check_arrays(leaves.originals)
        states = {}
        for path, array in leaves.params.items():
            old = self._states.get(path) or self._new_state(array)
            states[path] = {name: aligned(_leaves.ordered_as(slot, array)) for name, slot in old.items()}
        return states

    def _let_go(self) -> None:
        if self.native:
            self._stepper.forget()

    def _new_state(self, array: np.ndarray) -> dict[str, np.ndarray]:
        def start(hyper: str | None) -> Any:
            if hyper == "parameter":
                return array
            value = self._hypers[hyper] if hyper else 0.0
            return float(value(0) if callable(value) else value)

        return {slot: self._format.new(slot, start(hyper), array) for slot, hyper in self._slots.items()}

    def _match_state(self, states: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> None:
        if states.keys() != params.keys():
            new, gone = sorted(params.keys() - states.keys()), sorted(states.keys() - params.keys())
            raise ValueError(
                f"[{self._name}] the state belongs to other parameters: new {new}, missing {gone}; "
                "use one optimizer for each set of parameters, and a new one after freeze() and unfreeze()"
            )
        for path, array in params.items():
            for slot, state in states[path].items():
                self._format.check(path, slot, state, array)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in UNSAVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.native:
            self._stepper = _core.Stepper(self._rule_name, self._format.precision)

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(self._told())})"

    def _repr_html_(self) -> str:
        from fallline._html import of_optimizer  # only in notebooks

        return of_optimizer(self)


def names() -> list[str]:
    """Return the names that `get` and `fit` know: rules that are made from a rate alone.

    >>> names()[:3]
    ['adabelief', 'adadelta', 'adafactor']
    """
    return sorted(name for name, rule in Optimizer._classes.items() if rule.__module__.startswith("fallline."))


def get(name: Any, **hypers: Any) -> Optimizer:
    """Return the optimizer of that name, made with the given arguments; an optimizer is returned as it is.

    >>> get("adam", lr=0.01).hyperparameters()["lr"]
    0.01
    """
    if isinstance(name, Optimizer):
        return name
    if not isinstance(name, str):
        way_out = f"; make one first: {name.__name__}(...)" if isinstance(name, type) else ""
        raise TypeError(f"[optim] expected the name of an optimizer, or an instance, got {shown(name)}{way_out}")
    known = Optimizer._classes
    found = known.get(name.lower().replace("_", "").replace("-", ""))
    if found is None:
        import difflib  # only here: it takes a while to import

        close = difflib.get_close_matches(name.lower(), known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(sorted(known))}"
        raise ValueError(f"[optim] no optimizer is named {name!r}; {hint}")
    return found(**hypers)
