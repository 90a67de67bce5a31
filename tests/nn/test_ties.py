"""One array in several places is one parameter: one name, one gradient, one state, and it stays tied."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn


class Language(nn.Module):
    """Embedding and head share their weight; the head is found first by nobody."""

    def __init__(self, tied: bool = True) -> None:
        super().__init__()
        self.embedding, self.body, self.head = nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 7, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Any) -> Any:
        return self.head(fl.tanh(self.body(self.embedding(tokens))))


TOKENS = np.array([0, 3, 5, 3, 6], np.int32)


def loss(model: Language) -> fl.Array:
    return nn.losses.cross_entropy(model(TOKENS), np.array([3, 5, 3, 6, 0]))


def is_tied(model: Language) -> bool:
    return model.head.weight is model.embedding.weight


def test_it_is_named_once() -> None:
    model = Language()
    assert list(model.parameters()) == ["embedding.weight", "body.weight", "body.bias"]
    assert list(model.state_dict()) == ["embedding.weight", "body.weight", "body.bias"]
    assert [path for path, _ in model.named_parameters()] == list(model.parameters())
    in_list = nn.Module()
    in_list.weights = [model.body.weight, model.body.weight]
    assert list(in_list.parameters()) == ["weights.0"]


def test_its_gradient_is_the_sum_over_its_places() -> None:
    model, apart = Language(), Language(tied=False)
    apart.load_state_dict({**model.state_dict(), "head.weight": model.embedding.weight})
    found, parts = fl.grad(loss)(model), fl.grad(loss)(apart)
    assert list(found) == ["embedding.weight", "body.weight", "body.bias"]
    total = parts["embedding.weight"] + parts["head.weight"]
    np.testing.assert_allclose(found["embedding.weight"], total, rtol=1e-6, atol=1e-7)
    assert is_tied(model)


@pytest.mark.parametrize(
    "optimizer", [fl.optim.Adam(0.01), fl.optim.chain(fl.optim.clip_global_norm(9.0), fl.optim.Adam(0.01))]
)
def test_fit_steps_it_once_and_keeps_the_tie(optimizer: fl.optim.Optimizer) -> None:
    model = Language()
    by_hand = copy.deepcopy(model)
    y = np.array([3, 5, 3, 6, 0])
    settings: dict[str, Any] = {"loss": "cross_entropy", "batch_size": "full", "shuffle": False, "progress": False}
    fl.fit(model, TOKENS, y, optimizer=optimizer, epochs=3, **settings)
    opt = fl.optim.Adam(0.01)
    for _ in range(3):
        opt.step(by_hand, fl.grad(loss)(by_hand))
    assert list(opt.state) == ["embedding.weight", "body.weight", "body.bias"]
    assert is_tied(model)
    for path, array in model.state_dict().items():
        np.testing.assert_allclose(array, by_hand.state_dict()[path], rtol=1e-5, atol=1e-6)


def test_copies_pickles_and_files_keep_it(tmp_path: Path) -> None:
    model = Language()
    assert is_tied(copy.deepcopy(model))
    assert is_tied(pickle.loads(pickle.dumps(model)))
    fl.save(tmp_path / "m.safetensors", model)
    again = Language()
    fl.load(tmp_path / "m.safetensors", again)
    assert is_tied(again)
    np.testing.assert_array_equal(again(TOKENS), model(TOKENS))


def test_a_state_may_bear_any_of_its_names_or_all() -> None:
    w, rest = np.arange(28.0, dtype=np.float32).reshape(7, 4), {"body.weight": np.eye(4), "body.bias": np.zeros(4)}
    for names in (["embedding.weight"], ["head.weight"], ["head.weight", "embedding.weight"]):
        model = Language()
        model.load_state_dict({**dict.fromkeys(names, w), **rest})
        assert is_tied(model)
        np.testing.assert_array_equal(model.head.weight, w)
    before = np.array(model.embedding.weight)
    with pytest.raises(ValueError, match=r"\[load_state_dict\] embedding.weight and head.weight are one array here"):
        model.load_state_dict({"embedding.weight": w + 1, "head.weight": w, **rest})
    with pytest.raises(ValueError, match=r"missing: \['embedding.weight'\]"):
        model.load_state_dict(rest)
    np.testing.assert_array_equal(model.embedding.weight, before)


def test_a_shared_module_takes_the_names_of_all_its_places() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    w, b = np.eye(2, dtype=np.float32), np.ones(2, np.float32)
    model.load_state_dict({"0.weight": w, "0.bias": b, "2.weight": w, "2.bias": b})
    np.testing.assert_array_equal(layer.weight, w)


def test_pytorchs_dict_of_a_tied_model_loads() -> None:
    torch = pytest.importorskip("torch")

    theirs = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.Linear(4, 7))
    theirs[1].weight = theirs[0].weight
    mine = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 7))
    mine[1].weight = mine[0].weight
    assert len(theirs.state_dict()) == 3
    mine.load_state_dict(theirs.state_dict())
    expected = theirs(torch.from_numpy(TOKENS)).detach().numpy()
    np.testing.assert_allclose(mine(TOKENS), expected, rtol=1e-5, atol=1e-6)
