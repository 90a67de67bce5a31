"""Which attributes has an optimizer?  Hyper-parameters, which act from the next step on, its clock, and its model."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fallline._arguments import bind, check, shown
from fallline._hints import Absent, did_you_mean, elsewhere, table
from fallline.optim._owner import Owned
from fallline.optim._ranges import PARAMETERS, are_parameters

__all__ = ["Attributes", "Made", "expand", "groups"]


class Made(type):
    """The class of optimizer classes: once one is made, a misspelt attribute is an error instead of a new attribute."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an optimizer, of arguments that belong to it; from then on `Attributes` watches over it."""
        takes_rate = "lr" in inspect.signature(cls).parameters
        if takes_rate and args and are_parameters(args[0]):
            raise TypeError(
                f"[{cls.__name__}] the first argument is the learning rate, got {shown(args[0])}; {PARAMETERS}"
            )
        bound = bind(cls.__name__, cls.__init__, (None, *args), kwargs, "optimizer arguments")  # type: ignore[misc]
        for name, parameter in bound.signature.parameters.items():
            if name in bound.arguments and isinstance(parameter.default, tuple):
                members(cls.__name__, name, bound.arguments[name], len(parameter.default))
        made = super().__call__(*args, **kwargs)
        made._made = True  # not through __dict__: attributes are read faster as long as nobody asks for it
        return made

    def __dir__(cls) -> list[str]:
        return sorted(_without_shown(super().__dir__()))

    @property
    def __signature__(cls) -> inspect.Signature:
        init = inspect.signature(cls.__init__)  # type: ignore[misc]
        return init.replace(parameters=list(init.parameters.values())[1:])


class Attributes(Owned, metaclass=Made):
    """Hyper-parameters as attributes.

    They are looked up through `_names`, `_read` and `set_hyperparameters`, which wrappers hand to the rule inside.
    """

    _made = _explained = False
    _clock: list[int]  # of one number: assigning an attribute is looked at, which takes time

    @property
    def t(self) -> int:
        """How many updates are finished."""
        return self._clock[0]

    @t.setter
    def t(self, updates: int) -> None:
        if isinstance(updates, bool) or not isinstance(updates, int | np.integer) or updates < 0:
            raise ValueError(f"[{type(self).__name__}] t must be a whole number of at least 0, got {updates!r}")
        self._clock = [int(updates)]

    if TYPE_CHECKING:  # `_publish` makes them

        def __getattr__(self, name: str) -> Any: ...

    def _names(self) -> list[str]:
        """Return the names of the hyper-parameters; none while the optimizer is being made."""
        raise NotImplementedError

    def _read(self, name: str) -> Any:
        """Return a hyper-parameter as it was set: a number, an array or a schedule."""
        raise NotImplementedError

    def set_hyperparameters(self, **changes: Any) -> None:
        """Change hyper-parameters from the next update on."""
        raise NotImplementedError

    @classmethod
    def _publish(cls, names: Iterable[str]) -> None:
        """Make attributes of these names, for all optimizers: only those that have one take and show it."""
        for name in (*names, *groups(names)):
            if not hasattr(Attributes, name) and not hasattr(cls, name):
                setattr(Attributes, name, _Hyperparameter(name))
        if not Attributes._explained:
            Attributes._explained = True
            for owner, name in table():
                if owner == "Optimizer":
                    setattr(Attributes, name, _Elsewhere(name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] == "_" or name == "t":
            object.__setattr__(self, name, value)
        elif hasattr(self, "_hypers") and self._shows(name):
            self.set_hyperparameters(**{name: value})
        elif not self._made or hasattr(getattr(type(self), name, None), "__set__") or name in self.__dict__:
            kinds = getattr(type(self).__init__, "kinds", {}) if self._made else {}
            value = check(type(self).__name__, name, kinds[name], value) if name in kinds else value
            object.__setattr__(self, name, value)
        elif self._shows(name):  # through a wrapper, whose own attributes come before
            self.set_hyperparameters(**{name: value})
        else:
            raise AttributeError(self._refusal(name))

    def _shows(self, name: str) -> bool:
        names = self._names()
        return name in names or name in groups(names)

    def __dir__(self) -> list[str]:
        mine = self._names()
        return sorted({*_without_shown(super().__dir__()), *mine, *groups(mine)})

    def _refusal(self, name: str) -> str:
        kind, names = type(self).__name__, self._names()
        if name in inspect.signature(type(self)).parameters:
            return f"[{kind}] '{name}' is decided when the optimizer is made; make another with {kind}({name}=...)"
        hint = elsewhere("Optimizer", name) or did_you_mean(
            name, names, otherwise=f"; its hyper-parameters are {', '.join(names)}"
        )
        return f"[{kind}] an optimizer has no attribute '{name}' to set{hint}"


class _Hyperparameter:
    """Shows one hyper-parameter, or a group such as `betas`; an attribute of the object itself comes before it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, opt: Attributes | None, owner: type | None = None) -> Any:
        if opt is None:
            return self
        names = opt._names()
        if self.name in names:
            return opt._read(self.name)
        if self.name not in groups(names):
            kind = type(opt).__name__
            raise AttributeError(f"[{kind}] there is no hyper-parameter '{self.name}'; it has {', '.join(names)}")
        return tuple(opt._read(name) for name in groups(names)[self.name])


class _Elsewhere:
    """A name that other libraries have: not there, and explained; ``__getattr__`` would slow every attribute down."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, opt: Attributes | None, owner: type) -> Any:
        raise Absent(f"the optimizer {owner.__name__}", "Optimizer", self.name, list)


def _without_shown(names: Iterable[str]) -> set[str]:
    shown = {name for name, value in vars(Attributes).items() if isinstance(value, _Hyperparameter | _Elsewhere)}
    return set(names) - shown


def groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Return what belongs together: beta1 and beta2 are `betas`."""
    found: dict[str, list[str]] = {}
    for name in names:
        numbered = re.fullmatch(r"([a-z]+)[1-9]", name)
        if numbered:
            found.setdefault(f"{numbered[1]}s", []).append(name)
    return {name: group for name, group in found.items() if len(group) > 1}


def expand(rule: str, changes: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the changes with each group, such as ``betas=(0.9, 0.999)``, as its members."""
    known, out = groups(names), dict[str, Any]()
    for name, value in changes.items():
        group = known.get(name)
        if group is None:
            out[name] = value
        else:
            out |= dict(zip(group, members(rule, name, value, len(group)), strict=True))
    return out


def members(rule: str, name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Return the members of a group such as `betas`."""
    if not isinstance(value, tuple | list) or len(value) != count:
        raise TypeError(f"[{rule}] {name} must be a tuple of {count} numbers or schedules, got {value!r}")
    return tuple(value)
