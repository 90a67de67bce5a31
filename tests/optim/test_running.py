"""What a rule carries beside its slots is a function of its past: however rows are asked for, saved or changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fallline import optim
from fallline.optim import Optimizer


def rate(t: int) -> float:
    return 0.01 * (1 + t) if t < 5 else 0.05 / (t - 3)


def beta(t: int) -> float:
    return 0.5 + 0.03 * t


MAKE: dict[str, Any] = {
    "NAdam": lambda: optim.NAdam(rate, betas=(beta, 0.9)),
    "ScheduleFreeSGD": lambda: optim.ScheduleFreeSGD(rate, warmup=3),
    "ScheduleFreeAdamW": lambda: optim.ScheduleFreeAdamW(rate, paper=True),
}
RULES = pytest.mark.parametrize("name", MAKE)


def gradient(t: int) -> np.ndarray:
    return np.random.default_rng(t).normal(size=4)


def run(opt: Optimizer, w: np.ndarray, steps: range) -> np.ndarray:
    for t in steps:
        opt.step(w, gradient(t))
    return w


@RULES
def test_rows_at_once_are_the_rows_one_by_one(name: str) -> None:
    opt = MAKE[name]()
    together = opt.hyper_rows(0, 10)
    one_by_one = [opt.hyper_rows(t, 1)[0] for t in range(10)]
    np.testing.assert_array_equal(together, one_by_one)
    np.testing.assert_array_equal(MAKE[name]().hyper_rows(7, 3), together[7:])
    assert len(np.unique(together[1:, opt._running.columns], axis=0)) == 9


@RULES
def test_looking_changes_nothing(name: str) -> None:
    looked_at = MAKE[name]()
    w = np.ones(4)
    for t in range(10):
        looked_at.hyperparameters()
        looked_at.hyper_rows(t + 3, 2)
        looked_at.state_dict()
        looked_at.step(w, gradient(t))
    np.testing.assert_array_equal(w, run(MAKE[name](), np.ones(4), range(10)))


@RULES
def test_a_saved_run_knows_its_past(name: str) -> None:
    first = MAKE[name]()
    w = run(first, np.ones(4), range(4))
    second = MAKE[name]()
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(run(second, w, range(4, 10)), run(MAKE[name](), np.ones(4), range(10)))


@RULES
def test_a_change_by_hand_leaves_the_past(name: str) -> None:
    """Constant first, then other numbers: the same as a schedule that says so, to rounding."""
    by_hand, scheduled = (getattr(optim, name)(0.01) for _ in range(2))
    scheduled.set_hyperparameters(lr=lambda t: 0.01 if t < 5 else 0.05)
    if name == "NAdam":
        scheduled.set_hyperparameters(beta1=lambda t: 0.9 if t < 5 else 0.5)
    w, other = run(by_hand, np.ones(4), range(5)), run(scheduled, np.ones(4), range(10))
    by_hand.set_hyperparameters(lr=0.05, **({"beta1": 0.5} if name == "NAdam" else {}))
    resumed = getattr(optim, name)(1.0)
    resumed.load_state_dict(by_hand.state_dict())
    np.testing.assert_allclose(run(by_hand, w.copy(), range(5, 10)), other, rtol=1e-13)
    np.testing.assert_array_equal(run(resumed, w.copy(), range(5, 10)), run_again(by_hand, name, w))


def run_again(opt: Optimizer, name: str, w: np.ndarray) -> np.ndarray:
    again = getattr(optim, name)(0.01)
    run(again, np.ones(4), range(5))
    again.set_hyperparameters(lr=opt.hyperparameters()["lr"], **({"beta1": 0.5} if name == "NAdam" else {}))
    return run(again, w.copy(), range(5, 10))


@RULES
def test_they_are_nobody_elses_business(name: str) -> None:
    opt = MAKE[name]()
    hidden = set(opt._running.names)
    assert hidden
    assert not hidden & opt.hyperparameters().keys()
    assert not hidden & set(dir(opt))
    with pytest.raises(TypeError, match="there is no hyper-parameter"):
        opt.set_hyperparameters(**dict.fromkeys(hidden, 1.0))


@RULES
def test_updates_in_a_graph_know_the_past(name: str) -> None:
    import fallline as fl

    opt, w = MAKE[name](), np.ones(4)
    state = opt.init(w)
    for t in range(6):
        g = gradient(t)
        w, state = fl.jit(lambda w, g, slots, t=t: opt.update(g, {"t": t, "slots": slots}, w))(w, g, state["slots"])
    np.testing.assert_array_equal(w, run(MAKE[name](), np.ones(4), range(6)))
