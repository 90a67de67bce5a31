"""R16: optimizer, loss, batch size and rate chosen together, by name or object; frozen, printed, saved, compared."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train import Options

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
Y = X[:, :1] * 2


def network() -> fl.nn.Linear:
    return fl.nn.Linear(3, 1, rng=fl.random.default_rng(0))


SETS: dict[str, dict[str, Any]] = {
    "names": {"loss": "mse", "optimizer": "adam", "lr": 0.01, "batch_size": 16},
    "objects": {"loss": fl.nn.losses.mse, "optimizer": fl.optim.AdamW(0.01, betas=(0.8, 0.9)), "batch_size": "full"},
    "a schedule": {
        "loss": "mae",
        "optimizer": fl.optim.SGD(
            fl.optim.schedules.join([fl.optim.schedules.linear(0.0, 0.1, 4), fl.optim.schedules.cosine(0.1)], [4])
        ),
    },
    "much": {"loss": "huber", "epochs": 3, "seed": 4, "metrics": ["mae", "r2"], "ema": 0.9, "clip_value": 0.5},
}


@pytest.mark.parametrize("name", SETS)
def test_options_train_as_their_arguments_do_again_and_again(name: str, tmp_path: Path) -> None:
    options = Options(**SETS[name])
    options.save(tmp_path / "options.json")
    given = {key: copy.deepcopy(value) for key, value in SETS[name].items() if key != "lr"}
    if "lr" in SETS[name]:
        given["optimizer"] = fl.optim.Adam(0.01)
    wanted = network()
    fl.fit(wanted, X, Y, **given, progress=False)
    for again in (options, options, Options.load(tmp_path / "options.json"), pickle.loads(pickle.dumps(options))):
        model = network()
        fl.fit(model, X, Y, **again, progress=False)
        np.testing.assert_array_equal(model.weight, wanted.weight)
    again = Options.load(tmp_path / "options.json")
    assert name == "objects" or (again == options and hash(again) == hash(options) and repr(again) == repr(options))


def test_options_are_compared_and_frozen() -> None:
    options = Options(loss="mse", optimizer="adam", lr=0.01)
    assert options == Options(loss="mse", optimizer=fl.optim.Adam(0.01))
    assert options != options.replace(lr=0.02)
    assert repr(options.replace(lr=0.02, batch_size=8)) == "Options(loss='mse', optimizer=Adam(lr=0.02), batch_size=8)"
    assert options.loss == "mse"
    with pytest.raises(AttributeError, match="options are frozen; make others"):
        options.loss = "mae"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="'epochs' was not given"):
        _ = options.epochs
    assert options.optimizer is not options.optimizer
    assert copy.deepcopy(options) == options


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda folder: Options(losss="mse"), "no argument 'losss'.*loss"),
        (lambda folder: Options(loss="mse", batch_size=0), r"\[Options\] batch_size must be"),
        (lambda folder: Options(loss="mse", optimizer=fl.optim.Adam(), lr=0.1), "lr belongs to an optimizer given by"),
        (lambda folder: Options(loss=lambda a, b: a.sum()).save(folder / "o"), "loss=.* cannot be saved"),
        (lambda folder: Options(optimizer=fl.optim.EMA(fl.optim.Adam())).save(folder / "o"), "optimizer=EMA.*cannot"),
        (lambda folder: (folder / "o").write_text("[") and Options.load(folder / "o"), "does not hold options"),
        (lambda folder: (folder / "o").write_text("[]") and Options.load(folder / "o"), "does not hold options"),
    ],
)
def test_what_cannot_be_is_told(call: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        call(tmp_path)
