"""A training that was broken off, wherever, goes on with the same call and ends with the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train import callbacks as cb

pytest.importorskip("safetensors")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def network(seed: int = 1) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    return fl.nn.Sequential(
        fl.nn.Linear(4, 8, rng=rng), fl.nn.BatchNorm1d(8), fl.nn.Dropout(0.3), fl.nn.ReLU(), fl.nn.Linear(8, 2, rng=rng)
    )


def arrays(model: fl.nn.Module) -> dict[str, np.ndarray]:
    return {path: np.array(a) for path, a in model.state_dict().items()}


class Broken(Exception):
    """The process is gone."""


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": lambda: fl.optim.Adam(0.01),
    "NAdam on a schedule": lambda: fl.optim.NAdam(fl.optim.schedules.one_cycle(0.05, 20)),
    "steps of epochs": lambda: fl.optim.SGD(fl.optim.schedules.step(0.5, every=1, per="epoch")),
    "open cosine": lambda: fl.optim.Adam(fl.optim.schedules.cosine(0.05)),
    "EMA": lambda: fl.optim.EMA(fl.optim.AdamW(0.01), 0.9),
    "chain": lambda: fl.optim.chain(fl.optim.accumulate(3), fl.optim.clip_global_norm(0.1), fl.optim.Momentum(0.1)),
    "SWA": lambda: fl.optim.SWA(fl.optim.SGD(0.1), start=3),
    "Lookahead": lambda: fl.optim.Lookahead(fl.optim.SGD(0.1)),
    "SAM": lambda: fl.optim.SAM(fl.optim.SGD(0.1)),
    "Shampoo": lambda: fl.optim.Shampoo(0.01),
    "compressed": lambda: fl.optim.Adam(0.01, state_dtype="float8"),
    "switch": lambda: fl.optim.SwitchTo(fl.optim.Adam(0.01), fl.optim.SGD(0.1), at=1, per="epoch"),
}


def train(folder: Path, optimizer: str = "Adam", stop: int | None = None, seed: int = 1, **facts: Any) -> Any:
    """Train for 3 epochs of 4 steps; `stop`: an error after so many steps. Return everything that came of it."""
    model, opt = network(seed), OPTIMIZERS[optimizer]()

    def fail(run: fl.train.Run) -> None:
        if run.step == stop:
            raise Broken

    watch = [
        cb.EarlyStopping("val_loss", patience=9),
        cb.ReduceOnPlateau("val_loss", factor=0.5, patience=0),
        cb.CSVLogger(folder / "h.csv"),
        cb.JSONLogger(folder / "h.jsonl"),
        cb.LearningRateMonitor(),
        cb.Checkpoint(folder / "run", steps=1, keep=2, monitor="val_loss"),
        cb.Lambda(batch=fail),
    ]
    if optimizer in ("EMA", "chain", "SWA", "Lookahead", "SAM", "switch", "steps of epochs"):
        watch.pop(1)
    known = {"epochs": 3, "validation": (X[:40], LABELS[:40]), "callbacks": watch, **facts}
    known |= {"metrics": ["f1", "confusion_matrix"], "record_steps": True}
    history = fl.fit(model, X, LABELS, loss="cross_entropy", optimizer=opt, progress=False, **known)
    files = {path.name: path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()}
    return arrays(model), opt.state_dict(), dict(history), history.steps, files


def assert_same(found: Any, wanted: Any) -> None:
    np.testing.assert_equal(found, wanted)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_training_that_is_broken_off_anywhere_ends_with_the_same_bits(optimizer: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    wanted = train(tmp_path / "whole", optimizer)
    for stop in range(1, 13) if optimizer == "Adam" else (1, 4, 6, 12):
        folder = tmp_path / str(stop)
        folder.mkdir()
        with pytest.raises(Broken):
            train(folder, optimizer, stop)
        assert_same(train(folder, optimizer, seed=9), wanted)


def test_several_breaks_make_no_difference(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    wanted = train(tmp_path / "whole")
    for stop in (2, 3, 7, 11):
        with pytest.raises(Broken):
            train(tmp_path, stop=stop)
    (tmp_path / "whole").rename(tmp_path.with_suffix(".away"))
    assert_same(train(tmp_path, seed=9), wanted)


def test_resume_is_a_folder_that_may_be_absent_and_a_finished_training_returns_its_history(tmp_path: Path) -> None:
    def run(epochs: int, **facts: Any) -> tuple[fl.nn.Module, fl.History]:
        model = network()
        return model, fl.fit(model, X, LABELS, loss="cross_entropy", epochs=epochs, progress=False, **facts)

    _, two = run(2, resume=tmp_path / "a" / "b")
    model, again = run(2, resume=tmp_path / "a" / "b")
    assert dict(again) == dict(two)
    whole, history = run(5)
    model, more = run(5, resume=tmp_path / "a" / "b")  # more epochs are allowed
    assert dict(more) == dict(history)
    assert_same(arrays(model), arrays(whole))
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["state-000000020.safetensors"]
    loaded = fl.load(tmp_path / "a" / "b" / "state-000000020.safetensors")
    assert_same(arrays(loaded), arrays(whole))


def test_an_early_stop_stays_one_and_keeps_the_best(tmp_path: Path) -> None:
    def run(epochs: int) -> tuple[fl.nn.Module, fl.History]:
        model = network()
        stopping = cb.EarlyStopping("grad_norm", mode="max", patience=2)
        facts: dict[str, Any] = {"callbacks": [stopping], "resume": tmp_path, "epochs": epochs, "progress": False}
        return model, fl.fit(model, X, LABELS, loss="cross_entropy", optimizer=fl.optim.Adam(0.1), **facts)

    model, history = run(40)
    again, same = run(60)
    assert dict(same) == dict(history)
    assert 3 <= history.epochs < 40
    assert_same(arrays(again), arrays(model))


def test_the_same_objects_go_on_after_ctrl_c(tmp_path: Path) -> None:
    model, opt = network(), fl.optim.Adam(0.01)
    plateau = cb.ReduceOnPlateau("loss", patience=0, threshold=1.0, factor=0.5)
    broken = [False]

    def interrupt(run: fl.train.Run) -> None:
        if run.step == 10 and not broken[0]:
            broken[0] = True
            raise KeyboardInterrupt

    watch = [plateau, cb.Lambda(batch=interrupt)]
    facts: dict[str, Any] = {"loss": "cross_entropy", "epochs": 4, "progress": False, "callbacks": watch}
    history = fl.fit(model, X, LABELS, optimizer=opt, resume=tmp_path, on_interrupt="return", **facts)
    assert history.epochs == 2
    history = fl.fit(model, X, LABELS, optimizer=opt, resume=tmp_path, **facts)
    whole = network()
    assert dict(history) == dict(fl.fit(whole, X, LABELS, optimizer=fl.optim.Adam(0.01), **facts))
    assert_same(arrays(model), arrays(whole))


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "x": ({"x": X + np.float32(1e-3)}, r"x was \(100, 4\) float32 with the checksum \w+ and is"),
    "y": ({"y": 1 - LABELS}, "y was"),
    "fewer": ({"x": X[:50], "y": LABELS[:50]}, r"\(50, 4\)"),
    "validation": ({"validation": (X[1:], LABELS[1:])}, "validation was"),
    "batch_size": ({"batch_size": 16}, "batch_size was 32 and is 16"),
    "seed": ({"seed": 1}, "seed was 0 and is 1"),
    "shuffle": ({"shuffle": False}, "shuffle was True and is False"),
    "loss": ({"loss": "focal"}, "loss was cross_entropy and is focal"),
    "optimizer": ({"optimizer": fl.optim.Adam(0.02)}, r"optimizer was Adam\(lr=0.01\) and is Adam\(lr=0.02\)"),
    "rule": ({"optimizer": fl.optim.SGD(0.01)}, r"and is SGD\(lr=0.01"),
    "metrics": ({"metrics": ["accuracy"]}, "metrics was"),
    "callbacks": ({"callbacks": [cb.EarlyStopping()]}, "callbacks was"),
    "epochs": ({"epochs": 1}, "epochs is 1, and 2 are done"),
    "model": ({"model": fl.nn.Linear(4, 2)}, "does not fit the model"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_is_named_and_nothing_is_lost(name: str, tmp_path: Path) -> None:
    def run(**facts: Any) -> fl.History:
        known = {"model": network(), "x": X, "y": LABELS, "loss": "cross_entropy", "optimizer": fl.optim.Adam(0.01)}
        given = {**known, "validation": (X, LABELS), "epochs": 2, "progress": False, "resume": tmp_path, **facts}
        return fl.fit(given.pop("model"), given.pop("x"), given.pop("y"), **given)

    history = run()
    facts, words = CHANGES[name]
    with pytest.raises(ValueError, match=words):
        run(**facts)
    assert dict(run()) == dict(history)


def test_a_full_disk_and_a_read_only_folder_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(model: fl.nn.Module, opt: Any) -> fl.History:
        return fl.fit(model, X, LABELS, loss="cross_entropy", optimizer=opt, epochs=4, resume=tmp_path, progress=False)

    whole = network()
    history = fl.fit(whole, X, LABELS, loss="cross_entropy", optimizer=fl.optim.Adam(), epochs=4, progress=False)
    synced, count = os.fsync, [0]
    model, opt = network(), fl.optim.Adam()

    def full(descriptor: int) -> None:
        count[0] += 1
        if count[0] > 4:  # two states are there, each synced with its folder
            raise OSError(28, "No space left on device")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    words = r"\[Checkpoint\] cannot write into .*: No space left on device; state-000000004.safetensors is there and"
    with pytest.raises(OSError, match=words):
        run(model, opt)
    assert opt.t == 8
    monkeypatch.setattr(os, "fsync", synced)
    assert dict(run(network(7), fl.optim.Adam())) == dict(history)
    assert not list(tmp_path.glob(".*"))

    def read_only(*args: Any, **facts: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", read_only)
    opt = fl.optim.Adam()
    with pytest.raises(PermissionError, match="cannot write into"):
        fl.fit(model, X, LABELS, loss="cross_entropy", optimizer=opt, resume=tmp_path / "other", progress=False)
    assert opt.t == 0


def test_best_is_the_model_that_was_evaluated_and_keep_says_how_many_stay(tmp_path: Path) -> None:
    keep = cb.Checkpoint(tmp_path, keep=3, monitor="val_loss")
    opt = fl.optim.EMA(fl.optim.SGD(0.5), 0.5)
    history = fl.fit(
        network(), X, LABELS, loss="cross_entropy", optimizer=opt, epochs=6, validation=(X, LABELS), callbacks=[keep],
        progress=False,
    )  # fmt: skip
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.safetensors", *(f"state-{step:09d}.safetensors" for step in (16, 20, 24))]
    best = fl.load(tmp_path / "best.safetensors")
    assert fl.evaluate(best, X, LABELS, loss="cross_entropy")["loss"] == min(history["val_loss"])


def test_states_come_after_steps_or_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def states(**facts: Any) -> list[int]:
        folder = tmp_path / str(facts)
        keep = cb.Checkpoint(folder, keep=None, **facts)
        slow = cb.Lambda(batch=lambda run: None)
        fl.fit(network(), X, LABELS, loss="cross_entropy", epochs=3, callbacks=[keep, slow], progress=False)
        return sorted(int(path.stem[6:]) for path in folder.iterdir())

    assert states(epochs=2) == [0, 8, 12]
    assert states(epochs=None, steps=5) == [0, 5, 10, 12]
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 * next(clock))
    assert states(epochs=None, minutes=0.5)[:2] == [0, 3]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cb.Checkpoint("run", steps=2, minutes=1), "steps or minutes, not both"),
        (lambda: cb.Checkpoint("run", epochs=None), "say when to write"),
        (lambda: cb.Checkpoint("run", keep=0), "keep must be"),
        (lambda: fl.fit(network(), X, LABELS, loss="mse", resume=__file__), "resume must be the path of a folder"),
        (lambda: fl.fit(network(), X, LABELS, loss="mse", resume=3), "resume must be the path of a folder"),
    ],
)
def test_what_cannot_be_is_told(call: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        call()


# Killed

CODE = """
import sys
import numpy as np, fallline as fl
from fallline.train import callbacks as cb
rng = np.random.default_rng(0)
x = rng.normal(size=(3000, 20)).astype(np.float32)
y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
fl.random.seed(0)
first, last = fl.nn.Linear(20, 64), fl.nn.Linear(64, 2)
model = fl.nn.Sequential(first, fl.nn.BatchNorm1d(64), fl.nn.ReLU(), fl.nn.Dropout(0.2), last)
opt = fl.optim.Adam(fl.optim.schedules.cosine(0.01))
print("begun", flush=True)
history = fl.fit(
    model, x, y, loss="cross_entropy", optimizer=opt, epochs=12, batch_size=16,
    validation=(x[:500], y[:500]), metrics=["accuracy"], progress=False, record_steps=True, seed=5,
    callbacks=[
        cb.EarlyStopping("val_loss", patience=50), cb.CSVLogger("h.csv"), cb.JSONLogger("h.jsonl"),
        cb.Checkpoint("run", steps=100, keep=2, monitor="val_accuracy"),
    ],
)
fl.save("model.safetensors", model, None, history)
"""


def kill_and_resume(folder: Path, rng: random.Random) -> int:
    """Kill the program at random moments until it comes to its end; return how often it was killed."""
    kills = 0
    while True:
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", CODE], cwd=folder, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.monotonic()
        try:
            process.wait(rng.uniform(0, 3 * (begun - began)) if kills < 3 else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        finally:
            process.communicate()
        if process.returncode == 0:
            return kills
        assert process.returncode == -signal.SIGKILL
        for path in (folder / "run").glob("*.safetensors"):
            fl.load(path)  # none is ever unreadable


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of Unix")
def test_kill_9_at_random_moments_changes_no_bit(tmp_path: Path) -> None:
    """The weights, the history and every file of the callbacks; FALLLINE_KILLS says how many moments."""
    seed = int(os.environ.get("FALLLINE_SEED", 0))
    (tmp_path / "whole").mkdir()
    subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path / "whole", check=True, stdout=subprocess.PIPE)
    kills, rounds, wanted = 0, 0, content(tmp_path / "whole")
    while kills < int(os.environ.get("FALLLINE_KILLS", 5)):
        folder = tmp_path / str(rounds)
        folder.mkdir()
        kills += kill_and_resume(folder, random.Random(seed + rounds))
        rounds += 1
        assert content(folder) == wanted, f"seed {seed}, round {rounds}, {kills} kills"
