"""Tables of rows by number, with PyTorch's names and arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from fallline import _core, _ops
from fallline._arguments import flag, one_of, optional, takes, whole
from fallline._array import Array, asarray
from fallline.nn import functional as F
from fallline.nn import init
from fallline.nn._kinds import at_least_zero, float_dtype, size
from fallline.nn._module import Module
from fallline.nn.functional._norms import norm


class _Table(Module):
    """Rows of numbers, which may be held to a norm before they are used."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"[{name}] padding_idx must be one of {num_embeddings} rows, got {padding_idx}")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm, self.norm_type = max_norm, norm_type
        self.weight = init.normal(1.0)((num_embeddings, embedding_dim), dtype=dtype)
        if padding_idx is not None:
            np.asarray(self.weight)[padding_idx] = 0

    def _rows(self) -> Array:
        """Return the table with rows scaled down to `max_norm`; PyTorch writes them back, with the same result."""
        if self.max_norm is None:
            return self.weight
        norms = norm(_core.detach(self.weight), self.norm_type, -1, True)
        scale = _ops.where(norms > self.max_norm, self.max_norm / (norms + 1e-7), _ops.ones_like(norms))
        return self.weight * scale

    def _describe(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Embedding(_Table):
    """Rows of a trained table by number.

    Parameters
    ----------
    num_embeddings, embedding_dim
        Rows, and their length.
    padding_idx
        A row that begins as zeros and is not trained.
    max_norm, norm_type
        Scale longer rows down to this p-norm when they are used.
    dtype
        float32 or float64; None takes the default dtype.

    Attributes
    ----------
    weight
        (num_embeddings, embedding_dim), drawn with mean 0 and deviation 1.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> fl.nn.Embedding(10, 3)(np.array([[1, 2], [9, 1]])).shape
    (2, 2, 3)
    """

    @takes(
        num_embeddings=size,
        embedding_dim=size,
        padding_idx=optional(whole(-(2**62))),
        max_norm=optional(at_least_zero),
        norm_type=at_least_zero,
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, dtype)

    def forward(self, x: Any) -> Array:
        """Look the rows up, (*x.shape, embedding_dim)."""
        return F.embedding(x, self._rows(), self.padding_idx)


class EmbeddingBag(_Table):
    """Sums, means or maxima of rows of a trained table.

    Parameters
    ----------
    num_embeddings, embedding_dim, max_norm, norm_type, padding_idx
        As for `Embedding`; members that are `padding_idx` do not count.
    mode
        "mean", "sum" or "max".
    include_last_offset
        Whether the last offset is the end of the last bag.
    dtype
        float32 or float64; None takes the default dtype.
    """

    @takes(
        num_embeddings=size,
        embedding_dim=size,
        max_norm=optional(at_least_zero),
        norm_type=at_least_zero,
        mode=one_of("sum", "mean", "max"),
        include_last_offset=flag,
        padding_idx=optional(whole(-(2**62))),
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        mode: str = "mean",
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, dtype)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, x: Any, offsets: Any = None, per_sample_weights: Any = None) -> Array:
        """Combine the rows of each bag: the rows of x, or parts of a flat list that begin at the offsets."""
        return F.embedding_bag(
            asarray(x),
            self._rows(),
            offsets,
            self.mode,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
