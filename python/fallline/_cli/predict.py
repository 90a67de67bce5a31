"""`fallline predict`: a model file and new rows in, predictions out."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fallline as fl
from fallline._cli import options as check
from fallline._cli.fit import measure
from fallline._cli.report import plain_line
from fallline._data import Arrays, InputError, Table, load
from fallline._data.encode import Columns, Matrix, from_description
from fallline._data.tables import is_missing
from fallline._data.target import Classification, Target, cells_as_target
from fallline._data.target import from_description as target_from_description
from fallline.train._checkpoint import read, write_atomically


def run(model: str, data: str, output: str | None) -> int:
    """Predict, write or print, and score where the truth is known."""
    check.need("safetensors")
    place = None if output is None else check.writable(Path(output))
    network, features, target, loss = open_model(model)
    source = _fitting_part(load(data), features, model)
    notes: list[str] = []
    x = features.encode(source, notes)  # type: ignore[arg-type]  # _fitting_part made them fit
    outputs = np.asarray(fl.predict(network, x))
    predictions = _as_csv(target, outputs)
    remarks = sys.stdout if place else sys.stderr
    for note in notes:
        print(note, file=remarks)
    known, truth = _truth(source, target)
    line = ""
    if len(known):
        y = target.encode(truth)
        y = y.astype(np.float32)[:, None] if loss == "binary_cross_entropy" else y
        line = plain_line("data", measure(network, target, x[known], y, loss))
    if place:
        write_atomically(place, predictions.encode())
        print(f"wrote {len(x)} predictions to {place}")
    else:
        print(predictions, end="", flush=True)
    if line:
        print(line, file=remarks)
    return 0


def open_model(path: str) -> tuple[Any, Columns | Matrix, Target, str]:
    """Load what `fallline fit` wrote: the network and what surrounds it."""
    if not Path(path).is_file():
        raise InputError(f"there is no model file {path}")
    try:
        texts = read(path)[1]
        network = fl.load(path)
    except ValueError as error:
        raise InputError(str(error).removeprefix("[load] ")) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not {"features", "target", "loss"} <= set(texts):
        raise InputError(f"{path} was not written by `fallline fit`; it does not say how to encode data")
    features, target = from_description(json.loads(texts["features"])), json.loads(texts["target"])
    return network, features, target_from_description(target), json.loads(texts["loss"])


def _fitting_part(data: Table | Arrays, features: Columns | Matrix, model: str) -> Table | Arrays:
    """Refuse a table for a model of arrays and the reverse; take the test part where data are split."""
    if isinstance(data, Table) != isinstance(features, Columns):
        wanted = "a CSV file" if isinstance(features, Columns) else "an .npz file or a named data set"
        raise InputError(f"{model} was fitted to another kind of data than {data.name}; give it {wanted}")
    if isinstance(data, Arrays) and data.x_test is not None:
        return Arrays(data.name, data.x_test, data.y_test)
    return data


def _truth(data: Table | Arrays, target: Target) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the rows whose target is known, and those targets."""
    if isinstance(data, Arrays):
        y = np.zeros(0) if data.y is None else data.y
        return np.arange(len(y)), y
    cells = data.columns.get(target.name, [])
    known = [i for i, cell in enumerate(cells) if not is_missing(cell)]
    values = cells_as_target(target.name, [cells[i] for i in known])
    return np.array(known, dtype=np.intp), values


def _as_csv(target: Target, outputs: NDArray[Any]) -> str:
    """Spell predictions one per line below a header; classes with the probability that the network gives them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = target.decode(outputs)
    if isinstance(target, Classification):
        writer.writerow(["prediction", "probability"])
        writer.writerows((name, f"{p:.4f}") for name, p in zip(names, _probabilities(outputs), strict=True))
    else:
        writer.writerow(["prediction"])
        writer.writerows((f"{value:.7g}",) for value in names)
    return text.getvalue()


def _probabilities(outputs: NDArray[Any]) -> NDArray[np.float64]:
    """Return the largest probability of each row; one output is the logit of the second class."""
    z = outputs.reshape(len(outputs), -1).astype(np.float64)
    if z.shape[1] == 1:
        z = np.hstack([np.zeros_like(z), z])
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e.max(axis=1) / e.sum(axis=1))
