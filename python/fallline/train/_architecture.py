"""How is a network of layers described, and made again?  A stranger may have edited the description."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline import nn
from fallline.nn import init

MOST_LAYERS, DEEPEST = 10_000, 100
DTYPES = (None, "float32", "float64")
# Made of modules that are given to them, or that bear the names of their arguments, as in PyTorch.
COMPOSED = (
    nn.Module,
    nn.ModuleDict,
    nn.ModuleList,
    nn.Transformer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoder,
    nn.TransformerEncoderLayer,
)
LAYERS: dict[str, type[nn.Module]] = {
    name: kind
    for name in nn.__all__
    if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Module) and kind not in COMPOSED
}
SETTINGS = (bool, int, float, str, tuple, list, type(None))


class NotOurs(Exception):
    """A layer that a file cannot describe: where it is, and what it is."""

    def __init__(self, path: str, what: str) -> None:
        where = path if len(path) < 40 else path[:40] + "..."
        super().__init__(f"layer {where}, {what}," if path else what)
        self.path = path


def describe(module: nn.Module) -> dict[str, Any]:
    """Return a network's layers and their arguments as JSON takes them; NotOurs where that cannot be.

    A layer keeps each argument under its own name; `bias` and other optional parameters count as true when there.
    """
    return _describe(module, "", {})


def _describe(module: Any, path: str, seen: dict[int, str]) -> dict[str, Any]:
    kind = type(module)
    if LAYERS.get(kind.__name__) is not kind:
        raise NotOurs(path, f"{getattr(module, '__name__', kind.__name__)!r}")
    if (first := seen.setdefault(id(module), path)) != path and module.state_dict():
        raise NotOurs(path, f"which is layer {first} again")
    if len(seen) > MOST_LAYERS or path.count(".") >= DEEPEST:
        raise NotOurs(path, f"beyond {MOST_LAYERS:,} layers or {DEEPEST} levels")
    if isinstance(module, nn.Sequential):
        inside = [_describe(layer, f"{path}.{i}" if path else str(i), seen) for i, layer in enumerate(module)]
        return {"type": kind.__name__, "layers": inside}
    return {"type": kind.__name__, "arguments": _arguments(module, path)}


def _arguments(module: nn.Module, path: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(type(module)).parameters.items():
        if name == "dtype":
            arguments[name] = next((a.dtype.name for a in module.state_dict().values() if a.dtype.kind == "f"), None)
        elif hasattr(module, name):  # others are such as the generator that drew the weights
            value = getattr(module, name)
            if isinstance(parameter.default, bool):
                value = value is not None and value is not False
            value = value.item() if isinstance(value, np.generic) else value
            if not isinstance(value, SETTINGS):
                raise NotOurs(path, f"{type(module).__name__!r} with {name} of type {type(value).__name__!r}")
            arguments[name] = value
    return arguments


def build(description: Any, numbers: int) -> nn.Module:
    """Make the layers that `describe` described; ValueError where they need more than `numbers` elements, or are none.

    Nothing is drawn, and no memory is taken that the file has not taken before.
    """
    with init.blank(numbers):
        return _build(description, "", [0])


def _build(description: Any, path: str, count: list[int]) -> nn.Module:
    where = f"layer {path}" if path else "the model"
    if not isinstance(description, Mapping) or not isinstance(description.get("type"), str):
        raise ValueError(f"{where} is not described by its type and arguments")
    kind = LAYERS.get(description["type"])
    if kind is None:
        raise ValueError(f"{where} is of the unknown type {description['type'][:60]!r}")
    count[0] += 1
    if count[0] > MOST_LAYERS or path.count(".") >= DEEPEST:
        raise ValueError(f"there are more than {MOST_LAYERS:,} layers or {DEEPEST} levels of them")
    try:
        if issubclass(kind, nn.Sequential):
            layers = enumerate(description["layers"])
            return kind(*(_build(layer, f"{path}.{i}" if path else str(i), count) for i, layer in layers))
        arguments = {key: _setting(key, value) for key, value in description["arguments"].items()}
        return kind(**arguments)
    except ValueError as error:
        raise error if str(error).startswith(("layer", "there are")) else ValueError(f"{where}: {error}") from error
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"{where}: a {description['type']} cannot be made like this ({error})") from error


def _setting(name: str, value: Any) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(part, bool | int | float | str | None) for part in parts):
        raise ValueError(f"{name} is not a setting of a layer")
    if name == "dtype" and value not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {str(value)[:60]!r}")
    return value
