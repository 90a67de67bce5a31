"""An optimizer knows whose state it holds: other arrays than those of the last step are an error, or said."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import optim

ONE = {"w": np.ones(3)}
RULES: dict[str, Callable[[], Any]] = {
    "a native rule": lambda: optim.Adam(0.1),
    "a rule on tensors": lambda: optim.Muon(0.1),
    "a chain": lambda: optim.chain(optim.clip_value(1.0), optim.Momentum(0.1)),
    "a partition": lambda: optim.partition({"*": optim.Adam(0.1)}),
    "an average": lambda: optim.EMA(optim.Adam(0.1)),
}


def arrays(kind: Callable[[Any], Any] = np.asarray) -> dict[str, Any]:
    return {"w": kind(np.ones(3)), "b": kind(np.zeros((2, 2)))}


def step(opt: Any, params: Any) -> None:
    opt.step(params, {path: np.ones_like(np.asarray(w)) for path, w in fl.tree.flatten(params).items()})


@pytest.fixture(autouse=True)
def _nothing_is_said() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("kind", [np.asarray, fl.asarray])
@pytest.mark.parametrize("rule", RULES)
def test_the_arrays_of_another_model_are_refused(rule: str, kind: Callable[[Any], Any]) -> None:
    opt, first, second = RULES[rule](), arrays(kind), arrays(kind)
    step(opt, first)
    step(opt, first)
    before = {path: np.array(w) for path, w in second.items()}
    with pytest.raises(ValueError, match="after 2 updates, belongs to other arrays; make one for each set"):
        step(opt, second)
    for path, w in second.items():
        np.testing.assert_array_equal(w, before[path])
    step(opt, first)  # the state is still theirs


def test_so_are_those_of_another_module_in_a_loop_of_ones_own() -> None:
    opt, models = optim.Adam(), [fl.nn.Linear(2, 1), fl.nn.Linear(2, 1)]
    grads = {"weight": np.ones((1, 2), np.float32), "bias": np.ones(1, np.float32)}
    opt.step(models[0], grads)
    with pytest.raises(ValueError, match="belongs to other arrays"):
        opt.step(models[1], grads)


def test_and_what_a_step_held_when_fit_comes_with_another_model() -> None:
    opt, (first, second) = optim.Adam(), (fl.nn.Linear(2, 1), fl.nn.Linear(2, 1))
    step(opt, first.parameters())
    x = np.ones((4, 2), np.float32)
    with pytest.raises(ValueError, match="belongs to other arrays"):
        fl.fit(second, x, x[:, :1], loss="mse", optimizer=opt, epochs=1, progress=False)
    fl.fit(first, x, x[:, :1], loss="mse", optimizer=opt, epochs=1, progress=False)


def test_arrays_that_are_gone_are_warned_of() -> None:
    opt, params = optim.Adam(), {"w": np.ones(3)}
    for fold in range(3):
        with pytest.warns(UserWarning, match="which are gone, and goes on with these") if fold else nothing():
            step(opt, params)
        params = {"w": params["w"] * 0.5}


def nothing() -> Any:
    return warnings.catch_warnings()


SAME: dict[str, Callable[[np.ndarray], Any]] = {  # what is made anew for every step, of the memory of one array
    "the array": lambda w: w,
    "a view": lambda w: w[:],
    "a view of another shape": lambda w: w.reshape(3, 1)[:, 0],
    "an fl.Array of it": fl.asarray,
    "what NumPy sees of that": lambda w: np.asarray(fl.asarray(w)),
}


@pytest.mark.parametrize("way", SAME)
def test_the_same_memory_is_the_same_array(way: str) -> None:
    opt, w = optim.Adam(), np.ones(3)
    for _ in range(3):
        opt.step({"w": SAME[way](w)}, {"w": np.ones(3)})
    x = fl.ones(3)
    opt = optim.Adam()
    for _ in range(3):
        opt.step(np.asarray(x), np.ones(3, np.float32))


def test_what_goes_on_with_other_arrays_rightly_says_nothing() -> None:
    def stepped() -> tuple[Any, Any]:
        opt, params = optim.Adam(), arrays()
        step(opt, params)
        return opt, params

    opt, params = stepped()
    kept = {path: w.copy() for path, w in params.items()}  # a copy of all values goes on where they are
    step(opt, kept)
    kept = {path: np.asfortranarray(w) for path, w in kept.items()}
    kept["w"] = kept["w"].copy()
    step(opt, kept)  # those from before are gone
    opt, params = stepped()
    step(opt, {**params, "b": np.ones((2, 2))})  # one was replaced
    opt, params = stepped()
    opt.load_state_dict(opt.state_dict())  # a state was loaded
    step(opt, arrays())
    for copied in (copy.deepcopy, lambda opt: pickle.loads(pickle.dumps(opt))):
        opt, params = stepped()
        step(copied(opt), arrays())
    opt, params = stepped()
    opt.t = 0
    step(opt, arrays())
    opt = optim.SGD(0.1)  # it keeps nothing
    step(opt, params)
    step(opt, arrays())


def test_of_many_arrays_some_stand_for_all() -> None:
    def many() -> dict[str, np.ndarray]:
        return {f"{i}.weight": np.full(2, float(i)) for i in range(1000)}

    opt, first = optim.Adam(), many()
    step(opt, first)
    copies = {path: w.copy() for path, w in first.items()}
    step(opt, copies)
    with pytest.raises(ValueError, match="belongs to other arrays"):
        step(opt, many())
