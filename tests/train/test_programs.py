"""Wrappers train in native epochs: with the bits of a loop by hand, whole when something breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim
from fallline.optim import schedules

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype(np.float32)
Y = (X[:, :1] * 2 - X[:, 1:2]).astype(np.float32)
BATCH = 16


def chained(*links: Any) -> Callable[[], optim.Optimizer]:
    return lambda: optim.chain(*links, optim.Adam(0.01))


PROGRAMS: dict[str, Callable[[], optim.Optimizer]] = {
    "clip_value": chained(optim.clip_value(0.1)),
    "clip_norm": chained(optim.clip_norm(0.3)),
    "clip_global_norm": chained(optim.clip_global_norm(0.5)),
    "adaptive_clip": chained(optim.adaptive_clip()),
    "centralize": chained(optim.centralize()),
    "freeze": chained(optim.freeze("0.*")),
    "skip_nonfinite": chained(optim.skip_nonfinite(), optim.clip_norm(1.0)),
    "accumulate": chained(optim.clip_value(0.5), optim.accumulate(3), optim.clip_global_norm(0.1)),
    "schedule": lambda: optim.chain(optim.accumulate(2), optim.Adam(schedules.cosine(0.1, 7), weight_decay=0.1)),
    "running": lambda: optim.EMA(optim.NAdam(schedules.cosine(0.1, 20))),
    "partition": lambda: optim.partition({"*bias": optim.SGD(0.1), "*": optim.Adam(0.01)}),
    "partition of chains": lambda: optim.partition(
        {
            "0.*": optim.chain(optim.accumulate(2), optim.clip_global_norm(0.1), optim.SGD(0.1)),
            "*": optim.chain(optim.skip_nonfinite(), optim.accumulate(3), optim.Adam(0.01)),
        }
    ),
    "EMA": lambda: optim.EMA(optim.Adam(0.01), decay=0.9),
    "SWA": lambda: optim.SWA(optim.Adam(0.01), start=2, every=3),
    "Lookahead": lambda: optim.Lookahead(optim.Adam(0.01), k=3),
    "SwitchTo": lambda: optim.SwitchTo(optim.Adam(0.01), optim.SGD(0.05), at=7),
    "nested": lambda: optim.EMA(optim.Lookahead(optim.chain(optim.clip_value(1.0), optim.Adam(0.01))), decay=0.5),
    "bfloat16": lambda: optim.EMA(optim.Adam(0.01, state_dtype="bfloat16")),
    "float8": lambda: optim.chain(optim.clip_global_norm(0.5), optim.Adam(0.01, state_dtype="float8")),
}


def model(dtype: str = "float32") -> fl.nn.Module:
    rng = fl.random.default_rng(1)
    net = fl.nn.Sequential(fl.nn.Linear(4, 8, rng=rng), fl.nn.Tanh(), fl.nn.Linear(8, 1, rng=rng))
    if dtype == "float64":
        for layer in (net[0], net[2]):
            layer.weight, layer.bias = (fl.asarray(np.asarray(a, np.float64)) for a in (layer.weight, layer.bias))
    return net


def fit(net: fl.nn.Module, opt: optim.Optimizer, epochs: int = 3, **options: Any) -> fl.History:
    given = {"batch_size": BATCH, "shuffle": False, "progress": False} | options
    return fl.fit(net, X, Y, loss="mse", optimizer=opt, epochs=epochs, **given)


def by_hand(net: fl.nn.Module, opt: optim.Optimizer, epochs: int = 3) -> None:
    dtype = net[0].weight.dtype
    for _ in range(epochs):
        for at in range(0, len(X), BATCH):
            x, y = (fl.asarray(rows[at : at + BATCH].astype(dtype)) for rows in (X, Y))
            opt.step(net.parameters(), fl.grad(lambda m, x=x, y=y: fl.nn.losses.mse(m(x), y))(net))


def assert_same(a: Any, b: Any) -> None:
    for path, array in a.items():
        np.testing.assert_array_equal(np.asarray(array), np.asarray(b[path]), err_msg=path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_epoch_has_the_bits_of_the_loop_by_hand(name: str, dtype: str) -> None:
    if dtype == "float64" and name in ("bfloat16", "float8"):
        dtype = "float32"  # what compressed state is for
    nets, opts = [model(dtype), model(dtype)], [PROGRAMS[name](), PROGRAMS[name]()]
    fit(nets[0], opts[0])
    by_hand(nets[1], opts[1])
    assert_same(nets[0].parameters(), nets[1].parameters())
    assert_same(*(opt.averaged(net.parameters()) for opt, net in zip(opts, nets, strict=True)))
    states = [opt.state_dict() for opt in opts]
    assert states[0].keys() == states[1].keys()
    assert_same(*({k: v for k, v in state.items() if k != "epochs"} for state in states))


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_calls_python_in_a_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("a step in Python")

    for rule in (
        optim.Optimizer,
        optim.wrappers.Chain,
        optim.EMA,
        optim.SWA,
        optim.Lookahead,
        optim.wrappers.Partition,
    ):
        monkeypatch.setattr(rule, "step", fail)
        monkeypatch.setattr(rule, "minimize", fail)
    fit(model(), PROGRAMS[name](), 1)


def test_epochs_of_several_batch_sizes_go_on() -> None:
    sizes = fl.train.callbacks.BatchSizeSchedule(8, factor=2.0, every=1)
    whole, parts = model(), model()
    a, b = (optim.EMA(optim.chain(optim.accumulate(2), optim.Adam(0.01)), decay=0.5) for _ in range(2))
    fit(whole, a, 3, batch_size=sizes)
    for size in (8, 16, 32):
        fit(parts, b, 1, batch_size=size)
    assert_same(whole.parameters(), parts.parameters())
    assert_same(a.averaged(whole.parameters()), b.averaged(parts.parameters()))


def test_gradients_that_are_not_finite_are_left_out() -> None:
    y = Y.copy()
    y[20] = 1e30  # in the second batch; its fourth power is infinite, and so is the derivative

    def fourth(output: Any, target: Any) -> Any:
        return ((output - target) ** 4).mean()

    opt, net = optim.EMA(optim.chain(optim.skip_nonfinite(), optim.Adam(0.01))), model()
    fl.fit(net, X, y, loss=fourth, optimizer=opt, epochs=2, batch_size=BATCH, shuffle=False, progress=False)
    twin, hand = model(), optim.Adam(0.01)
    for _ in range(2):
        for at in (0, 32, 48, 64):
            rows, targets = fl.asarray(X[at : at + BATCH]), fl.asarray(Y[at : at + BATCH])
            hand.step(twin.parameters(), fl.grad(lambda m, r=rows, t=targets: fourth(m(r), t))(twin))
    assert_same(net.parameters(), twin.parameters())
    assert opt.inner.own["skipped"] == 2
    assert (opt.t, opt.inner.t, opt.inner.inner.t) == (10, 10, 8)


def test_divergence_puts_everything_back() -> None:
    opt, net = optim.EMA(optim.chain(optim.accumulate(2), optim.SGD(1e20)), decay=0.5), model()
    before = {path: np.array(w) for path, w in net.parameters().items()}
    with pytest.raises(fl.DivergedError):
        fit(net, opt, 5)
    assert_same(net.parameters(), before)
    assert (opt.t, opt.inner.t, opt.inner.inner.t) == (0, 0, 0)
    assert opt.averaged(before) is before


def test_hyperparameters_change_between_epochs() -> None:
    def change(epoch: int, history: Any, net: Any, opt: Any) -> None:
        opt.lr, opt.decay = 0.05, 0.25

    nets, opts = [model(), model()], [optim.EMA(optim.Adam(0.01), decay=0.9) for _ in range(2)]
    fit(nets[0], opts[0], 2, callbacks=[change])
    by_hand(nets[1], opts[1], 1)
    change(0, None, None, opts[1])
    by_hand(nets[1], opts[1], 1)
    assert_same(nets[0].parameters(), nets[1].parameters())
    assert_same(*(opt.averaged(net.parameters()) for opt, net in zip(opts, nets, strict=True)))


class Doubled(optim._wrapper.Wrapper):
    """A wrapper of one's own, which steps twice and knows of no program."""

    def step(self, params: Any, grads: Any) -> None:
        self.inner.step(params, grads)
        self.inner.step(params, grads)
        self.t += 1


@pytest.mark.parametrize(
    "opt",
    [optim.LBFGS(), optim.SAM(optim.SGD(0.1)), optim.LossScale(optim.SGD(0.1)), Doubled(optim.SGD(0.1)),
     optim.EMA(Doubled(optim.SGD(0.1))), optim.chain(optim.clip_norm(1.0), optim.LBFGS())],
    ids=repr,
)  # fmt: skip
def test_what_says_nothing_of_programs_steps_in_python(opt: optim.Optimizer) -> None:
    assert not opt._plannable()


def test_a_wrapper_of_ones_own_steps_as_it_says() -> None:
    one, two = (fl.nn.Linear(4, 1, rng=fl.random.default_rng(3)) for _ in range(2))
    fl.fit(one, X, Y, loss="mse", optimizer=Doubled(optim.SGD(0.1)), batch_size=70, shuffle=False, progress=False)
    grads = fl.grad(lambda m: fl.nn.losses.mse(m(X), Y))(two)
    Doubled(optim.SGD(0.1)).step(two, grads)
    assert all(np.array_equal(one.parameters()[p], two.parameters()[p]) for p in one.parameters())
