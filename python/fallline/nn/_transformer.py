"""Transformers, with PyTorch's names, arguments and state. Vaswani et al. 2017."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from fallline import _ops
from fallline._array import Array, asarray
from fallline.nn import functional as F
from fallline.nn._attention import MultiheadAttention
from fallline.nn._layers import Dropout, Linear
from fallline.nn._module import Module
from fallline.nn._normalize import LayerNorm
from fallline.nn.functional._attention import causal_mask

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}


def _activation(given: str | Callable[..., Array]) -> Callable[..., Array]:
    if callable(given):
        return given
    if given not in ACTIVATIONS:
        raise ValueError(
            f"[Transformer] activation must be a function or one of {', '.join(ACTIVATIONS)}, got {given!r}"
        )
    return ACTIVATIONS[given]


class _Block(Module):
    """What both kinds of layer have: a feed-forward part and residual sums, with the norm before or after."""

    def _feed_forward(
        self,
        d_model: int,
        dim_feedforward: int,
        dropout: float,
        activation: str | Callable[..., Array],
        eps: float,
        norms: int,
        bias: bool,
        dtype: Any,
    ) -> None:
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype)
        for i in range(1, norms + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps, bias=bias, dtype=dtype))
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def _forwarded(self, x: Array) -> Array:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _added(self, x: Array, place: int, part: Callable[[Array], Array]) -> Array:
        """Add a part's result, after its dropout; normalise what goes in, or what comes out."""
        norm, dropout = getattr(self, f"norm{place}"), getattr(self, f"dropout{place}")
        if self.norm_first:
            y: Array = x + dropout(part(norm(x)))
        else:
            y = norm(x + dropout(part(x)))
        return y

    norm_first: bool


class TransformerEncoderLayer(_Block):
    """Self-attention and a feed-forward part, each added to what went in and normalised.

    Parameters
    ----------
    d_model, nhead
        The width, a multiple of the heads.
    dim_feedforward
        The width inside the feed-forward part.
    dropout
        Of weights, inside, and of what is added.
    activation
        "relu", "gelu" or a function.
    layer_norm_eps
        Added to variances.
    batch_first
        Whether sequences are (n, length, width) instead of (length, n, width).
    norm_first
        Whether parts normalise their inputs instead of the sums.
    bias
        Whether layers have biases.
    dtype
        float32 or float64; None takes the default dtype.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[..., Array] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.norm_first = norm_first
        self._feed_forward(d_model, dim_feedforward, dropout, activation, layer_norm_eps, 2, bias, dtype)

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Array:
        """Encode; masks as for `MultiheadAttention`."""
        x = asarray(src)
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        x = self._added(x, 1, lambda x: self.self_attn(x, x, x, need_weights=False, **masks)[0])
        return self._added(x, 2, self._forwarded)


class TransformerDecoderLayer(_Block):
    """Self-attention, attention to a memory, and a feed-forward part. Arguments as for `TransformerEncoderLayer`."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[..., Array] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.norm_first = norm_first
        self._feed_forward(d_model, dim_feedforward, dropout, activation, layer_norm_eps, 3, bias, dtype)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Array:
        """Decode; masks as for `MultiheadAttention`."""
        x = asarray(tgt)
        own = {"attn_mask": tgt_mask, "key_padding_mask": tgt_key_padding_mask, "is_causal": tgt_is_causal}
        other = {"attn_mask": memory_mask, "key_padding_mask": memory_key_padding_mask, "is_causal": memory_is_causal}
        x = self._added(x, 1, lambda x: self.self_attn(x, x, x, need_weights=False, **own)[0])
        x = self._added(x, 2, lambda x: self.multihead_attn(x, memory, memory, need_weights=False, **other)[0])
        return self._added(x, 3, self._forwarded)


class TransformerEncoder(Module):
    """Encoder layers on top of each other, copies of one.

    Parameters
    ----------
    encoder_layer
        Copied; all copies begin with the same numbers, as in PyTorch.
    num_layers
        How many.
    norm
        A module at the end, or None.
    enable_nested_tensor, mask_check
        PyTorch's; they change nothing here.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = [copy.deepcopy(encoder_layer) for _ in range(num_layers)]
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """Encode, layer after layer."""
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Decoder layers on top of each other, copies of one; arguments as for `TransformerEncoder`."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = [copy.deepcopy(decoder_layer) for _ in range(num_layers)]
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Decode, layer after layer."""
        x = tgt
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        for layer in self.layers:
            x = layer(x, memory, *masks, bool(tgt_is_causal), memory_is_causal)
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder and a decoder. Arguments as for the layers, and PyTorch's order."""

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[..., Array] = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shared = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        norms = [LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2)]
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*shared, dtype=dtype), num_encoder_layers, norms[0]
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*shared, dtype=dtype), num_decoder_layers, norms[1]
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Any:
        """Encode `src`, and decode `tgt` beside it."""
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(size: int) -> Array:
        """Return the causal mask: minus infinity above the diagonal, zeros elsewhere."""
        return _ops.where(asarray(causal_mask(size, size)), float("-inf"), _ops.zeros(()))
