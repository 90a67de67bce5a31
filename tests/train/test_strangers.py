"""A model file may come from anyone: whatever was changed in it, loading ends in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train._architecture import COMPOSED, DEEPEST, LAYERS, MOST_LAYERS, build, describe
from fallline.train._checkpoint import read, read_history

pytest.importorskip("safetensors")
pytest.importorskip("typer")

LINEAR = {"type": "Linear", "arguments": {"in_features": 3, "out_features": 2, "bias": True, "dtype": "float32"}}


def sequential(*layers: Any) -> dict[str, Any]:
    return {"type": "Sequential", "layers": list(layers)}


def linear(**arguments: Any) -> dict[str, Any]:
    return sequential({"type": "Linear", "arguments": {**LINEAR["arguments"], **arguments}})  # type: ignore[dict-item]


def nested(depth: int, inside: Any) -> Any:
    for _ in range(depth):
        inside = sequential(inside)
    return inside


def write(path: Path, edit: dict[str, Any], tensors: dict[str, Any] | None = None) -> Path:
    """Write a good file of the command line, with these texts (or JSON of them) and tensors instead of its own."""
    from safetensors.numpy import save_file

    features = {
        "kind": "columns",
        "columns": [{"kind": "number", "name": n, "fill": 0, "mean": 0, "std": 1} for n in "abc"],
    }
    texts = {
        "format": "fallline 1",
        "class": "Sequential",
        "model": json.dumps(sequential(LINEAR)),
        "features": json.dumps(features),
        "target": json.dumps({"kind": "classification", "name": "y", "classes": ["no", "yes"]}),
        "loss": '"cross_entropy"',
    }
    texts |= {key: value if isinstance(value, str) else json.dumps(value) for key, value in edit.items()}
    held = {"0.weight": np.zeros((2, 3), np.float32), "0.bias": np.zeros(2, np.float32)} | (tensors or {})
    save_file({name: value for name, value in held.items() if value is not None}, path, texts)
    return path


def number(**changes: Any) -> dict[str, Any]:
    columns = [{"kind": "number", "name": n, "fill": 0, "mean": 0, "std": 1} for n in "abc"]
    columns[1] |= changes
    return {"features": {"kind": "columns", "columns": columns}}


def classes(**changes: Any) -> dict[str, Any]:
    return {"target": {"kind": "classification", "name": "y", "classes": ["no", "yes"]} | changes}


# What was changed, and the words that say so.
DAMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"model": "{"}, "its 'model' cannot be read"),
    "a large number": ({"model": "9" * 5000}, "its 'model' cannot be read"),
    "a list": ({"model": []}, "the model is not described by its type and arguments"),
    "a text": ({"model": '"Linear"'}, "the model is not described by its type and arguments"),
    "a type of no text": ({"model": {"type": 5}}, "the model is not described by its type"),
    "the base": ({"model": {"type": "Module", "arguments": {}}}, "the model is of the unknown type 'Module'"),
    "a module of Python": (
        {"model": sequential({"type": "init", "arguments": {}})},
        "layer 0 is of the unknown type 'init'",
    ),
    "a long type": ({"model": {"type": "x" * 10_000}}, "the unknown type 'xxx"),
    "no layers": ({"model": {"type": "Sequential"}}, "a Sequential cannot be made like this"),
    "layers of no list": ({"model": {"type": "Sequential", "layers": 7}}, "a Sequential cannot be made like this"),
    "no arguments": ({"model": {"type": "Linear"}}, "a Linear cannot be made like this"),
    "arguments of no dict": ({"model": {"type": "Linear", "arguments": [3, 2]}}, "a Linear cannot be made like this"),
    "an unknown argument": ({"model": linear(colour="red")}, "layer 0: a Linear cannot be made like this"),
    "a nested argument": ({"model": linear(in_features=[[3]])}, "in_features is not a setting of a layer"),
    "a text as a size": ({"model": linear(in_features="3")}, "layer 0: a Linear cannot be made like this"),
    "a broken size": ({"model": linear(in_features=2.5)}, "layer 0: "),
    "no size": ({"model": linear(in_features=0)}, "layer 0: .*in_features must be a positive"),
    "another dtype": ({"model": linear(dtype="object")}, "layer 0: dtype must be float32 or float64, got 'object'"),
    "a strange initialiser": (
        {"model": linear(weight_init="evil")},
        "layer 0: .*weight_init must be the name .*'evil'",
    ),
    "gigabytes": (
        {"model": linear(in_features=40_000, out_features=40_000)},
        "40000 x 40000 numbers is more than there are",
    ),
    "an astronomical size": ({"model": linear(in_features=10**30)}, "numbers is more than there are"),
    "many small layers": (
        {"model": sequential(*[LINEAR] * 2)},
        r"layer 1: \[Linear\] an array of 2 x 3 numbers is more than there are",
    ),
    "too many layers": (
        {"model": sequential(*[{"type": "ReLU", "arguments": {}}] * (MOST_LAYERS + 1))},
        "more than 10,000 layers or 100 levels",
    ),
    "too deep": ({"model": nested(DEEPEST + 1, LINEAR)}, "more than 10,000 layers or 100 levels"),
    "far too deep": ({"model": '{"type":"Sequential","layers":[' * 50_000}, "its 'model' cannot be read"),
    "another network": (
        {"model": linear(in_features=2)},
        r"0.weight is \(2, 3\) in the file and \(2, 2\) in the model",
    ),
    "no bias": ({"model": linear(bias=False)}, r"0.bias is \(2,\) in the file and absent in the model"),
    "features of no JSON": ({"features": "["}, "its 'features' cannot be read"),
    "features of no dict": ({"features": []}, "its columns and its network do not fit"),
    "features without a kind": ({"features": {}}, "its columns and its network do not fit"),
    "columns of no list": ({"features": {"kind": "columns", "columns": 3}}, "do not fit"),
    "no columns": ({"features": {"kind": "columns", "columns": []}}, "do not fit"),
    "a column of no kind": (number(kind="evil"), "do not fit"),
    "a column without a name": (number(name=None), "a Number needs a name of the type str"),
    "a mean of text": (number(mean="0"), "a Number needs a mean of the type float"),
    "a mean that is none": (number(mean=float("nan")), "a Number needs a mean of the type float"),
    "no deviation": (number(std=0), "a standard deviation must be positive"),
    "levels of no list": (number(kind="category", levels="ab"), "a Category needs a levels of the type"),
    "levels of numbers": (number(kind="category", levels=[1, 2]), "a Category needs a levels of the type"),
    "more inputs than the network has": (number(kind="category", levels=["u", "v"]), "do not fit"),
    "a matrix of another width": (
        {"features": {"kind": "matrix", "mean": [0, 0], "std": [1, 1], "features": 3, "divide_by": 1}},
        "2 means and 2 deviations do not fit 3 features",
    ),
    "a matrix of a strange width": (
        {"features": {"kind": "matrix", "mean": [], "std": [], "features": 10**12, "divide_by": 255}},
        "a Matrix needs a features of the type int",
    ),
    "a matrix that divides by nothing": (
        {"features": {"kind": "matrix", "mean": [], "std": [], "features": 3, "divide_by": 0}},
        "a standard deviation must be positive",
    ),
    "a target of no kind": ({"target": {"kind": "evil"}}, "do not fit"),
    "a target of no dict": ({"target": 3}, "do not fit"),
    "classes of no list": (classes(classes="no"), "a Classification needs a classes of the type"),
    "another number of classes": (classes(classes=["a", "b", "c"]), r"outputs of shape \(2,\), the target takes 3"),
    "no classes": (classes(classes=[]), r"outputs of shape \(2,\), the target takes 0"),
    "a target of numbers": ({"target": {"kind": "regression", "name": "y", "mean": 0, "std": -1}}, "must be positive"),
    "another loss": ({"loss": '"binary_cross_entropy"'}, r"outputs of shape \(2,\), the target takes 1"),
    "a loss for numbers": ({"loss": '"mse"'}, "the loss 'mse' is none for this target"),
    "a loss of no text": ({"loss": "null"}, "the loss 'None' is none for this target"),
    "another format": ({"format": "fallline 2"}, "was not written by this fallline"),
}


@pytest.mark.parametrize(("edit", "words"), DAMAGES.values(), ids=DAMAGES)
def test_what_was_edited_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: dict[str, Any], words: str
) -> None:
    from fallline.cli import main

    path = write(tmp_path / "m.safetensors", edit)
    with pytest.raises(ValueError, match=words) as caught:
        fl.load(path)
    assert str(caught.value).startswith("[load] ")
    assert len(str(caught.value)) < 500 + len(str(path))
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    assert main(["predict", str(path), str(tmp_path / "t.csv")]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("fallline: ")
    assert errors.count("\n") == 1


TENSORS: dict[str, tuple[dict[str, Any], str]] = {
    "one is absent": ({"0.bias": None}, r"layer 0: \[Linear\] an array of 2 numbers is more than there are"),
    "one too many": ({"evil": np.zeros(3, np.float32)}, r"evil is \(3,\) in the file and absent in the model"),
    "a long name": ({"e" * 5000: np.zeros(3, np.float32)}, "e{60} is"),
    "another shape": ({"0.bias": np.zeros(3, np.float32)}, r"0.bias is \(3,\) in the file and \(2,\) in the model"),
    "integers": ({"0.bias": np.zeros(2, np.int64)}, r"0.bias is \(2,\) of kind 'i' in the file"),
    "no numbers": ({"0.bias": np.array([0, np.nan], np.float32)}, "the weights '0.bias' are not all finite numbers"),
    "infinity": ({"0.weight": np.full((2, 3), np.inf, np.float32)}, "the weights '0.weight' are not all finite"),
}


@pytest.mark.parametrize(("tensors", "words"), TENSORS.values(), ids=TENSORS)
def test_tensors_that_are_not_the_network_s(tmp_path: Path, tensors: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fl.load(write(tmp_path / "m.safetensors", {}, tensors))


def test_the_good_file_is_good(tmp_path: Path) -> None:
    model = fl.load(write(tmp_path / "m.safetensors", {}))
    np.testing.assert_array_equal(model.predict({"a": [1], "b": [2], "c": [3]}), ["no"])


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", '{"dict": 3}', '{"dict": {"t": {"tensor": "none"}}}', '{"dict": {"t": {}}}']
)
def test_a_damaged_state_of_an_optimizer_changes_nothing(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "m.safetensors", {"optimizer": text})
    model, opt = fl.nn.Sequential(fl.nn.Linear(3, 2)), fl.optim.Adam()
    before = np.array(model[0].weight)
    with pytest.raises(ValueError, match=r"m\.safetensors"):
        fl.load(path, model, opt)
    np.testing.assert_array_equal(model[0].weight, before)
    assert opt.t == 0


def test_a_damaged_history(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its 'history' cannot be read"):
        read_history(write(tmp_path / "m.safetensors", {"history": "["}))


@pytest.mark.parametrize("what", ["tensors", "header", "text"])
def test_every_cut_of_a_file_is_said(tmp_path: Path, what: str) -> None:
    content = write(tmp_path / "m.safetensors", {}).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    cut = {"tensors": content[:-1], "header": content[: start - 5], "text": b"model"}[what]
    (tmp_path / "cut.safetensors").write_bytes(cut)
    with pytest.raises(ValueError, match=r"is not a readable safetensors file; is it complete\?"):
        fl.load(tmp_path / "cut.safetensors")


@pytest.mark.parametrize("dtype", ["F8_E4M3", "BF16", "C64", "none"])
def test_a_dtype_that_numpy_has_not(tmp_path: Path, dtype: str) -> None:
    content = write(tmp_path / "m.safetensors", {}).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = content[8:start].replace(b'"F32"', b'"' + dtype.encode() + b'"')
    (tmp_path / "n.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[start:])
    with pytest.raises(ValueError, match=r"is not a readable safetensors file"):
        fl.load(tmp_path / "n.safetensors")


# Every layer can be described and made again, and none takes memory that the file has not.

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    **{f"{kind}{n}d": (3, 4, 2) for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)},
    **{f"{kind}Pool{n}d": (2,) for kind in ("Max", "Avg") for n in (1, 2, 3)},
    **{f"LPPool{n}d": (2, 3) for n in (1, 2, 3)},
    **{f"Adaptive{kind}Pool{n}d": (2,) for kind in ("Max", "Avg") for n in (1, 2, 3)},
    **{f"FractionalMaxPool{n}d": (2, 3) for n in (2, 3)},
    **{f"MaxUnpool{n}d": (2,) for n in (1, 2, 3)},
    **{f"{kind}Pad{n}d": (1,) for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2, 3)},
    **{f"ConstantPad{n}d": (1, 0.5) for n in (1, 2, 3)},
    **{f"{kind}Norm{n}d": (3,) for kind in ("Batch", "Instance") for n in (1, 2, 3)},
    **{kind: (3, 4) for kind in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")},
    "MultiheadAttention": (4, 2),
    "Embedding": (5, 3, 1),
    "RealMLP": (5, 2, [0, 3], [4], [12], 2, [6]),
    "EmbeddingBag": (5, 3),
    "GroupNorm": (2, 4),
    "LayerNorm": ((3, 2),),
    "RMSNorm": (3,),
    "LocalResponseNorm": (2,),
    "Bilinear": (2, 3, 4),
    "PReLU": (3,),
    "Threshold": (0.5, 1.0),
    "Fold": ((4, 4), 2),
    "Unfold": (2,),
    "Unflatten": (1, (2, 2)),
    "PixelShuffle": (2,),
    "PixelUnshuffle": (2,),
    "ChannelShuffle": (2,),
    "Upsample": (4,),
    "Linear": (3, 2),
    "Conv2d": (2, 4, 3),
    "BatchNorm1d": (3,),
    "BatchNorm2d": (3,),
    "MaxPool2d": (2,),
    "AvgPool2d": ((2, 3), 1, 1),
    "Dropout": (0.25,),
    "PositionalEncoding": (4, 0.25),
    "RoPE": (2, 100.0, True),
    "ALiBi": (3,),
    **{f"Transformer{kind}Layer": (4, 2, 8, 0.25, "gelu", 1e-3, True, True) for kind in ("Encoder", "Decoder")},
    "LeakyReLU": (np.float32(0.5),),
}


@pytest.mark.parametrize("name", sorted(name for name, kind in LAYERS.items() if kind not in COMPOSED))
def test_every_layer_is_made_again(tmp_path: Path, name: str) -> None:
    layer = LAYERS[name](*ARGUMENTS.get(name, ()))
    model = fl.nn.Sequential(fl.nn.Sequential(layer))
    fl.save(tmp_path / "m.safetensors", model)
    again = fl.load(tmp_path / "m.safetensors")
    assert repr(again) == repr(model)
    for path, array in model.state_dict().items():
        found = again.state_dict()[path]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
    numbers = sum(array.size for array in model.state_dict().values() if array.dtype.kind == "f")
    assert describe(build(describe(model), numbers)) == describe(model)
    if numbers:
        with pytest.raises(ValueError, match="more than there are"):
            build(describe(model), numbers - 1)


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    fl.save(tmp_path / "m.safetensors", fl.nn.Sequential(fl.nn.Linear(3, 2)))
    fl.random.seed(7)
    expected = np.array(fl.nn.Linear(3, 2).weight)
    fl.random.seed(7)
    fl.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(fl.nn.Linear(3, 2).weight, expected)


# What a file cannot describe is said when it is saved.


class Scale(fl.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.by = fl.ones(3)

    def forward(self, x: Any) -> Any:
        return x * self.by


def tied_inside() -> fl.nn.Sequential:
    layer = fl.nn.RNN(3, 3)
    layer.bias_hh_l0 = layer.bias_ih_l0
    return fl.nn.Sequential(layer)


STRANGERS: dict[str, tuple[Any, str]] = {
    "a layer of one's own": (lambda: fl.nn.Sequential(fl.nn.Linear(3, 3), Scale()), "layer 1, 'Scale',"),
    "deeper inside": (lambda: fl.nn.Sequential(fl.nn.Sequential(fl.nn.ReLU(), Scale())), "layer 0.1, 'Scale',"),
    "a function": (lambda: fl.nn.Sequential(fl.nn.Linear(3, 3), fl.tanh), "layer 1, 'tanh',"),
    "a tie inside a layer": (tied_inside, r"layer 0.bias_hh_l0, which is 0.bias_ih_l0 of the same layer,"),
    "an activation of one's own": (
        lambda: fl.nn.Sequential(fl.nn.TransformerEncoderLayer(4, 2, 8, activation=fl.tanh)),
        r"layer 0, 'TransformerEncoderLayer' with activation of type 'function',",
    ),
    "too deep": (
        lambda: fl.nn.Sequential(_deep(DEEPEST)),
        r"layer 0[.0]+, beyond 10,000 layers or 100 levels,",
    ),
}


def _deep(levels: int) -> fl.nn.Module:
    layer: fl.nn.Module = fl.nn.Linear(3, 3)
    for _ in range(levels):
        layer = fl.nn.Sequential(layer)
    return layer


@pytest.mark.parametrize(("make", "words"), STRANGERS.values(), ids=STRANGERS)
def test_what_has_to_be_there_at_loading_is_said_at_saving(tmp_path: Path, make: Any, words: str) -> None:
    fl.random.seed(0)
    model = make()
    path = tmp_path / "m.safetensors"
    with pytest.warns(
        UserWarning, match=rf"\[save\] {words} is no layer that a file describes.*fl.load\(path, model\)"
    ):
        fl.save(path, model)
    with pytest.raises(ValueError, match=rf"m.safetensors: {words} is no layer that a file describes"):
        fl.load(path)
    again = make()
    fl.load(path, again)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], value)


def test_the_warning_names_the_line_of_the_caller(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Scale") as caught:
        fl.save(tmp_path / "m.safetensors", fl.nn.Sequential(Scale()))
    assert caught[0].filename == __file__


def test_a_whole_model_of_ones_own_is_saved_without_a_word(tmp_path: Path) -> None:
    fl.save(tmp_path / "m.safetensors", Scale())
    assert read(tmp_path / "m.safetensors")[1]["class"] == "Scale"
