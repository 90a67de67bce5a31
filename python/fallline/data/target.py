"""What is to be predicted: a class among a few, or a number in the user's own units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fallline.data.described import rebuilt
from fallline.data.errors import InputError, listed, plural, shown
from fallline.data.matrix import check_deviations
from fallline.data.numbers import plain_numbers
from fallline.data.tables import LARGEST, as_numbers, is_number

MOST_INTEGER_CLASSES = 20


@dataclass(frozen=True)
class Regression:
    """A number; the network works on it with mean 0 and standard deviation 1."""

    LOSSES: ClassVar[tuple[str, ...]] = ("mse", "mae", "huber")
    name: str
    mean: float
    std: float

    def __post_init__(self) -> None:
        check_deviations(self.std)

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64]) -> Regression:
        """Take the statistics from training rows."""
        return cls(name, float(values.mean()), float(values.std()) or 1.0)

    @property
    def outputs(self) -> int:
        """Width of the network's last layer."""
        return 1

    def knows(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which values can be compared with a prediction."""
        if values.dtype.kind == "U":
            return np.array([is_number(text) and abs(float(text)) <= LARGEST for text in values], dtype=bool)
        return np.abs(values.astype(np.float64)) <= LARGEST

    def encode(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Standardise, in the shape of the network's output."""
        return ((as_values(self.name, values) - self.mean) / self.std).astype(np.float32)[:, None]

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Go back to the user's units."""
        return np.asarray(outputs, dtype=np.float64).reshape(-1) * self.std + self.mean

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Refuse: a number has none."""
        raise TypeError(f"[predict_proba] there are probabilities of classes only, and {shown(self.name)} is a number")

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "regression", **asdict(self)}


@dataclass(frozen=True)
class Classification:
    """One of several classes, by name."""

    LOSSES: ClassVar[tuple[str, ...]] = ("cross_entropy", "binary_cross_entropy")
    name: str
    classes: tuple[str, ...]

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
        place = {name: i for i, name in enumerate(self.classes)}
        names = as_names(values).tolist()
        return np.array([place.get(name, place.get(_whole(name), -1)) for name in names], dtype=np.int64)

    def decode(self, outputs: NDArray[Any]) -> NDArray[np.str_]:
        """Name the class of the largest output (of the sign, where there is one output for two classes)."""
        outputs = np.asarray(outputs).reshape(len(outputs), -1)
        best = (outputs[:, 0] > 0).astype(np.intp) if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        return np.asarray(np.array(self.classes)[best], dtype=str)

    def probabilities(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of every class for each row; one output is the logit of the second class."""
        z = np.asarray(outputs, dtype=np.float64).reshape(len(outputs), -1)
        if z.shape[1] == 1:
            z = np.hstack([np.zeros_like(z), z])
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    def describe(self) -> dict[str, Any]:
        """Return what `from_description` takes back."""
        return {"kind": "classification", **asdict(self)}


Target = Regression | Classification


def from_description(description: dict[str, Any]) -> Target:
    """Rebuild the target that a model file describes."""
    kinds: dict[str, type[Regression] | type[Classification]] = {
        "regression": Regression,
        "classification": Classification,
    }
    return rebuilt(kinds[description["kind"]], description)


def fit_target(name: str, y: NDArray[Any], training: NDArray[np.intp], notes: list[str]) -> Target:
    """Decide between classes and numbers from all values; take a number's statistics from the training rows.

    Whole numbers are classes where there are at most 20 different ones, or where they count 0, 1, 2, ... with ten rows
    each; other numbers are to be predicted as such; texts are classes.
    """
    different = np.unique(y)
    if len(different) < 2:
        raise InputError(f"{shown(name)} has one class only ({shown(str(different[0]))!r}); there is nothing to learn")
    if y.dtype.kind in "biuf" and not _are_classes(np.unique(y), len(y)):
        notes.append(f"target {shown(name)}: numbers ({len(different)} different values), so this is regression")
        return Regression.fit(name, y[training].astype(np.float64))
    if len(different) > max(MOST_INTEGER_CLASSES, len(y) // 2):
        raise InputError(f"{shown(name)} has {len(different)} different texts in {len(y)} rows; classes must repeat")
    notes.append(f"target {shown(name)}: {plural(len(different), 'class', 'classes')}, so this is classification")
    return Classification(name, tuple(np.unique(as_names(different)).tolist()))


def _are_classes(values: NDArray[Any], rows: int) -> bool:
    if values.dtype.kind == "b":
        return True
    if not np.array_equal(values, np.round(values)):
        return False
    counting = np.array_equal(values, np.arange(len(values)))
    return len(values) <= MOST_INTEGER_CLASSES or (counting and 10 * len(values) <= rows)


def as_names(values: NDArray[Any]) -> NDArray[np.str_]:
    """Spell values as class names: 3.0 and 3 are the same class."""
    if values.dtype.kind == "f":
        whole = values == np.round(values)
        return np.array([str(int(v)) if w else str(v) for v, w in zip(values, whole, strict=True)], dtype=str)
    return values.astype(str)


def _whole(text: str) -> str:
    """Spell a number in a text as a class name, so that 3.0 finds the class 3."""
    return str(as_names(np.array([float(text)]))[0]) if is_number(text) and abs(float(text)) <= LARGEST else text


def as_values(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return targets as numbers, or say that they are none."""
    if values.dtype.kind == "U":
        return as_numbers(name, values.tolist())
    return values.astype(np.float64)


def cells_as_target(name: str, cells: Sequence[str]) -> NDArray[Any]:
    """Type the cells of a target: numbers where all are, or most of many (an error names what is none), else texts."""
    values = plain_numbers(cells)
    if values is not None and not np.isnan(values).any():
        return as_numbers(name, cells)
    numbers = sum(map(is_number, cells))
    if numbers == len(cells) or (2 * numbers > len(cells) and len(set(cells)) > MOST_INTEGER_CLASSES):
        return as_numbers(name, cells)
    return np.array(cells, dtype=str)
