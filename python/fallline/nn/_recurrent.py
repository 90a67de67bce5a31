"""Recurrent layers, with PyTorch's names, arguments, gates and state: one native loop for each layer and direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fallline import _core, _ops
from fallline._arguments import flag, optional, takes, whole
from fallline._array import Array, asarray
from fallline.nn import init
from fallline.nn._kinds import below_one, float_dtype, size
from fallline.nn._layers import Dropout
from fallline.nn._module import Module
from fallline.transforms import scan

State = Array | tuple[Array, ...]
Step = Callable[[Array, tuple[Array, ...], Callable[[Array], Array]], tuple[Array, ...]]


def _tanh(gates: Array, state: tuple[Array, ...], times: Callable[[Array], Array]) -> tuple[Array, ...]:
    return (_ops.tanh(gates + times(state[0])),)


def _relu(gates: Array, state: tuple[Array, ...], times: Callable[[Array], Array]) -> tuple[Array, ...]:
    return (_ops.relu(gates + times(state[0])),)


def _lstm(gates: Array, state: tuple[Array, ...], times: Callable[[Array], Array]) -> tuple[Array, ...]:
    """i, f, g, o: c' = f c + i g, h' = o tanh(c'). Hochreiter & Schmidhuber 1997, with the forget gate of Gers 2000."""
    h, c = state
    i, f, g, o = _parts(gates + times(h), 4)
    c = _ops.sigmoid(f) * c + _ops.sigmoid(i) * _ops.tanh(g)
    return _ops.sigmoid(o) * _ops.tanh(c), c


def _gru(gates: Array, state: tuple[Array, ...], times: Callable[[Array], Array]) -> tuple[Array, ...]:
    """r, z, n: n = tanh(x_n + r h_n), h' = (1 - z) n + z h. Cho et al. 2014, r after the product as in cuDNN."""
    (h,) = state
    xr, xz, xn = _parts(gates, 3)
    hr, hz, hn = _parts(times(h), 3)
    z = _ops.sigmoid(xz + hz)
    n = _ops.tanh(xn + _ops.sigmoid(xr + hr) * hn)
    return (n + z * (h - n),)


def _parts(x: Array, count: int) -> list[Array]:
    width = x.shape[-1] // count
    return [x[..., i * width : (i + 1) * width] for i in range(count)]


KINDS: dict[str, tuple[int, int, Step]] = {  # gates, arrays of state, and the step
    "RNN_TANH": (1, 1, _tanh),
    "RNN_RELU": (1, 1, _relu),
    "LSTM": (4, 2, _lstm),
    "GRU": (3, 1, _gru),
}


class _Recurrent(Module):
    kind: ClassVar[str]

    @takes(
        input_size=size,
        hidden_size=size,
        num_layers=size,
        bias=flag,
        batch_first=flag,
        dropout=below_one,
        bidirectional=flag,
        proj_size=whole(0),
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 <= proj_size < hidden_size or (proj_size and self.kind != "LSTM"):
            raise ValueError(f"[{name}] proj_size is for LSTM alone and below hidden_size, got {proj_size}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bidirectional, self.batch_first, self.proj_size = bidirectional, batch_first, proj_size
        self.dropout = dropout
        self._bias = bias
        self._dropped = Dropout(dropout)
        gates = KINDS[self.kind][0]
        out = proj_size or hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else out * (1 + bidirectional)
            for tail in self._tails(layer):
                self._weight(f"weight_ih{tail}", gates, hidden_size, width, dtype)
                self._weight(f"weight_hh{tail}", gates, hidden_size, out, dtype)
                if bias:
                    setattr(self, f"bias_ih{tail}", init.zeros((gates * hidden_size,), dtype=dtype))
                    setattr(self, f"bias_hh{tail}", init.zeros((gates * hidden_size,), dtype=dtype))
                if proj_size:
                    setattr(self, f"weight_hr{tail}", init.glorot_uniform((proj_size, hidden_size), dtype=dtype))

    @property
    def bias(self) -> bool:
        """Whether there are biases."""
        return self._bias

    def _weight(self, name: str, gates: int, rows: int, columns: int, dtype: Any) -> None:
        """Draw each gate's matrix by itself, so that its fans are those of the gate."""
        parts = [init.glorot_uniform((rows, columns), dtype=dtype) for _ in range(gates)]
        setattr(self, name, _ops.concat(parts))

    def _tails(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def forward(self, x: Any, hx: Any = None, *, mask: Any = None) -> tuple[Array, State]:
        """Run along the sequences.

        Parameters
        ----------
        x
            (length, n, input_size), with `batch_first` (n, length, input_size), or one sequence (length, input_size).
        hx
            The state to begin with, (layers * directions, n, width), for LSTM a pair; zeros by default.
        mask
            (n, length) booleans, in either order of axes of x (length, n): false for padding, at which the state stays
            and the output is zero. It stands for PyTorch's packed sequences.

        Returns
        -------
        output, state
            Outputs of the last layer, both directions side by side; the state after the last step, as `hx`.
        """
        x = asarray(x)
        name = type(self).__name__
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise _core.ShapeError(f"[{name}] expected (length, n, {self.input_size}) or (length, n), got {x.shape}")
        alone = x.ndim == 2
        if alone:
            x = x[:, None]
        elif self.batch_first:
            x = _ops.permute_dims(x, (1, 0, 2))
        seen = None
        if mask is not None:
            seen = _core.astype(asarray(mask), x.dtype)
            seen = _ops.permute_dims(seen[None] if alone else seen, (1, 0)) if alone or self.batch_first else seen
            if seen.shape != x.shape[:2]:
                raise _core.ShapeError(f"[{name}] the mask has shape {asarray(mask).shape}, x {x.shape[:2]}")
            seen = _ops.expand_dims(seen, axis=2)
        states = self._states(hx, x, alone)
        after: list[tuple[Array, ...]] = []
        for layer in range(self.num_layers):
            outputs = []
            for tail in self._tails(layer):
                y, end = self._run(tail, x, states[len(after)], seen)
                outputs.append(y)
                after.append(end)
            x = outputs[0] if len(outputs) == 1 else _ops.concat(outputs, axis=2)
            if self.dropout and layer < self.num_layers - 1:
                x = self._dropped(x)
        ends = tuple(_ops.stack([state[i] for state in after]) for i in range(len(after[0])))
        if alone:
            x, ends = x[:, 0], tuple(end[:, 0] for end in ends)
        elif self.batch_first:
            x = _ops.permute_dims(x, (1, 0, 2))
        return x, ends if len(ends) > 1 else ends[0]

    def _states(self, hx: Any, x: Array, alone: bool) -> list[tuple[Array, ...]]:
        count = self.num_layers * (1 + self.bidirectional)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: KINDS[self.kind][1]]
        if hx is None:
            zeros = tuple(_ops.zeros((x.shape[1], width), dtype=x.dtype) for width in widths)
            return [zeros] * count
        given = [asarray(h) for h in (hx if isinstance(hx, tuple | list) else (hx,))]
        given = [h[:, None] for h in given] if alone else given
        wanted = [(count, x.shape[1], width) for width in widths]
        if [h.shape for h in given] != wanted:
            raise _core.ShapeError(
                f"[{type(self).__name__}] the state must have shape {' and '.join(map(str, wanted))}, "
                f"got {' and '.join(str(h.shape) for h in given)}"
            )
        return [tuple(h[i] for h in given) for i in range(count)]

    def _run(
        self, tail: str, x: Array, state: tuple[Array, ...], seen: Array | None
    ) -> tuple[Array, tuple[Array, ...]]:
        """Run one layer in one direction; the products with x are one product for all steps."""
        back = tail.endswith("_reverse")
        step = KINDS[self.kind][2]
        gates = _core.linear(x, getattr(self, f"weight_ih{tail}"), getattr(self, f"bias_ih{tail}", None))
        weight, bias = getattr(self, f"weight_hh{tail}"), getattr(self, f"bias_hh{tail}", None)
        projection = getattr(self, f"weight_hr{tail}", None)

        def body(before: tuple[Array, ...], rows: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
            new = step(rows[0], before, lambda h: _core.linear(h, weight, bias))
            if projection is not None:
                new = (_core.linear(new[0], projection, None), *new[1:])
            if len(rows) == 1:
                return new, new[0]
            return tuple(old + rows[1] * (now - old) for old, now in zip(before, new, strict=True)), rows[1] * new[0]

        along = [a[::-1] if back else a for a in ((gates,) if seen is None else (gates, seen))]
        end, y = scan(body, state, tuple(along))
        return (y[::-1] if back else y), end

    def _describe(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"


_TEXT = """{what} along sequences.

    Parameters
    ----------
    input_size, hidden_size
        The length of an input, and of the state.
    num_layers
        Layers on top of each other.
{more}    bias
        Whether there are biases.
    batch_first
        Whether sequences are (n, length, features) instead of (length, n, features).
    dropout
        The rate between layers, in training.
    bidirectional
        Whether a second set of weights runs from the end; its outputs stand beside those of the first.
    dtype
        float32 or float64; None takes the default dtype.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, ...
        As in PyTorch, gates one below the other; Glorot's uniform initialiser for each gate, biases zero. (PyTorch
        draws all up to the square root of 1 / hidden_size.)

    Examples
    --------
    >>> import fallline as fl
    >>> layer = fl.nn.{name}(3, 5)
    >>> output, state = layer(fl.ones((7, 2, 3)))
    >>> output.shape
    (7, 2, 5)
    """


class RNN(_Recurrent):
    __doc__ = _TEXT.format(
        what="h' = tanh(W_ih x + b_ih + W_hh h + b_hh), Elman's network (1990),",
        more='    nonlinearity\n        "tanh" or "relu".\n',
        name="RNN",
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        self.kind = _rnn("RNN", nonlinearity)  # type: ignore[misc]
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*sizes, dtype=dtype)
        self.nonlinearity = nonlinearity


def _rnn(name: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f'[{name}] nonlinearity must be "tanh" or "relu", got {nonlinearity!r}')
    return f"RNN_{nonlinearity.upper()}"


class LSTM(_Recurrent):
    __doc__ = _TEXT.format(
        what="Long short-term memory (Hochreiter & Schmidhuber 1997), gates i, f, g, o,",
        more="",
        name="LSTM",
    )
    kind = "LSTM"


class GRU(_Recurrent):
    __doc__ = _TEXT.format(what="Gated recurrent units (Cho et al. 2014), gates r, z, n,", more="", name="GRU")
    kind = "GRU"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(*sizes, dtype=dtype)


class _Cell(Module):
    kind: ClassVar[str]

    @takes(input_size=size, hidden_size=size, bias=flag, dtype=optional(float_dtype))
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: Any = None) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        gates = KINDS[self.kind][0]
        for name, width in (("weight_ih", input_size), ("weight_hh", hidden_size)):
            parts = [init.glorot_uniform((hidden_size, width), dtype=dtype) for _ in range(gates)]
            setattr(self, name, _ops.concat(parts))
        self.bias_ih = init.zeros((gates * hidden_size,), dtype=dtype) if bias else None
        self.bias_hh = init.zeros((gates * hidden_size,), dtype=dtype) if bias else None

    @property
    def bias(self) -> bool:
        """Whether there are biases."""
        return self.bias_ih is not None

    def forward(self, x: Any, hx: Any = None) -> Any:
        """Take one step from x, (n, input_size) or (input_size,); returns the new state, for LSTM a pair."""
        x = asarray(x)
        _, count, step = KINDS[self.kind]
        if hx is None:
            state = (_ops.zeros((*x.shape[:-1], self.hidden_size), dtype=x.dtype),) * count
        else:
            state = tuple(asarray(h) for h in (hx if isinstance(hx, tuple | list) else (hx,)))
        gates = _core.linear(x, self.weight_ih, self.bias_ih)
        new = step(gates, state, lambda h: _core.linear(h, self.weight_hh, self.bias_hh))
        return new if count > 1 else new[0]

    def _describe(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class RNNCell(_Cell):
    """One step of `RNN`; arguments as there."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", *, dtype: Any = None
    ) -> None:
        self.kind = _rnn("RNNCell", nonlinearity)  # type: ignore[misc]
        super().__init__(input_size, hidden_size, bias, dtype=dtype)
        self.nonlinearity = nonlinearity


class LSTMCell(_Cell):
    """One step of `LSTM`: returns (h, c)."""

    kind = "LSTM"


class GRUCell(_Cell):
    """One step of `GRU`."""

    kind = "GRU"
