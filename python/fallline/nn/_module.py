"""What is a network?  An object whose array and module attributes are its parameters and parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fallline import _core
from fallline._arguments import flag, shown, takes, warn, without_ours
from fallline._array import Array, asarray
from fallline._hints import Absent
from fallline.nn._place import passed_through

__all__ = ["Buffer", "Module"]

Self = TypeVar("Self", bound="Module")


class Buffer:
    """An array that a module keeps and does not train: ``self.mean = fl.nn.Buffer(x.mean(0))``.

    It is in the state dict and in files of the model, and not among the parameters. Reading the attribute gives the
    array itself.

    >>> import numpy as np, fallline as fl
    >>> class Centred(fl.nn.Module):
    ...     def __init__(self, x):
    ...         super().__init__()
    ...         self.mean = fl.nn.Buffer(x.mean(0))
    ...
    ...     def forward(self, x):
    ...         return x - self.mean
    >>> model = Centred(np.ones((4, 2)))
    >>> list(model.parameters()), list(model.state_dict())
    ([], ['mean'])
    """

    def __init__(self, array: Any) -> None:
        self.array = asarray(array)

    def __repr__(self) -> str:
        return f"Buffer({self.array!r})"


class Slot(NamedTuple):
    """Where an array is held: its path in the model, the module that holds it, and its path there."""

    path: str
    owner: Module
    name: str
    array: Array

    @property
    def trained(self) -> bool:
        """Whether it is a parameter."""
        return self.name not in self.owner.buffers


def _no_forward(self: Module, *inputs: Any) -> Any:
    raise TypeError(f"[{type(self).__name__}] a module needs a forward method")


class Module:
    """The base of layers and networks: write ``__init__`` and ``forward``.

    Attributes that are fl.Arrays are parameters, attributes that are modules are parts, and so are those in lists,
    tuples and dicts; all are found by themselves. Paths are PyTorch's: ``0.weight``. What is to be kept with the model
    and not trained is assigned as a :class:`Buffer`; NumPy arrays are constants. ``print(model)`` shows which is which.

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

    #: Which arrays are kept with the parameters but not trained; `Buffer` adds to them.
    buffers: tuple[str, ...] = ()
    #: Computes the output from the inputs.
    forward: Callable[..., Any] = _no_forward

    #: Whether it behaves as in training.
    training: bool = True

    def __init__(self) -> None:
        self.training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Array:
        """Call forward."""
        __tracebackhide__ = True
        try:
            return self.forward(*args, **kwargs)  # type: ignore[no-any-return]
        except Exception as error:
            passed_through(error, self, (*args, *kwargs.values()))
            raise without_ours(error)  # noqa: B904 (it is the same error)

    def parameters(self) -> dict[str, Array]:
        """Return the trainable arrays by path."""
        return {slot.path: slot.array for slot in self._slots() if slot.trained}

    def modules(self) -> Iterator[Module]:
        """Go through this module and all its parts, each once."""
        seen: set[int] = set()
        for _, module in self._named_modules(""):
            if id(module) not in seen:
                seen.add(id(module))
                yield module

    @takes(mode=flag)
    def train(self: Self, mode: bool = True) -> Self:
        """Behave as in training: dropout drops."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Behave as in use: no dropout, fixed statistics."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """Return parameters and buffers by path: the arrays themselves."""
        return {slot.path: slot.array for slot in self._slots()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy arrays by path into the parameters; anything that ``np.asarray`` takes will do.

        Raises
        ------
        ValueError
            When names are missing or unknown, or shapes differ; nothing is changed then.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"[load_state_dict] expected a dict from paths to arrays, got {shown(state)}")
        mine = self.state_dict()
        missing, unknown = sorted(mine.keys() - state.keys()), sorted(state.keys() - mine.keys())
        if missing or unknown:
            raise ValueError(f"[load_state_dict] missing: {missing}; unknown: {unknown}")
        arrays = {path: np.asarray(state[path]).copy() for path in mine}  # copies: they may be views of what is written
        wrong = [f"{p} is {arrays[p].shape}, expected {a.shape}" for p, a in mine.items() if arrays[p].shape != a.shape]
        if wrong:
            raise _core.ShapeError(f"[load_state_dict] {'; '.join(wrong)}")
        for path, array in mine.items():
            array._write(asarray(arrays[path]))

    @contextmanager
    def holding(self, values: Mapping[str, Array]) -> Iterator[None]:
        """Hold other arrays as parameters for a while, by path."""
        held: dict[tuple[int, str], tuple[Module, str, dict[str, Array]]] = {}
        for path, owner, name, _ in self._slots():
            if path in values:
                attribute = name.partition(".")[0]
                held.setdefault((id(owner), attribute), (owner, attribute, {}))[2][name] = values[path]
        before = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in held.values()]
        try:
            for owner, attribute, arrays in held.values():
                owner.__dict__[attribute] = _replaced(attribute, owner.__dict__[attribute], arrays)
            yield
        finally:
            for owner, attribute, value in before:
                owner.__dict__[attribute] = value

    @contextmanager
    def in_mode(self, training: bool) -> Iterator[None]:
        """Have all parts train or evaluate for a while; afterwards each is in its own mode again."""
        before = [(module, module.training) for module in self.modules()]
        try:
            self.train(training)
            yield
        finally:
            for module, mode in before:
                module.training = mode

    def _named_modules(self, path: str) -> Iterator[tuple[str, Module]]:
        yield path, self
        for name, value in self.__dict__.items():
            if isinstance(value, _PARTS):  # few are: this runs before every epoch
                for part, module in _found(Module, name, value):
                    yield from module._named_modules(f"{path}.{part}" if path else part)

    def _slots(self) -> list[Slot]:
        """Return where the arrays are held; a shared module counts once, by its first path."""
        slots, seen = [], set()
        for path, module in self._named_modules(""):
            if id(module) in seen:
                continue
            seen.add(id(module))
            for attribute, value in module.__dict__.items():
                if isinstance(value, Array):
                    slots.append(Slot(f"{path}.{attribute}" if path else attribute, module, attribute, value))
                elif isinstance(value, _LISTS) and value:
                    found = _found(Array, attribute, value)
                    slots += [Slot(f"{path}.{name}" if path else name, module, name, array) for name, array in found]
        return slots

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Buffer | list | tuple | dict):
            buffers: list[str] = []
            value = _unpacked(name, value, buffers)
            if buffers:
                super().__setattr__("buffers", tuple(dict.fromkeys((*self.buffers, *buffers))))
        elif isinstance(value, np.ndarray) and isinstance(self.__dict__.get(name), Array):
            value = asarray(value)  # a parameter, or a buffer, stays one
        for path, array in _found(np.ndarray, name, value):
            if array.dtype.kind == "f":
                _say_constant(type(self).__name__, path)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        raise Absent(f"the module {type(self).__name__}", "Module", name, self.__dir__)

    def _describe(self) -> str:
        """Say the arguments of the constructor, for printing."""
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, value in self.__dict__.items():
            if type(self)._describe is Module._describe:
                arrays: list[tuple[str, Any]] = [*_found(Array, name, value), *_found(np.ndarray, name, value)]
                lines += [f"  {n}: {self._role(n, a)} {a.shape} {a.dtype}" for n, a in arrays]
            lines += [f"  ({n}): {repr(m).replace(chr(10), chr(10) + '  ')}" for n, m in _found(Module, name, value)]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self._describe()
        return f"{type(self).__name__}({inside})"

    def _role(self, name: str, array: Any) -> str:
        return "constant" if isinstance(array, np.ndarray) else "buffer" if name in self.buffers else "parameter"

    def _repr_html_(self) -> str:
        from fallline._html import of_module  # only in notebooks

        return of_module(self)


_LISTS = (list, tuple, dict)
_PARTS = (Module, *_LISTS)
_T = TypeVar("_T")


def _found(kind: type[_T], name: str, value: Any) -> Iterator[tuple[str, _T]]:
    """Find the things of a kind in an attribute, lists and dicts included; their paths begin with its name."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _found(kind, f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _found(kind, f"{name}.{key}", item)


def _rebuilt(name: str, value: Any, leaf: Callable[[str, Any], Any]) -> Any:
    """Return an attribute with each leaf, which has a path, replaced."""
    if isinstance(value, list | tuple):
        items = [_rebuilt(f"{name}.{i}", item, leaf) for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: _rebuilt(f"{name}.{key}", item, leaf) for key, item in value.items()}
    return leaf(name, value)


def _replaced(name: str, value: Any, arrays: Mapping[str, Array]) -> Any:
    return _rebuilt(name, value, lambda path, leaf: arrays.get(path, leaf))


def _unpacked(name: str, value: Any, buffers: list[str]) -> Any:
    """Return an attribute with the arrays of its buffers in their place, and note their paths."""
    buffers += [path for path, _ in _found(Buffer, name, value)]
    if not buffers:
        return value  # the very same list
    return _rebuilt(name, value, lambda path, leaf: leaf.array if isinstance(leaf, Buffer) else leaf)


_said: set[tuple[str, str]] = set()


def _say_constant(kind: str, name: str) -> None:
    if (kind, name) not in _said:
        _said.add((kind, name))
        warn(
            f"[{kind}] the NumPy array '{name}' is a constant, neither trained nor saved: assign fl.asarray(array) to "
            "train it, or fl.nn.Buffer(array) to keep it with the model",
        )
