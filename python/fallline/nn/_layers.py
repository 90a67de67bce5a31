"""The layers. Arguments are in PyTorch's order, weights have its shapes, so that they carry over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fallline import _core, _ops, random
from fallline._arguments import check, flag, optional, takes, whole
from fallline._array import Array, aligned, asarray
from fallline.nn import init
from fallline.nn._kinds import a_layer, axis, below_one, finite, float_dtype, generator, initializer, size
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

    def forward(self, x: Any) -> Array:
        """Map the last axis."""
        return _core.linear(x, self.weight, self.bias)

    def _describe(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """All axes from `start_dim` on as one; a view."""

    @takes(start_dim=whole(0))
    def __init__(self, start_dim: int = 1) -> None:
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x: Any) -> Array:
        """Flatten."""
        return _ops.reshape(x, (*x.shape[: self.start_dim], -1))


class Dropout(Module):
    r"""In training, zero each element with probability p and scale the others by :math:`1 / (1 - p)`.

    Srivastava et al. 2014, in the inverted form. In ``fit`` the choice depends on (seed, epoch, step) alone.
    """

    @takes(p=below_one)
    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Any) -> Any:
        """Drop, in training."""
        if not self.training or self.p == 0:
            return x
        key, stream = next_draw()
        return _core.dropout(asarray(x), key, self.p, stream)

    def _describe(self) -> str:
        return f"{self.p}"


class Identity(Module):
    """The input itself."""

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class _Activation(Module):
    function: Callable[[Any], Array]

    def forward(self, x: Any) -> Array:
        """Apply the function elementwise."""
        return type(self).function(x)


def _activation(name: str, function: Callable[..., Array]) -> type[Module]:
    summary = (function.__doc__ or "").split("\n")[0]
    body = {
        "function": staticmethod(function),
        "__doc__": f"{summary} See ``fl.{function.__name__}``.",
        "__module__": "fallline.nn",
    }
    return type(name, (_Activation,), body)


ReLU = _activation("ReLU", _ops.relu)
Tanh = _activation("Tanh", _ops.tanh)
Sigmoid = _activation("Sigmoid", _ops.sigmoid)
GELU = _activation("GELU", _ops.gelu)
SiLU = _activation("SiLU", _ops.silu)
Softplus = _activation("Softplus", _ops.softplus)


class LeakyReLU(Module):
    r"""x where it is positive, else ``negative_slope * x``. Maas et al. 2013."""

    @takes(negative_slope=finite)
    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Array:
        """Apply."""
        return _ops.where(x > 0, x, self.negative_slope * x)


class ELU(Module):
    r"""x where it is positive, else :math:`\alpha (e^x - 1)`. Clevert et al. 2016."""

    @takes(alpha=finite)
    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Any) -> Array:
        """Apply."""
        return _ops.where(x > 0, x, self.alpha * _ops.expm1(_ops.minimum(x, 0.0)))


class Softmax(Module):
    """``fl.softmax`` along an axis. Losses take logits: do not put it before ``cross_entropy``."""

    @takes(dim=axis)
    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Array:
        """Apply."""
        return _ops.softmax(x, self.dim)


class LogSoftmax(Module):
    """``fl.log_softmax`` along an axis."""

    @takes(dim=axis)
    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Array:
        """Apply."""
        return _ops.log_softmax(x, self.dim)
