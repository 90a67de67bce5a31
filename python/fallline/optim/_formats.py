"""How the state of one parameter lies in memory: in the parameter's own dtype, or compressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fallline import _core
from fallline.optim import _leaves

__all__ = ["STATE_DTYPES", "Format"]

STATE_DTYPES = ("bfloat16", "float8")
_ORDERS = ("row-major", "column-major")


class Format:
    """Makes and checks the slots of a rule.

    A compressed slot is a flat array of bytes: codes in the memory order of the parameter, with "float8" an exponent
    for each block of 256 codes, and the number of that order. Slots that a rule cannot spare stay as they are.

    Parameters
    ----------
    rule
        The optimizer's name, for messages.
    values
        What each slot holds: "signed", "nonnegative" or "exact".
    state_dtype
        None for the parameter's own, "bfloat16" or "float8".
    """

    def __init__(self, rule: str, values: Mapping[str, str], state_dtype: str | None) -> None:
        self.rule, self.state_dtype = rule, state_dtype
        if state_dtype is None:
            values = {}
        elif state_dtype not in STATE_DTYPES:
            raise ValueError(f"[{rule}] state_dtype must be None, 'bfloat16' or 'float8', got {state_dtype!r}")
        elif "signed" not in values.values() and "nonnegative" not in values.values():
            raise ValueError(f"[{rule}] no state of this rule may be compressed; use state_dtype=None")
        self._values = {slot: kind for slot, kind in values.items() if kind != "exact"}

    @property
    def precision(self) -> str:
        """The name of the format in the native code."""
        return self.state_dtype or "full"

    def new(self, slot: str, start: Any, like: np.ndarray) -> np.ndarray:
        """Return the slot of the parameter `like`, filled with `start`."""
        full: np.ndarray = np.empty(like.shape, like.dtype, _leaves.order_of(like))  # type: ignore[call-overload]
        full[...] = start
        if slot not in self._values:
            return full
        self._check_dtype(like)
        return self.encode(slot, full)

    def encode(self, slot: str, x: np.ndarray, key: int = 0) -> np.ndarray:
        """Return the codes of x in its memory order."""
        flat = x.ravel("F" if _order(x) else "C")
        codes: np.ndarray = _core.encode_state(self.precision, self._values[slot], flat, key, _order(x))
        return codes

    def decode(self, slot: str, state: np.ndarray, like: np.ndarray) -> np.ndarray:
        """Return the values of a slot of the parameter `like`."""
        if slot not in self._values:
            copy: np.ndarray = state.copy(order="K")
            return copy
        flat: np.ndarray = _core.decode_state(self.precision, self._values[slot], state, like.size)
        values: np.ndarray = flat.reshape(like.shape, order="F" if state[-1] else "C")
        return values

    def nbytes(self, slot: str, like: np.ndarray) -> int:
        """Return how many bytes the slot of the parameter `like` takes."""
        return _core.compressed_bytes(self.precision, like.size) if slot in self._values else like.nbytes

    def check(self, path: str, slot: str, state: Any, like: Any) -> None:
        """Raise unless `state` is a slot of the parameter `like`."""
        compressed = slot in self._values
        if compressed:
            self._check_dtype(like)
        expected = ((self.nbytes(slot, like),), np.uint8) if compressed else (like.shape, like.dtype)
        if (state.shape, state.dtype) != expected:
            raise _core.ShapeError(
                f"[{self.rule}] '{path}' is {like.dtype}{like.shape}, but its state '{slot}' is "
                f"{state.dtype}{state.shape}"
            )
        if compressed and int(state[-1]) != _order(like):
            raise ValueError(
                f"[{self.rule}] '{path}' is {_ORDERS[_order(like)]} in memory, but its compressed state '{slot}' was "
                f"made for {_ORDERS[int(state[-1]) % 2]} memory; np.asfortranarray and np.ascontiguousarray change it"
            )

    def fits_any(self, slot: str, dtype: np.dtype) -> bool:
        """Whether some parameter may have a slot of this dtype."""
        return dtype == np.uint8 if slot in self._values else dtype in (np.float32, np.float64)

    def _check_dtype(self, like: Any) -> None:
        if like.dtype != np.float32:
            raise _core.DTypeError(
                f"[{self.rule}] state_dtype={self.state_dtype!r} is for float32 parameters, got {like.dtype}"
            )


def _order(array: np.ndarray) -> int:
    return int(_leaves.order_of(array) == "F")
