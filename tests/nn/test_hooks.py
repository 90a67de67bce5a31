"""Hooks on modules (R5): see and change what goes in and out, in Python, in plans and in fit; and go away again."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
Y = X[:, :1] * 2


def model() -> nn.Sequential:
    fl.random.seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def test_activations_are_seen() -> None:
    net, seen = model(), []
    handles = [m.register_forward_hook(lambda m, args, out: seen.append((type(m).__name__, args, out))) for m in net]
    y = net(X)
    assert [name for name, _, _ in seen] == ["Linear", "Tanh", "Linear"]
    assert seen[2][2] is y
    np.testing.assert_array_equal(seen[1][2], np.asarray(fl.tanh(seen[0][2])))
    assert seen[1][1][0] is seen[0][2]
    for handle in handles:
        handle.remove()
        handle.remove()
    net(X)
    assert len(seen) == 3


def test_inputs_and_outputs_are_changed_in_order() -> None:
    net = model()
    plain = net(X)
    pre = net.register_forward_pre_hook(lambda m, args: args[0] * 2)
    np.testing.assert_array_equal(net(X), model()(X * 2))
    pre.remove()
    net.register_forward_pre_hook(lambda m, args: (args[0] * 0 + 1,))
    np.testing.assert_array_equal(net(X), model()(X * 0 + 1))
    net = model()
    with net.register_forward_hook(lambda m, args, out: out + 1), net.register_forward_hook(lambda m, a, out: out * 2):
        np.testing.assert_array_equal(net(X), (plain + 1) * 2)
        assert net.register_forward_hook(lambda m, args, out: None).remove() is None
    np.testing.assert_array_equal(net(X), plain)


def test_keywords_reach_forward() -> None:
    layer, seen = nn.LSTM(3, 2), []
    layer.register_forward_hook(lambda m, args, out: seen.append(out[0].shape))
    layer(fl.ones((5, 2, 3)), mask=np.ones((5, 2), bool))
    assert seen == [(5, 2, 2)]


def test_derivatives_pass_through_what_a_hook_makes() -> None:
    net = model()
    handle = net[1].register_forward_hook(lambda m, args, out: out * out)
    loss = lambda m: nn.losses.mse(m(X), Y)  # noqa: E731
    found = fl.grad(loss)(net)
    handle.remove()
    twin = nn.Sequential(net[0], net[1], lambda h: h * h, net[2])
    for path, g in fl.grad(loss)(twin).items():
        np.testing.assert_array_equal(found[path.replace("3.", "2.")], g)


def test_a_traced_function_notices_what_comes_and_goes() -> None:
    net = model()
    f = fl.jit(lambda x: net(x))
    plain = f(X)
    with net[0].register_forward_hook(lambda m, args, out: out * 0):
        np.testing.assert_array_equal(f(X), np.broadcast_to(net[2].bias, (8, 1)))
        assert f.traces == 2
    np.testing.assert_array_equal(f(X), plain)
    assert f.traces == 2


@pytest.mark.parametrize("optimizer", [fl.optim.SGD(0.1), fl.optim.chain(fl.optim.clip_value(9.0), fl.optim.SGD(0.1))])
def test_fit_trains_with_what_a_hook_makes(optimizer: fl.optim.Optimizer) -> None:
    net = model()
    twin = nn.Sequential(copy.deepcopy(net[0]), lambda h: h * 0.5, nn.Tanh(), copy.deepcopy(net[2]))
    calls = []

    def halve(m: nn.Module, args: Any, out: Any) -> Any:
        calls.append(out.shape)
        return out * 0.5

    net[0].register_forward_hook(halve)
    for each in (net, twin):
        fl.fit(each, X, Y, loss="mse", optimizer=copy.deepcopy(optimizer), batch_size=4, epochs=5, progress=False)
    np.testing.assert_array_equal(net[0].weight, twin[0].weight)
    np.testing.assert_array_equal(fl.predict(net, X), fl.predict(twin, X))
    assert calls.count((4, 4)) == 1  # once for the plan, not once for each step


def test_a_value_that_is_not_there_while_fit_traces_is_said() -> None:
    net = model()
    net[0].register_forward_hook(lambda m, args, out: print(float(out.sum())))
    with pytest.raises(fl.TraceError, match=r"traced"):
        fl.fit(net, X, Y, loss="mse", progress=False)


def test_an_error_in_a_hook_and_wrong_arguments() -> None:
    net = model()
    with pytest.raises(TypeError, match=r"\[register_forward_hook\] hook must be a function, got 3"):
        net.register_forward_hook(3)  # type: ignore[arg-type]

    def fail(*args: Any) -> None:
        raise ZeroDivisionError("mine")

    handle = net[2].register_forward_hook(fail)
    assert "forward hook fail" in repr(handle)
    with pytest.raises(ZeroDivisionError, match="mine"):
        net(X)
    handle.remove()
    assert repr(handle).endswith("removed)")
    net(X)


def test_parts_and_parameters_are_not_those_of_a_hook() -> None:
    net = model()
    net[0].register_forward_hook(nn.Linear(4, 4))
    assert len(net.parameters()) == 4
    assert len(list(net.modules())) == 4


def test_a_callback_that_hooks_is_heard() -> None:
    net = model()
    before = np.array(net[0].weight)

    def cut(epoch: int, *rest: Any) -> None:
        if epoch == 0:
            net[0].register_forward_hook(lambda m, args, out: fl.stop_gradient(out))
            before[...] = net[0].weight

    fl.fit(net, X, Y, loss="mse", optimizer=fl.optim.SGD(0.1), epochs=3, callbacks=[cut], progress=False)
    np.testing.assert_array_equal(net[0].weight, before)


def test_gradients_are_seen_and_changed() -> None:
    net = model()
    loss = lambda m: nn.losses.mse(m(X), Y)  # noqa: E731
    plain, seen = fl.grad(loss)(net), []
    with net[2].register_full_backward_hook(lambda m, gi, go: seen.append((gi, go))):
        for found in (fl.grad(loss)(net), fl.jit(lambda: fl.grad(loss)(net))()):
            for path, g in plain.items():
                np.testing.assert_allclose(found[path], g, rtol=1e-6, atol=1e-8)
    (g_in,), (g_out,) = seen[0]
    np.testing.assert_allclose(g_out, 2 / 8 * (np.asarray(net(X)) - Y), rtol=1e-5)
    np.testing.assert_allclose(g_in, np.asarray(g_out) @ np.asarray(net[2].weight), rtol=1e-5)
    with net[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,)):
        tripled = fl.grad(loss)(net)
    np.testing.assert_allclose(tripled["0.weight"], 3 * np.asarray(plain["0.weight"]), rtol=1e-5)
    np.testing.assert_allclose(tripled["2.weight"], plain["2.weight"], rtol=1e-6)
    before = np.array(net[0].weight)
    net[2].register_full_backward_hook(lambda m, gi, go: (gi[0] * 0,))
    fl.fit(net, X, Y, loss="mse", optimizer=fl.optim.SGD(0.1), progress=False)
    np.testing.assert_array_equal(net[0].weight, before)
