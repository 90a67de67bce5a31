"""Trees, memory orders, state and errors: what an optimizer promises around its rule."""

from __future__ import annotations

import copy
import sys
import threading
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from reference_rules import reference_step

import fallline as fl
from fallline import _core, _tree, optim

Pair = namedtuple("Pair", "weight bias")


def gradients_like(params: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if isinstance(params, dict):
        return {key: gradients_like(value, seed + i) for i, (key, value) in enumerate(params.items())}
    if isinstance(params, tuple | list):
        new = [gradients_like(value, seed + i) for i, value in enumerate(params)]
        return type(params)(*new) if hasattr(params, "_fields") else type(params)(new)
    return rng.normal(size=params.shape).astype(params.dtype)


def adam_by_hand(w: np.ndarray, grads: list[np.ndarray], **changes: float) -> np.ndarray:
    h = dict(optim.Adam(**changes).hyperparameters())
    m = v = np.zeros_like(w)
    for t, g in enumerate(grads, start=1):
        w, m, v = reference_step("adam", h, t, w, g, (m, v))
    return w


# Trees


def test_a_nested_tree_is_updated_in_place_and_keyed_by_path() -> None:
    params = {"a": [np.ones(3), (np.ones((2, 2), np.float32),)], "b": Pair(np.ones(()), np.ones(0))}
    before = copy.deepcopy(params)
    opt = optim.Adam(0.1)
    for seed in range(3):
        opt.step(params, gradients_like(params, seed))
    assert list(opt.state) == ["a.0", "a.1.0", "b.weight", "b.bias"]
    assert opt.t == 3
    grads = [gradients_like(before, seed)["a"][0] for seed in range(3)]
    np.testing.assert_array_equal(params["a"][0], adam_by_hand(before["a"][0], grads, lr=0.1))
    grads32 = [gradients_like(before, seed)["a"][1][0] for seed in range(3)]
    np.testing.assert_array_equal(params["a"][1][0], adam_by_hand(before["a"][1][0], grads32, lr=0.1))


def test_gradients_are_found_by_path_in_any_order_and_structure() -> None:
    one = {"w": np.ones(3), "b": np.zeros(2)}
    other = copy.deepcopy(one)
    g = gradients_like(one)
    a, b = optim.Momentum(0.1), optim.Momentum(0.1)
    for _ in range(3):
        a.step(one, g)
        b.step(other, {"b": g["b"], "w": g["w"]})
    np.testing.assert_array_equal(one["w"], other["w"])
    np.testing.assert_array_equal(one["b"], other["b"])


def test_renamed_keys_after_a_step_are_noticed() -> None:
    w, b = np.ones(3), np.zeros(3)
    opt = optim.Momentum(0.1)
    opt.step({"w": w, "b": b}, {"w": w.copy(), "b": b.copy()})
    swapped = {"b": w, "w": b}
    opt.step(swapped, {"b": np.zeros(3), "w": np.zeros(3)})
    assert opt.state["w"]["v"].tolist() == [0.9] * 3
    np.testing.assert_allclose(b, -0.09)  # the velocity of 'w' moved the array that is now 'w'


class Model:
    def __init__(self, **params: np.ndarray) -> None:
        self.params = params

    def parameters(self) -> dict[str, np.ndarray]:
        return {f"0.{name}": value for name, value in self.params.items()}


def test_a_module_takes_a_dict_of_gradients() -> None:
    model = Model(weight=np.ones((2, 3)), bias=np.ones(2))
    opt = optim.SGD(1.0)
    for _ in range(2):
        opt.step(model, {"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2)})
    assert (model.params["weight"] == -1).all() and (model.params["bias"] == 1).all()
    assert list(opt.state) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("wrap", [lambda a: a, fl.asarray], ids=["NumPy", "fallline"])
def test_later_steps_are_recognised_without_a_new_check(wrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = {
        "a": [wrap(np.ones(3)), wrap(np.asfortranarray(np.ones((3, 2))))],
        "b": Pair(wrap(np.ones(())), wrap(np.ones(0))),
    }
    model = Model(weight=wrap(np.ones((2, 3), np.float32)))
    for params in (tree, model, wrap(np.ones(4))):
        opt = optim.Adam()
        for _ in range(3):  # with new gradients each time
            opt.step(params, _tree.map(lambda a: wrap(np.array(a, order="K")), params))
            monkeypatch.setattr(opt, "_checked_step", None)
        assert opt.t == 3


# Memory


def make(kind: str, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(6, 5)).astype(np.float32)
    if kind == "row":
        return values
    if kind == "column":
        return np.asfortranarray(values)
    if kind == "strided":
        whole = np.zeros((6, 10), np.float32)
        whole[:, ::2] = values
        return whole[:, ::2]
    if kind == "reversed":
        return values[::-1, ::-1].copy()[::-1, ::-1]
    memory = np.zeros(values.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(6, 5)
    memory[...] = values
    return memory


KINDS = ("row", "column", "strided", "reversed", "unaligned")


@pytest.mark.parametrize("grad_kind", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_any_memory_order_gives_the_same_elements(kind: str, grad_kind: str) -> None:
    w, grads = make(kind, 0), [make(grad_kind, seed) for seed in (1, 2, 3)]
    expected = adam_by_hand(np.array(w), [np.array(g) for g in grads])
    opt = optim.Adam()
    for g in grads:
        opt.step({"w": w}, {"w": g})
    np.testing.assert_array_equal(w, expected)


def test_orders_may_change_from_step_to_step() -> None:
    w, grads = make("row", 0), [make(kind, i) for i, kind in enumerate(KINDS * 2)]
    expected = adam_by_hand(np.array(w), [np.array(g) for g in grads])
    opt = optim.Adam()
    for i, g in enumerate(grads):
        before, w = w, np.asfortranarray(w) if i == 5 else w
        opt.step({"w": w}, {"w": g})
        del before  # until here, so that the optimizer sees that the array is a copy
    np.testing.assert_array_equal(w, expected)


def test_the_gradient_may_be_the_parameter_itself() -> None:
    w = np.arange(1.0, 40.0)
    opt = optim.SGD(0.25)
    for _ in range(3):
        opt.step({"w": w}, {"w": w})
    np.testing.assert_array_equal(w, np.arange(1.0, 40.0) * 0.75**3)


def test_a_gradient_that_overlaps_a_parameter_is_read_before_anything_is_written() -> None:
    for warm in (False, True):
        memory = np.arange(100.0)
        w, g = memory[:90], memory[10:]
        opt = optim.SGD(1.0)
        if warm:
            opt.step({"w": w}, {"w": np.zeros(90)})
        opt.step({"w": w}, {"w": g})
        np.testing.assert_array_equal(w, -10.0)


def test_parameters_that_overlap_are_refused_and_neighbours_are_not() -> None:
    memory = np.arange(100.0)
    for a, b in ((memory[:60], memory[40:]), (memory[::2], memory[::4]), (memory, memory[10:11])):
        with pytest.raises(ValueError, match="'a' and 'b' overlap"):
            optim.SGD(1.0).step({"a": a, "b": b}, {"a": np.ones_like(a), "b": np.ones_like(b)})
    np.testing.assert_array_equal(memory, np.arange(100.0))
    a, b = memory[::2], memory[1::2]
    optim.SGD(1.0).step({"a": a, "b": b}, {"a": np.ones(50), "b": np.ones(50)})
    np.testing.assert_array_equal(memory, np.arange(100.0) - 1)


def test_a_new_array_at_the_same_key_is_noticed() -> None:
    params = {"w": np.ones(5)}
    old, opt = params["w"], optim.SGD(1.0)
    opt.step(params, {"w": np.ones(5)})
    opt.step(params, {"w": np.ones(5)})
    params["w"] = np.ones(5)
    opt.step(params, {"w": np.ones(5)})
    assert old[0] == -1 and params["w"][0] == 0


def test_many_threads_may_step_their_own_optimizers() -> None:
    def run(i: int) -> None:
        w, opt = np.ones(40_000, np.float32), optim.Adam()
        for _ in range(20):
            opt.step(w, g)
        results[i] = w

    g, results = np.full(40_000, 0.5, np.float32), [np.zeros(0)] * 4
    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = adam_by_hand(np.ones(40_000, np.float32), [g] * 20)
    for w in results:
        np.testing.assert_array_equal(w, expected)


# Errors change nothing

GOOD = {"a": (4,), "b": (2, 3)}


def broken(what: str) -> tuple[Any, Any]:
    params = {k: np.ones(s, np.float32) for k, s in GOOD.items()}
    grads = {k: np.ones(s, np.float32) for k, s in GOOD.items()}
    if what == "shape":
        grads["b"] = np.ones((3, 2), np.float32)
    elif what == "dtype":
        grads["b"] = np.ones((2, 3))
    elif what == "integers":
        params["b"] = np.ones((2, 3), np.int64)  # type: ignore[assignment]
    elif what == "byte order":
        params["b"] = np.ones((2, 3), ">f4")
    elif what == "read-only":
        params["b"].flags.writeable = False
    elif what == "a list":
        params["b"] = [1.0, 2.0]  # type: ignore[assignment]
    elif what == "missing":
        del grads["b"]
    elif what == "extra":
        grads["c"] = np.ones(3, np.float32)
    return params, grads


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("shape", ValueError, r"\[Adam\] 'b' has shape \(2, 3\), but its gradient \(3, 2\)"),
        ("dtype", TypeError, r"'b' is float32, but its gradient float64"),
        ("integers", TypeError, r"'b' is int64, expected float32 or float64"),
        ("byte order", TypeError, r"'b' is >f4"),
        ("read-only", ValueError, r"'b' is read-only"),
        ("a list", TypeError, r"'b.0' is a float, expected a NumPy array"),
        ("missing", ValueError, r"without a gradient: \['b'\]"),
        ("extra", ValueError, r"without a parameter: \['c'\]"),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_an_error_changes_nothing(what: str, error: type[Exception], message: str, warm: bool) -> None:
    opt = optim.Adam()
    params, grads = broken(what)
    if warm:
        opt.step(*broken("nothing"))
    before, t, state = copy.deepcopy(params), opt.t, copy.deepcopy({p: dict(s) for p, s in opt.state.items()})
    with pytest.raises(error, match=message):
        opt.step(params, grads)
    assert opt.t == t
    np.testing.assert_equal({p: dict(s) for p, s in opt.state.items()}, state)
    for path in before:
        np.testing.assert_array_equal(params[path], before[path])


@pytest.mark.parametrize("change", ["read-only", "shape", "dtype"])
def test_a_parameter_changed_under_the_same_name_is_noticed(change: str) -> None:
    w, g, opt = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), optim.SGD(1.0)
    opt.step({"w": w}, {"w": g})
    opt.step({"w": w}, {"w": g})
    if change == "read-only":
        w.flags.writeable = False
    with pytest.raises((ValueError, TypeError)):
        opt.step(
            {"w": w.reshape(3, 2) if change == "shape" else w.view(np.int32) if change == "dtype" else w}, {"w": g}
        )
    assert (w == -1).all() and opt.t == 2


def test_other_parameters_need_another_optimizer() -> None:
    opt = optim.Adam()
    opt.step({"w": np.ones(3)}, {"w": np.ones(3)})
    with pytest.raises(ValueError, match=r"new \['x'\], missing \['w'\]"):
        opt.step({"x": np.ones(3)}, {"x": np.ones(3)})
    with pytest.raises(_core.ShapeError, match=r"'w' is float64\(4,\), but its state 'm' is float64\(3,\)"):
        opt.step({"w": np.ones(4)}, {"w": np.ones(4)})


def test_hyper_parameters_are_checked() -> None:
    for wrong in ({"lr": -1.0}, {"lr": np.nan}, {"eps": np.inf}, {"betas": (1.0, 0.9)}, {"betas": (0.9, -0.1)}):
        with pytest.raises(ValueError, match="must be"):
            optim.Adam(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bias_correction must be True or False, got 2"):
        optim.Adam(bias_correction=2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nesterov=True needs momentum"):
        optim.SGD(nesterov=True)
    opt = optim.Adam()
    with pytest.raises(TypeError, match="no hyper-parameter 'rate'; it has lr, beta1"):
        opt.set_hyperparameters(lr=0.5, rate=1.0)
    assert opt.hyperparameters()["lr"] == 1e-3
    opt.set_hyperparameters(lr=0.5)
    assert opt.hyperparameters()["lr"] == 0.5


def test_defaults_in_python_are_those_of_the_native_rule() -> None:
    for cls in (optim.SGD, optim.Momentum, optim.Nesterov, optim.Adagrad, optim.RMSprop, optim.Adam, optim.AMSGrad):
        opt = cls()
        assert repr(opt) == f"{cls.__name__}(lr={opt.lr!r})"  # nothing else differs
    assert repr(optim.AdamW()) == "AdamW(lr=0.001, weight_decay=0.01)"


def test_get_finds_by_name_and_suggests() -> None:
    assert isinstance(optim.get("adam", lr=0.1), optim.Adam)
    assert isinstance(optim.get("RMSprop"), optim.RMSprop)
    opt = optim.SGD()
    assert optim.get(opt) is opt
    with pytest.raises(ValueError, match="no optimizer is named 'adm'; did you mean 'adam'"):
        optim.get("adm")
    with pytest.raises(ValueError, match=r"there are .*adagrad, adam, "):
        optim.get("qqqqq")


def test_a_first_step_does_little_for_each_tensor() -> None:
    def calls(tensors: int) -> int:
        params = {f"{i}": np.zeros(3, np.float32) for i in range(tensors)}
        grads = {path: np.ones(3, np.float32) for path in params}
        count = 0

        def look(*event: object) -> None:
            nonlocal count
            count += event[1] in ("call", "c_call")

        opt = fl.optim.Adam()
        sys.setprofile(look)
        try:
            opt.step(params, grads)
        finally:
            sys.setprofile(None)
        return count

    assert calls(300) - calls(100) < 60 * 200  # each array is looked at once, not once for every check
