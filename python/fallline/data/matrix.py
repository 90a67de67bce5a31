"""How does an array of samples become numbers around zero?  By the statistics of its training rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline.data.errors import InputError
from fallline.data.source import Arrays

Floats = NDArray[np.float32]
ROUNDING = 1e-7  # a spread of less than this share of the mean is that of rounding errors


def check_deviations(*values: float) -> None:
    """Refuse what numbers cannot be divided by."""
    if not all(value > 0 for value in values):
        raise ValueError("a standard deviation must be positive")


def deviation(mean: float, std: float) -> float:
    """Return what to divide by: 1 where the spread is none, or that of rounding errors."""
    return std if std > ROUNDING * abs(mean) else 1.0


@dataclass(frozen=True)
class Matrix:
    """The inputs of an array: bytes divided by 255, anything else to mean 0 and standard deviation 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    features: int
    divide_by: float = 1.0

    def __post_init__(self) -> None:
        check_deviations(self.divide_by, *self.std)
        if not len(self.mean) == len(self.std) == (0 if self.divide_by != 1.0 else self.features):
            raise ValueError(
                f"{len(self.mean)} means and {len(self.std)} deviations do not fit {self.features} features"
            )

    @property
    def size(self) -> int:
        """Number of inputs."""
        return self.features

    @classmethod
    def fit(cls, x: NDArray[Any], notes: list[str]) -> Matrix:
        """Take the statistics from training rows."""
        if x.dtype == np.uint8:
            notes.append(f"x: {x.shape[1]} features of bytes, divided by 255")
            return cls((), (), x.shape[1], 255.0)
        mean, std = x.mean(axis=0, dtype=np.float64).tolist(), x.std(axis=0, dtype=np.float64).tolist()
        notes.append(f"x: {x.shape[1]} features, standardised")
        return cls(tuple(mean), tuple(map(deviation, mean, std)), x.shape[1])

    def encode(self, data: Arrays, notes: list[str]) -> Floats:
        """Turn rows into inputs."""
        x = data.x
        if x.shape[1] != self.features:
            raise InputError(f"{data.name} has {x.shape[1]} features, the model takes {self.features}")
        if self.divide_by != 1.0:
            if x.dtype != np.uint8:
                raise InputError(f"{data.name} has x of dtype {x.dtype}, the model was fitted on uint8")
            return np.asarray(x / np.float32(self.divide_by), dtype=np.float32)
        return np.asarray((x - np.array(self.mean)) / np.array(self.std), dtype=np.float32)

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "matrix", **asdict(self)}
