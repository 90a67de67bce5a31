"""Histories as tables, pictures and files, and runs beside each other."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def once(seed: int, epochs: int = 3, **facts: Any) -> fl.History:
    model = fl.nn.Linear(3, 2, rng=fl.random.default_rng(seed))
    return fl.fit(
        model, X, LABELS, loss="cross_entropy", epochs=epochs, seed=seed, metrics=["accuracy", "confusion_matrix"],
        progress=False, **facts,
    )  # fmt: skip


def same(a: fl.History, b: fl.History) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


def test_a_history_is_saved_loaded_copied_and_pickled(tmp_path: Path) -> None:
    history = once(0, record_steps=True)
    history.interrupted = True
    history.save(tmp_path / "h.json")
    for other in (fl.History.load(tmp_path / "h.json"), copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert same(history, other)
        assert history["confusion_matrix"][1].shape == (2, 2)
        np.testing.assert_array_equal(other.steps["loss"], history.steps["loss"])
        assert other.interrupted


def test_epochs_that_are_not_numbers_are_kept(tmp_path: Path) -> None:
    history = fl.History()
    history.put(0, {"loss": np.inf})
    history.put(1, {"loss": 1.0, "val_loss": 2.0})
    history.save(tmp_path / "h.json")
    found = fl.History.load(tmp_path / "h.json")
    assert found["loss"] == [np.inf, 1.0]
    assert np.isnan(found["val_loss"][0])


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "other"}', '{"format": "fallline history 1"}'])
def test_a_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "h.json").write_text(text)
    with pytest.raises(ValueError, match=r"\[History\] .*h.json holds no history of fallline"):
        fl.History.load(tmp_path / "h.json")


def test_a_diverged_run_is_pickled_with_its_history() -> None:
    history = once(0)
    error = pickle.loads(pickle.dumps(fl.DivergedError("[fit] the loss became nan", history)))
    assert str(error) == "[fit] the loss became nan"
    assert same(error.history, history)


def test_a_history_is_printed_as_a_table() -> None:
    history = fl.History()
    for epoch in range(40):
        history.put(epoch, {"loss": 1 / (epoch + 1), "confusion_matrix": np.eye(2)})
    lines = str(history).splitlines()
    assert lines[:3] == ["epoch  loss", "1      1", "2      0.5"]
    assert lines[4].strip() == "..."
    assert lines[-1] == "40     0.025"
    assert "confusion" not in history._repr_html_()
    assert str(fl.History()) == "epoch"


def test_a_history_is_a_data_frame_with_a_row_for_each_epoch() -> None:
    pytest.importorskip("pandas")
    history = once(0)
    frame = history.to_pandas()
    assert list(frame.columns) == ["loss", "accuracy", "grad_norm"]
    assert frame.index.tolist() == [1, 2, 3]
    assert frame["loss"].tolist() == history["loss"]


def test_runs_over_seeds_have_means_and_bands() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    runs = fl.train.repeat(once, seeds=4)
    losses = [once(seed)["loss"] for seed in range(4)]
    np.testing.assert_array_equal(runs.values("loss"), losses)
    ax = runs.plot("loss")
    (line,), (band,) = ax.lines, ax.collections
    np.testing.assert_allclose(line.get_ydata(), np.mean(losses, 0))
    edges = band.get_paths()[0].vertices[:, 1]
    assert edges.max() == pytest.approx((np.mean(losses, 0) + np.std(losses, 0)).max())
    assert fl.train.repeat(once, seeds=[7]).values("loss")[0].tolist() == once(7)["loss"]


def test_kinds_of_runs_stand_beside_each_other(tmp_path: Path) -> None:
    adam = fl.train.repeat(once, 3)
    sgd = fl.train.repeat(lambda seed: once(seed, 2, optimizer="sgd"), 2)
    both = fl.train.compare(adam=adam, sgd=sgd, one=once(9))
    rows = both.table()
    assert [(row["run"], row["seeds"]) for row in rows] == [("adam", 3), ("sgd", 2), ("one", 1)]
    last = [history["loss"][-1] for history in adam["run"]]
    assert (rows[0]["loss"], rows[0]["loss ±"]) == pytest.approx((np.mean(last), np.std(last)))
    assert both.values("loss", "adam").shape == (3, 3)
    assert [line.split()[:2] for line in str(both).splitlines()] == [
        ["run", "seeds"], ["adam", "3"], ["sgd", "2"], ["one", "1"],
    ]  # fmt: skip
    assert "<td>adam</td>" in both._repr_html_()
    with pytest.raises(ValueError, match="of which are the values: adam, sgd, one"):
        both.values("loss")
    with pytest.raises(TypeError, match="adam must be a History"):
        fl.train.compare(adam=[1.0])  # type: ignore[arg-type]


def test_runs_of_other_lengths_end_where_they_end() -> None:
    pytest.importorskip("pandas")
    runs = fl.train.compare(a=fl.train.Runs({"": [once(0, 1), once(1, 3)]}))
    assert np.isnan(runs.values("loss")[0, 1:]).all()
    frame = runs.to_pandas()
    assert frame[["seed", "epoch"]].to_numpy().tolist() == [[0, 1], [1, 1], [1, 2], [1, 3]]
