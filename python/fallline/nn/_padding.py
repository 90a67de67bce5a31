"""Padding layers for one, two and three spatial axes, with PyTorch's names and arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fallline._array import Array
from fallline.nn import functional as F
from fallline.nn._module import Module

_DOCS = {
    "constant": "elements of one value",
    "reflect": "the inside turned round, without the edge",
    "replicate": "the edge again",
    "circular": "the elements of the other side",
}


class _Pad(Module):
    mode: ClassVar[str]
    spatial: ClassVar[int]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = (padding,) * (2 * self.spatial) if isinstance(padding, int) else tuple(padding)
        if len(sides) != 2 * self.spatial:
            raise ValueError(
                f"[{type(self).__name__}] padding must be one number or {2 * self.spatial}, the last axis first, "
                f"got {padding!r}"
            )
        self.padding = sides

    def forward(self, x: Any) -> Array:
        """Put elements around the last axes."""
        return F.pad(x, self.padding, self.mode)

    def _describe(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, x: Any) -> Array:
        """Put elements around the last axes."""
        return F.pad(x, self.padding, "constant", self.value)

    def _describe(self) -> str:
        return f"{self.padding}, {self.value}"


_TEXT = """Put {what} around the last {axes}.

    A number for all sides, or (left, right) of the last axis, then of the one before it, and so on.
    """


class ConstantPad1d(_ConstantPad):
    __doc__ = _TEXT.format(what=_DOCS["constant"], axes="axis")
    mode, spatial = "constant", 1


class ConstantPad2d(_ConstantPad):
    __doc__ = _TEXT.format(what=_DOCS["constant"], axes="2 axes")
    mode, spatial = "constant", 2


class ConstantPad3d(_ConstantPad):
    __doc__ = _TEXT.format(what=_DOCS["constant"], axes="3 axes")
    mode, spatial = "constant", 3


class ZeroPad1d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["constant"], axes="axis")
    mode, spatial = "constant", 1


class ZeroPad2d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["constant"], axes="2 axes")
    mode, spatial = "constant", 2


class ZeroPad3d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["constant"], axes="3 axes")
    mode, spatial = "constant", 3


class ReflectionPad1d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["reflect"], axes="axis")
    mode, spatial = "reflect", 1


class ReflectionPad2d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["reflect"], axes="2 axes")
    mode, spatial = "reflect", 2


class ReflectionPad3d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["reflect"], axes="3 axes")
    mode, spatial = "reflect", 3


class ReplicationPad1d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["replicate"], axes="axis")
    mode, spatial = "replicate", 1


class ReplicationPad2d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["replicate"], axes="2 axes")
    mode, spatial = "replicate", 2


class ReplicationPad3d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["replicate"], axes="3 axes")
    mode, spatial = "replicate", 3


class CircularPad1d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["circular"], axes="axis")
    mode, spatial = "circular", 1


class CircularPad2d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["circular"], axes="2 axes")
    mode, spatial = "circular", 2


class CircularPad3d(_Pad):
    __doc__ = _TEXT.format(what=_DOCS["circular"], axes="3 axes")
    mode, spatial = "circular", 3
