"""Modules: which arrays and parts they find, by which paths, and how states are loaded."""

from __future__ import annotations

import copy
import pickle
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
    buffers = ("mean",)

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.mean = fl.ones(2), fl.zeros(2)


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
    with pytest.raises(TypeError, match=r"\[Sequential\] expected modules, got int"):
        nn.Sequential(nn.Linear(1, 1), 3)
    assert nn.Sequential(fl.tanh)(np.zeros(2)).tolist() == [0, 0]  # a function will do


def test_assigned_float_arrays_of_numpy_become_parameters() -> None:
    module = nn.Module()
    module.weight = np.ones(3)
    module.table = np.arange(3)
    assert list(module.parameters()) == ["weight"]
    assert isinstance(module.weight, fl.Array)
    assert isinstance(module.table, np.ndarray)


def test_buffers_are_kept_but_not_trained() -> None:
    module = nn.Sequential(Averager())
    assert list(module.parameters()) == ["0.weight"]
    assert list(module.state_dict()) == ["0.weight", "0.mean"]


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
