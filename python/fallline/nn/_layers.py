"""The layers. Arguments are in PyTorch's order, weights have its shapes, so that they carry over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fallline import _core, _ops, random
from fallline._arguments import check, flag, optional, takes
from fallline._array import Array, aligned, asarray
from fallline.nn import init
from fallline.nn._kinds import a_layer, axis, below_one, float_dtype, generator, initializer, size
from fallline.nn._module import Module
from fallline.nn._place import passed_through, shape_of
from fallline.transforms._effects import next_draw


class Sequential(Module):
    """Modules one after the other; their paths are ``0``, ``1``, ...

    Parameters
    ----------
    *layers
        Modules, or functions of one array.
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        super().__init__()
        for i, layer in enumerate(layers):
            check("Sequential", f"layer {i}", a_layer, layer)
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        __tracebackhide__ = True
        before = []
        try:
            for layer in self.layers:
                before.append(shape_of(x))
                x = layer(x)
        except Exception as error:
            passed_through(error, self, (x,), before)
            raise
        return x

    def _named_modules(self, path: str) -> Iterator[tuple[str, Module]]:
        yield path, self
        for i, layer in enumerate(self.layers):
            if isinstance(layer, Module):
                yield from layer._named_modules(f"{path}.{i}" if path else str(i))

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Any:
        return self.layers[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    def __repr__(self) -> str:
        lines = [f"  ({i}): {str(layer).replace(chr(10), chr(10) + '  ')}" for i, layer in enumerate(self.layers)]
        return "\n".join(["Sequential(", *lines, ")"])


class Linear(Module):
    r"""A dense layer: :math:`y = x W^T + b`.

    Parameters
    ----------
    in_features, out_features
        The lengths of the last axis of x and of y.
    bias
        Whether to add b.
    weight_init, bias_init
        Initialisers, by name or as functions; by default Glorot's uniform one and zeros. (PyTorch draws both from
        :math:`\pm 1/\sqrt{in}`.)
    rng
        The generator to draw from; None takes that of ``fl.random.seed``.
    dtype
        float32 or float64; None takes the default dtype.

    Attributes
    ----------
    weight
        (out_features, in_features).
    bias
        (out_features,), or None.
    """

    @takes(
        in_features=size,
        out_features=size,
        bias=flag,
        weight_init=initializer,
        bias_init=initializer,
        rng=optional(generator),
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        weight_init: str | Callable[..., Array] = "glorot_uniform",
        bias_init: str | Callable[..., Array] = "zeros",
        rng: random.Generator | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        weight = init.get(weight_init)((out_features, in_features), rng=rng, dtype=dtype)
        # (out, in) by shape, in x out in memory: the forward product then reads it as it lies.
        self.weight = _core.wrap(aligned(np.asarray(weight), "F"))
        self.bias = init.get(bias_init)((out_features,), rng=rng, dtype=dtype) if bias else None

    def forward(self, input: Any) -> Array:
        """Map the last axis."""
        return _core.linear(input, self.weight, self.bias)

    def _describe(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one; a view."""

    @takes(start_dim=axis, end_dim=axis)
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Array:
        """Flatten."""
        first, last = self.start_dim % max(x.ndim, 1), self.end_dim % max(x.ndim, 1)
        return _ops.reshape(x, (*x.shape[:first], -1, *x.shape[last + 1 :]))

    def _describe(self) -> str:
        return f"{self.start_dim}, {self.end_dim}"


class Dropout(Module):
    r"""In training, zero each element with probability p and scale the others by :math:`1 / (1 - p)`.

    Srivastava et al. 2014, in the inverted form. In ``fit`` the choice depends on (seed, epoch, step) alone.
    """

    @takes(p=below_one, inplace=flag)
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p, self.inplace = p, inplace

    def forward(self, x: Any) -> Any:
        """Drop, in training."""
        if not self.training or self.p == 0:
            return x
        key, stream = next_draw()
        return _core.dropout(asarray(x), key, self.p, stream)

    def _describe(self) -> str:
        return f"{self.p}"


class Identity(Module):
    """The input itself; arguments of the constructor are ignored, so that it can stand for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x
