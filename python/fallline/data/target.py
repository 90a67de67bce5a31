"""What is to be predicted: a class among a few, a number in the user's own units, a count, or quantiles of a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fallline.data.described import rebuilt
from fallline.data.errors import InputError, listed, shown
from fallline.data.matrix import check_deviations
from fallline.data.numbers import Written, read
from fallline.data.tables import LARGEST, as_numbers, check_finite, is_number

Spelled = dict[str, list[str]]  # the columns of a file of predictions


def values_of(name: str, values: NDArray[Any], written: Written) -> NDArray[np.float64]:
    """Return targets as numbers, or say that they are none."""
    if values.dtype.kind == "U":
        cells = values.tolist()
        found = read(cells, written)
        if len(found.words):
            return as_numbers(name, cells)
        check_finite(name, cells, found.values)
        return found.values
    return values.astype(np.float64)


def usable(values: NDArray[Any], written: Written) -> NDArray[np.bool_]:
    """Tell which values are numbers that can be compared with a prediction."""
    numbers = read(values.tolist(), written).values if values.dtype.kind == "U" else values.astype(np.float64)
    return np.asarray(np.abs(numbers) <= LARGEST)


def no_probabilities(name: str) -> TypeError:
    """Say why a number has none."""
    return TypeError(f"[predict_proba] there are probabilities of classes only, and {shown(name)} is a number")


@dataclass(frozen=True)
class Regression:
    """A number; the network works on it with mean 0 and standard deviation 1. Predictions stay in [low, high]."""

    LOSSES: ClassVar[tuple[str, ...]] = ("mse", "mae", "huber")
    name: str
    mean: float
    std: float
    low: float = -LARGEST
    high: float = LARGEST
    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        check_deviations(self.std)

    @classmethod
    def fit(
        cls, name: str, values: NDArray[np.float64], written: Written | None = None, *, bounded: bool = False
    ) -> Regression:
        """Take the statistics from training rows, and where `bounded` the range of predictions."""
        way = (written.decimal, written.thousands, written.unit) if written else ()
        limits = (float(values.min()), float(values.max())) if bounded else (-LARGEST, LARGEST)
        return cls(name, float(values.mean()), float(values.std()) or 1.0, *limits, *way)

    @property
    def outputs(self) -> int:
        """Width of the network's last layer."""
        return 1

    @property
    def written(self) -> Written:
        """How its numbers are written."""
        return Written(self.decimal, self.thousands, self.unit)

    def knows(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which values can be compared with a prediction."""
        return usable(values, self.written)

    def encode(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Standardise, in the shape of the network's output."""
        return ((values_of(self.name, values, self.written) - self.mean) / self.std).astype(np.float32)[:, None]

    def values(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Go back to the user's units."""
        return np.asarray(encoded, dtype=np.float64).reshape(-1) * self.std + self.mean

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the predictions."""
        return np.clip(self.values(outputs), self.low, self.high)

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Refuse: a number has none."""
        raise no_probabilities(self.name)

    def spelled(self, outputs: NDArray[Any]) -> Spelled:
        """Write predictions as columns of text."""
        return {"prediction": numbers_as_text(self.decode(outputs))}

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "regression", **asdict(self)}


@dataclass(frozen=True)
class Count:
    """A whole number from 0 on, of which the network gives the logarithm of the mean; none above `high`."""

    LOSSES: ClassVar[tuple[str, ...]] = ("poisson_nll",)
    name: str
    high: float

    outputs: ClassVar[int] = 1

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64]) -> Count:
        """Take the range from training rows."""
        if values.min() < 0:
            raise InputError(f"{shown(name)} has the value {values.min():g}; counts begin at 0")
        return cls(name, float(values.max()))

    def knows(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which values can be compared with a prediction."""
        return usable(values, Written())

    def encode(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return the counts in the shape of the network's output."""
        return values_of(self.name, values, Written()).astype(np.float32)[:, None]

    def values(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Return the counts."""
        return np.asarray(encoded, dtype=np.float64).reshape(-1)

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the expected counts."""
        z = np.asarray(outputs, dtype=np.float64).reshape(-1)
        return np.minimum(np.exp(np.minimum(z, 200)), self.high)

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Refuse: a number has none."""
        raise no_probabilities(self.name)

    def spelled(self, outputs: NDArray[Any]) -> Spelled:
        """Write predictions as columns of text."""
        return {"prediction": numbers_as_text(self.decode(outputs))}

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "count", **asdict(self)}


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of a number, each moved by a shift that makes as many of the judged rows lie below as it says."""

    LOSSES: ClassVar[tuple[str, ...]] = ("quantile",)
    name: str
    mean: float
    std: float
    levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    shifts: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        check_deviations(self.std)
        if len(self.levels) != len(self.shifts) or not all(0 < q < 1 for q in self.levels) or not self.levels:
            raise ValueError("each quantile needs its level between 0 and 1, and its shift")

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64]) -> Quantiles:
        """Take the statistics from training rows."""
        return cls(name, float(values.mean()), float(values.std()) or 1.0)

    @property
    def outputs(self) -> int:
        """Width of the network's last layer."""
        return len(self.levels)

    def calibrated(self, outputs: NDArray[np.float64], truth: NDArray[Any]) -> Quantiles:
        """Return it with the shifts for outputs (..., levels) of rows that were not learned from (conformal)."""
        errors = truth[..., None] - outputs
        flat = errors.reshape(-1, len(self.levels))
        return replace(self, shifts=tuple(float(np.quantile(flat[:, i], q)) for i, q in enumerate(self.levels)))

    def knows(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which values can be compared with a prediction."""
        return usable(values, Written())

    def encode(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Standardise."""
        return ((values_of(self.name, values, Written()) - self.mean) / self.std).astype(np.float32)[:, None]

    def values(self, encoded: NDArray[Any]) -> NDArray[np.float64]:
        """Go back to the user's units."""
        return np.asarray(encoded, dtype=np.float64).reshape(-1) * self.std + self.mean

    def quantiles(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the quantiles of each row in the user's units, in order."""
        z = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1) + np.array(self.shifts)
        return np.sort(z, axis=1) * self.std + self.mean

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the middle one."""
        middle: NDArray[np.float64] = self.quantiles(outputs)[:, len(self.levels) // 2]
        return middle

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Refuse: a number has none."""
        raise no_probabilities(self.name)

    def spelled(self, outputs: NDArray[Any]) -> Spelled:
        """Write predictions as columns of text."""
        found = {f"quantile_{q:g}": numbers_as_text(v) for q, v in zip(self.levels, self.quantiles(outputs).T)}  # noqa: B905
        return {"prediction": numbers_as_text(self.decode(outputs)), **found}

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "quantiles", **asdict(self)}


@dataclass(frozen=True)
class Classification:
    """One of several classes, by name; of `ordered` ones the middle of what is likely is predicted."""

    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "binary_cross_entropy")
    name: str
    classes: tuple[str, ...]
    ordered: bool = False

    @property
    def outputs(self) -> int:
        """Width of the network's last layer."""
        return len(self.classes)

    def encode(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Turn names into indices 0, 1, ..."""
        indices = self._indices(values)
        if (indices < 0).any():
            first = int(np.argmin(indices))
            raise InputError(
                f"{shown(self.name)} has the label {shown(str(as_names(values)[first]))!r} in row {first + 1}, "
                f"out of the range of the {len(self.classes)} training classes ({listed(self.classes)})"
            )
        return indices

    def knows(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which labels can be compared with a prediction."""
        return self._indices(values) >= 0

    def _indices(self, values: NDArray[Any]) -> NDArray[np.int64]:
        place = {plain_name(name): i for i, name in enumerate(self.classes)}
        place |= {name: i for i, name in enumerate(self.classes)}
        names = as_names(values).tolist()
        known = {name: place.get(name, place.get(plain_name(name), -1)) for name in set(names)}
        return np.array([known[name] for name in names], dtype=np.int64)

    def values(self, encoded: NDArray[Any]) -> NDArray[np.str_]:
        """Name the classes of indices."""
        return np.asarray(np.array(self.classes)[np.asarray(encoded).reshape(-1).astype(np.intp)], dtype=str)

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.str_]:
        """Name the class of the largest output (of the sign, where there is one output for two classes)."""
        if self.ordered:
            below = np.cumsum(self.probabilities(outputs), axis=1)
            return self.values((below < 0.5).sum(axis=1).clip(0, len(self.classes) - 1))
        outputs = np.asarray(outputs).reshape(len(outputs), -1)
        return self.values((outputs[:, 0] > 0) if outputs.shape[1] == 1 else outputs.argmax(axis=1))

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of every class for each row; one output is the logit of the second class."""
        z = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1)
        if z.shape[1] == 1:
            z = np.hstack([np.zeros_like(z), z])
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    def spelled(self, outputs: NDArray[Any]) -> Spelled:
        """Write labels and the probability of each class as columns of text."""
        shares = self.probabilities(outputs)
        each = {f"probability_{c}": [f"{p:.4f}" for p in shares[:, i]] for i, c in enumerate(self.classes)}
        return {"prediction": self.decode(outputs).tolist(), **each}

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "classification", **asdict(self)}


Target = Regression | Classification | Count | Quantiles
KINDS: dict[str, type[Any]] = {
    "regression": Regression,
    "classification": Classification,
    "count": Count,
    "quantiles": Quantiles,
}


def from_description(description: dict[str, Any]) -> Target:
    """Rebuild the target that a model file describes."""
    made: Target = rebuilt(KINDS[description["kind"]], description)
    return made


def as_names(values: NDArray[Any]) -> NDArray[np.str_]:
    """Spell values as class names: 3.0 and 3 are the same class."""
    if values.dtype.kind == "f":
        whole = values == np.round(values)
        return np.array([str(int(v)) if w else str(v) for v, w in zip(values, whole, strict=True)], dtype=str)
    return values.astype(str)


def plain_name(text: str) -> str:
    """Spell a number in a text as a class name, so that 3.0 finds the class 3."""
    return str(as_names(np.array([float(text)]))[0]) if is_number(text) and abs(float(text)) <= LARGEST else text


def numbers_as_text(values: Sequence[float] | NDArray[np.float64]) -> list[str]:
    """Write numbers with seven digits."""
    return [f"{value:.7g}" for value in values]
