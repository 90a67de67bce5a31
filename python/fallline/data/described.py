"""Is a description in a model file what its class writes?  The file may be damaged, or edited by a stranger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

Described = TypeVar("Described")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


CHECKS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31,
    "float": _number,
    "tuple[str, ...]": lambda value: isinstance(value, list) and all(isinstance(part, str) for part in value),
    "tuple[float, ...]": lambda value: isinstance(value, list) and all(map(_number, value)),
}


def rebuilt(kind: type[Described], description: Mapping[str, Any]) -> Described:
    """Make an object of a dataclass from what `asdict` gave; ValueError where a field is not of its type."""
    arguments = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in description and field.default is not MISSING:
            continue  # a file from before there was such a field
        value = description.get(field.name)
        if not CHECKS[str(field.type)](value):
            raise ValueError(f"a {kind.__name__} needs a {field.name} of the type {field.type}")
        arguments[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**arguments)
