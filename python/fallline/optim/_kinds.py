"""What may the arguments of wrappers be?  Kinds for `takes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fallline._arguments import Kind, number
from fallline.optim._base import Optimizer


def _is_optimizer(value: Any) -> Optimizer:
    if not isinstance(value, Optimizer):
        raise TypeError
    return value


def _is_name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


a_name = Kind(
    "the name of a value in the history, such as 'val_loss'", _is_name, lambda value: "name the others: factor="
)


def _is_transform(value: Any) -> Any:
    if isinstance(value, type | Optimizer) or not callable(value):
        raise TypeError
    return value


def _patterns(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError
    if not value:
        raise ValueError
    return value


an_optimizer = Kind(
    "an optimizer, such as fl.optim.Adam(1e-3)",
    _is_optimizer,
    lambda value: f"fl.optim.get({value!r}) makes one" if isinstance(value, str) else "",
)
a_transform = Kind("a gradient transform, such as fl.optim.clip_value(1.0), then one optimizer", _is_transform)
not_negative, in_unit = number("at least 0", lambda x: x >= 0), number("in [0, 1]", lambda x: 0 <= x <= 1)
below_one, positive = number("in [0, 1)", lambda x: 0 <= x < 1), number("positive", lambda x: x > 0)
patterns = Kind("a dict from patterns of paths to optimizers", _patterns)
