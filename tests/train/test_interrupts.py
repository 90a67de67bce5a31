"""Ctrl-C: the history, the model and the optimizer are whole, wherever it comes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import _core

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


def network(seed: int = 1) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    return fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.ReLU(), fl.nn.Linear(8, 2, rng=rng))


def fit(model: fl.nn.Module, x: Any = X, y: Any = LABELS, **facts: Any) -> fl.History:
    return fl.fit(model, x, y, **{"loss": "cross_entropy", "progress": False, **facts})


def arrays(model: fl.nn.Module) -> list[np.ndarray]:
    return [np.array(a) for a in model.parameters().values()]


def interrupted(*args: Any, **facts: Any) -> fl.History:
    """Return the history that Ctrl-C carries out of a run."""
    with pytest.raises(KeyboardInterrupt) as raised:
        fit(*args, **facts)
    history: fl.History = raised.value.history  # type: ignore[attr-defined]
    assert history.interrupted
    return history


def test_ctrl_c_in_the_moment_of_divergence_gives_the_parameters_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def __init__(self, *parts: Any) -> None:
            self.trainer = trainer(*parts)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.trainer, name)

        def advance(self, *limits: Any) -> None:
            self.trainer.advance(*limits)
            raise KeyboardInterrupt

    trainer = _core.Trainer
    monkeypatch.setattr(_core, "Trainer", Interrupted)
    model = network()
    weights = arrays(model)
    interrupted(model, loss=lambda out, y: fl.sqrt(out * out - out * out).sum(), optimizer=fl.optim.Adam(0.01))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), weights, strict=True))


@pytest.fixture
def long_data() -> tuple[np.ndarray, np.ndarray]:
    return np.tile(X, (400, 1)), np.tile(LABELS, 400)


@pytest.fixture
def alarm() -> Iterator[None]:
    """Turn the alarm clock into Ctrl-C."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_ctrl_c_carries_the_history_and_leaves_whole_parameters(long_data: tuple[np.ndarray, np.ndarray]) -> None:
    model, opt = network(), fl.optim.Adam()
    signal.setitimer(signal.ITIMER_REAL, 1.0)  # well after the first step, on a busy machine too
    start = time.monotonic()
    history = interrupted(model, *long_data, optimizer=opt, epochs=100_000, shuffle=False)
    assert time.monotonic() - start < 20
    steps = len(long_data[0]) // 32
    assert history.epochs == opt.t // steps
    twin, other = network(), fl.optim.Adam()  # step for step the same as a run of that many steps
    fit(twin, *long_data, optimizer=other, epochs=opt.t // steps, shuffle=False)
    for step in range(opt.t % steps):
        x, y = (part[32 * step : 32 * step + 32] for part in long_data)
        other.step(twin, fl.grad(lambda m, x=x, y=y: fl.nn.losses.cross_entropy(m(x), y))(twin))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(model), arrays(twin), strict=True))
    rest = fit(model, optimizer=opt, epochs=1, shuffle=False)  # and it goes on
    assert rest["loss"] == fit(twin, optimizer=other, epochs=1, shuffle=False)["loss"]


FILES = ("train/_fit.py", "train/_run.py", "train/_history.py", "train/_snapshot.py", "train/_validation.py")
LISTENING: dict[str, dict[str, Any]] = {
    "nobody": {},
    "many": {
        "validation": (X[:20], LABELS[:20]),
        "callbacks": [
            fl.train.callbacks.EarlyStopping("loss", patience=9),
            fl.train.callbacks.LearningRateMonitor(),
            fl.train.callbacks.Lambda(batch=lambda run: None),
        ],
    },
}


@pytest.mark.parametrize("listening", LISTENING)
def test_ctrl_c_at_any_line_of_an_epoch_loses_nothing(listening: str) -> None:
    """A signal is raised before each line in turn that `fit` runs; steps, history and parameters agree afterwards."""
    facts = LISTENING[listening]

    def run(stop: int) -> tuple[fl.nn.Module, fl.optim.Optimizer, fl.History, bool]:
        model, opt, left = network(), fl.optim.Adam(0.01), stop

        def trace(frame: Any, event: str, _: Any) -> Any:
            nonlocal left
            mine = frame.f_code.co_filename.endswith(FILES) or "train/callbacks/" in frame.f_code.co_filename
            if not mine or frame.f_code.co_name == "fit":
                return trace if event == "call" else None
            if event == "line" and opt.t >= 4:  # from the first epoch's end on
                left -= 1
                if left == 0:
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            history = fit(model, optimizer=opt, epochs=3, record_steps=True, on_interrupt="return", **facts)
        finally:
            sys.settrace(before)
        return model, opt, history, left > 0

    after, line, finished = {}, 0, False
    for steps in range(13):
        after[steps] = network()
        end = fl.train.callbacks.Lambda(batch=lambda run, steps=steps: run.step == steps)
        fit(after[steps], optimizer=fl.optim.Adam(0.01), epochs=-(-steps // 4), callbacks=[end])
    while not finished:
        line += 1
        model, opt, history, finished = run(line)
        assert history.interrupted != finished
        assert history.epochs == opt.t // 4, line
        assert listening == "many" or opt.t % 4 == 0, line
        assert {len(values) for values in history.values()} == {history.epochs}, line
        assert {len(values) for values in history.steps.values()} == {4 * history.epochs}, line
        twins = zip(arrays(model), arrays(after[opt.t]), strict=True)
        assert all(np.array_equal(a, b) for a, b in twins), line
    assert line > 40


def test_a_signal_from_another_thread_ends_the_run_too(long_data: tuple[np.ndarray, np.ndarray]) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        history = interrupted(network(), *long_data, epochs=100_000)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert history.epochs >= 0


def test_ctrl_c_in_a_callback_ends_the_run_after_a_whole_epoch() -> None:
    def stop(epoch: int, *rest: Any) -> None:
        raise KeyboardInterrupt

    assert interrupted(network(), epochs=9, callbacks=[stop]).epochs == 1
    history = fit(network(), epochs=9, callbacks=[stop], on_interrupt="return")
    assert history.interrupted
    assert history.epochs == 1


def test_ctrl_c_ends_a_loop_of_runs() -> None:
    def stop(epoch: int, *rest: Any) -> None:
        raise KeyboardInterrupt

    runs = 0
    with pytest.raises(KeyboardInterrupt):
        for _ in range(3):
            runs += 1
            fit(network(), callbacks=[stop])
    assert runs == 1


def test_python_runs_beside_the_epochs(long_data: tuple[np.ndarray, np.ndarray]) -> None:
    count = 0
    done = threading.Event()

    def work() -> None:
        nonlocal count
        while not done.is_set():
            count += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    fit(network(), *long_data, epochs=2, batch_size=4)
    done.set()
    thread.join()
    assert count > 5  # the interpreter lock was free
