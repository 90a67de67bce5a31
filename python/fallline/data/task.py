"""Which task is it?  Classes or numbers: told by the user, or decided from the values of the target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fallline.data.errors import InputError, close_to, plural, shown
from fallline.data.numbers import PLAIN, Written, plain_numbers, way_of
from fallline.data.tables import as_numbers, is_missing, is_number
from fallline.data.target import Classification, Count, Quantiles, Regression, Target, as_names, plain_name, values_of

TASKS = ("classification", "regression", "ordinal", "count", "quantile")
MOST_INTEGER_CLASSES = 20
Values = NDArray[np.generic]


def fit_target(
    name: str,
    y: Values,
    training: NDArray[np.intp],
    notes: list[str],
    task: str | None = None,
    written: Written = PLAIN,
    bounded: bool = False,
    labels: Sequence[str] | None = None,
) -> Target:
    """Decide between classes and numbers from all values; take a number's statistics from the training rows.

    Whole numbers are classes where there are at most 20 different ones, or where they count from 0 or 1 with ten rows
    each; other numbers are to be predicted as such; texts are classes. `labels` tell how the values are spelled.
    """
    if task is not None and task not in TASKS:
        raise InputError(f"the task {shown(task)!r} is unknown; {close_to(task, TASKS)}")
    different = np.unique(y)
    if len(different) < 2:
        raise InputError(f"{shown(name)} has one class only ({shown(str(different[0]))!r}); there is nothing to learn")
    called, many = f"target {shown(name)}", len(different)
    numeric = y.dtype.kind in "biuf" and not _are_classes(different, y)
    if task in ("regression", "count", "quantile") or (task is None and numeric):
        values = values_of(name, y, written)[training]
        what = f"numbers ({many} different values)" + (f" with {written.said()}" if written != PLAIN else "")
        notes.append(f"{called}: {what}, " + (f"for {task}" if task else "so this is regression"))
        if task == "count":
            return Count.fit(name, values)
        if task == "quantile":
            return Quantiles.fit(name, values)
        return Regression.fit(name, values, written, bounded=bounded)
    if many > max(MOST_INTEGER_CLASSES, len(y) // 2):
        raise InputError(f"{shown(name)} has {many} different texts in {len(y)} rows; classes must repeat")
    classes, ordered = _spelled(y if labels is None else np.array(labels, dtype=str)), task == "ordinal"
    if ordered:
        classes.sort(key=lambda label: (0, float(label), "") if is_number(label) else (1, 0.0, label))
    notes.append(f"{called}: {plural(len(classes), 'class', 'classes')}, so this is classification")
    if ordered:
        notes[-1] = f"{called}: {len(classes)} classes in their order, from {shown(classes[0])} to {shown(classes[-1])}"
    return Classification(name, tuple(classes), ordered)


def _spelled(y: Values) -> list[str]:
    """Return the classes as they are spelled most often; 3 and 3.0 are one."""
    counts: dict[str, Counter[str]] = {}
    for label, count in Counter(as_names(y).tolist()).items():
        counts.setdefault(plain_name(label), Counter())[label] += count
    return sorted(max(sorted(spelled), key=spelled.__getitem__) for spelled in counts.values())


def _are_classes(values: Values, y: Values) -> bool:
    """Tell whether numbers, different and in order, are rather names."""
    if values.dtype.kind == "b":
        return True
    numbers = values.astype(np.float64)
    if not np.array_equal(numbers, np.round(numbers)):
        return False
    if len(numbers) <= MOST_INTEGER_CLASSES:
        return True
    if np.array_equal(numbers, np.arange(len(numbers))):
        return 10 * len(numbers) <= len(y)
    counting = np.array_equal(numbers, np.arange(1, len(numbers) + 1))
    return counting and int(np.unique(y, return_counts=True)[1].min()) >= 10


def absent_of(cells: Sequence[str]) -> set[str]:
    """Return the cells of a target that stand for no value; among texts, None is a label."""
    different = set(cells)
    absent = set(filter(is_missing, different))
    if all(map(is_number, different - absent)):
        return absent
    return {cell for cell in absent if cell.lower() != "none"}


def cells_as_target(name: str, cells: Sequence[str], *, commas: bool = False) -> tuple[Values, Written]:
    """Type the cells of a target: numbers where all are, or most of many (an error names what is none), else texts."""
    values = plain_numbers(cells)
    if values is not None and not np.isnan(values).any():
        return as_numbers(name, cells), PLAIN
    present = set(cells)
    written = way_of(present, commas=commas)
    if written != PLAIN and all(written.value(cell) is not None for cell in present):
        return values_of(name, np.array(cells, dtype=str), written), written
    numbers = sum(map(is_number, cells))
    if 2 * numbers > len(cells) and len(present) > MOST_INTEGER_CLASSES:
        return as_numbers(name, cells), PLAIN
    return np.array(cells, dtype=str), PLAIN
