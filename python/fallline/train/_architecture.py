"""How is a network of layers described, and made again?  A stranger may have edited the description."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fallline import nn
from fallline.nn import init

MOST_LAYERS, DEEPEST = 10_000, 100
DTYPES = (None, "float32", "float64")
LAYERS: dict[str, type[nn.Module]] = {
    name: kind
    for name in nn.__all__
    if isinstance(kind := getattr(nn, name), type) and issubclass(kind, nn.Module) and kind is not nn.Module
}
SETTINGS = (bool, int, float, str, tuple, list, type(None))
Parts = Mapping[str, nn.Module]


class Composed(NamedTuple):
    """A kind of module that is made of modules: those of one by their paths in it, and one made of them."""

    parts: Callable[[Any], Parts]
    make: Callable[..., nn.Module]  # of parts, and the arguments that are not said by them


def _stack(kind: Any) -> Composed:
    def parts(stack: Any) -> Parts:
        norm = {} if stack.norm is None else {"norm": stack.norm}
        return {f"layers.{i}": layer for i, layer in enumerate(stack.layers)} | norm

    def make(parts: Parts) -> nn.Module:
        layers = [part for path, part in parts.items() if path != "norm"]
        made = kind(nn.Identity(), 0, parts.get("norm"))
        made.layers, made.num_layers = layers, len(layers)
        return made  # type: ignore[no-any-return]

    return Composed(parts, make)


COMPOSED: dict[type[nn.Module], Composed] = {
    nn.Sequential: Composed(
        lambda module: {str(i): layer for i, layer in enumerate(module)}, lambda parts: nn.Sequential(*parts.values())
    ),
    nn.ModuleList: Composed(
        lambda module: {str(i): part for i, part in enumerate(module)}, lambda parts: nn.ModuleList(parts.values())
    ),
    nn.ModuleDict: Composed(lambda module: dict(module.items()), nn.ModuleDict),
    nn.TransformerEncoder: _stack(nn.TransformerEncoder),
    nn.TransformerDecoder: _stack(nn.TransformerDecoder),
    nn.Transformer: Composed(
        lambda module: {"encoder": module.encoder, "decoder": module.decoder},
        lambda parts, **arguments: nn.Transformer(
            custom_encoder=parts["encoder"], custom_decoder=parts["decoder"], **arguments
        ),
    ),
}
# Of those whose constructor takes more: what is not said by the parts.
BESIDE: dict[type[nn.Module], tuple[str, ...]] = {nn.Transformer: ("d_model", "nhead", "batch_first")}


class NotOurs(Exception):
    """A layer that a file cannot describe: where it is, and what it is."""

    def __init__(self, path: str, what: str) -> None:
        where = path if len(path) < 40 else path[:40] + "..."
        super().__init__(f"layer {where}, {what}," if path else what)
        self.path = path


def describe(module: nn.Module) -> dict[str, Any]:
    """Return a network's layers and their arguments as JSON takes them; NotOurs where that cannot be.

    A layer keeps each argument under its own name; `bias` and other optional parameters count as true when there.
    Arrays that stand in several places are described in each, and `ties` names the others by the first.
    """
    layers: dict[str, bool] = {}
    described = _describe(module, "", layers)
    first: dict[int, str] = {}
    names = {slot.path: first.setdefault(id(slot.array), slot.path) for slot in module._slots(every=True)}
    ties = {path: other for path, other in names.items() if path != other}
    for path, other in ties.items():
        if any(
            whole and path.startswith(f"{place}.") and other.startswith(f"{place}.") for place, whole in layers.items()
        ):
            raise NotOurs(path, f"which is {other} of the same layer")
    return {**described, "ties": ties} if ties else described


def _describe(module: Any, path: str, layers: dict[str, bool]) -> dict[str, Any]:
    """Describe a module; `layers` collects the paths of all, and which are whole: not made of parts."""
    kind = type(module)
    if LAYERS.get(kind.__name__) is not kind:
        raise NotOurs(path, f"{getattr(module, '__name__', kind.__name__)!r}")
    layers[path] = kind not in COMPOSED
    if len(layers) > MOST_LAYERS or path.count(".") >= DEEPEST:
        raise NotOurs(path, f"beyond {MOST_LAYERS:,} layers or {DEEPEST} levels")
    described: dict[str, Any] = {"type": kind.__name__}
    if layers[path] or kind in BESIDE:
        described["arguments"] = _arguments(module, path)
    if not layers[path]:
        inside = COMPOSED[kind].parts(module).items()
        parts = {name: _describe(part, _join(path, name), layers) for name, part in inside}
        described |= {"layers": list(parts.values())} if kind is nn.Sequential else {"parts": parts}
    return described


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _arguments(module: nn.Module, path: str) -> dict[str, Any]:
    kind = type(module)
    own = module._arguments() if hasattr(module, "_arguments") else None
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in BESIDE.get(kind, (name,)):
            if name == "dtype":
                floats = (array.dtype.name for array in module.state_dict().values() if array.dtype.kind == "f")
                arguments[name] = next(floats, None)
            elif name in own if own is not None else hasattr(module, name):
                # Others are such as the generator that drew the weights.
                value = own[name] if own is not None else getattr(module, name)
                if isinstance(parameter.default, bool):
                    value = value is not None and value is not False
                value = value.item() if isinstance(value, np.generic) else value
                if not isinstance(value, SETTINGS):
                    raise NotOurs(path, f"{kind.__name__!r} with {name} of type {type(value).__name__!r}")
                arguments[name] = value
    return arguments


def build(description: Any, numbers: int) -> nn.Module:
    """Make the layers that `describe` described; ValueError where they need more than `numbers` elements, or are none.

    Nothing is drawn, and no memory is taken that the file has not taken before; but for one tied array at a time.
    """
    ties = description.get("ties", {}) if isinstance(description, Mapping) else {}
    if not isinstance(ties, Mapping) or not all(isinstance(path, str) for path in ties.values()):
        raise ValueError("its ties are not a dict of paths")
    with init.blank(numbers) as budget:
        return _Builder(ties, budget).build(description, "")


class _Builder:
    """Makes modules, the parts first, and ties the arrays of each to those that are there already."""

    def __init__(self, ties: Mapping[str, str], budget: list[int]) -> None:
        self.ties, self.budget, self.most, self.count = ties, budget, budget[0], 0
        self.made: dict[str, Any] = {}  # arrays by path

    def build(self, description: Any, path: str) -> nn.Module:
        where = f"layer {path}" if path else "the model"
        if not isinstance(description, Mapping) or not isinstance(description.get("type"), str):
            raise ValueError(f"{where} is not described by its type and arguments")
        kind = LAYERS.get(description["type"])
        if kind is None:
            raise ValueError(f"{where} is of the unknown type {description['type'][:60]!r}")
        self.count += 1
        if self.count > MOST_LAYERS or path.count(".") >= DEEPEST:
            raise ValueError(f"there are more than {MOST_LAYERS:,} layers or {DEEPEST} levels of them")
        try:
            return self._of_parts(kind, description, path) if kind in COMPOSED else self._layer(kind, description, path)
        except ValueError as error:
            raise error if str(error).startswith(("layer", "there are")) else ValueError(f"{where}: {error}") from error
        except (AttributeError, KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"{where}: a {description['type']} cannot be made like this ({error})") from error

    def _of_parts(self, kind: type[nn.Module], description: Mapping[str, Any], path: str) -> nn.Module:
        if kind is nn.Sequential:
            given = [(str(i), layer) for i, layer in enumerate(description["layers"])]
        else:
            given = list(description["parts"].items())
        parts = {name: self.build(part, _join(path, name)) for name, part in given}
        arguments = _given(description) if kind in BESIDE else {}
        return COMPOSED[kind].make(parts, **arguments)

    def _layer(self, kind: type[nn.Module], description: Mapping[str, Any], path: str) -> nn.Module:
        tied = self._allowed(path)
        layer = kind(**_given(description))
        for slot in layer._slots(every=True):
            place = _join(path, slot.path)
            first = self.made.get(self.ties.get(place, ""))
            if first is None:
                self.made[place] = slot.array
                continue
            if first.shape != slot.array.shape:
                raise ValueError(f"{place} has another shape than {self.ties[place]}, which it is tied to")
            self.budget[0] += slot.array.size
            slot.tie(first)
        self.budget[0] -= tied
        if self.budget[0] < 0:
            raise ValueError("its numbers are more than there are")
        return layer

    def _allowed(self, path: str) -> int:
        """Allow the elements that the layer's tied arrays take until they are tied; return how many."""
        inside = [self.made.get(first) for place, first in self.ties.items() if _parent(place, path)]
        size: int = min(sum(array.size for array in inside if array is not None), self.most)
        self.budget[0] += size
        return size


def _parent(place: str, path: str) -> bool:
    return place.startswith(f"{path}.") if path else True


def _given(description: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _setting(key, value) for key, value in description["arguments"].items()}


def _setting(name: str, value: Any) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    parts = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(part, bool | int | float | str | None) for part in parts):
        raise ValueError(f"{name} is not a setting of a layer")
    if name == "dtype" and value not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {str(value)[:60]!r}")
    return value
