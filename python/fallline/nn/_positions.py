"""Layers that tell attention where in a sequence an element is."""

from __future__ import annotations

from typing import Any

from fallline._arguments import flag, number, optional, takes
from fallline._array import Array, asarray
from fallline.nn._kinds import below_one, size
from fallline.nn._layers import Dropout
from fallline.nn._module import Module
from fallline.nn.functional._positions import alibi, rotary, sinusoidal

positive = number("positive", lambda x: x > 0)


class PositionalEncoding(Module):
    """Add waves of position to embedded sequences, then drop some out. Vaswani et al. 2017, section 3.5.

    Parameters
    ----------
    d_model
        The width of the embeddings, an even number.
    dropout
        The rate afterwards, in training.
    base
        The longest wave takes 2 pi times as many positions.
    batch_first
        Whether sequences are (n, length, d_model) instead of (length, n, d_model).

    Examples
    --------
    >>> import fallline as fl
    >>> model = fl.nn.Sequential(fl.nn.Embedding(50, 8), fl.nn.PositionalEncoding(8, batch_first=True))
    >>> model(fl.zeros((2, 5), dtype="int64")).shape
    (2, 5, 8)
    """

    @takes(d_model=size, dropout=below_one, base=positive, batch_first=flag)
    def __init__(self, d_model: int, dropout: float = 0.0, *, base: float = 10000.0, batch_first: bool = False) -> None:
        super().__init__()
        sinusoidal(1, d_model, base)  # says what is wrong with it
        self.d_model, self.base, self.batch_first = d_model, base, batch_first
        self._dropped = Dropout(dropout)

    @property
    def dropout(self) -> float:
        """The rate of dropout."""
        return self._dropped.p

    def forward(self, x: Any) -> Any:
        """Add, to (length, n, d_model) or as `batch_first` says, or to one sequence (length, d_model)."""
        x = asarray(x)
        along = 1 if x.ndim == 3 and self.batch_first else 0
        waves = asarray(sinusoidal(x.shape[along], self.d_model, self.base).astype(x.dtype))
        return self._dropped(x + (waves[:, None] if x.ndim == 3 and not self.batch_first else waves))

    def _describe(self) -> str:
        return f"{self.d_model}, {self.dropout}"


class RoPE(Module):
    """Turn queries or keys, (..., length, features), by their positions; settings as of `functional.rotary`.

    Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding". ``MultiheadAttention(...,
    positions="rotary")`` does so with all features of each head.
    """

    @takes(dims=optional(size), base=positive, interleaved=flag)
    def __init__(self, dims: int | None = None, base: float = 10000.0, interleaved: bool = False) -> None:
        super().__init__()
        self.dims, self.base, self.interleaved = dims, base, interleaved

    def forward(self, x: Any, offset: int = 0) -> Array:
        """Turn; the first element has the position `offset`."""
        return rotary(x, self.dims, self.base, self.interleaved, offset)

    def _describe(self) -> str:
        return f"{self.dims}, base={self.base}"


class ALiBi(Module):
    """Lower the scores of attention, (..., heads, targets, sources), by distance; see `functional.alibi`.

    Press, Smith & Lewis 2022. ``MultiheadAttention(..., positions="alibi")`` does so.
    """

    @takes(num_heads=size)
    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, scores: Any) -> Array:
        """Add the biases."""
        scores = asarray(scores)
        y: Array = scores + asarray(alibi(self.num_heads, *scores.shape[-2:]).astype(scores.dtype))
        return y

    def _describe(self) -> str:
        return f"{self.num_heads}"
