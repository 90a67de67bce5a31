"""What may an argument be?  Kinds of values in words, and `takes`, which holds every argument against its kind."""

from __future__ import annotations

import inspect
import math
import operator
import os
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fallline._hints import did_you_mean, elsewhere

__all__ = [
    *(
        "Kind",
        "a_dtype",
        "check",
        "flag",
        "function",
        "listed",
        "number",
        "one_of",
        "optional",
        "places",
        "shown",
        "takes",
    ),
    *("text", "warn", "whole", "without_ours"),
]

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E", bound=BaseException)
HERE = __file__.rpartition(os.sep)[0] + os.sep


class Kind(NamedTuple):
    """A kind of value: what it is in words, what brings a value into its form, and what to do about a wrong one.

    `accept` raises TypeError or ValueError; the message comes from the words.
    """

    words: str
    accept: Callable[[Any], Any]
    way_out: Callable[[Any], str] = lambda value: ""


def whole(least: int, most: int | None = None) -> Kind:
    """Return the kind of whole numbers from `least` to `most`; True and 2.0 are none."""

    def accept(value: Any) -> int:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        found = operator.index(value)
        if found < least or (most is not None and found > most):
            raise ValueError
        return found

    def way_out(value: Any) -> str:
        whole_float = isinstance(value, float | np.floating) and math.isfinite(value) and value == int(value)
        return f"write {int(value)}" if whole_float else ""

    size = f" of at least {least}" if most is None else f" from {least} to {most}"
    return Kind("a positive whole number" if (least, most) == (1, None) else f"a whole number{size}", accept, way_out)


def number(words: str, holds: Callable[[float], bool]) -> Kind:
    """Return the kind of finite numbers for which something holds."""

    def accept(value: Any) -> float:
        if isinstance(value, bool | np.bool_ | str):
            raise TypeError
        found = float(value)
        if not (math.isfinite(found) and holds(found)):
            raise ValueError
        return found

    return Kind(words, accept)


def _true_or_false(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


flag = Kind("True or False", _true_or_false)


def _function(value: Any) -> Any:
    if isinstance(value, type) or not callable(value):
        raise TypeError
    return value


def _places(value: Any) -> Any:
    place = whole(-64, 63).accept
    return tuple(map(place, value)) if isinstance(value, list | tuple) else place(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


text = Kind("a text", _text)


def _dtype(value: Any) -> Any:
    if isinstance(value, int | float):
        raise TypeError
    return np.dtype(value)


a_dtype = Kind('a dtype, such as "float32"', _dtype)
function = Kind("a function", _function, lambda value: "give the function itself, not what it returned")
places = Kind("the position of an argument, or a tuple of them", _places)


def one_of(*names: str) -> Kind:
    """Return the kind of these names."""

    def accept(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        if value not in names:
            raise ValueError
        return value

    def way_out(value: Any) -> str:
        return did_you_mean(value, names).removeprefix("; ")

    return Kind(" or ".join(map(repr, names)), accept, way_out)


def optional(kind: Kind) -> Kind:
    """Return the kind that also takes None."""
    return Kind(f"{kind.words}, or None", lambda value: value if value is None else kind.accept(value), kind.way_out)


def listed(kind: Kind, words: str) -> Kind:
    """Return the kind of lists and tuples of a kind."""

    def accept(values: Any) -> Any:
        if not isinstance(values, list | tuple):
            raise TypeError
        return [_at(i, kind, value) for i, value in enumerate(values)]

    def way_out(value: Any) -> str:
        return f"put it in a list: [{value!r}]" if isinstance(value, str) else ""

    return Kind(words, accept, way_out)


class _Item(Exception):
    """Something in a list is wrong: where, what, and what it should be."""


def _at(i: int, kind: Kind, value: Any) -> Any:
    try:
        return kind.accept(value)
    except (TypeError, ValueError) as error:
        raise _Item(i, kind, value) from error


def shown(value: Any) -> str:
    """Return what was given, in a few words."""
    kind = type(value)
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    if isinstance(getattr(value, "shape", None), tuple) and hasattr(value, "dtype"):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    text = repr(value)
    foreign = kind.__module__.partition(".")[0] not in ("builtins", "fallline", "__main__")
    where = f"{kind.__module__.partition('.')[0]}'s " if foreign else "a "
    if len(text) > 60 or text.startswith("<") or "\n" in text:
        return f"{where}{kind.__name__}" + (f" of {len(value)}" if isinstance(value, Sequence | dict) else "")
    return text


def check(where: str, name: str, kind: Kind, value: Any) -> Any:
    """Return the value as its kind wants it; raise what, where, got, expected and the way out."""
    try:
        return kind.accept(value)
    except _Item as item:
        i, wanted, wrong = item.args
        return check(where, f"{name}[{i}]", wanted, wrong)
    except (TypeError, ValueError) as error:
        way_out = f"make one first: {value.__name__}(...)" if isinstance(value, type) else kind.way_out(value)
        text = f"[{where}] {name} must be {kind.words}, got {shown(value)}" + (f"; {way_out}" if way_out else "")
        raise type(error)(text) from None


_signature = cache(inspect.signature)


def takes(**kinds: Kind) -> Callable[[F], F]:
    """Return a decorator: the door of a public function or constructor, where every argument is held against its kind.

    Defaults are not looked at. Unknown names are told with what was meant. What is raised inside comes out without our
    own frames, unless the environment has ``FALLLINE_TRACEBACK=full``.
    """

    def door(f: F) -> F:
        of_class = f.__name__ == "__init__"

        @wraps(f)
        def enter(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            where = type(args[0]).__name__ if of_class else f.__name__
            bound = bind(where, f, args, kwargs)
            given = bound.arguments
            for name, kind in kinds.items():
                if name in given:
                    given[name] = check(where, name, kind, given[name])
            try:
                return f(*bound.args, **bound.kwargs)
            except Exception as error:
                raise without_ours(error)  # noqa: B904 (it is the same error)

        enter.kinds = kinds  # type: ignore[attr-defined]
        return enter  # type: ignore[return-value]

    return door


def bind(where: str, f: Callable[..., Any], args: Any, kwargs: Any, owner: str = "") -> inspect.BoundArguments:
    """Return the arguments by name; or say which name is not there, and what was meant in the table of `owner`."""
    signature = _signature(f)
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        known = [name for name in signature.parameters if name != "self"]
        unknown = next((name for name in kwargs if name not in known), None)
        if unknown is None:
            raise TypeError(f"[{where}] {error}; its arguments are {', '.join(known)}") from None
        hint = elsewhere(owner or where, unknown) or did_you_mean(unknown, known)
        raise TypeError(
            f"[{where}] there is no argument '{unknown}'{hint or '; there are ' + ', '.join(known)}"
        ) from None


def without_ours(error: E) -> E:
    """Return the error to be raised at a public door; notebooks hide the door itself: `__tracebackhide__`."""
    return error.with_traceback(theirs(error))


def theirs(error: BaseException) -> types.TracebackType | None:
    """Return the traceback without our frames: of an error that explains itself, or that comes from the user's code."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    explained = str(error).startswith("[") or not frames[-1].tb_frame.f_code.co_filename.startswith(HERE)
    if not explained or os.environ.get("FALLLINE_TRACEBACK") == "full":
        return error.__traceback__
    kept: types.TracebackType | None = None
    for trace in reversed(frames):
        if not trace.tb_frame.f_code.co_filename.startswith(HERE):
            kept = types.TracebackType(kept, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
    return kept


def warn(text: str) -> None:
    """Warn of what the user's own line did, however many of our frames lie between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)
