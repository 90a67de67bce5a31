"""What was wrong with a call that failed in somebody else's words?  Its arguments are held against their annotations.

Nothing is looked at while all goes well: only an error that has no words of ours is explained.
"""

from __future__ import annotations

import inspect
import operator
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial, wraps
from typing import Any, TypeVar

import numpy as np

from fallline._arguments import HERE, a_dtype, check, function, optional, whole, without_ours
from fallline._arguments import Kind as KindOf

__all__ = ["FOREIGN", "explain_all", "explained", "told_of"]

F = TypeVar("F", bound=Callable[..., Any])
NUMPY = np.__file__.rpartition("__init__")[0]
FOREIGN = (TypeError, ValueError, AttributeError, LookupError, RuntimeError, ArithmeticError)


def explained(f: F, where: str = "") -> F:
    """Return the function with errors that name it and the argument, also where NumPy or the core met it first."""
    name = where or f.__name__

    @wraps(f)
    def enter(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            return f(*args, **kwargs)
        except FOREIGN as error:
            explains_itself = str(error).startswith("[")
            found = told(error, name, f, args, kwargs)
            raise (without_ours(found) if explains_itself else found) from error.__cause__

    return enter  # type: ignore[return-value]


def explain_all(names: Iterable[str], owner: dict[str, Any]) -> None:
    """Explain the public functions of a module, and the constructors of its classes."""
    for name in names:
        it = owner[name]
        if isinstance(it, types.FunctionType | partial):
            owner[name] = explained(it, name)
            owner[name].__module__ = owner["__name__"]  # where pickle looks for it
        elif isinstance(it, type) and isinstance(it.__init__, types.FunctionType):  # type: ignore[misc]
            it.__init__ = explained(it.__init__, name)  # type: ignore[misc]


def told(error: Exception, where: str, f: Callable[..., Any], args: Any, kwargs: Any) -> Exception:
    """Return the error in our words where an argument is of a wrong kind; else itself, with the function's name."""
    met = str(error).startswith("[") and not str(error).startswith("[asarray]")  # which says nothing of where it was
    if met or not _of_ours(error):
        return error
    try:
        given = inspect.signature(f).bind(*args, **kwargs).arguments
    except TypeError as wrong:
        return TypeError(f"[{where}] {wrong}")
    for name, kind in _kinds(f).items():
        if name in given:
            try:
                check(where, name, kind, given[name])
            except (TypeError, ValueError) as found:
                return found
    if "incompatible function arguments" in str(error):
        return TypeError(f"[{where}] does not take these arguments together")
    return _with_name(error, where)


def told_of(error: Exception, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Exception:
    """Return what `told` says of a call, for a function that has a try block of its own."""
    return told(error, f.__name__, f, args, kwargs)


def _with_name(error: Exception, where: str) -> Exception:
    try:
        return type(error)(f"[{where}] {error}").with_traceback(error.__traceback__)
    except TypeError:  # of a class that wants more than a text
        return error


def _of_ours(error: Exception) -> bool:
    """Whether the error arose in our code or NumPy's below it, and not in a function that was handed in."""
    trace, last = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        last, trace = (last if file.startswith(NUMPY) else file), trace.tb_next
    return last.startswith(HERE)


# Kinds from annotations


def _array(value: Any) -> Any:
    found = value if hasattr(value, "dtype") else np.asarray(value)
    if found.dtype.kind not in "biufc":
        raise TypeError
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        raise TypeError
    return value if hasattr(value, "dtype") or callable(value) else float(value)


def _index(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _instance(wanted: type, words: str) -> KindOf:
    def accept(value: Any) -> Any:
        if not isinstance(value, wanted):
            raise TypeError
        return value

    return KindOf(words, accept)


PLAIN: dict[Any, KindOf] = {
    int: KindOf("a whole number", _index),
    float: KindOf("a number", _number),
    bool: _instance(bool, "True or False"),
    str: _instance(str, "a string"),
    type(None): _instance(type(None), "None"),
    Any: KindOf("an array of numbers", _array),
}


NAMED = {
    "dtype": optional(a_dtype),
    "shape": whole(0),
    "size": whole(0),
}


@cache
def _kinds(f: Callable[..., Any]) -> Mapping[str, KindOf]:
    """Return the kinds of the arguments, as far as their annotations tell."""
    plain = inspect.unwrap(f)
    try:
        hints = typing.get_type_hints(plain)
    except (NameError, TypeError):
        return {}
    defaults = {name: parameter.default for name, parameter in inspect.signature(plain).parameters.items()}
    found = {}
    for name, hint in hints.items():
        kind = _kind(hint, NAMED.get(name)) if name != "return" else None
        if kind is not None:
            may_be_none = defaults.get(name, 0) is None and hint is Any
            found[name] = _any_of([kind, PLAIN[type(None)]]) if may_be_none else kind
    return found


def _kind(hint: Any, of_name: KindOf | None = None) -> KindOf | None:
    """Return the kind of a type; None where it does not say enough. Lengths, by their name, are never negative."""
    if of_name is not None and (hint in (int, Any) or of_name is NAMED["dtype"]):
        return of_name
    if hint in PLAIN:
        return PLAIN[hint]
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [_kind(one, of_name) for one in inside]
        return None if None in kinds else _any_of([kind for kind in kinds if kind is not None])
    if origin in (Sequence, Iterable, tuple, list):
        item = _kind(inside[0], of_name) if inside else None
        return item and _several(item)
    if origin is Callable or hint is Callable:
        return function
    if origin is Mapping:
        return _instance(Mapping, "a dict")
    ours = isinstance(hint, type) and hint.__module__.startswith("fallline.")
    return _instance(hint, f"a {hint.__name__}") if ours else None


def _any_of(kinds: list[KindOf]) -> KindOf:
    def accept(value: Any) -> Any:
        for kind in kinds:
            try:
                return kind.accept(value)
            except (TypeError, ValueError):
                continue
        raise TypeError

    words = list(dict.fromkeys(kind.words for kind in kinds))
    words = sorted(words, key=lambda word: word == "None")
    return KindOf(", ".join(words[:-1]) + (" or " if words[1:] else "") + words[-1], accept)


def _several(item: KindOf) -> KindOf:
    def accept(values: Any) -> Any:
        if isinstance(values, str | bytes | Mapping):
            raise TypeError
        return [item.accept(value) for value in values]

    return KindOf(f"a list or tuple of {item.words.removeprefix('a ').replace('number', 'numbers', 1)}", accept)
