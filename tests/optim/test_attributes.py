"""Attributes of optimizers: hyper-parameters act from the next step on, through wrappers too; no others may be set."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.optim import SGD, Adam

RULES = sorted(fl.optim.Optimizer._classes)
OTHER = {"flag": lambda v: 1 - v, "unit": lambda v: 0.5 * v + 0.1, "closed_unit": lambda v: 0.5 * v + 0.1}


def changed(value: float, kind: str) -> float:
    return OTHER.get(kind, lambda v: 2 * v + 0.25)(value)


def specs(opt: Any) -> list[tuple[str, float, str]]:
    return list(getattr(opt, "_specs", SGD()._specs))  # L-BFGS keeps its rate in an SGD


@pytest.mark.parametrize("name", RULES)
def test_every_hyper_parameter_is_an_attribute_that_acts(name: str) -> None:
    for hyper, _, kind in specs(fl.optim.get(name)):
        opt = fl.optim.get(name)
        before = opt.hyperparameters()[hyper]
        assert getattr(opt, hyper) == before
        setattr(opt, hyper, changed(before, kind))
        assert opt.hyperparameters()[hyper] == pytest.approx(changed(before, kind))
        assert getattr(opt, hyper) == pytest.approx(changed(before, kind))
        assert hyper in dir(opt)


def step(opt: fl.optim.Optimizer, w: np.ndarray) -> float:
    before = float(w[0])
    opt.minimize(lambda p: (0.0, np.ones_like(w)), w)
    return before - float(w[0])


WRAPPED: dict[str, Callable[[], fl.optim.Optimizer]] = {
    "plain": lambda: SGD(1.0),
    "chain": lambda: fl.optim.chain(fl.optim.clip_value(9.0), SGD(1.0)),
    "a chain in an average": lambda: fl.optim.EMA(fl.optim.chain(fl.optim.clip_value(9.0), SGD(1.0))),
    "switch": lambda: fl.optim.SwitchTo(SGD(1.0), Adam(1e-3), at=10),
    "sam": lambda: fl.optim.SAM(SGD(1.0)),
    "swa": lambda: fl.optim.SWA(SGD(1.0)),
    "lookahead": lambda: fl.optim.Lookahead(SGD(1.0), k=5),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_rate_that_is_assigned_is_the_rate_of_the_next_step(name: str) -> None:
    opt, w = WRAPPED[name](), np.zeros(1)
    assert step(opt, w) == 1.0
    opt.lr = 0.0
    assert step(opt, w) == 0.0
    opt.lr = lambda t: 0.5
    assert step(opt, w) == 0.5
    assert opt.lr(0) == 0.5


def test_groups_are_assigned_together() -> None:
    opt = Adam(betas=(0.5, 0.6))
    assert opt.betas == (0.5, 0.6)
    opt.betas = (0.7, lambda t: 0.8)
    assert (opt.beta1, opt.hyperparameters()["beta2"]) == (0.7, 0.8)
    assert opt.maximize is False
    for wrong in (0.9, (0.9,), (0.9, 0.99, 0.999)):
        with pytest.raises(TypeError, match=r"\[Adam\] betas must be a tuple of 2 numbers"):
            opt.betas = wrong
    qh = fl.optim.get("qhadam")
    qh.nus = (0.1, 0.2)
    assert qh.hyperparameters()["nu2"] == 0.2


WRONG: dict[str, tuple[Callable[[], fl.optim.Optimizer], str, str]] = {
    "a slip": (Adam, "lrr", "did you mean 'lr'"),
    "a slip through a wrapper": (WRAPPED["a chain in an average"], "weigth_decay", "did you mean 'weight_decay'"),
    "of another rule": (SGD, "eps", "its hyper-parameters are lr"),
    "decided at the start": (SGD, "momentum", r"decided when the optimizer is made; make another with SGD\(momentum="),
    "the form of the state": (Adam, "state_dtype", "decided when the optimizer is made"),
    "a method": (Adam, "step", "no attribute 'step' to set"),
    "a property": (Adam, "state", "no setter"),
    "of another library": (Adam, "learning_rate", "use opt.lr"),
    "nothing like it": (Adam, "foo", "its hyper-parameters are lr, beta1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_any_other_attribute_is_an_error(case: str) -> None:
    make, name, words = WRONG[case]
    opt = make()
    before = opt.hyperparameters()
    with pytest.raises(AttributeError, match=words):
        setattr(opt, name, 0.1)
    assert opt.hyperparameters() == before


def test_values_are_checked_as_in_the_constructor() -> None:
    opt = Adam()
    for name, value in (
        ("lr", -1.0),
        ("beta1", 1.0),
        ("eps", "a"),
        ("maximize", 2),
        ("t", -1),
        ("t", 1.5),
        ("t", True),
    ):
        with pytest.raises(ValueError, match=rf"\[Adam\] {name} must be"):
            setattr(opt, name, value)
    assert (repr(opt), opt.t) == (repr(Adam()), 0)


def test_what_a_rule_of_ones_own_keeps_may_be_assigned() -> None:
    class Counting(fl.optim.TensorRule):
        hypers = (("lr", 0.1, "nonnegative"),)
        by_name = False

        def __init__(self, **hypers: Any) -> None:
            super().__init__(**hypers)
            self.calls = 0
            self.lr = 0.5

        def formula(self, h: Any, t: Any, g: Any, w: Any, s: Any) -> Any:
            self.calls += 1
            return w - h["lr"] * g, {}

    opt, w = Counting(), np.zeros(1)
    assert step(opt, w) == 0.5
    assert opt.calls == 1
    with pytest.raises(AttributeError, match="no attribute 'cals' to set"):
        opt.cals = 1


def test_what_a_wrapper_keeps_comes_before_what_it_wraps() -> None:
    for opt in (fl.optim.EMA(SGD(1.0), decay=0.5), fl.optim.SwitchTo(SGD(1.0), Adam(), at=1, per="epoch")):
        kept = dict(vars(opt))
        for name in kept:
            if name[0] != "_":
                setattr(opt, name, kept[name])  # also where the optimizer inside is not known yet
        assert {name: value for name, value in vars(opt).items() if name != "_clock"} == {
            name: value for name, value in kept.items() if name != "_clock"
        }


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))])
def test_copies_are_watched_too(copied: Callable[[Any], Any]) -> None:
    for opt in (Adam(0.1), fl.optim.EMA(Adam(0.1)), fl.optim.get("soap", lr=0.1)):
        twin = copied(opt)
        assert twin.lr == 0.1
        with pytest.raises(AttributeError):
            twin.lrr = 1.0


def test_the_signature_of_a_class_is_that_of_its_constructor() -> None:
    assert list(inspect.signature(Adam).parameters)[:3] == ["lr", "betas", "eps"]
    assert "l2" in dir(SGD())
    assert "eps" not in dir(SGD())
    assert not {"lr", "learning_rate", "zero_grad"} & set(dir(Adam))


def parted() -> Any:
    return fl.optim.partition({"*bias": SGD(0.1, momentum=0.5), "*": Adam(0.01)})


def test_the_hyper_parameters_of_a_partition_are_those_of_all_its_parts() -> None:
    opt = parted()
    with pytest.raises(
        AttributeError, match=r"'lr' is 0.1 in '\*bias', 0.01 in '\*'; name the part: opt\['\*bias'\].lr"
    ):
        opt.lr  # noqa: B018 (reading is what fails)
    with pytest.raises(AttributeError, match="name the part"):
        opt.lr = 1.0
    with pytest.raises(
        AttributeError, match=r"no 'beta1' that all parts have; set it in the part .* opt\['\*'\].beta1"
    ):
        opt.set_hyperparameters(beta1=0.5)
    with pytest.raises(AttributeError):
        opt.betas = (0.5, 0.5)
    assert opt.hyperparameters()["lr[*bias]"] == 0.1
    assert opt.hyperparameters()["lr[*]"] == 0.01
    assert opt.hyperparameters()["weight_decay"] == 0
    opt["*bias"].lr = 0.01
    assert opt.lr == 0.01
    opt.lr = 0.5
    assert [part.lr for part in opt.parts] == [0.5, 0.5]
    assert opt.hyperparameters()["lr"] == 0.5
    opt.lr = fl.optim.schedules.cosine(0.5, 10)
    opt.set_steps_per_epoch(5)
    assert opt.lr == opt["*"].lr
    with pytest.raises(KeyError, match="there is no pattern 'bias'"):
        opt["bias"]


def test_a_value_that_one_part_refuses_changes_no_part() -> None:
    opt = fl.optim.partition({"a": SGD(0.1), "b": fl.optim.Momentum(0.1)})
    with pytest.raises((TypeError, ValueError)):
        opt.set_hyperparameters(lr=-1.0)
    assert opt.lr == 0.1


def test_all_states_and_averages_of_a_partition_are_seen() -> None:
    opt = fl.optim.partition({"a": fl.optim.ScheduleFreeSGD(0.5), "b": Adam(0.5)})
    params = {"a": np.zeros(2), "b": np.zeros(2)}
    for _ in range(3):
        opt.step(params, {"a": np.ones(2), "b": np.ones(2)})
    assert set(opt.state) == {"a", "b"}
    averaged = opt.averaged(params)
    assert not np.array_equal(averaged["a"], params["a"])
    np.testing.assert_array_equal(averaged["b"], params["b"])


def test_frozen_parameters_are_their_own_average() -> None:
    opt = fl.optim.chain(fl.optim.freeze("a"), fl.optim.ScheduleFreeSGD(0.5))
    params = {"a": np.zeros(2), "b": np.zeros(2)}
    assert opt.averaged(params)["b"] is params["b"]
    for _ in range(3):
        opt.step(params, {"a": np.ones(2), "b": np.ones(2)})
    averaged = opt.averaged(params)
    np.testing.assert_array_equal(averaged["a"], np.zeros(2))
    assert not np.array_equal(averaged["b"], params["b"])


@pytest.mark.parametrize("name", ["limit", "eta", "k", "transforms", "rho"])
def test_what_stands_in_a_chain_is_no_attribute_of_it(name: str) -> None:
    opt = fl.optim.chain(fl.optim.clip_value(1.0), SGD(1.0))
    if name != "transforms":
        with pytest.raises(AttributeError, match="no attribute"):
            setattr(opt, name, 2.0)
