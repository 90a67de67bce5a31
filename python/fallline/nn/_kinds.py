"""What may the arguments of layers be?  Kinds for `takes`."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import random
from fallline._arguments import Kind, number, one_of, optional, whole
from fallline._hints import did_you_mean
from fallline.nn import init


def _float(value: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(value)
    if found not in (np.float32, np.float64):
        raise ValueError
    return found


def _generator(value: Any) -> random.Generator:
    if not isinstance(value, random.Generator):
        raise TypeError
    return value


def _generator_way_out(value: Any) -> str:
    return "fl.random.default_rng(seed) makes one"


def _initializer(value: Any) -> init.Initializer:
    if not (isinstance(value, str) or callable(value)) or isinstance(value, type):
        raise TypeError
    return init.get(value)


def _initializer_way_out(value: Any) -> str:
    names = list(init._BY_NAME)
    return did_you_mean(value, names, otherwise=f"; there are {', '.join(names)}").removeprefix("; ")


def _callable_layer(value: Any) -> Any:
    if isinstance(value, type) or not callable(value) or type(value).__module__.startswith("torch."):
        raise TypeError
    return value


def _module(value: Any) -> Any:
    from fallline.nn._module import Module  # it imports what this file is made of

    if not isinstance(value, Module):
        raise TypeError
    return value


def _layer_way_out(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "give the layers one by one: Sequential(*layers)"
    return "PyTorch's layers have namesakes in fl.nn" if type(value).__module__.startswith("torch.") else ""


def _each(least: int, axes: int | None = None) -> Kind:
    one = whole(least)

    def accept(value: Any) -> Any:
        if not isinstance(value, tuple | list):
            return one.accept(value)
        if axes is not None and len(value) not in (1, axes):
            raise ValueError
        return tuple(map(one.accept, value))

    several = {None: "one for each axis", 1: "one in a tuple", 2: "two of them", 3: "three of them"}[axes]
    return Kind(f"{one.words}, or {several}", accept, one.way_out)


def window(axes: int) -> Kind:
    """Return the kind of sizes of windows over so many axes."""
    return _each(1, axes)


def margin(axes: int) -> Kind:
    """Return the kind of numbers of elements beside so many axes."""
    return _each(0, axes)


def padding(axes: int) -> Kind:
    """Return the kind of a convolution's padding: margins, or a word."""
    beside = margin(axes)
    words = f"{beside.words}, or {_words.words}"
    return Kind(words, lambda x: (_words if isinstance(x, str) else beside).accept(x), _words.way_out)


size = whole(1)
axis = Kind("a whole number", whole(-64, 63).accept, whole(-64, 63).way_out)
windows, margins = _each(1), _each(0)


def _lengths(value: Any) -> Any:
    each = optional(size).accept
    return tuple(map(each, value)) if isinstance(value, tuple | list) else each(value)


def _factors(value: Any) -> Any:
    each = number("positive", lambda x: x > 0).accept
    return tuple(map(each, value)) if isinstance(value, tuple | list) else each(value)


lengths = Kind("a positive whole number or None, or one for each axis", _lengths)
factors = Kind("a positive number, or one for each axis", _factors)
_words = one_of("same", "valid")
finite = number("a finite number", lambda x: True)
at_least_zero = number("at least 0", lambda x: x >= 0)
share = number("in [0, 1]", lambda x: 0 <= x <= 1)
below_one = number("in [0, 1)", lambda x: 0 <= x < 1)
float_dtype = Kind("float32 or float64", _float)
generator = Kind("a generator of fallline", _generator, _generator_way_out)
initializer = Kind("the name of an initialiser, or a function of fl.nn.init", _initializer, _initializer_way_out)
a_layer = Kind("a module or a function of one array", _callable_layer, _layer_way_out)
a_module = Kind("a module", _module, _layer_way_out)
