"""Models in files: every kind that is made of modules, and arrays in several places, which stay one array."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn
from fallline.train._architecture import COMPOSED, build, describe


def encoder(**more: Any) -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, **more), 2, nn.LayerNorm(4))


def uneven() -> nn.Module:
    stack = encoder()
    stack.layers[1] = nn.TransformerEncoderLayer(4, 1, 6, batch_first=True, norm_first=True)
    return stack


def language() -> nn.Sequential:
    layers = [nn.Embedding(9, 4), nn.PositionalEncoding(4, 0.1, batch_first=True), encoder(activation="gelu")]
    model = nn.Sequential(*layers, nn.Linear(4, 9, bias=False))
    model[3].weight = model[0].weight
    return model


def shared() -> nn.Sequential:
    layer, norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
    return nn.Sequential(layer, norm, nn.ReLU(), layer, norm)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "Sequential": lambda: nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU())),
    "ModuleList": lambda: nn.ModuleList([nn.Linear(2, 3), nn.ModuleList()]),
    "ModuleDict": lambda: nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.Dropout(0.25)}),
    "TransformerEncoder": encoder,
    "TransformerDecoder": lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), 2),
    "Transformer": lambda: nn.Transformer(4, 2, 1, 2, 8, batch_first=True, bias=False),
    "of layers that differ": uneven,
    "of rotary positions": lambda: encoder(positions="rotary"),
    "of distances, in float64": lambda: encoder(positions="alibi", dtype="float64"),
    "without layers": lambda: nn.TransformerEncoder(nn.Identity(), 0),
    "of one's own encoder": lambda: nn.Transformer(4, custom_encoder=nn.Linear(4, 4), custom_decoder=nn.Linear(4, 4)),
    "a shared layer": shared,
    "an embedding that is the head too": language,
    "many ties to a large array": lambda: nn.Sequential(*[nn.Sequential(shared()[0])] * 9),
}


def places(model: nn.Module) -> dict[str, str]:
    """Return the first path of the array of every place."""
    first: dict[int, str] = {}
    return {slot.path: first.setdefault(id(slot.array), slot.path) for slot in model._slots(every=True)}


def test_every_composed_kind_has_a_row() -> None:
    assert {kind.__name__ for kind in COMPOSED} <= MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_it_is_made_again_from_its_file(tmp_path: Path, name: str) -> None:
    model = MODELS[name]()
    fl.save(tmp_path / "m.safetensors", model)
    again = fl.load(tmp_path / "m.safetensors")
    assert repr(again) == repr(model)
    assert places(again) == places(model)
    for path, array in model.state_dict().items():
        assert again.state_dict()[path].dtype == array.dtype
        np.testing.assert_array_equal(again.state_dict()[path], array)
    description = describe(model)
    assert json.loads(json.dumps(description)) == json.loads(json.dumps(describe(again)))
    numbers = sum(array.size for array in model.state_dict().values() if array.dtype.kind == "f")
    if numbers:
        with pytest.raises(ValueError, match="more than there are"):
            build(json.loads(json.dumps(description)), numbers - 1)


def test_a_loaded_transformer_computes_the_same(tmp_path: Path) -> None:
    model = language().eval()
    fl.save(tmp_path / "m.safetensors", model)
    tokens = np.arange(10).reshape(2, 5) % 9
    np.testing.assert_array_equal(fl.load(tmp_path / "m.safetensors").eval()(tokens), model(tokens))


def test_a_loaded_tie_trains_as_one(tmp_path: Path) -> None:
    fl.save(tmp_path / "m.safetensors", language())
    model = fl.load(tmp_path / "m.safetensors")
    tokens = np.arange(10).reshape(2, 5) % 9
    fl.fit(
        model,
        tokens,
        tokens,
        loss=lambda out, y: nn.losses.cross_entropy(out.reshape(-1, 9), y.reshape(-1)),
        progress=False,
    )
    assert model[3].weight is model[0].weight


TIED = {"type": "Sequential", "layers": [{"type": "Linear", "arguments": {"in_features": 3, "out_features": 3}}] * 2}
DAMAGES: dict[str, tuple[dict[str, Any], int, str]] = {
    "no dict": ({"ties": 3}, 24, "its ties are not a dict of paths"),
    "no paths": ({"ties": {"1.weight": 3}}, 24, "its ties are not a dict of paths"),
    "to nothing": ({"ties": {"1.weight": "7.weight"}}, 15, "more than there are"),
    "to another shape": ({"ties": {"1.bias": "0.weight"}}, 24, "1.bias has another shape than 0.weight"),
    "of what is not there": ({"ties": {"1.wait": "0.weight"}}, 15, "more than there are"),
    "many of one": ({"ties": {f"1.{i}": "0.weight" for i in range(1000)}}, 12, "more than there are"),
    "of no kind of parts": ({"type": "TransformerEncoder", "parts": [1]}, 24, "cannot be made like this"),
    "without parts": ({"type": "Transformer", "arguments": {"d_model": 4}}, 24, "cannot be made like this"),
}


@pytest.mark.parametrize(("edit", "numbers", "words"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_description_is_said(edit: dict[str, Any], numbers: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build({**copy.deepcopy(TIED), **edit}, numbers)


def test_a_description_of_many_layers_takes_no_time() -> None:
    many = {
        "type": "TransformerEncoder",
        "parts": {f"layers.{i}": {"type": "ReLU", "arguments": {}} for i in range(20_000)},
    }
    with pytest.raises(ValueError, match="more than 10,000 layers"):
        build(many, 10)
