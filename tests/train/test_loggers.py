"""Files that callbacks write: the history line by line, to the last digit."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train import callbacks as cb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def network(seed: int = 1) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.ReLU(), fl.nn.Linear(8, 2, rng=rng))


def fit(model: fl.nn.Module, *callbacks: Any, **facts: Any) -> fl.History:
    known = {"loss": "cross_entropy", "progress": False, "optimizer": fl.optim.SGD(0.1), **facts}
    return fl.fit(model, X, LABELS, callbacks=list(callbacks), **known)


def test_a_csv_file_holds_the_history_to_the_last_digit(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    history = fit(network(), cb.CSVLogger(path), epochs=4, validation=(X, LABELS), metrics=["accuracy"])
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("epoch") for row in rows] == ["1", "2", "3", "4"]
    assert [{name: float(text) for name, text in row.items()} for row in rows] == [
        {name: values[i] for name, values in history.items()} for i in range(4)
    ]


def test_json_lines_hold_the_history_and_null_for_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"

    def put(epoch: int, history: fl.History, *rest: Any) -> None:
        history.put(epoch, {"v": math.nan if epoch else 1.0})

    history = fit(network(), put, cb.JSONLogger(path), epochs=2)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows == [
        {"epoch": 1, **{name: values[0] for name, values in history.items()}},
        {"epoch": 2, "loss": history["loss"][1], "grad_norm": history["grad_norm"][1], "v": None},
    ]


def test_a_name_that_comes_later_gets_its_column(tmp_path: Path) -> None:
    def put(epoch: int, history: fl.History, *rest: Any) -> None:
        if epoch == 2:
            history.put(epoch, {"late": 7.0})

    fit(network(), put, cb.CSVLogger(tmp_path / "h.csv"), epochs=3)
    with (tmp_path / "h.csv").open() as file:
        assert [row["late"] for row in csv.DictReader(file)] == ["nan", "nan", "7.0"]


def test_a_file_is_begun_anew_or_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "h.csv"
    for append, lines in ((False, 3), (False, 3), (True, 6)):
        fit(network(), cb.CSVLogger(path, append=append), epochs=2)
        assert len(path.read_text().splitlines()) == lines


def test_a_file_that_cannot_be_written_is_known_before_the_first_step(tmp_path: Path) -> None:
    opt = fl.optim.SGD(0.1)
    with pytest.raises(OSError, match="absent"):
        fit(network(), cb.CSVLogger(tmp_path / "absent" / "h.csv"), optimizer=opt)
    assert opt.t == 0
