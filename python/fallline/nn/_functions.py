"""Layers that are a function with settings: each keeps its constructor's arguments and calls its function with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from fallline._arguments import Kind, check, flag, one_of, optional
from fallline.nn._kinds import at_least_zero, axis, factors, finite, lengths, margins, size, windows
from fallline.nn._module import Module

_INPLACE = inspect.Parameter("inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=bool)


SETTINGS = {  # what settings may be, by name; the others are checked by their functions
    "dim": axis,
    "inplace": flag,
    "ceil_mode": flag,
    "return_indices": flag,
    "count_include_pad": flag,
    "kernel_size": windows,
    "stride": optional(windows),
    "padding": margins,
    "dilation": windows,
    "negative_slope": finite,
    "alpha": finite,
    "beta": finite,
    "threshold": finite,
    "value": finite,
    "lower": finite,
    "upper": finite,
    "lambd": at_least_zero,
    "min_val": finite,
    "max_val": finite,
    "approximate": one_of("none", "tanh"),
    "groups": size,
    "size": lengths,
    "output_size": lengths,
    "scale_factor": optional(factors),
    "align_corners": optional(flag),
    "upscale_factor": size,
    "downscale_factor": size,
}


class FunctionLayer(Module):
    """Keeps settings under their names and calls a function with them; made by `layer_of`."""

    function: ClassVar[Callable[..., Any]]
    settings: ClassVar[inspect.Signature]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        try:
            bound = self.settings.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"[{type(self).__name__}] {error}; it takes {self.settings}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            kind = self.kinds.get(name, SETTINGS.get(name))
            setattr(self, name, value if kind is None else check(type(self).__name__, name, kind, value))

    def forward(self, *inputs: Any) -> Any:
        """Apply the function."""
        given = {name: getattr(self, name) for name in self.settings.parameters if name != "inplace"}
        if "training" in self.takes:
            given["training"] = self.training
        return type(self).function(*inputs, **given)

    takes: ClassVar[frozenset[str]] = frozenset()
    kinds: ClassVar[dict[str, Kind]] = {}

    def _describe(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings.parameters if name != "inplace")


def layer_of(
    name: str,
    function: Callable[..., Any],
    *,
    inputs: int = 1,
    inplace: bool = False,
    kinds: dict[str, Kind] | None = None,
) -> Any:
    """Return the layer of a function: its first arguments are the inputs, the others the layer's settings.

    `inplace` adds PyTorch's argument, which changes nothing here; `kinds` say what settings may be, beyond `SETTINGS`.
    """
    parameters = list(inspect.signature(function).parameters.values())
    takes = frozenset(p.name for p in parameters)
    chosen = [
        p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in parameters[inputs:] if p.name != "training"
    ]
    settings = inspect.Signature(chosen + ([_INPLACE] if inplace else []))
    summary = (function.__doc__ or "").strip().split("\n")[0]
    body = {
        "function": staticmethod(function),
        "settings": settings,
        "takes": takes,
        "kinds": kinds or {},
        "__signature__": settings,
        "__doc__": f"{summary} See ``fl.nn.functional``; the settings are those of the function.",
        "__module__": "fallline.nn",
    }
    return type(name, (FunctionLayer,), body)
