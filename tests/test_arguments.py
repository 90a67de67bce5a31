"""The public door: a wrong argument is told by its name, with what it is, what it should be, and the way out."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn

X = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def fit(**facts: Any) -> Any:
    return fl.fit(**{"model": net(), "x": X, "y": Y, "loss": "mse", "progress": False, **facts})


class Foreign:
    """Stands for a layer of PyTorch where that is not installed."""

    __module__ = "torch.nn.modules.linear"

    def __call__(self, x: Any) -> Any:
        return x


# What is called, the error, and what it says.
T, V, S = TypeError, ValueError, fl.ShapeError
WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "optimizer class": (lambda: fit(optimizer=fl.optim.Adam), T, r"\[fit\] .*Adam itself; make one first: Adam\("),
    "no optimizer": (lambda: fit(optimizer=None), T, r"optimizer must be .*got None"),
    "one metric": (lambda: fit(metrics="accuracy"), T, r"metrics must be a list.*put it in a list: \['accuracy'\]"),
    "metric function alone": (lambda: fit(metrics=nn.losses.mae), T, r"metrics must be a list"),
    "metric class": (lambda: fit(metrics=["mse", nn.ReLU]), T, r"metrics\[1\] must be .*the class ReLU itself"),
    "metric slip": (lambda: fit(metrics=["accurac"]), V, "did you mean 'accuracy'"),
    "loss class": (lambda: fit(loss=nn.ReLU), T, r"loss must be .*the class ReLU itself"),
    "no loss": (lambda: fit(loss=None), T, "loss must be .*there are mse"),
    "foreign loss": (lambda: fit(loss=Foreign()), T, r"loss must be .*functions in fl\.nn\.losses"),
    "missing loss": (lambda: fl.evaluate(net(), X, Y), T, r"\[evaluate\] missing a required argument: 'loss'"),
    "half an epoch": (lambda: fit(epochs=2.5), T, "epochs must be a whole number of at least 0, got 2.5$"),
    "epochs as float": (lambda: fit(epochs=2.0), T, "got 2.0; write 2$"),
    "epochs as text": (lambda: fit(epochs="3"), T, "got '3'$"),
    "epochs true": (lambda: fit(epochs=True), T, "epochs must be .*got True"),
    "epochs negative": (lambda: fit(epochs=-1), V, "epochs must be .*got -1"),
    "seed negative": (lambda: fit(seed=-1), V, "seed must be a whole number from 0"),
    "seed none": (lambda: fit(seed=None), T, "seed must be .*got None"),
    "seed array": (lambda: fit(seed=np.zeros(3)), T, r"seed must be .*an array of shape \(3,\) and"),
    "shuffle text": (lambda: fit(shuffle="no"), T, "shuffle must be True or False, got 'no'"),
    "clip text": (lambda: fit(clip_global_norm="1"), T, "clip_global_norm must be positive, or None, got '1'"),
    "clip nan": (lambda: fit(clip_global_norm=np.nan), V, "clip_global_norm must be positive"),
    "batch text": (lambda: fit(batch_size="all"), V, "or 'full', got 'all'"),
    "batch class": (lambda: fit(batch_size=fl.train.BatchSizeSchedule), V, "make one first: BatchSizeSchedule"),
    "callback alone": (lambda: fit(callbacks=print), T, "callbacks must be a list of callbacks"),
    "callback class": (lambda: fit(callbacks=[fl.optim.ReduceOnPlateau]), T, r"callbacks\[0\] must .*make one first"),
    "validation share": (lambda: fit(validation=0.2), T, "validation must be a pair .*validation_split=0.2"),
    "validation array": (lambda: fit(validation=X), T, r"validation must be a pair .*write validation=\(x, y\)"),
    "interrupt slip": (lambda: fit(on_interrupt="returns"), V, "got 'returns'; did you mean 'return'"),
    "name of Keras": (lambda: fit(validation_data=(X, Y)), T, r"no argument 'validation_data'; use validation="),
    "rate": (lambda: fit(lr=0.1), T, r"no argument 'lr'; use optimizer=: optimizer=fl\.optim\.Adam\(1e-3\)"),
    "slip": (lambda: fit(epoch=3), T, "no argument 'epoch'; did you mean 'epochs'"),
    "model none": (lambda: fit(model=None), T, "model must be a fl.nn.Module, got None"),
    "model class": (lambda: fit(model=nn.Linear), T, "got the class Linear itself; make one first"),
    "model function": (lambda: fit(model=np.tanh), T, "among the layers of fl.nn.Sequential"),
    "model of PyTorch": (lambda: fit(model=Foreign()), T, "bear PyTorch's names.*load_state_dict"),
    "model list": (lambda: fit(model=[nn.Linear(4, 1)]), T, r"fl\.nn\.Sequential\(\*layers\)"),
    "model path": (lambda: fl.predict("m.safetensors", X), T, r"\[predict\] model must be .*fl\.load\(path\)"),
    "data none": (lambda: fit(x=None), T, r"\[fit\] x must be an array with samples .*, got None"),
    "data ragged": (lambda: fit(x=[[1.0], [2.0, 3.0]]), S, r"\[fit\] x is no array: its rows differ"),
    "data text": (lambda: fl.predict(net(), "x.csv"), T, r"\[predict\] x must be an array .*got 'x.csv'"),
    "one sample": (lambda: fl.predict(net(), X[0]), S, r"a single axis.*one sample is x\[None\]"),
    "one wrong sample": (lambda: fl.predict(net(), np.zeros(1024)), S, r"a single axis.*one sample is x\[None\]"),
    "predict batch": (lambda: fl.predict(net(), X, batch_size=2.5), V, r"\[predict\] batch_size must be .*got 2.5"),
    "evaluate metric": (lambda: fl.evaluate(net(), X, Y, loss="mse", metrics="mse"), T, r"\[evaluate\] metrics must"),
    "save order": (lambda: fl.save(net(), "m.safetensors"), T, r"the path comes first: fl\.save\(path, model\)"),
    "save model": (lambda: fl.save("m.safetensors", 3), T, r"\[save\] model must be"),
    "save optimizer": (lambda: fl.save("m.safetensors", net(), fl.optim.Adam), T, r"\[save\] opt must be .*class Adam"),
    "load number": (lambda: fl.load(3), T, r"\[load\] path must be the path of a file.*got 3"),
    "plan": (lambda: fl.train.plan(net(), X, Y, loss="mse", metrics="mse"), T, r"\[plan\] metrics must be a list"),
    "size float": (lambda: nn.Linear(4, 2.0), T, r"\[Linear\] out_features must be a positive .*; write 2"),
    "embedding float": (lambda: nn.Embedding(3, 2.0), T, r"\[Embedding\] embedding_dim must be a positive .*; write 2"),
    "LSTM float": (lambda: nn.LSTM(3, 2.5), T, r"\[LSTM\] hidden_size must be a positive whole number, got 2\.5"),
    "GRU text": (lambda: nn.GRU("a", 2), T, r"\[GRU\] input_size must be a positive whole number, got 'a'"),
    "cell float": (lambda: nn.LSTMCell(3, 2.0), T, r"\[LSTMCell\] hidden_size .*; write 2"),
    "attention float": (lambda: nn.MultiheadAttention(8.0, 2), T, r"\[MultiheadAttention\] embed_dim .*; write 8"),
    "bilinear": (lambda: nn.Bilinear(2, 3.5, 1), T, r"\[Bilinear\] in2_features must be a positive"),
    "layer norm text": (lambda: nn.LayerNorm("a"), T, r"\[LayerNorm\] normalized_shape must be a positive .*got 'a'"),
    "layer norm float": (lambda: nn.LayerNorm((3, 2.5)), T, r"normalized_shape must be .*got \(3, 2\.5\)"),
    "slopes": (lambda: nn.PReLU(2.5), T, r"\[PReLU\] num_parameters must be a positive"),
    "kernel of conv3d": (lambda: nn.Conv3d(1, 2, (3, 3)), V, r"kernel_size must be .*, or three of them, got \(3, 3\)"),
    "size text": (lambda: nn.Linear("4", 2), T, r"\[Linear\] in_features must be .*got '4'"),
    "size zero": (lambda: nn.Linear(0, 2), V, "in_features must be a positive whole number, got 0"),
    "size missing": (lambda: nn.Linear(4), T, r"\[Linear\] missing a required argument: 'out_features'"),
    "bias number": (lambda: nn.Linear(4, 2, bias=1), T, "bias must be True or False, got 1"),
    "dtype": (lambda: nn.Linear(4, 2, dtype="float16"), V, "dtype must be float32 or float64"),
    "rng": (lambda: nn.Linear(4, 2, rng=np.random.default_rng()), T, r"rng must be a generator .*fl\.random"),
    "initialiser": (lambda: nn.Linear(4, 2, weight_init="xavier"), V, "weight_init .*there are glorot_uniform"),
    "keyword of Keras": (lambda: nn.Linear(units=2), T, r"\[Linear\] there is no argument 'units'"),
    "probability": (lambda: nn.Dropout("a"), T, r"\[Dropout\] p must be in \[0, 1\), got 'a'"),
    "probability 1": (lambda: nn.Dropout(1.0), V, "p must be in"),
    "channels": (lambda: nn.Conv2d(1, 2.0, 3), T, r"\[Conv2d\] out_channels must be"),
    "window": (lambda: nn.MaxPool2d(2.5), T, r"\[MaxPool2d\] kernel_size must be a positive whole number, or two"),
    "three windows": (lambda: nn.AvgPool2d((2, 2, 2)), V, r"\[AvgPool2d\] kernel_size must be"),
    "features": (lambda: nn.BatchNorm1d(4.0), T, r"\[BatchNorm1d\] num_features must be .*write 4"),
    "axis": (lambda: nn.Flatten("a"), T, r"\[Flatten\] start_dim must be"),
    "slope": (lambda: nn.LeakyReLU(None), T, r"\[LeakyReLU\] negative_slope must be"),
    "layers in a list": (lambda: nn.Sequential([nn.ReLU()]), T, r"one by one: Sequential\(\*layers\)"),
    "layer class": (lambda: nn.Sequential(nn.ReLU), T, r"\[Sequential\] layer 0 must be .*make one first: ReLU"),
    "stride": (lambda: nn.Conv2d(1, 1, 3, stride=0), V, r"\[Conv2d\] stride must be a positive"),
    "padding": (lambda: nn.Conv2d(1, 1, 3, padding="sam"), V, "padding must be .*did you mean 'same'"),
    "mode": (lambda: nn.ReLU().train("x"), T, r"\[train\] mode must be True or False, got 'x'"),
    "state": (lambda: nn.Linear(1, 1).load_state_dict(3), T, r"\[load_state_dict\] expected a dict"),
    "deviation": (lambda: nn.init.normal("a"), T, r"\[normal\] deviation must be at least 0"),
    "sizes": (lambda: fl.train.BatchSizeSchedule("a"), T, r"\[BatchSizeSchedule\] size must be"),
    "factor": (lambda: fl.train.BatchSizeSchedule(8, factor=0), V, r"\[BatchSizeSchedule\] factor must be positive"),
    "scale": (lambda: fl.train.scale_learning_rate(0.1, 0, 8), V, r"\[scale_learning_rate\] batch_size must be"),
    "folder": (lambda: fl.load("/"), V, r"\[load\] path must be the path of a file, no folder"),
    "a result to differentiate": (lambda: fl.grad(3.0), T, r"\[grad\] f must be a function, got 3.0; give the"),
    "argnums": (lambda: fl.grad(abs, "x"), T, r"\[grad\] argnums must be the position of an argument"),
    "no pair": (lambda: fl.grad(lambda x: x * x, has_aux=True)(1.0), T, r"must return \(scalar, anything\)"),
    "optimizer by class": (lambda: fl.optim.get(fl.optim.Adam), T, r"\[optim\] expected the name .*make one first"),
    "array of none": (lambda: fl.asarray(None), fl.DTypeError, r"\[asarray\] dtype object .*got None"),
    "seed of text": (lambda: fl.random.seed("a"), T, r"\[random\] seed must be a whole number"),
    "layer of PyTorch": (lambda: nn.Sequential(Foreign()), T, "namesakes in fl.nn"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_told_in_one_sentence(name: str) -> None:
    call, error, words = WRONG[name]
    with pytest.raises(error, match=words) as raised:
        call()
    text = str(raised.value)
    assert text.startswith("[")
    assert "\n" not in text
    assert len(text) < 400


def test_numbers_of_numpy_are_numbers() -> None:
    model = nn.Sequential(nn.Linear(np.int64(4), np.int32(2)), nn.Dropout(np.float32(0.5)), nn.Linear(2, 1))
    assert type(model[0].in_features) is int
    fit(model=model, epochs=np.int64(1), batch_size=np.int32(16), seed=np.uint8(3), shuffle=np.True_)


def test_a_module_needs_no_call_of_its_bases_constructor() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            self.linear = nn.Linear(4, 1)

        def forward(self, x: Any) -> Any:
            return self.linear(x)

    model = Bare()
    assert fl.predict(model, X).shape == (64, 1)
    assert not model.eval().training


# Inside a model


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(9, 1)

    def forward(self, x: Any) -> Any:
        return self.linear(x)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.parts = {"first": nn.Linear(4, 8), "rest": [nn.ReLU(), Block()]}

    def forward(self, x: Any) -> Any:
        relu, block = self.parts["rest"]
        return block(relu(self.parts["first"](x)))


PLACES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "sequence": (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(9, 1)),
                 r"in layer 2 = Linear\(9, 1\), which got \({n}, 8\); "
                 r"on the way: \({n}, 4\), 0 Linear -> \({n}, 8\), 1 ReLU -> \({n}, 8\), 2 Linear"),
    "nested": (lambda: nn.Sequential(nn.Linear(4, 8), Block()),
               r"in layer 1\.linear = Linear\(9, 1\), which got \({n}, 8\); "
               r"on the way: \({n}, 4\), 0 Linear -> \({n}, 8\), 1 Block"),
    "containers": (Two, r"in layer parts\.rest\.1\.linear = Linear\(9, 1\), which got \({n}, 8\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_an_error_inside_a_model_names_the_layer_and_the_shapes_on_the_way(name: str) -> None:
    make, words = PLACES[name]
    calls: list[tuple[int, Callable[[], Any]]] = [
        (32, lambda: fit(model=make())),
        (64, lambda: fl.predict(make(), X)),
        (64, lambda: fl.evaluate(make(), X, Y, loss="mse")),
        (64, lambda: make()(X)),
    ]
    for n, call in calls:
        with pytest.raises(fl.ShapeError, match=r"^\[linear\] .*" + words.replace("{n}", str(n))):
            call()


def test_what_the_users_code_raises_stays_as_it_is() -> None:
    class Mine(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine") as raised:
        nn.Sequential(nn.Linear(4, 2), Mine())(X)
    assert raised.value.args == ("mine",)  # where it happened is a note


def test_our_frames_are_left_out_of_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def frames() -> list[str]:
        with pytest.raises(fl.ShapeError) as raised:
            fit(model=Two())
        return [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]

    short = frames()
    assert sum("fallline" in name for name in short) == 1  # the door
    assert sum(name == __file__ for name in short) >= 3  # the call, and the forwards on the way
    monkeypatch.setenv("FALLLINE_TRACEBACK", "full")
    assert len(frames()) > len(short) + 3


def test_an_error_that_nobody_foresaw_keeps_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    from fallline.train import _evaluate

    monkeypatch.setattr(_evaluate, "Evaluation", None)  # a fault of our own
    with pytest.raises(TypeError) as raised:
        fl.evaluate(net(), X, Y, loss="mse")
    assert traceback.extract_tb(raised.value.__traceback__)[-1].filename.endswith("_evaluate.py")


def test_a_script_shows_a_few_lines_and_the_layer() -> None:
    code = """
import numpy as np, fallline as fl
model = fl.nn.Sequential(fl.nn.Linear(4, 8), fl.nn.ReLU(), fl.nn.Linear(9, 1))
fl.fit(model, np.ones((64, 4)), np.ones((64, 1)), loss="mse")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert len(run.stderr.splitlines()) <= 8
    assert "in layer 2 = Linear(9, 1), which got (32, 8)" in run.stderr.splitlines()[-1]
