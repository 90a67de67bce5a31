"""Modules: which arrays and parts they find, by which paths, and how states are loaded."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = fl.ones(())
        self.first = nn.Linear(3, 4)
        self.rest = [nn.Linear(4, 4, bias=False), {"a": nn.Tanh(), "b": nn.Sequential(nn.Linear(4, 2))}]
        self.steps = 3
        self.name = "net"

    def forward(self, x: Any) -> Any:
        return self.rest[1]["b"](self.rest[1]["a"](self.rest[0](self.first(x) * self.scale)))


class Averager(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.mean = fl.ones(2), nn.Buffer(np.zeros(2))
        self.seen = {"last": nn.Buffer(fl.zeros(2)), "gain": fl.ones(())}

    def forward(self, x: Any) -> Any:
        return (x - self.mean) * self.weight * self.seen["gain"]


def test_arrays_and_parts_are_found_in_attributes_lists_and_dicts() -> None:
    net = Net()
    assert list(net.parameters()) == [
        "scale", "first.weight", "first.bias", "rest.0.weight", "rest.1.b.0.weight", "rest.1.b.0.bias",
    ]  # fmt: skip
    assert net.parameters()["first.weight"] is net.first.weight
    assert len(list(net.modules())) == 6
    assert fl.asarray(net(np.ones((5, 3), np.float32))).shape == (5, 2)


def test_paths_of_a_sequence_are_its_numbers() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1)))
    assert list(net.parameters()) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]
    assert len(net) == 3
    assert net[1] is list(net)[1]
    with pytest.raises(TypeError, match=r"\[Sequential\] layer 1 must be a module or a function of one array, got 3"):
        nn.Sequential(nn.Linear(1, 1), 3)
    assert nn.Sequential(fl.tanh)(np.zeros(2)).tolist() == [0, 0]  # a function will do


def test_numpy_arrays_are_constants_with_a_note_and_arrays_are_parameters() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = np.arange(3)
            self.weight = fl.ones(3)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(2):
            module = Scaled()
            module.mean = np.ones(3)
            module.stages = [np.zeros(2)]
    words = [str(note.message) for note in said]
    assert [text.partition(" is a constant")[0] for text in words] == [
        "[Scaled] the NumPy array 'mean'", "[Scaled] the NumPy array 'stages.0'",
    ]  # fmt: skip
    assert all("fl.asarray" in text and "fl.nn.Buffer" in text for text in words)
    assert all(note.filename == __file__ for note in said)
    assert list(module.parameters()) == ["weight"]
    assert list(module.state_dict()) == ["weight"]
    assert type(module.mean) is np.ndarray
    assert repr(module) == (
        "Scaled(\n  table: constant (3,) int64\n  weight: parameter (3,) float32\n"
        "  mean: constant (3,) float64\n  stages.0: constant (2,) float64\n)"
    )
    module.weight = np.zeros(4)  # a parameter stays one
    assert list(module.parameters()) == ["weight"]


def test_buffers_are_kept_but_not_trained() -> None:
    module = nn.Sequential(Averager())
    assert list(module.parameters()) == ["0.weight", "0.seen.gain"]
    assert list(module.state_dict()) == ["0.weight", "0.mean", "0.seen.last", "0.seen.gain"]
    assert isinstance(module[0].mean, fl.Array)
    module[0].mean = np.full(2, 0.5, np.float32)
    assert list(module.state_dict()) == ["0.weight", "0.mean", "0.seen.last", "0.seen.gain"]
    for word in ("mean: buffer (2,)", "seen.last: buffer (2,)", "seen.gain: parameter ()", "weight: parameter (2,)"):
        assert word in repr(module)
    x = np.ones((8, 2), np.float32)
    before = {path: np.array(a) for path, a in module.state_dict().items()}
    fl.fit(module, x, x * 3, loss="mse", optimizer=fl.optim.SGD(0.1), epochs=3, progress=False)
    moved = [path for path, a in module.state_dict().items() if not np.array_equal(np.asarray(a), before[path])]
    assert moved == ["0.weight", "0.seen.gain"]
    assert list(copy.deepcopy(module).parameters()) == list(module.parameters())


def test_lists_and_dicts_of_arrays_are_parameters() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = [fl.asarray(np.array([[0.1, 0.2], [0.3, 0.1]], np.float32) * i) for i in range(1, 3)]
            self.by_name = {"gain": fl.ones(2), "rest": (fl.zeros(2), nn.Linear(2, 1))}

        def forward(self, x: Any) -> Any:
            for w in self.weights:
                x = fl.tanh(x @ w) * self.by_name["gain"] + self.by_name["rest"][0]
            return self.by_name["rest"][1](x)

    net, x = Deep(), np.ones((4, 2), np.float32)
    paths = ["weights.0", "weights.1", "by_name.gain", "by_name.rest.0", "by_name.rest.1.weight", "by_name.rest.1.bias"]
    assert list(net.parameters()) == paths
    before = {path: np.array(a) for path, a in net.parameters().items()}
    own = net.weights
    grads = fl.grad(lambda m: fl.nn.losses.mse(m(x), x[:, :1]))(net)
    assert net.weights is own
    assert all(np.asarray(grads[path]).any() for path in paths)
    fl.fit(net, x, x[:, :1] * 2, loss="mse", optimizer=fl.optim.SGD(0.1), progress=False)
    assert all((np.asarray(a) != before[path]).any() for path, a in net.parameters().items())
    twin = Deep()
    twin.load_state_dict(net.state_dict())
    assert twin(x).tolist() == net(x).tolist()


def test_a_shared_module_counts_once() -> None:
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    assert list(net.parameters()) == ["0.weight", "0.bias"]
    x = np.ones((1, 2), np.float32)
    g = fl.grad(lambda m: m(x).sum())(net)
    step = 1e-2
    w = np.asarray(layer.bias)
    before = float(net(x).sum())
    w -= step * np.asarray(g["0.bias"])
    assert before - float(net(x).sum()) == pytest.approx(step * float((np.asarray(g["0.bias"]) ** 2).sum()), rel=0.1)


def test_train_and_eval_reach_every_part() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    x = np.ones((4, 4), np.float32)
    assert net(x) is x or np.array_equal(np.asarray(net(x)), x)
    net.train()
    assert all(module.training for module in net.modules())
    assert not np.array_equal(np.asarray(net(x)), x)


def test_a_state_is_copied_in_all_or_nothing() -> None:
    net = nn.Linear(2, 3)
    weight = net.weight
    good = {"weight": np.arange(6.0).reshape(3, 2), "bias": [1.0, 2.0, 3.0]}
    net.load_state_dict(good)
    assert net.weight is weight
    assert weight.dtype == np.float32
    assert weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert net.bias.tolist() == [1, 2, 3]
    good["weight"][...] = 9
    assert weight.tolist()[0] == [0, 1]
    bad = {"weight": np.zeros((3, 2)), "bias": np.zeros(4)}
    with pytest.raises(fl.ShapeError, match=r"bias is \(4,\), expected \(3,\)"):
        net.load_state_dict(bad)
    for wrong, word in (
        ({"weight": np.zeros((3, 2))}, "missing: \\['bias'\\]"),
        ({**good, "x": 1.0}, "unknown: \\['x'\\]"),
    ):
        with pytest.raises(ValueError, match=word):
            net.load_state_dict(wrong)
    assert weight.tolist()[0] == [0, 1]


def test_a_state_of_views_of_the_own_arrays_can_be_loaded() -> None:
    net = nn.Linear(2, 2, bias=False)
    before = np.array(net.weight)
    net.load_state_dict({"weight": np.asarray(net.weight)[::-1]})
    np.testing.assert_array_equal(np.asarray(net.weight), before[::-1])


def test_models_can_be_copied_and_pickled() -> None:
    net = Net()
    x = np.ones((2, 3), np.float32)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(np.asarray(twin(x)), np.asarray(net(x)))
        assert not np.shares_memory(np.asarray(twin.first.weight), np.asarray(net.first.weight))


def test_models_print_their_structure() -> None:
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)"
    text = repr(nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.2)))
    assert text == "Sequential(\n  (0): Linear(2, 3)\n  (1): Dropout(0.2)\n)"
    assert "(rest.1.b): Sequential(" in repr(Net())


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(TypeError, match="forward"):
        nn.Module()(1)
