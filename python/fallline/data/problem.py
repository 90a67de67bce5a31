"""From a data set to a problem: split, encoded inputs and targets, and one line for each thing that was done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline.data.encode import Columns
from fallline.data.errors import InputError, plural, shown
from fallline.data.kinds import PLAIN_NETWORK, Style, fit_columns
from fallline.data.matrix import Matrix
from fallline.data.source import Arrays
from fallline.data.tables import Table
from fallline.data.target import Target
from fallline.data.task import absent_of, cells_as_target, fit_target

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Part:
    """Encoded inputs and targets of one split."""

    x: NDArray[np.float32]
    y: NDArray[Any]


@dataclass(frozen=True)
class Problem:
    """All that a fit needs; `validation` and `test` are None where no rows were asked for."""

    train: Part
    validation: Part | None
    test: Part | None
    features: Columns | Matrix
    target: Target
    notes: list[str] = field(default_factory=list)


def prepare(
    data: Table | Arrays,
    target: str | None,
    validation: float,
    test: float,
    seed: int,
    *,
    task: str | None = None,
    told: Mapping[str, str] | None = None,
    style: Style = PLAIN_NETWORK,
) -> Problem:
    """Split, fit the encodings on the training rows, and apply them to every split.

    `told` names kinds of columns, `task` what the target is, where they are not to be found out.
    """
    if isinstance(data, Table):
        return _from_table(data, target, (validation, test, seed), task, told or {}, style)
    if target is not None:
        raise InputError(f"a target names a column of a table; {data.name} has its own y")
    if data.y is None:
        raise InputError(f"{data.name} has x and no y; fitting needs both")
    return _from_arrays(data, data.y, (validation, test, seed), task)


def split(rows: int, validation: float, test: float, seed: int) -> tuple[Rows, Rows, Rows]:
    """Shuffle row numbers by seed and cut them into training, validation and test rows."""
    check_shares({"validation": validation, "test": test})
    order = np.random.default_rng(seed).permutation(rows)
    held = round(rows * test)
    seen = held + round(rows * validation)
    if rows - seen < 1 or (validation and seen == held) or (test and held == 0):
        raise InputError(
            f"too few rows ({rows}) to hold back {validation:g} of them for validation and {test:g} for test"
        )
    return np.sort(order[seen:]), np.sort(order[held:seen]), np.sort(order[:held])


def check_shares(shares: Mapping[str, float]) -> None:
    """Refuse shares of the rows that leave nothing to train on."""
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise InputError(f"{name} must be a share between 0 and 1, got {share:g}")
    if sum(shares.values()) >= 1:
        held = " and ".join(f"{name} {share:g}" for name, share in shares.items())
        raise InputError(f"{held} leave nothing to train on")


def _from_table(
    table: Table,
    target: str | None,
    shares: tuple[float, float, int],
    task: str | None,
    told: Mapping[str, str],
    style: Style,
) -> Problem:
    notes = list(table.notes)
    if target is None:
        target = list(table.columns)[-1]
        notes.append(f"target {shown(target)}: the last column of {table.name}, since none is named")
    cells = table.column(target)
    absent = absent_of(cells)
    known = np.array([i for i, cell in enumerate(cells) if cell not in absent], np.intp)
    if not len(known):
        raise InputError(f"the column {shown(target)!r} of {table.name} has no values")
    if len(known) < table.rows:
        notes.append(f"target {shown(target)}: {plural(table.rows - len(known), 'row')} without a value left out")
        table = table.take(known)
    rows = split(table.rows, *shares)
    cells = table.columns[target]
    y, written = cells_as_target(target, cells, commas=table.commas)
    kind = fit_target(target, y, rows[0], notes, task, written, bounded=style.robust, labels=cells)
    features = fit_columns(table, rows[0], target, notes, told, style)
    x, truth = features.encode(table, notes), kind.encode(y)
    train, held, tested = (Part(x[r], truth[r]) if len(r) else None for r in rows)
    assert train is not None
    notes.append(_sizes(train, held, tested))
    return Problem(train, held, tested, features, kind, notes)


def _from_arrays(data: Arrays, y: NDArray[Any], shares: tuple[float, float, int], task: str | None) -> Problem:
    validation, test, seed = shares
    notes: list[str] = []
    own = data.x_test is not None
    rows = split(len(y), validation, 0.0 if own else test, seed)
    kind = fit_target("y", y, rows[0], notes, task)
    features = Matrix.fit(data.x[rows[0]], notes)

    def part(x: NDArray[Any] | None, labels: NDArray[Any] | None) -> Part | None:
        if x is None or labels is None or not len(x):
            return None
        return Part(features.encode(Arrays(data.name, x, labels), notes), kind.encode(labels))

    train, held, tested = (part(data.x[r], y[r]) for r in rows)
    if own:
        tested = part(data.x_test, data.y_test)
    assert train is not None
    notes.append(_sizes(train, held, tested))
    return Problem(train, held, tested, features, kind, notes)


def _sizes(train: Part, validation: Part | None, test: Part | None) -> str:
    named = {"training": train, "validation": validation, "test": test}
    return "rows: " + ", ".join(f"{len(part.x)} for {name}" for name, part in named.items() if part is not None)
