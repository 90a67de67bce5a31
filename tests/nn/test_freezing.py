"""What is frozen is not trained, wherever training happens; and it is said where the model is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn

X = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
Y = X[:, :2] * 2


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh())
        self.head = nn.Linear(4, 2)
        self.scale = fl.ones(2)

    def forward(self, x: Any) -> Any:
        return self.head(self.encoder(x)) * self.scale


def numbers(model: nn.Module) -> dict[str, np.ndarray]:
    return {path: np.array(a) for path, a in model.state_dict().items()}


def changed(model: nn.Module, before: dict[str, np.ndarray]) -> list[str]:
    return [path for path, a in model.state_dict().items() if not np.array_equal(a, before[path])]


def test_patterns_choose_and_unfreeze_takes_back() -> None:
    net = Net()
    every = list(net.parameters())
    assert net.freeze("encoder.*") is net
    assert list(net.parameters()) == ["scale", "head.weight", "head.bias"]
    assert [path for path, _ in net.named_parameters()] == every
    assert list(net.state_dict()) == list(Net().state_dict())
    net.unfreeze("*.0.bias")
    assert list(net.parameters()) == ["scale", "encoder.0.bias", "head.weight", "head.bias"]
    assert list(net.freeze().parameters()) == []
    assert list(net.unfreeze().parameters()) == every


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("encoder", r"no parameter fits 'encoder'; did you mean 'encoder\.\*'\?"),
        ("heat.weight", "did you mean 'head.weight'"),
        ("1.*", "there are scale, encoder.0.weight"),
        ("encoder.1.running_*", "no parameter fits"),
    ],
)
def test_a_pattern_that_fits_nothing_is_an_error(pattern: str, words: str) -> None:
    net = Net()
    with pytest.raises(ValueError, match=rf"\[freeze\] .*{words}"):
        net.freeze(pattern)
    with pytest.raises(TypeError, match=r"\[freeze\] a pattern must be a text, got 3"):
        net.freeze(3)  # type: ignore[arg-type]
    assert len(net.parameters()) == 7


def test_a_layer_says_what_of_it_is_frozen() -> None:
    net = Net().freeze("encoder.0.*", "head.bias", "scale")
    text = repr(net)
    for line in ("scale: frozen (2,)", "(0): Linear(3, 4), frozen\n", "(head): Linear(4, 2), frozen: bias\n"):
        assert line in text
    assert "momentum=0.1)\n" in text
    assert "<td>frozen</td>" in net._repr_html_()
    assert "18 trained numbers" not in net._repr_html_()
    assert "16 trained numbers, 20 frozen" in net._repr_html_()


@pytest.mark.parametrize(
    "make", [lambda: fl.optim.Adam(0.1), lambda: fl.optim.SOAP(0.1), lambda: fl.optim.EMA(fl.optim.SGD(0.1))]
)
def test_fit_leaves_it_alone(make: Any) -> None:
    net = Net().freeze("encoder.*")
    before, opt = numbers(net), make()
    fl.fit(net, X, Y, loss="mse", optimizer=opt, epochs=2, batch_size=8, validation=(X, Y), progress=False)
    moved = ["scale", "encoder.1.running_mean", "encoder.1.running_var", "encoder.1.num_batches_tracked"]
    assert changed(net, before) == [*moved, "head.weight", "head.bias"]
    assert set(opt.state) == {"scale", "head.weight", "head.bias"}


def test_a_frozen_part_that_evaluates_keeps_its_statistics_too() -> None:
    net = Net().freeze("encoder.*")
    net.encoder.eval()
    before = numbers(net)
    fl.fit(net, X, Y, loss="mse", epochs=2, progress=False)
    assert changed(net, before) == ["scale", "head.weight", "head.bias"]
    fl.evaluate(net, X, Y, loss="mse")
    fl.predict(net, X)
    assert [m.training for m in net.modules()] == [True, False, False, False, False, True]


def test_fit_trains_it_as_a_constant_would_be() -> None:
    net, other = Net(), Net()
    other.load_state_dict(net.state_dict())
    net.freeze("encoder.0.*")
    weights = other.encoder.layers[0]
    other.encoder.layers[0] = lambda x: fl.stop_gradient(weights(x))
    for model in (net, other):
        fl.fit(model, X, Y, loss="mse", optimizer=fl.optim.Adam(0.1), epochs=3, progress=False)
    np.testing.assert_array_equal(net.head.weight, other.head.weight)


def test_gradients_and_steps_by_hand() -> None:
    net = Net().freeze("encoder.*")
    before = numbers(net)
    g = fl.grad(lambda m: nn.losses.mse(m(X), Y))(net)
    assert list(g) == ["scale", "head.weight", "head.bias"]
    opt = fl.optim.Adam(0.1)
    opt.step(net, g)
    assert not set(changed(net, before)) & {"encoder.0.weight", "encoder.0.bias"}
    net.unfreeze("encoder.0.*")
    with pytest.raises(ValueError, match=r"new \['encoder.0.bias', .*a new one after freeze\(\) and unfreeze\(\)"):
        opt.step(net, fl.grad(lambda m: nn.losses.mse(m(X), Y))(net))


def test_a_traced_function_notices() -> None:
    net = Net().eval()
    f = fl.jit(lambda: fl.grad(lambda m: nn.losses.mse(m(X), Y))(net))
    assert len(f()) == 7
    net.freeze("encoder.*")
    assert list(f()) == ["scale", "head.weight", "head.bias"]
    assert f.traces == 2


def test_a_callback_that_freezes_is_heard() -> None:
    net = Net()
    opt = fl.optim.partition({"encoder.*": fl.optim.SGD(0.1), "*": fl.optim.Adam(0.1)})
    kept: list[dict[str, np.ndarray]] = []

    def callback(epoch: int, *rest: Any) -> None:
        if epoch == 1:
            net.freeze("encoder.*")
            kept.append(numbers(net))

    fl.fit(net, X, Y, loss="mse", optimizer=opt, epochs=4, callbacks=[callback], progress=False)
    assert not {path for path in changed(net, kept[0]) if "encoder.0" in path}
    assert "head.weight" in changed(net, kept[0])


def test_all_frozen_is_said() -> None:
    with pytest.raises(ValueError, match=r"\[fit\] all parameters of the model are frozen: unfreeze some"):
        fl.fit(Net().freeze(), X, Y, loss="mse", progress=False)


def test_a_frozen_float64_model_stays_float64() -> None:
    net = nn.Sequential(nn.Linear(3, 2, dtype="float64")).freeze()
    assert fl.predict(net, X).dtype == np.float64


def test_a_tied_parameter_is_frozen_by_any_of_its_names() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    net.freeze("1.weight")
    assert list(net.parameters()) == ["0.bias", "1.bias"]
    net.unfreeze("0.weight")
    assert list(net.parameters()) == ["0.weight", "0.bias", "1.bias"]


@pytest.mark.parametrize("frozen", [False, True])
def test_groups_by_glob_have_their_own_rates(frozen: bool) -> None:
    """R59: one group per pattern, in fit and by hand."""
    nets = [Net().eval(), Net().eval()]
    nets[1].load_state_dict(nets[0].state_dict())

    def make() -> fl.optim.Optimizer:
        rates = {"encoder.*": 0.001, "*.bias": 0.0, "*": 0.1}
        return fl.optim.partition({pattern: fl.optim.SGD(rate) for pattern, rate in rates.items()})

    before = numbers(nets[0])
    for net in nets:
        for part in net.modules():
            part.training = part is net
        if frozen:
            net.freeze("encoder.*")
    fl.fit(nets[0], X, Y, loss="mse", optimizer=make(), batch_size="full", shuffle=False, epochs=1, progress=False)
    g = fl.grad(lambda m: nn.losses.mse(m(X), Y))(nets[1])
    make().step(nets[1], g)
    for path, array in nets[0].state_dict().items():
        rate = 0.0 if frozen and "encoder" in path else 0.001 if "encoder" in path else 0.0 if "bias" in path else 0.1
        expected = before[path] - rate * np.asarray(g.get(path, 0.0))
        np.testing.assert_allclose(array, expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(array, nets[1].state_dict()[path], rtol=1e-5, atol=1e-7)
