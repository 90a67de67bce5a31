"""What a model holds and would not save is said when it is assigned, or at the latest when it is saved."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn


@dataclass
class Config:
    width: int
    weight: Any = None


def new_class() -> type[nn.Module]:
    """A note comes once for each class and attribute."""
    return type(f"Net{next(COUNT)}", (nn.Module,), {})


COUNT = iter(range(10**6))
HIDDEN: dict[str, tuple[Callable[[], Any], str]] = {
    "a dataclass": (lambda: Config(3, fl.ones(3)), "arrays and modules in the Config 'held'"),
    "a set": (lambda: {nn.Linear(2, 2)}, "arrays and modules in the set 'held'"),
    "a deque": (lambda: deque([fl.ones(2)]), "arrays and modules in the deque 'held'"),
    "a namespace": (lambda: SimpleNamespace(w=fl.ones(2)), "arrays and modules in the SimpleNamespace 'held'"),
    "in a list": (lambda: [1, {"a": Config(3, nn.Linear(1, 1))}], r"arrays and modules in the Config 'held\.1\.a'"),
    "a constant": (lambda: np.ones(3), "the NumPy array 'held' is a constant"),
}
FINE: dict[str, Any] = {
    "numbers": (3, 2.5, "name", None, True),
    "settings": Config(3),
    "functions": [fl.tanh, len, lambda x: x],
    "classes": nn.Linear,
    "a generator": fl.random.default_rng(0),
    "an optimizer": fl.optim.Adam(),
    "integers": np.arange(3),
}


@pytest.mark.parametrize(("make", "words"), HIDDEN.values(), ids=HIDDEN)
def test_it_is_said_when_it_is_assigned(make: Callable[[], Any], words: str) -> None:
    net = new_class()()
    with pytest.warns(UserWarning, match=rf"\[Net\d+\] {words}.*neither trained nor saved") as caught:
        net.held = make()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    net.held = make()  # not again


@pytest.mark.parametrize("value", FINE.values(), ids=FINE)
def test_nothing_is_said_of_what_is_no_array(tmp_path: Path, value: Any) -> None:
    net = new_class()()
    net.held, net.weight = value, fl.ones(2)
    fl.save(tmp_path / "m.safetensors", net)


def test_pytorchs_tensors_and_layers_are_named() -> None:
    torch = pytest.importorskip("torch")

    net = new_class()()
    with pytest.warns(
        UserWarning, match=r"'weight' is PyTorch's Parameter, neither trained nor saved: assign fl.asarray"
    ):
        net.weight = torch.nn.Parameter(torch.ones(2))
    with pytest.warns(UserWarning, match=r"'layer' is PyTorch's Linear, neither trained nor saved"):
        net.layer = torch.nn.Linear(2, 2)


def test_what_came_later_is_said_when_the_model_is_saved(tmp_path: Path) -> None:
    net = new_class()()
    net.parts = [nn.Linear(2, 2)]
    net.parts.append(Config(1, fl.ones(3)))
    with pytest.warns(UserWarning) as caught:
        fl.save(tmp_path / "m.safetensors", nn.Sequential(net))
    assert any("layer 0: arrays and modules in the Config 'parts.1'" in str(note.message) for note in caught)


def test_two_arrays_of_one_path_are_an_error() -> None:
    net = new_class()()
    net.a = {"b.c": fl.ones(2), "b": {"c": fl.zeros(2)}}
    for ask in (net.parameters, net.state_dict):
        with pytest.raises(ValueError, match=r"two arrays have the path 'a\.b\.c', so one could not be saved"):
            ask()


@pytest.mark.parametrize("name", ["parameters", "modules", "state_dict", "train"])
def test_a_method_is_not_hidden_by_an_attribute(name: str) -> None:
    with pytest.raises(ValueError, match=rf"\[Net\d+\] '{name}' is a method of every module"):
        setattr(new_class()(), name, [nn.Linear(1, 1)])
