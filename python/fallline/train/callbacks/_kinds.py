"""What may the arguments of callbacks be?  Kinds for `takes`."""

from __future__ import annotations

import os
from typing import Any

from fallline._arguments import Kind, number, optional


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _path(value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise TypeError
    return str(os.fspath(value))


monitor = optional(Kind("the name of a value in the history, such as 'val_loss'", _name))
path = Kind("a path", _path)
seconds = optional(number("positive", lambda x: x > 0))
