"""Trees: flatten, unflatten and map over dicts, lists, tuples and modules."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fallline as fl
from fallline import _tree as tree

Pair = namedtuple("Pair", "weight bias")
TREES = st.recursive(
    st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=12,
)


class Model:
    def parameters(self) -> dict[str, int]:
        return {"0.weight": 1, "0.bias": 2}


def test_paths_are_those_of_pytorch() -> None:
    nested = {"a": [10, (20, 30)], "b": Pair(40, {"c": 50})}
    assert tree.flatten(nested) == {"a.0": 10, "a.1.0": 20, "a.1.1": 30, "b.weight": 40, "b.bias.c": 50}
    assert tree.flatten(7) == {"": 7}
    assert tree.flatten([Model()]) == {"0.0.weight": 1, "0.0.bias": 2}
    assert tree.flatten({}) == {} and tree.flatten([(), {}]) == {}


@given(value=TREES)
def test_unflatten_undoes_flatten(value: Any) -> None:
    leaves = tree.flatten(value)
    for again in (tree.unflatten(value, leaves), tree.unflatten(value, list(leaves.values()))):
        assert again == value and type(again) is type(value)
    assert tree.map(lambda x: x + 1, value) == tree.unflatten(value, [x + 1 for x in leaves.values()])


def test_a_module_becomes_the_dict_of_its_parameters() -> None:
    assert tree.map(lambda x: -x, Model()) == {"0.weight": -1, "0.bias": -2}
    assert tree.map(lambda x, g: x - g, Model(), {"0.bias": 2, "0.weight": 1}) == {"0.weight": 0, "0.bias": 0}


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"two leaves have the path 'a\.b'"):
        tree.flatten({"a.b": 1, "a": {"b": 2}})
    with pytest.raises(ValueError, match="the paths differ: b, c"):
        tree.map(lambda x, y: x, {"a": 1, "b": 2}, {"a": 1, "c": 2})
    with pytest.raises(ValueError, match="got 1 leaves, expected 2"):
        tree.unflatten([0, 0], [1])
    with pytest.raises(ValueError, match="no leaf: 1"):
        tree.unflatten([0, 0], {"0": 1})


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any

    def __post_init__(self) -> None:
        if self.x is None:
            raise ValueError("no x")


def test_a_dataclass_keeps_its_class_and_is_not_constructed_again() -> None:
    point = Point([1, 2], 3)
    assert tree.flatten({"p": point}) == {"p.x.0": 1, "p.x.1": 2, "p.y": 3}
    assert tree.map(lambda x: 2 * x, point) == Point([2, 4], 6)
    assert tree.unflatten(point, [None, None, 0]) == Point([None, None], 0) and point == Point([1, 2], 3)


def test_dataclasses_pass_through_transforms() -> None:
    point = Point(fl.asarray([1.0, 2.0]), fl.asarray(3.0))
    gradient = fl.grad(lambda p: (p.x * p.y).sum())(point)
    assert type(gradient) is Point and gradient.x.tolist() == [3.0, 3.0] and gradient.y.item() == 3.0
    doubled = fl.jit(lambda p: tree.map(lambda a: 2 * a, p))(point)
    assert type(doubled) is Point and doubled.x.tolist() == [2.0, 4.0]
    last, _ = fl.scan(lambda p, _: (tree.map(lambda a: a + 1, p), None), point, length=2)
    assert type(last) is Point and last.x.tolist() == [3.0, 4.0]


def test_the_keys_of_a_dict_belong_to_what_is_traced() -> None:
    f = fl.jit(lambda d: {key: 2 * value for key, value in d.items()})
    assert f({1: fl.asarray(1.0)}).keys() == {1} and f({"1": fl.asarray(1.0)}).keys() == {"1"}
