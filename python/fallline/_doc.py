"""Functions that differ in a formula only: the core's function with a name, a signature and a docstring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fallline import _core

F = TypeVar("F", bound=Callable[..., _core.Array])


def unary(name: str, formula: str, text: str) -> Callable[[Any], _core.Array]:
    """Return the core's function of one argument, documented."""
    native: Callable[[Any], _core.Array] = getattr(_core, name)

    def function(x: Any, /) -> _core.Array:
        return native(x)

    return _named(function, name, f"{text}\n\nElementwise: :math:`{formula}`.")


def binary(name: str, formula: str, text: str) -> Callable[[Any, Any], _core.Array]:
    """Return the core's function of two arguments, documented."""
    native: Callable[[Any, Any], _core.Array] = getattr(_core, name)

    def function(x: Any, y: Any, /) -> _core.Array:
        return native(x, y)

    return _named(function, name, f"{text}\n\nElementwise, with broadcasting: :math:`{formula}`.")


def _named(function: F, name: str, text: str) -> F:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "fallline"
    function.__doc__ = text
    return function
