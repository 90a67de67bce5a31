"""Transformers, with PyTorch's names, arguments and state. Vaswani et al. 2017."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

from fallline import _ops
from fallline._arguments import Kind, check, flag, one_of, optional, takes, whole
from fallline._array import Array, asarray
from fallline.nn import functional as F
from fallline.nn._attention import MultiheadAttention
from fallline.nn._kinds import a_module, at_least_zero, below_one, float_dtype, size
from fallline.nn._layers import Dropout, Linear
from fallline.nn._module import Module
from fallline.nn._normalize import LayerNorm
from fallline.nn.functional._attention import causal_mask

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu}
Activation = str | Callable[..., Array]
POSITIONS = one_of("rotary", "alibi")


def _activation(given: Any) -> Any:
    if isinstance(given, type) or not (callable(given) or isinstance(given, str)):
        raise TypeError
    return given if callable(given) else ACTIVATIONS[one_of(*ACTIVATIONS).accept(given)]


activation = Kind(f"{' or '.join(map(repr, ACTIVATIONS))}, or a function", _activation)


class _Block(Module):
    """What both kinds of layer are: attentions and a feed-forward part, each with a residual sum and a norm."""

    attentions: ClassVar[tuple[str, ...]]

    @takes(
        d_model=size,
        nhead=size,
        dim_feedforward=size,
        dropout=below_one,
        activation=activation,
        layer_norm_eps=at_least_zero,
        batch_first=flag,
        norm_first=flag,
        bias=flag,
        positions=optional(POSITIONS),
        dtype=optional(float_dtype),
    )
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        positions: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name in self.attentions:
            own = positions if name == "self_attn" else None
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, positions=own, dtype=dtype
            )
            setattr(self, name, attention)
        self.norm_first = norm_first
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype)
        for i in range(1, len(self.attentions) + 2):
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation: Any = ACTIVATIONS[activation] if isinstance(activation, str) else activation

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the constructor, read from the parts that were made of them."""
        own = self.self_attn
        names = {function: name for name, function in ACTIVATIONS.items()}
        return {
            "d_model": own.embed_dim,
            "nhead": own.num_heads,
            "dim_feedforward": self.linear1.out_features,
            "dropout": self.dropout.p,
            "activation": names.get(self.activation, self.activation),
            "layer_norm_eps": self.norm1.eps,
            "batch_first": own.batch_first,
            "norm_first": self.norm_first,
            "bias": self.linear1.bias is not None,
            "positions": own.positions,
        }

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
    positions
        None, "rotary" or "alibi": what self-attention knows of positions; see `MultiheadAttention`.
    dtype
        float32 or float64; None takes the default dtype.
    """

    attentions = ("self_attn",)

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

    attentions = ("self_attn", "multihead_attn")

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


class _Stack(Module):
    """Layers on top of each other, copies of one, and perhaps a norm at the end."""

    def _stack(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        name = type(self).__name__
        check(name, "the layer", a_module, layer)
        check(name, "num_layers", whole(0), num_layers)
        check(name, "norm", optional(a_module), norm)
        self.layers = [copy.deepcopy(layer) for _ in range(num_layers)]
        self.num_layers, self.norm = num_layers, norm


class TransformerEncoder(_Stack):
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
        self._stack(encoder_layer, num_layers, norm)

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Any:
        """Encode, layer after layer."""
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(_Stack):
    """Decoder layers on top of each other, copies of one; arguments as for `TransformerEncoder`."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self._stack(decoder_layer, num_layers, norm)

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
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        positions: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shared = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def made(stack: Any, layer: Any, count: int) -> Module:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            stacked: Module = stack(layer(*shared, positions=positions, dtype=dtype), count, norm)
            return stacked

        if custom_encoder is None:
            custom_encoder = made(TransformerEncoder, TransformerEncoderLayer, num_encoder_layers)
        if custom_decoder is None:
            custom_decoder = made(TransformerDecoder, TransformerDecoderLayer, num_decoder_layers)
        self.encoder, self.decoder = custom_encoder, custom_decoder
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
