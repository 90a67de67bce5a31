"""What is a network?  An object whose array and module attributes are its parameters and parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from fallline import _core
from fallline._array import Array, asarray

__all__ = ["Module"]


class Module:
    """The base of layers and networks: write ``__init__`` and ``forward``.

    Attributes that are arrays are parameters, attributes that are modules (or lists, tuples or dicts of modules) are
    parts; both are found by themselves. Paths are PyTorch's: ``0.weight``.

    Examples
    --------
    >>> import fallline as fl
    >>> class Line(fl.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope, self.shift = fl.zeros(()), fl.zeros(())
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.shift
    >>> list(Line().parameters())
    ['slope', 'shift']
    """

    #: Arrays that are kept with the parameters but not trained, such as running statistics.
    buffers: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.training = True

    def forward(self, x: Any) -> Any:
        """Compute the output."""
        raise TypeError(f"[{type(self).__name__}] a module needs a forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call forward."""
        return self.forward(*args, **kwargs)

    def parameters(self) -> dict[str, Array]:
        """Return the trainable arrays by path."""
        return {path: getattr(owner, name) for path, owner, name in self._slots() if name not in owner.buffers}

    def modules(self) -> Iterator[Module]:
        """Go through this module and all its parts, each once."""
        seen: set[int] = set()
        for _, module in self._named_modules(""):
            if id(module) not in seen:
                seen.add(id(module))
                yield module

    def train(self, mode: bool = True) -> Module:
        """Behave as in training: dropout drops."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Behave as in use: no dropout, fixed statistics."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """Return parameters and buffers by path: the arrays themselves."""
        return {path: getattr(owner, name) for path, owner, name in self._slots()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy arrays by path into the parameters; anything that ``np.asarray`` takes will do.

        Raises
        ------
        ValueError
            When names are missing or unknown, or shapes differ; nothing is changed then.
        """
        mine = self.state_dict()
        missing, unknown = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if missing or unknown:
            raise ValueError(f"[load_state_dict] missing: {missing}; unknown: {unknown}")
        arrays = {path: np.array(state[path]) for path in mine}  # copies: they may be views of what is written
        wrong = [f"{p} is {arrays[p].shape}, expected {a.shape}" for p, a in mine.items() if arrays[p].shape != a.shape]
        if wrong:
            raise _core.ShapeError(f"[load_state_dict] {'; '.join(wrong)}")
        for path, array in mine.items():
            array._write(asarray(arrays[path]))

    @contextmanager
    def holding(self, values: Mapping[str, Array]) -> Iterator[None]:
        """Hold other arrays as parameters for a while, by path."""
        before = [(owner, name, getattr(owner, name)) for path, owner, name in self._slots() if path in values]
        try:
            for path, owner, name in self._slots():
                if path in values:
                    owner.__dict__[name] = values[path]
            yield
        finally:
            for owner, name, array in before:
                owner.__dict__[name] = array

    def _named_modules(self, path: str) -> Iterator[tuple[str, Module]]:
        yield path, self
        for name, value in self.__dict__.items():
            for part, module in _modules_in(name, value):
                yield from module._named_modules(f"{path}.{part}" if path else part)

    def _slots(self) -> list[tuple[str, Module, str]]:
        """Where the arrays are held: path, owner and attribute; a shared module counts once, by its first path."""
        slots, seen = [], set()
        for path, module in self._named_modules(""):
            if id(module) in seen:
                continue
            seen.add(id(module))
            for name, value in module.__dict__.items():
                if isinstance(value, Array):
                    slots.append((f"{path}.{name}" if path else name, module, name))
        return slots

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            value = asarray(value)
        super().__setattr__(name, value)

    def _describe(self) -> str:
        """Say the arguments of the constructor, for printing."""
        return ""

    def __repr__(self) -> str:
        parts = [
            f"  ({n}): {r}" for k, v in self.__dict__.items() for n, m in _modules_in(k, v) for r in [_indent(repr(m))]
        ]
        inside = "\n" + "\n".join(parts) + "\n" if parts else self._describe()
        return f"{type(self).__name__}({inside})"


def _modules_in(name: str, value: Any) -> Iterator[tuple[str, Module]]:
    if isinstance(value, Module):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _modules_in(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _modules_in(f"{name}.{key}", item)


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")
