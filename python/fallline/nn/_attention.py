"""Attention with several heads, with PyTorch's names, arguments and state."""

from __future__ import annotations

import math
from typing import Any

from fallline import _core, _ops
from fallline._arguments import flag, one_of, optional, takes
from fallline._array import Array, asarray
from fallline.nn import init
from fallline.nn._kinds import below_one, float_dtype, size
from fallline.nn._layers import Dropout, Linear
from fallline.nn._module import Module
from fallline.nn.functional._attention import additive, attention_weights, causal_mask
from fallline.nn.functional._positions import alibi, rotary


class MultiheadAttention(Module):
    r"""Several attentions side by side, :math:`\mathrm{softmax}(Q K^T / \sqrt d + M) V`, then a dense layer.

    Vaswani et al. 2017, section 3.2.2.

    Parameters
    ----------
    embed_dim, num_heads
        The width, a multiple of the heads.
    dropout
        The rate at which weights are dropped, in training.
    bias
        Whether the projections have biases.
    add_bias_kv
        Whether a trained key and value stand behind all others.
    add_zero_attn
        Whether zeros stand behind all others: a way to attend to nothing.
    kdim, vdim
        The widths of keys and values; that of queries by default.
    batch_first
        Whether sequences are (n, length, width) instead of (length, n, width).
    positions
        None; "rotary" turns queries and keys by their positions (Su et al. 2021); "alibi" lowers scores by distance
        (Press et al. 2022). Both are for attention of a sequence to itself.
    dtype
        float32 or float64; None takes the default dtype.

    Notes
    -----
    A query that may attend to nothing gets zeros, where PyTorch gives NaN.
    """

    @takes(
        embed_dim=size,
        num_heads=size,
        dropout=below_one,
        bias=flag,
        add_bias_kv=flag,
        add_zero_attn=flag,
        kdim=optional(size),
        vdim=optional(size),
        batch_first=flag,
        positions=optional(one_of("rotary", "alibi")),
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        positions: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(
                f"[MultiheadAttention] embed_dim must be a positive multiple of num_heads, "
                f"got {embed_dim} and {num_heads}"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        if positions == "rotary" and embed_dim // num_heads % 2:
            raise ValueError(
                f"[MultiheadAttention] rotary positions turn pairs of features: embed_dim / num_heads must be even, "
                f"got {embed_dim} / {num_heads}"
            )
        self.batch_first, self.add_zero_attn, self.add_bias_kv = batch_first, add_zero_attn, add_bias_kv
        self.positions = positions
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = init.glorot_uniform((3 * embed_dim, embed_dim), dtype=dtype)
        else:
            self.q_proj_weight = init.glorot_uniform((embed_dim, embed_dim), dtype=dtype)
            self.k_proj_weight = init.glorot_uniform((embed_dim, self.kdim), dtype=dtype)
            self.v_proj_weight = init.glorot_uniform((embed_dim, self.vdim), dtype=dtype)
        self.in_proj_bias = init.zeros((3 * embed_dim,), dtype=dtype) if bias else None
        self.bias_k = init.glorot_normal((1, 1, embed_dim), dtype=dtype) if add_bias_kv else None
        self.bias_v = init.glorot_normal((1, 1, embed_dim), dtype=dtype) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        self._dropped = Dropout(dropout)

    @property
    def bias(self) -> bool:
        """Whether the projections have biases."""
        return self.in_proj_bias is not None

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Array, Array | None]:
        """Attend.

        Parameters
        ----------
        query, key, value
            (targets, n, width), (sources, n, kdim) and (sources, n, vdim), or as `batch_first` says, or without n.
        key_padding_mask
            (n, sources): true for padding, or numbers that are added to the scores.
        need_weights, average_attn_weights
            Whether to return weights, and whether their mean over the heads.
        attn_mask
            (targets, sources) or (n * heads, targets, sources): true where attention is *not* allowed, or numbers.
        is_causal
            Says that `attn_mask` is causal; without a mask, that it shall be.

        Returns
        -------
        output, weights
            Built as the query; (n, targets, sources), (n, heads, targets, sources), or None.
        """
        q, k, v = asarray(query), asarray(key), asarray(value)
        alone = q.ndim == 2
        q, k, v = (
            (a[None] if alone else a if self.batch_first else _ops.permute_dims(a, (1, 0, 2))) for a in (q, k, v)
        )
        n, targets, _ = q.shape
        q, k, v = (self._heads(a) for a in self._projected(q, k, v))
        mask = None if attn_mask is None else additive(attn_mask, q.dtype)
        padding = None if key_padding_mask is None else additive(key_padding_mask, q.dtype)
        padding = padding[None] if alone and padding is not None else padding
        if mask is None and is_causal:
            mask = additive(causal_mask(targets, k.shape[2]), q.dtype)
        if mask is not None and mask.ndim == 3:
            mask = _ops.reshape(mask, (n, self.num_heads, *mask.shape[1:]))
        if self.positions == "rotary":
            q, k = rotary(q), rotary(k)
        elif self.positions == "alibi":
            distance = asarray(alibi(self.num_heads, targets, k.shape[2]).astype(q.dtype))
            mask = distance if mask is None else mask + distance
        for further in self._further(k):
            k, v = (_ops.concat([a, more], axis=2) for a, more in zip((k, v), further, strict=True))
            mask, padding = _one_more(mask), _one_more(padding)
        scores = (q * (1 / math.sqrt(q.shape[-1]))) @ _ops.permute_dims(k, (0, 1, 3, 2))
        if mask is not None:
            scores = scores + mask
        if padding is not None:
            scores = scores + padding[:, None, None]
        weights = self._dropped(attention_weights(scores))
        joined = _ops.reshape(_ops.permute_dims(weights @ v, (0, 2, 1, 3)), (n, targets, self.embed_dim))
        y = self.out_proj(joined)
        y = y[0] if alone else y if self.batch_first else _ops.permute_dims(y, (1, 0, 2))
        if not need_weights:
            return y, None
        shown = _ops.mean(weights, axis=1) if average_attn_weights else weights
        return y, shown[0] if alone else shown

    def _projected(self, q: Array, k: Array, v: Array) -> tuple[Array, Array, Array]:
        wide = self.embed_dim
        if hasattr(self, "in_proj_weight"):
            weights = [self.in_proj_weight[i * wide : (i + 1) * wide] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None] * 3
        if self.in_proj_bias is not None:
            biases = [self.in_proj_bias[i * wide : (i + 1) * wide] for i in range(3)]  # type: ignore[misc]
        q, k, v = (_core.linear(a, w, b) for a, w, b in zip((q, k, v), weights, biases, strict=True))
        return q, k, v

    def _further(self, k: Array) -> list[tuple[Array, Array]]:
        """Return the keys and values that stand behind those of the sequence."""
        found = []
        one = (*k.shape[:2], 1, k.shape[3])
        if self.bias_k is not None and self.bias_v is not None:
            found.append(tuple(_ops.broadcast_to(self._heads(a), one) for a in (self.bias_k, self.bias_v)))
        if self.add_zero_attn:
            found.append((_ops.zeros(one, dtype=k.dtype),) * 2)
        return found  # type: ignore[return-value]

    def _heads(self, x: Array) -> Array:
        split = _ops.reshape(x, (*x.shape[:2], self.num_heads, self.embed_dim // self.num_heads))
        return _ops.permute_dims(split, (0, 2, 1, 3))

    def _describe(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}"


def _one_more(mask: Array | None) -> Array | None:
    """Let everyone see one source more."""
    if mask is None:
        return None
    return _ops.concat([mask, _ops.zeros((*mask.shape[:-1], 1), dtype=mask.dtype)], axis=mask.ndim - 1)
