"""`fallline predict`: a model file and new rows in, predictions out."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fallline as fl
from fallline._cli import options as check
from fallline._cli import places
from fallline._cli.fit import measure
from fallline._cli.report import plain_line, reason
from fallline.data import Arrays, InputError, Table, load, path_of, raw, shown
from fallline.data.errors import plural
from fallline.data.tables import is_missing
from fallline.train._predictor import Predictor


def run(model: str, data: str, output: str | None, force: bool) -> int:
    """Predict, write or print, and score where the truth is known."""
    check.need("safetensors")
    place = places.for_predictions(output, force, [Path(model), path_of(data)])
    predictor = open_model(model)
    source = raw.fitting(load(data), predictor.features)
    notes: list[str] = []
    x = predictor.encode(source, notes)
    outputs = predictor.logits(x)
    score = _score(predictor, source, x, notes)
    predictions = _as_csv(predictor, outputs)
    remarks = sys.stdout if place else sys.stderr
    for note in notes:
        print(note, file=remarks)
    if place:
        place.write(predictions.encode())
        print(f"wrote {len(x)} predictions to {place.path}")
    else:
        print(predictions, end="", flush=True)
    if score:
        print(plain_line("data", score), file=remarks)
    return 0


def open_model(path: str) -> Predictor:
    """Load what `fallline fit` wrote: the network and what surrounds it."""
    if not Path(path).is_file():
        raise InputError(f"there is no model file {shown(path, 200)}")
    try:
        found = fl.load(path)
    except ValueError as error:
        raise InputError(str(error).removeprefix("[load] ")) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    if not isinstance(found, Predictor):
        raise InputError(f"{path} was not written by `fallline fit`; it does not say how to encode data")
    return found


def _score(predictor: Predictor, data: Table | Arrays, x: NDArray[np.float32], notes: list[str]) -> dict[str, float]:
    """Compare with the truth of the rows where it is known and the model can have meant it; nothing without such."""
    target = predictor.target
    values = _truth(predictor, data)
    if values is None:
        return {}
    known = target.knows(values)
    strange = np.flatnonzero([not (k or is_missing(str(value))) for k, value in zip(known, values, strict=True)])
    if len(strange):
        notes.append(
            f"target {shown(target.name)}: {plural(len(strange), 'row')} with a value that the model cannot give "
            f"(such as {shown(str(values[strange[0]]))}); predicted, and left out of the score"
        )
    if not known.any():
        return {}
    y = target.encode(values[known])
    y = y.astype(np.float32)[:, None] if predictor.loss == "binary_cross_entropy" else y
    return measure(predictor.network, target, x[known], y, predictor.loss)


def _truth(predictor: Predictor, data: Table | Arrays) -> NDArray[Any] | None:
    """Return the targets of all rows as they stand in the data."""
    if isinstance(data, Arrays):
        return data.y
    cells = data.columns.get(predictor.target.name)
    return None if cells is None else np.array(cells, dtype=str)


def _as_csv(predictor: Predictor, outputs: NDArray[Any]) -> str:
    """Spell predictions one per line below a header; classes with the probability of each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = predictor.target.spelled(outputs)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
