"""What is a network?  An object whose array and module attributes are its parameters and parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from fallline._arguments import flag, function, shown, takes, without_ours
from fallline._array import Array, asarray
from fallline._hints import Absent
from fallline.nn._hooks import Handle, Hooks
from fallline.nn._place import passed_through
from fallline.nn._slots import LISTS, Slot, by_path, chosen, found, load, rebuilt
from fallline.nn._summary import Summary, summarize
from fallline.nn._unsaved import say_unsaved

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


def _no_forward(self: Module, *inputs: Any) -> Any:
    raise TypeError(f"[{type(self).__name__}] a module needs a forward method")


class Module:
    """The base of layers and networks: write ``__init__`` and ``forward``.

    Attributes that are fl.Arrays are parameters, attributes that are modules are parts, and so are those in lists,
    tuples and dicts; all are found by themselves. Paths are PyTorch's: ``0.weight``. What is to be kept with the model
    and not trained is assigned as a :class:`Buffer`; NumPy arrays are constants. ``print(model)`` shows which is which.

    One array, or one module, in several places is one parameter: it bears the first path, has one gradient, the sum
    over its places, and one state of the optimizer. ``model.head.weight = model.embedding.weight`` ties them.

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
    #: Which of its parameters are not trained for now; see `freeze`.
    _frozen: tuple[str, ...] = ()
    _hooks: Hooks | None = None
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
            hooks = self._hooks
            return self.forward(*args, **kwargs) if hooks is None else hooks.call(self, args, kwargs)  # type: ignore[no-any-return]
        except Exception as error:
            passed_through(error, self, (*args, *kwargs.values()))
            raise without_ours(error)  # noqa: B904 (it is the same error)

    def parameters(self) -> dict[str, Array]:
        """Return the arrays that are trained by path: parameters that are not frozen."""
        return by_path([slot for slot in self._slots() if slot.trained])

    def named_parameters(self) -> Iterator[tuple[str, Array]]:
        """Go through all parameters, frozen ones too, with their paths."""
        return ((slot.path, slot.array) for slot in self._slots() if slot.role != "buffer")

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Go through this module, whose path is empty, and all its parts, each once, with their first paths."""
        seen: set[int] = set()
        for path, module in self._named_modules(""):
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def freeze(self: Self, *patterns: str) -> Self:
        """Train the parameters no longer whose path fits a pattern such as ``encoder.*``; without one, all.

        They leave `parameters`, so that gradients, optimizers and `fl.fit` leave them alone, and nothing is computed
        for them. Running statistics are no parameters: call ``part.eval()`` to keep them as well, which `fl.fit`
        respects. A tied parameter is frozen by any of its paths.

        Raises
        ------
        ValueError
            When a pattern fits no parameter.

        Examples
        --------
        >>> import fallline as fl
        >>> model = fl.nn.Sequential(fl.nn.Linear(4, 3), fl.nn.ReLU(), fl.nn.Linear(3, 1))
        >>> model.freeze("0.*")
        Sequential(
          (0): Linear(4, 3), frozen
          (1): ReLU()
          (2): Linear(3, 1)
        )
        >>> list(model.parameters())
        ['2.weight', '2.bias']
        """
        for slot in chosen(self._slots(every=True), patterns, "freeze"):
            if slot.name not in slot.owner._frozen:
                slot.owner._frozen = (*slot.owner._frozen, slot.name)
        return self

    def unfreeze(self: Self, *patterns: str) -> Self:
        """Train the parameters again whose path fits a pattern; without one, all. See `freeze`.

        An optimizer that has trained without them has no state for them: make a new one.
        """
        for slot in chosen(self._slots(every=True), patterns, "unfreeze"):
            slot.owner._frozen = tuple(name for name in slot.owner._frozen if name != slot.name)
        return self

    @takes(hook=function)
    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, args)`` before each forward; what it returns, unless None, takes the place of `args`.

        See `register_forward_hook`.
        """
        return self._register("forward_pre", hook)

    @takes(hook=function)
    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, args, output)`` after each forward; what it returns, unless None, is the output instead.

        In `fl.jit` and `fl.fit` a hook is called when the model is traced: what it computes is part of the plan, and
        arrays have shapes and no values, so that reading one says so. A hook that comes or goes is noticed.

        Returns
        -------
        Handle
            ``handle.remove()`` ends it, and so does the end of ``with model.register_forward_hook(hook):``.

        Examples
        --------
        >>> import fallline as fl
        >>> model = fl.nn.Sequential(fl.nn.Linear(3, 2), fl.nn.ReLU())
        >>> seen = {}
        >>> with model[0].register_forward_hook(lambda module, args, output: seen.update(before_relu=output)):
        ...     y = model(fl.ones((4, 3)))
        >>> seen["before_relu"].shape
        (4, 2)
        """
        return self._register("forward", hook)

    @takes(hook=function)
    def register_full_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, of_inputs, of_outputs)`` on the way back; what it returns replaces `of_inputs`.

        Both are tuples of the gradients of float arrays. See `register_forward_hook`.
        """
        return self._register("full_backward", hook)

    def _register(self, when: str, hook: Callable[..., Any]) -> Handle:
        self._hooks = self._hooks or Hooks()
        return Handle(self._hooks, when, hook)

    def summary(self, *x_shape: Any) -> Summary:
        """Return a table of the layers: what they return, their parameters, memory and multiply-adds.

        Parameters
        ----------
        *x_shape
            The shape of each input, with the axis of samples, or arrays. The model is traced in evaluation mode, and
            nothing is computed. Without one there are only parameters.

        Examples
        --------
        >>> import fallline as fl
        >>> model = fl.nn.Sequential(fl.nn.Linear(784, 32), fl.nn.ReLU(), fl.nn.Linear(32, 10))
        >>> model.summary((64, 784))
        layer    kind        output    parameters    bytes  multiply-adds
        -----------------------------------------------------------------
        (model)  Sequential  (64, 10)
          0      Linear      (64, 32)      25,120    8,192      1,605,632
          1      ReLU        (64, 32)                8,192
          2      Linear      (64, 10)         330    2,560         20,480
        25,450 parameters; 101.8 kB of parameters; 18.94 kB of outputs; 1,626,112 multiply-adds
        """
        return summarize(self, x_shape)

    def modules(self) -> Iterator[Module]:
        """Go through this module and all its parts, each once."""
        return (module for _, module in self.named_modules())

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
        """Return parameters and buffers by path: the arrays themselves, each once, by its first path."""
        return by_path(self._slots())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy arrays by path into the parameters; anything that ``np.asarray`` takes will do.

        A tied parameter may bear any of its paths, or several with the same numbers, as in PyTorch's dicts.

        Raises
        ------
        ValueError
            When names are missing or unknown, or shapes differ; nothing is changed then.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"[load_state_dict] expected a dict from paths to arrays, got {shown(state)}")
        load(self._slots(every=True), state)

    @contextmanager
    def holding(self, values: Mapping[str, Array]) -> Iterator[None]:
        """Hold other arrays as parameters for a while, by path."""
        held: dict[tuple[int, str], tuple[Module, str, dict[str, Array]]] = {}
        places = self._slots(every=True)
        new = {id(slot.array): values[slot.path] for slot in reversed(places) if slot.path in values}
        for _, owner, name, array in places:
            if id(array) in new:
                attribute = name.partition(".")[0]
                held.setdefault((id(owner), attribute), (owner, attribute, {}))[2][name] = new[id(array)]
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
                for part, module in found(Module, name, value):
                    yield from module._named_modules(f"{path}.{part}" if path else part)

    def _slots(self, every: bool = False) -> list[Slot]:
        """Return where the arrays are held: each array once, by its first path, or in `every` place."""
        slots = []
        seen: set[int] = set()  # of modules and arrays
        for path, module in self._named_modules(""):
            if not every and id(module) in seen:
                continue
            seen.add(id(module))
            for attribute, value in module.__dict__.items():
                if isinstance(value, Array):
                    if every or id(value) not in seen:
                        slots.append(Slot(f"{path}.{attribute}" if path else attribute, module, attribute, value))
                        seen.add(id(value))
                elif isinstance(value, LISTS) and value:
                    for name, array in found(Array, attribute, value):
                        if every or id(array) not in seen:
                            slots.append(Slot(f"{path}.{name}" if path else name, module, name, array))
                            seen.add(id(array))
        return slots

    def _conditions(self) -> list[Any]:
        """Return what a trace of it depends on, besides its arrays: modes, what is frozen, hooks."""
        found: list[Any] = []
        for module in self.modules():
            found += [module.training, module._frozen, *(module._hooks.handles if module._hooks else ())]
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _METHODS and not callable(value):
            raise ValueError(
                f"[{type(self).__name__}] '{name}' is a method of every module; name the attribute otherwise"
            )
        if isinstance(value, Buffer | list | tuple | dict):
            buffers: list[str] = []
            value = _unpacked(name, value, buffers)
            if buffers:
                super().__setattr__("buffers", tuple(dict.fromkeys((*self.buffers, *buffers))))
        elif isinstance(value, np.ndarray) and isinstance(self.__dict__.get(name), Array):
            value = asarray(value)  # a parameter, or a buffer, stays one
        elif name in _METHODS and not callable(value):
            raise ValueError(
                f"[{type(self).__name__}] '{name}' is a method of every module; name the attribute otherwise"
            )
        say_unsaved(type(self).__name__, name, value)
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
                arrays: list[tuple[str, Any]] = [*found(Array, name, value), *found(np.ndarray, name, value)]
                roles = (self._role(n) if isinstance(a, Array) else "constant" for n, a in arrays)
                lines += [f"  {n}: {role} {a.shape} {a.dtype}" for (n, a), role in zip(arrays, roles, strict=True)]
            lines += [f"  ({n}): {repr(m).replace(chr(10), chr(10) + '  ')}" for n, m in found(Module, name, value)]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self._describe()
        return f"{type(self).__name__}({inside})" + ("" if lines else self._frozen_words())

    def _role(self, name: str) -> str:
        return "buffer" if name in self.buffers else "frozen" if name in self._frozen else "parameter"

    def _frozen_words(self) -> str:
        """Say for a layer, which shows its arguments instead of its arrays, what of it is frozen."""
        if not self._frozen:
            return ""
        own = [name for name, value in self.__dict__.items() if isinstance(value, Array) and name not in self.buffers]
        return ", frozen" if set(own) <= set(self._frozen) else f", frozen: {', '.join(self._frozen)}"

    def _repr_html_(self) -> str:
        from fallline._html import of_module  # only in notebooks

        return of_module(self)


_PARTS = (Module, *LISTS)


def _replaced(name: str, value: Any, arrays: Mapping[str, Array]) -> Any:
    return rebuilt(name, value, lambda path, leaf: arrays.get(path, leaf))


def _unpacked(name: str, value: Any, buffers: list[str]) -> Any:
    """Return an attribute with the arrays of its buffers in their place, and note their paths."""
    buffers += [path for path, _ in found(Buffer, name, value)]
    if not buffers:
        return value  # the very same list
    return rebuilt(name, value, lambda path, leaf: leaf.array if isinstance(leaf, Buffer) else leaf)


_METHODS = frozenset(name for name, value in vars(Module).items() if callable(value))
