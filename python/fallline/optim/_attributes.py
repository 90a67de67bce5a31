"""Which attributes of an optimizer may be assigned?  Hyper-parameters, which act from the next step on; no others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fallline._hints import did_you_mean

__all__ = ["Attributes", "Made", "expand", "show"]


class Made(type):
    """The class of optimizer classes: once one is made, a misspelt attribute is an error instead of a new attribute."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an optimizer; from then on `Attributes` watches over it."""
        made = super().__call__(*args, **kwargs)
        made.__dict__["_made"] = True
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        init = inspect.signature(cls.__init__)  # type: ignore[misc]
        return init.replace(parameters=list(init.parameters.values())[1:])


class Attributes(metaclass=Made):
    """Hyper-parameters as attributes.

    They are looked up through `_names`, `_read` and `set_hyperparameters`, which wrappers hand to the rule inside.
    """

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
        for name in (*names, *_groups(names)):
            if not hasattr(Attributes, name) and not hasattr(cls, name):
                setattr(Attributes, name, _Hyperparameter(name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] == "_" or self._keeps(name):
            object.__setattr__(self, name, value)
        elif name in self._names() or name in _groups(self._names()):
            self.set_hyperparameters(**{name: value})
        elif "_made" in self.__dict__:
            raise AttributeError(self._refusal(name))
        else:
            object.__setattr__(self, name, value)

    def _keeps(self, name: str) -> bool:
        """Whether this is an attribute of the object or a property of its class."""
        return name in self.__dict__ or hasattr(getattr(type(self), name, None), "__set__")

    def __dir__(self) -> list[str]:
        absent = {name for name, value in vars(Attributes).items() if isinstance(value, _Hyperparameter)}
        mine = self._names()
        return sorted((set(super().__dir__()) - absent) | {*mine, *_groups(mine)})

    def _refusal(self, name: str) -> str:
        kind, names = type(self).__name__, self._names()
        if name in inspect.signature(type(self)).parameters:
            return f"[{kind}] '{name}' is decided when the optimizer is made; make another with {kind}({name}=...)"
        hint = did_you_mean(name, names, otherwise=f"; its hyper-parameters are {', '.join(names)}")
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
        if self.name not in _groups(names):
            kind = type(opt).__name__
            raise AttributeError(f"[{kind}] there is no hyper-parameter '{self.name}'; it has {', '.join(names)}")
        return tuple(opt._read(name) for name in _groups(names)[self.name])


def _groups(names: Iterable[str]) -> dict[str, list[str]]:
    """Return what belongs together: beta1 and beta2 are `betas`."""
    found: dict[str, list[str]] = {}
    for name in names:
        numbered = re.fullmatch(r"([a-z]+)[1-9]", name)
        if numbered:
            found.setdefault(f"{numbered[1]}s", []).append(name)
    return {name: members for name, members in found.items() if len(members) > 1}


def expand(rule: str, changes: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the changes with each group, such as ``betas=(0.9, 0.999)``, as its members."""
    groups, out = _groups(names), dict[str, Any]()
    for name, value in changes.items():
        members = groups.get(name)
        if members is None:
            out[name] = value
        else:
            out |= dict(zip(members, pair(rule, name, value, len(members)), strict=True))
    return out


def pair(rule: str, name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Return the members of a group such as `betas`."""
    if not isinstance(value, tuple | list) or len(value) != count:
        raise TypeError(f"[{rule}] {name} must be a tuple of {count} numbers or schedules, got {value!r}")
    return tuple(value)


def show(value: Any) -> str:
    """Return a hyper-parameter for printing: numbers in their shortest form."""
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else repr(value)
