"""Where in a model did it go wrong?  The path of the layer, and the shapes on the way, are added to the error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fallline.nn._module import Module

__all__ = ["passed_through", "shape_of"]


class _Way:
    """What is known of an error so far: its own words, and the modules that it came through, from the inside."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.modules: list[Module] = []
        self.got = ""
        self.shapes: list[str] = []  # from the input of the model to that of the layer

    def __str__(self) -> str:
        path = ".".join(filter(None, (_name(outer, inner) for inner, outer in zip(*self._pairs(), strict=True))))
        layer = repr(self.modules[0]).partition("\n")[0].rstrip("(")
        way = f"; on the way: {' -> '.join(self.shapes)}" if self.shapes else ""
        return f"{self.text}; in layer {path} = {layer}, which got {self.got}{way}"

    def _pairs(self) -> tuple[list[Module], list[Module]]:
        outermost_first = self.modules[::-1]
        return outermost_first[1:], outermost_first[:-1]


def passed_through(error: Exception, module: Module, args: Sequence[Any], before: Sequence[Any] = ()) -> None:
    """Note that an error came out of a module; `before` are the shapes of what a sequence had computed till then."""
    way: _Way | None = getattr(error, "_way", None)
    if way is None:
        if not (len(error.args) == 1 and isinstance(error.args[0], str) and error.args[0].startswith("[")):
            return  # not ours: it says what it says
        way = _Way(error.args[0])
        error._way = way  # type: ignore[attr-defined]
        way.got = ", ".join(map(shape_of, args))
    if before:
        steps = zip(before, module, strict=False)
        way.shapes = [f"{shape}, {i} {type(layer).__name__}" for i, (shape, layer) in enumerate(steps)] + way.shapes
    if not way.modules or way.modules[-1] is not module:
        way.modules.append(module)
    if len(way.modules) > 1:
        error.args = (str(way),)


def shape_of(value: Any) -> str:
    """Return the shape of an array, or what else there is."""
    shape = getattr(value, "shape", None)
    return str(tuple(shape)) if shape is not None else type(value).__name__


def _name(outer: Module, inner: Module) -> str:
    return next((path for path, module in outer._named_modules("") if module is inner), type(inner).__name__)
