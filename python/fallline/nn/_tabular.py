"""The network for tables: several members of RealMLP, trained side by side as batched products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from fallline import _core, _ops
from fallline._array import Array, asarray
from fallline.nn import functional as F
from fallline.nn import init
from fallline.nn._module import Buffer, Module
from fallline.transforms._effects import next_draw

__all__ = ["RealMLP"]

ACTIVATIONS: dict[str, Callable[[Any], Array]] = {"mish": F.mish, "selu": F.selu}
COMBINED = ("mean", "probabilities")


class Rated(Module):
    """A parameter that learns at `rate` times the learning rate: start + rate * step, and step begins as zeros.

    Under rules that do not see the scale of gradients, such as Adam, this is what a rate of its own would do. Weight
    decay draws it towards its start.
    """

    def __init__(self, start: Array, rate: float) -> None:
        super().__init__()
        self.start = Buffer(start)
        self.step = init.constant(0.0)(start.shape, dtype=start.dtype)
        self.rate = rate

    def forward(self) -> Array:
        """Return the value."""
        value: Array = self.start + self.rate * self.step
        return value


class RealMLP(Module):
    r"""A network for tables: periodic embeddings, learned scales, three wide layers, and several members.

    Every member has weights of its own; all are computed at once. For x of shape (n, in_features) the output is what
    the members say together, (n, out_features); for (n, members, in_features), a batch for each member, it is what
    each says of its own, (n, members, out_features).

    .. math:: z_{l+1} = h_l W_l / \sqrt{d_l} + b_l, \qquad h_l = z_l + a_l (f(z_l) - z_l)

    A number x goes in beside three values that are linear in :math:`\cos(2 \pi w x + b)`, and beside the `pieces` of a
    line from 0 to 1, each of which it climbs between two quantiles of the data; a category goes in as a vector from a
    table, other columns as they are. Each is then multiplied by a scale.

    Parameters
    ----------
    in_features, out_features
        Columns of the input, and outputs.
    numbers
        The columns that are embedded as numbers.
    codes, levels
        The columns that hold categories as whole numbers, and how many there are in each; 0 stands for any other one.
    members
        How many networks there are.
    hidden
        Widths of the layers.
    activation
        f: "mish", which fits numbers, or "selu", which fits classes.
    dropout
        Probability that a hidden value is dropped in training.
    combine
        "mean": of the outputs; "probabilities": the logarithm of the mean of the members' softmax of outputs over
        `temperature`.
    frequencies, pieces, embedding
        Cosines and pieces per number, and the length of a category's vector.
    dtype
        float32 or float64; None takes the default dtype.

    References
    ----------
    Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", appendix A. Gorishniy, Rubachev & Babenko 2022, "On embeddings for numerical features in tabular deep
    learning", for the pieces.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> model = fl.nn.RealMLP(3, 1, numbers=[0, 1], codes=[2], levels=[12], members=4, hidden=[16])
    >>> model(np.ones((5, 3))).shape, model(np.ones((5, 4, 3))).shape
    ((5, 1), (5, 4, 1))
    """

    RATES: ClassVar[dict[str, float]] = {"bias": 0.1, "slope": 0.1, "scale": 6.0, "embedding": 0.1}

    def __init__(
        self,
        in_features: int,
        out_features: int,
        numbers: Sequence[int] = (),
        codes: Sequence[int] = (),
        levels: Sequence[int] = (),
        members: int = 1,
        hidden: Sequence[int] = (256, 256, 256),
        activation: str = "mish",
        dropout: float = 0.15,
        combine: str = "mean",
        frequencies: int = 16,
        pieces: int = 0,
        embedding: int = 8,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.members = in_features, out_features, members
        self.numbers, self.codes, self.levels, self.hidden = tuple(numbers), tuple(codes), tuple(levels), tuple(hidden)
        self.activation, self.dropout, self.combine = activation, dropout, combine
        self.frequencies, self.pieces, self.embedding = frequencies, pieces, embedding
        _check(self)
        k, p, rate = members, len(self.numbers), self.RATES

        def drawn(*shape: int, std: float = 1.0) -> Array:
            return init.normal(std)(shape, dtype=dtype)

        def filled(value: float, *shape: int) -> Array:
            return init.constant(value)(shape, dtype=dtype)

        if p:
            self.frequency = Rated(drawn(k, p, 1, frequencies, std=0.1), rate["embedding"])
            self.phase = Rated(init.uniform(math.pi)((k, p, 1, frequencies), dtype=dtype), rate["embedding"])
            bound = 1 / math.sqrt(frequencies)
            self.mixing = Rated(init.uniform(bound)((k, p, frequencies, 3), dtype=dtype), rate["embedding"])
            self.shift = Rated(init.uniform(bound)((k, p, 1, 3), dtype=dtype), rate["embedding"])
        if p and pieces:  # of the line from 0 to 1 that each number climbs: where one begins, and its slope
            self.begins, self.slants = Buffer(filled(0.0, p, pieces)), Buffer(filled(0.0, p, pieces))
        self.tables = [drawn(k * (count + 1), embedding) for count in self.levels]
        width = in_features - len(self.codes) + (3 + pieces) * p + embedding * len(self.codes)
        self.scale = Rated(filled(1.0, k, 1, width), rate["scale"])
        widths = (width, *self.hidden, out_features)
        self.weights = [drawn(k, a, b) for a, b in pairwise(widths)]
        self.biases = [Rated(filled(0.0, k, 1, b), rate["bias"]) for b in widths[1:]]
        self.slopes = [Rated(filled(1.0, k, 1, b), rate["slope"]) for b in self.hidden]
        self._plain = np.setdiff1d(np.arange(in_features), (*self.numbers, *self.codes))
        self.temperature = Buffer(filled(1.0, 1))

    def forward(self, x: Any) -> Array:
        """Compute what the members say together, or each of rows of its own."""
        x = asarray(x)
        if x.ndim == 3:
            return _ops.permute_dims(self._output(self._embedded(_ops.permute_dims(x, (1, 0, 2)))), (1, 0, 2))
        each = self._output(self._embedded(x[None]))
        if self.combine == "mean":
            return _ops.mean(each, axis=0)
        together: Array = _ops.logsumexp(_ops.log_softmax(each / self.temperature), axis=0) - math.log(self.members)
        return together

    def _embedded(self, x: Array) -> Array:
        """Turn (members or 1, n, in_features) into (members, n, width)."""
        k, n = self.members, x.shape[1]
        parts = []
        if len(self._plain):
            parts.append(_everywhere(_ops.take(x, self._plain, axis=2), k))
        if self.numbers:
            found = _ops.take(x, np.array(self.numbers), axis=2)
            column = _ops.permute_dims(found, (0, 2, 1))[..., None]
            waves = _ops.cos((2 * math.pi) * self.frequency() * column + self.phase())
            mixed = waves @ self.mixing() + self.shift()
            parts += [
                _everywhere(found, k),
                _ops.reshape(_ops.permute_dims(mixed, (0, 2, 1, 3)), (k, n, 3 * len(self.numbers))),
            ]
        if self.numbers and self.pieces:
            climbed = _ops.clip((found[..., None] - self.begins) * self.slants, 0.0, 1.0)
            parts.append(_everywhere(_ops.reshape(climbed, (*found.shape[:2], -1)), k))
        for code, count, table in zip(self.codes, self.levels, self.tables, strict=True):
            start = np.arange(k, dtype=np.int64)[:, None] * (count + 1)
            rows = _ops.astype(x[:, :, code], np.int64) + start
            parts.append(_ops.take(table, rows, axis=0))
        return _ops.concat(parts, axis=2) * self.scale()

    def _output(self, h: Array) -> Array:
        for i in range(len(self.hidden)):
            h = self._hidden(self._linear(h, i), i)
        return self._linear(h, len(self.hidden))

    def _linear(self, h: Array, i: int) -> Array:
        weight = self.weights[i]
        z: Array = (h @ weight) * weight.shape[1] ** -0.5 + self.biases[i]()
        return z

    def _hidden(self, z: Array, i: int) -> Array:
        h: Array = z + (ACTIVATIONS[self.activation](z) - z) * self.slopes[i]()
        if self.training and self.dropout:
            key, stream = next_draw()
            # One choice for all members, whose rows differ: drawing takes longer than multiplying.
            h = h * _core.dropout(_ops.ones((1, *h.shape[1:]), dtype=h.dtype), key, self.dropout, stream)
        return h

    def start_from(self, x: Any, rng: np.random.Generator) -> None:
        """Draw the beginning from data of shape (n, members, in_features).

        Weights are divided so that every value before an activation has deviation 1 over the rows, and each bias is
        less a random convex combination of five of them, so that activations bend where there are data.
        """
        with _core.no_grad():
            self._place_pieces(np.asarray(x).reshape(-1, self.in_features))
            h = self._embedded(_ops.permute_dims(asarray(x), (1, 0, 2)))
            for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                z = np.asarray(self._linear(h, i))
                deviation = z.std(axis=1, keepdims=True)
                deviation[deviation < 1e-6] = 1
                _write(weight, np.asarray(weight) / deviation)
                z = z / deviation
                some = rng.integers(0, z.shape[1], (z.shape[0], 5, z.shape[2]))
                shares = rng.dirichlet(np.ones(5), (z.shape[0], z.shape[2])).transpose(0, 2, 1)
                value = -(np.take_along_axis(z, some, axis=1) * shares).sum(axis=1, keepdims=True)
                _write(bias.start, value.astype(z.dtype))
                if i < len(self.hidden):
                    z = z + value.astype(z.dtype)
                    h = self._hidden(asarray(z), i)

    def _place_pieces(self, x: np.ndarray) -> None:
        """Let each number climb one piece between two of its quantiles; of equal ones no piece is left."""
        for i, column in enumerate(self.numbers if self.pieces else ()):
            quantiles = np.quantile(x[:, column], np.linspace(0, 1, self.pieces + 1))
            widths = np.diff(quantiles)
            np.asarray(self.begins)[i] = quantiles[:-1]
            np.asarray(self.slants)[i] = np.divide(1, widths, out=np.zeros_like(widths), where=widths > 1e-6)

    def _describe(self) -> str:
        return f"{self.in_features}, {self.out_features}, members={self.members}, hidden={list(self.hidden)}"


def _write(array: Any, values: np.ndarray) -> None:
    array._write(asarray(values))


def _everywhere(x: Array, members: int) -> Array:
    return x if x.shape[0] == members else _ops.broadcast_to(x, (members, *x.shape[1:]))


def _check(made: RealMLP) -> None:
    """Refuse settings that no network has; a file may bring any."""
    counts = (made.in_features, made.out_features, made.members, made.frequencies, made.embedding, *made.hidden)
    columns = (*made.numbers, *made.codes)
    wrong = (
        ("counts and widths must be positive whole numbers", not all(_whole(n) and n > 0 for n in counts)),
        ("levels must be positive whole numbers", not all(_whole(n) and n > 0 for n in made.levels)),
        (
            "numbers and codes must be different columns of the input",
            len(set(columns)) < len(columns) or not all(_whole(n) and 0 <= n < made.in_features for n in columns),
        ),
        ("codes and levels must be of one length", len(made.codes) != len(made.levels)),
        ("pieces must be a whole number from 0 on", not (_whole(made.pieces) and made.pieces >= 0)),
        (f"activation must be one of {', '.join(ACTIVATIONS)}", made.activation not in ACTIVATIONS),
        (f"combine must be one of {', '.join(COMBINED)}", made.combine not in COMBINED),
        ("dropout must be in [0, 1)", not 0 <= made.dropout < 1),
    )
    for sentence, true in wrong:
        if true:
            raise ValueError(f"[RealMLP] {sentence}")


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
