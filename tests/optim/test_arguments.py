"""What an optimizer is made of and given: a wrong argument is told by its name, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim
from fallline.optim import SGD, Adam, schedules

W = {"a": np.ones(3), "b": [np.ones(2)]}
MODEL = fl.nn.Linear(2, 1)
T, V = TypeError, ValueError

WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "parameters first": (lambda: Adam(MODEL.parameters()), T, r"\[Adam\] .* rate, got .*opt\.step\(params, grads\)"),
    "a generator first": (lambda: Adam((p for p in W), lr=0.1), T, r"first argument is the learning rate"),
    "a model first": (lambda: SGD(MODEL, lr=0.1), T, r"\[SGD\] the first argument is the learning rate"),
    "parameters as rate": (lambda: SGD(lr=W), V, r"lr must be a finite number .*opt\.step\(params, grads\)"),
    "keyword of Keras": (lambda: Adam(learning_rate=0.1), T, r"\[Adam\] there is no argument 'learning_rate'; use lr="),
    "keyword of Keras, common": (lambda: optim.Signum(learning_rate=0.1), T, r"\[Signum\] .*'learning_rate'; use lr="),
    "keyword of Keras, tensor": (lambda: optim.SOAP(epsilon=0.1), T, r"\[SOAP\] .*'epsilon'; use eps="),
    "betas of JAX": (lambda: Adam(b1=0.9), T, r"no argument 'b1'; use betas=: betas=\(0\.9, 0\.999\)"),
    "amsgrad": (lambda: Adam(amsgrad=True), T, r"use fl\.optim\.AMSGrad: is a class"),
    "slip": (lambda: Adam(weight_deca=0.1), T, "no argument 'weight_deca'; did you mean 'weight_decay'"),
    "by place": (lambda: Adam(0.1, 0.9), T, r"\[Adam\] too many positional arguments; its arguments are lr, betas"),
    "one beta": (lambda: Adam(betas=0.9), T, r"\[Adam\] betas must be a tuple of 2 numbers or schedules, got 0\.9"),
    "three betas": (lambda: Adam(betas=(0.9, 0.9, 0.9)), T, "betas must be a tuple of 2"),
    "two betas": (lambda: optim.Adan(betas=(0.9, 0.9)), T, "betas must be a tuple of 3"),
    "text": (lambda: Adam("0.1"), V, "lr must be a finite number of at least 0, got '0.1'"),
    "true": (lambda: Adam(True), V, "lr must be a finite number of at least 0, got True"),
    "flag": (lambda: Adam(maximize="no"), V, "maximize must be True or False, got 'no'"),
    "not called": (lambda: Adam(schedules.cosine), T, r"the function cosine itself; call it: cosine\("),
    "schedule class": (lambda: Adam(schedules.Schedule), T, r"the class Schedule itself; call it"),
    "name as rate": (lambda: optim.get("adam", lr="fast"), V, "lr must be .*got 'fast'"),
    "wrapped class": (lambda: optim.EMA(Adam), T, r"\[EMA\] the optimizer inside must be .*make one first: Adam\("),
    "wrapped name": (lambda: optim.EMA("adam"), T, r"got 'adam'; fl\.optim\.get\('adam'\) makes one"),
    "chained class": (lambda: optim.chain(optim.clip_value(1.0), Adam), T, r"\[chain\] the last link .*make one first"),
    "chained number": (lambda: optim.chain(1.0, Adam()), T, r"\[chain\] link 0 must be a gradient transform.*got 1\.0"),
    "chained in reverse": (lambda: optim.chain(Adam(), optim.clip_value(1.0)), T, "link 0 must .*then one optimizer"),
    "chain of nothing": (lambda: optim.chain(), T, "the last link must be an optimizer"),
    "partition of a list": (lambda: optim.partition([Adam()]), T, "patterns must be a dict"),
    "partition of classes": (lambda: optim.partition({"*": Adam}), T, "got the class Adam itself"),
    "half a step": (lambda: optim.Lookahead(SGD(), k=2.5), T, r"\[Lookahead\] k must be a positive .*, got 2\.5"),
    "decay of 1": (lambda: optim.EMA(SGD(), decay=1.0), V, r"\[EMA\] decay must be in \[0, 1\)"),
    "decay by name of Keras": (lambda: optim.EMA(SGD(), momentum=0.9), T, r"\[EMA\] there is no argument 'momentum'"),
    "clip text": (lambda: optim.clip_value("1"), T, r"\[clip_value\] limit must be positive, got '1'"),
    "clip zero": (lambda: optim.clip_global_norm(0.0), V, r"\[clip_global_norm\] limit must be positive"),
    "accumulate": (lambda: optim.accumulate(2.0), T, r"\[accumulate\] k must be .*write 2"),
    "plateau monitor": (lambda: optim.ReduceOnPlateau(0.1), T, r"Plateau\] monitor must be the name of a value"),
    "plateau mode": (lambda: optim.ReduceOnPlateau(mode="maximum"), V, r"Plateau\] mode must be 'min' or 'max'"),
    "no gradients": (lambda: Adam().step(W, None), V, r"without a gradient: \['a', 'b\.0'\]"),
    "a gradient none": (lambda: Adam().step({"a": np.ones(3)}, {"a": None}), T, "gradient of 'a' must be .*got None"),
    "a gradient text": (lambda: Adam().step({"a": np.ones(3)}, {"a": "x"}), T, "gradient of 'a' must be .*got 'x'"),
    "a parameter none": (lambda: Adam().step({"b": None}, {"b": None}), fl.DTypeError, "'b' is None.*in place"),
    "a parameter number": (lambda: Adam().step(3.0, 1.0), fl.DTypeError, "parameter is a float, expected"),
    "none as a leaf": (lambda: fl.grad(lambda p: p["a"])({"a": 1.0, "b": None}), T, r"the leaf 'b' .*got None"),
    "text as an argument": (lambda: fl.grad(lambda x: x)("x"), T, r"\[grad\] the argument must be .*got 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_told_in_one_sentence(name: str) -> None:
    call, error, words = WRONG[name]
    with pytest.raises(error, match=words) as raised:
        call()
    text = str(raised.value)
    assert text.startswith("[")
    assert "\n" not in text
    assert len(text) < 400


def test_what_wrappers_keep_is_checked_when_it_is_assigned() -> None:
    ema = optim.EMA(SGD(1.0), decay=0.5)
    with pytest.raises(ValueError, match=r"\[EMA\] decay must be in \[0, 1\), got 5"):
        ema.decay = 5
    assert ema.decay == 0.5
    ema.decay = 0.0
    w = np.zeros(1)
    for _ in range(2):
        ema.step(w, np.ones(1))
    assert ema.averaged(w) == w  # no memory: the last parameters


SHOWN: dict[str, tuple[Callable[[], Any], str]] = {
    "rate": (lambda: Adam(), "Adam(lr=0.001)"),
    "what differs": (lambda: Adam(0.1, betas=(0.8, 0.9), maximize=True), "Adam(lr=0.1, betas=(0.8, 0.9), maximize="),
    "schedule": (lambda: SGD(schedules.constant(0.1)), "SGD(lr=constant(value=0.1))"),
    "tensor rule": (lambda: optim.Muon(), "Muon(lr="),
    "transform": (lambda: optim.clip_value(1.0), "clip_value(1.0)"),
    "keyword": (lambda: optim.add_noise(gamma=0.5), "add_noise(gamma=0.5)"),
    "patterns": (lambda: optim.freeze("0.*", "*.bias"), "freeze('0.*', '*.bias')"),
    "accumulate": (lambda: optim.accumulate(4), "accumulate(4)"),
    "chain": (lambda: optim.chain(optim.clip_norm(2.0), optim.freeze("a"), SGD(0.1)),
              "chain(clip_norm(2.0), freeze('a'), SGD(lr=0.1))"),
    "partition": (lambda: optim.partition({"*.bias": SGD(0.1), "*": Adam(0.2)}),
                  "partition({'*.bias': SGD(lr=0.1), '*': Adam(lr=0.2)})"),
    "average": (lambda: optim.EMA(SGD(0.1), 0.9), "EMA(SGD(lr=0.1), decay=0.9)"),
    "switch": (lambda: optim.SwitchTo(Adam(0.1), SGD(0.2), at=7), "SwitchTo(Adam(lr=0.1), SGD(lr=0.2), at=7, per="),
    "plateau": (lambda: optim.ReduceOnPlateau("mae", patience=3), "ReduceOnPlateau(monitor='mae', factor=0.1"),
    "sizes": (lambda: fl.train.BatchSizeSchedule(32, every=3), "BatchSizeSchedule(32, factor=2, every=3, most=None)"),
    "jit": (lambda: fl.jit(np.tanh), "jit(tanh, traces=0)"),
    "plan": (lambda: fl.jit(lambda x: fl.exp(x) + 1).plan(np.ones(3)), "Plan(1 steps, arena "),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_an_object_shows_what_it_is(name: str) -> None:
    make, text = SHOWN[name]
    assert repr(make()).startswith(text)
    assert " at 0x" not in repr(make())


def test_every_rule_shows_its_rate() -> None:
    for name in optim.Optimizer._classes:
        opt = optim.get(name)
        assert f"lr={opt.lr!r}" in repr(opt), name
        assert repr(optim.get(name, lr=0.25)).startswith(f"{type(opt).__name__}("), name


def test_chains_of_transforms_go_through_pickle() -> None:
    import pickle

    one = optim.chain(optim.clip_global_norm(1.0), optim.freeze("b"), optim.accumulate(2), SGD(0.1))
    two = pickle.loads(pickle.dumps(one))
    assert repr(two) == repr(one)
    for opt in (one, two):
        w = {"a": np.zeros(2), "b": np.zeros(1)}
        for _ in range(2):
            opt.step(w, {"a": np.array([3.0, 4.0]), "b": np.ones(1)})
        np.testing.assert_allclose(w["a"], [-0.1 * 3 / 26**0.5, -0.1 * 4 / 26**0.5], rtol=1e-12)
        assert w["b"] == 0
