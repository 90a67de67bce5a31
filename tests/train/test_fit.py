"""What fit computes: the same bits as a loop by hand, on every target and for every number of threads."""

from __future__ import annotations

import copy
import gc
import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import shuffled

import fallline as fl
from fallline import _core
from fallline.nn import losses
from fallline.testing import use_target
from fallline.train._data import DROPOUT, ORDER
from fallline.transforms._effects import collecting

RNG = np.random.default_rng(0)
X = RNG.normal(size=(107, 6)).astype(np.float32)  # 107 = 3 * 32 + 11: a shorter batch at the end
LABELS = (X[:, 0] * X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 1)
Y = (X @ RNG.normal(size=(6, 2)) + 0.1).astype(np.float32)


def network(
    dropout: float = 0.0, dtype: Any = None, sizes: tuple[int, ...] = (6, 16, 3), seed: int = 1
) -> fl.nn.Sequential:
    rng = fl.random.default_rng(seed)
    layers: list[fl.nn.Module] = []
    for n, m in itertools.pairwise(sizes):
        layers += [fl.nn.Linear(n, m, rng=rng, dtype=dtype), fl.nn.Dropout(dropout), fl.nn.Tanh()]
    return fl.nn.Sequential(*layers[:-2])


def arrays(model: fl.nn.Module) -> dict[str, np.ndarray]:
    return {path: np.array(a) for path, a in model.state_dict().items()}


def assert_same(a: fl.nn.Module, b: fl.nn.Module) -> None:
    for path, array in arrays(a).items():
        np.testing.assert_array_equal(array, arrays(b)[path], err_msg=path)


def assert_close(a: fl.nn.Module, b: fl.nn.Module, rtol: float) -> None:
    for path, array in arrays(a).items():
        np.testing.assert_allclose(array, arrays(b)[path], rtol=rtol, atol=rtol, err_msg=path)


def fit(model: fl.nn.Module, x: Any = X, y: Any = LABELS, **facts: Any) -> fl.History:
    return fl.fit(model, x, y, **{"loss": "cross_entropy", "progress": False, "seed": 3, "epochs": 2, **facts})


def by_hand(
    model: fl.nn.Module, x: Any, y: Any, loss: Callable[..., Any], opt: fl.optim.Optimizer, epochs: int,
    *, shuffle: bool, batch: int = 32, weight: Any = None, seed: int = 3,
) -> dict[str, list[float]]:  # fmt: skip
    """Train with the eager functions, batch by batch."""
    n = len(x)
    steps = -(-n // batch)
    history: dict[str, list[float]] = {"loss": [], "grad_norm": []}
    for _ in range(epochs):
        bits = _core.random_bits(_core.derive_key(seed, ORDER), (opt.t // steps) << 32, (n,), np.uint64)
        order = shuffled(np.asarray(bits)) if shuffle else np.arange(n)
        values, norms = [], []
        for start in range(0, n, batch):
            rows = order[start : start + batch]
            key = fl.asarray(np.array([_core.derive_key(seed, DROPOUT), opt.t + 1], np.uint64))
            extra = {} if weight is None else {"sample_weight": weight[rows]}
            with collecting(key) as effects:
                value, grads = fl.value_and_grad(lambda m, rows=rows, extra=extra: loss(m(x[rows]), y[rows], **extra))(
                    model
                )
            for buffer, new in effects.updates:
                buffer._write(new)
            opt.step(model, grads)
            values.append(float(value))
            norms.append(sum(float((np.asarray(g, np.float64) ** 2).sum()) for g in grads.values()) ** 0.5)
        history["loss"].append(float(np.mean(values)))
        history["grad_norm"].append(float(np.mean(norms)))
    return history


OPTIMIZERS: dict[str, Callable[[], fl.optim.Optimizer]] = {
    "sgd": lambda: fl.optim.SGD(0.1),
    "nesterov": lambda: fl.optim.Nesterov(0.05, l2=1e-3),
    "rmsprop": lambda: fl.optim.RMSprop(1e-2, momentum=0.5),
    "adamw on a schedule": lambda: fl.optim.AdamW(fl.optim.schedules.exponential(0.02, 0.9), weight_decay=0.1),
}


# The same as by hand


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if "schedule" not in name])
def test_fit_equals_a_loop_by_hand_bit_for_bit(name: str, shuffle: bool) -> None:
    one, two = network(0.2), network(0.2)
    history = fit(one, optimizer=OPTIMIZERS[name](), shuffle=shuffle, epochs=3)
    want = by_hand(two, X, LABELS, losses.cross_entropy, OPTIMIZERS[name](), 3, shuffle=shuffle)
    assert_same(one, two)
    assert history["loss"] == want["loss"]
    np.testing.assert_allclose(history["grad_norm"], want["grad_norm"], rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "binary_cross_entropy"])
def test_every_loss_trains_as_by_hand(loss: str) -> None:
    y = (Y > 0).astype(np.float32) if loss == "binary_cross_entropy" else Y
    one, two = network(sizes=(6, 8, 2)), network(sizes=(6, 8, 2))
    fit(one, y=y, loss=loss, optimizer=fl.optim.Adam(0.01))
    by_hand(two, X, y, losses.get(loss), fl.optim.Adam(0.01), 2, shuffle=True)
    assert_same(one, two)


def test_weights_of_samples_are_used_in_every_batch() -> None:
    weight = RNG.uniform(0, 2, len(X)).astype(np.float32)
    one, two, three = network(), network(), network()
    fit(one, sample_weight=weight, optimizer=fl.optim.SGD(0.1))
    by_hand(two, X, LABELS, losses.cross_entropy, fl.optim.SGD(0.1), 2, shuffle=True, weight=weight)
    assert_same(one, two)
    fit(three, optimizer=fl.optim.SGD(0.1))
    assert any((arrays(one)[p] != arrays(three)[p]).any() for p in arrays(one))


@pytest.mark.parametrize("batch", [1, 8, 107, 106, 1000, "full"])
def test_every_batch_size_covers_all_samples(batch: Any) -> None:
    one, two = network(), network()
    history = fit(one, batch_size=batch, optimizer=fl.optim.SGD(0.05), epochs=1, record_steps=True)
    size = len(X) if batch == "full" else min(batch, len(X))
    by_hand(two, X, LABELS, losses.cross_entropy, fl.optim.SGD(0.05), 1, shuffle=True, batch=size)
    assert_close(one, two, 1e-6)
    assert len(history.steps["loss"]) == -(-len(X) // size)


def test_a_loss_and_a_metric_of_ones_own_are_traced() -> None:
    def loss(output: Any, target: Any) -> Any:
        return np.mean((output - target) ** 4)

    def worst(output: Any, target: Any) -> Any:
        return fl.max(fl.abs(output - target))

    one, two = network(sizes=(6, 2)), network(sizes=(6, 2))
    history = fit(one, y=Y, loss=loss, metrics=[worst, "mae"], optimizer=fl.optim.SGD(1e-3), epochs=4)
    by_hand(two, X, Y, loss, fl.optim.SGD(1e-3), 4, shuffle=True)
    assert_same(one, two)
    assert set(history) == {"loss", "worst", "mae", "grad_norm"}
    assert history["worst"][-1] < history["worst"][0]
    assert fl.evaluate(one, X, Y, loss=loss, metrics=["mae"])["mae"] == pytest.approx(
        float(np.abs(np.asarray(one(X)) - Y).mean()), rel=1e-5
    )


def test_gradients_are_clipped_by_their_common_norm() -> None:
    one, two = network(), network()
    history = fit(one, optimizer=fl.optim.SGD(0.5), clip_global_norm=0.3, shuffle=False, epochs=1, record_steps=True)
    opt, norms = fl.optim.SGD(0.5), []
    for start in range(0, len(X), 32):
        grads = fl.grad(lambda m, s=start: losses.cross_entropy(m(X[s : s + 32]), LABELS[s : s + 32]))(two)
        norm = sum(float((np.asarray(g, np.float64) ** 2).sum()) for g in grads.values()) ** 0.5
        norms.append(norm)
        opt.step(two, {path: g * min(1.0, 0.3 / norm) for path, g in grads.items()})
    assert_close(one, two, 1e-6)
    np.testing.assert_allclose(history.steps["grad_norm"], norms, rtol=1e-5)  # before clipping
    assert max(norms) > 0.3


def test_clipping_is_pytorchs_but_for_its_small_number() -> None:
    torch = pytest.importorskip("torch")
    model = network()
    before, grads = arrays(model), fl.grad(lambda m: losses.cross_entropy(m(X), LABELS))(model)
    fit(model, optimizer=fl.optim.SGD(1.0), clip_global_norm=0.05, batch_size="full", shuffle=False, epochs=1)
    tensors = [torch.nn.Parameter(torch.zeros(g.shape)) for g in grads.values()]
    for tensor, g in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(np.array(g))
    torch.nn.utils.clip_grad_norm_(tensors, 0.05)
    for tensor, (path, was) in zip(tensors, before.items(), strict=True):
        np.testing.assert_allclose(was - arrays(model)[path], tensor.grad.numpy(), rtol=1e-3, atol=1e-6)


# Going on


def test_n_and_m_epochs_are_n_save_load_m(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for make in OPTIMIZERS.values():
        whole, first = network(0.3), network(0.3)
        full = fit(whole, optimizer=make(), epochs=5)
        opt = make()
        start = fit(first, optimizer=opt, epochs=2)
        fl.save(tmp_path / "m.safetensors", first, opt, start)
        second, opt = network(0.3, seed=77), make()
        fl.load(tmp_path / "m.safetensors", second, opt)
        rest = fit(second, optimizer=opt, epochs=3)
        assert_same(whole, second)
        assert full["loss"] == start["loss"] + rest["loss"]


def test_an_instance_goes_on_and_a_name_starts_anew() -> None:
    one, two = network(), network()
    opt = fl.optim.Adam()
    fit(one, optimizer=opt, epochs=1)
    assert opt.t == 4
    fit(one, optimizer=opt, epochs=1)
    assert opt.t == 8
    fit(two, optimizer="adam", epochs=2)
    assert_same(one, two)
    fit(one, optimizer="adam", epochs=0)
    assert_same(one, two)


def test_the_default_optimizer_is_adam_with_the_papers_numbers() -> None:
    """R50."""
    assert inspect.signature(fl.fit).parameters["optimizer"].default == "adam"
    one, two = network(), network()
    fit(one, epochs=3)
    fit(two, optimizer=fl.optim.Adam(1e-3, betas=(0.9, 0.999), eps=1e-8), epochs=3)
    assert_same(one, two)


RULES: dict[str, Callable[[], fl.optim.Optimizer]] = {
    **OPTIMIZERS,
    "a chain": lambda: fl.optim.chain(fl.optim.clip_value(1.0), fl.optim.Adam(0.01)),
    "a rule on whole tensors": lambda: fl.optim.SOAP(0.01),
}


@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_knows_whose_state_it_holds(name: str) -> None:
    model, opt = network(), RULES[name]()
    fit(model, optimizer=opt, epochs=1)
    other = network(seed=2)
    before = arrays(other)
    with pytest.raises(ValueError, match=r"holds the state of another Sequential, after 4 updates; make a new one"):
        fit(other, optimizer=opt)
    assert all((arrays(other)[path] == before[path]).all() for path in before)
    pair, twin = copy.deepcopy((model, opt))
    fit(pair, optimizer=twin, epochs=1)  # a copy of both goes on
    fit(model, optimizer=opt, epochs=1)
    assert_same(pair, model)
    del model
    gc.collect()
    with pytest.raises(ValueError, match="holds the state of a model that is gone"):
        fit(other, optimizer=opt)
    opt.load_state_dict(twin.state_dict())  # a state that was loaded belongs to the next model
    fit(pair, optimizer=opt, epochs=1)


def test_an_optimizer_that_has_made_no_step_belongs_to_nobody() -> None:
    opt = fl.optim.Adam()
    fit(network(), optimizer=opt, epochs=0)
    fit(network(), optimizer=opt, epochs=1)
    assert opt.t == 4


# Modes


def test_every_part_keeps_its_mode() -> None:
    model = network(0.5)
    model[1].eval()  # a part that is frozen
    modes = [module.training for module in model.modules()]
    assert len(set(modes)) == 2
    for use in (
        lambda: fl.predict(model, X),
        lambda: fl.predict(model, X[:0]),
        lambda: fl.evaluate(model, X, LABELS, loss="cross_entropy"),
        lambda: fl.train.plan(model, X, LABELS, loss="cross_entropy"),
        lambda: fl.train.update_running_statistics(model, X),
        lambda: fit(model, epochs=1, validation=(X, LABELS)),
    ):
        use()
        assert [module.training for module in model.modules()] == modes
    model.eval()
    fl.predict(model, X)
    assert not any(module.training for module in model.modules())
    fit(model, epochs=1)
    assert all(module.training for module in model.modules())


def test_epochs_are_shuffled_anew_and_the_seed_decides() -> None:
    order: list[list[float]] = []
    x = np.arange(40, dtype=np.float32)[:, None]
    for seed in (0, 0, 1):
        model = fl.nn.Linear(1, 1, weight_init="zeros")
        history = fl.fit(model, x, x, loss=lambda out, y: (y * 1.0).sum() + 0 * out.sum(), optimizer=fl.optim.SGD(0.0),
                         epochs=2, batch_size=1, seed=seed, progress=False, record_steps=True)  # fmt: skip
        order.append(history.steps["loss"].tolist())
    assert order[0] == order[1] != order[2]
    first, second = order[0][:40], order[0][40:]
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second != list(range(40))


# The same bits everywhere


def test_targets_with_fma_train_the_same_weights() -> None:
    models = {}
    for target in _core.targets():
        with use_target(target):
            models[target] = network(0.25)
            fit(models[target], optimizer="adam", epochs=3)
    for target, model in models.items():
        if target == "sse4":
            assert_close(model, models["scalar"], 1e-3)
        else:
            assert_same(model, models["scalar"])


def test_one_and_two_threads_train_the_same_weights_of_a_wide_net() -> None:
    x = RNG.normal(size=(256, 512)).astype(np.float32)
    y = RNG.integers(0, 10, 256)
    models = []
    for threads in (1, 2):
        fl.set_num_threads(threads)
        models.append(network(0.1, sizes=(512, 512, 10)))
        fit(models[-1], x, y, optimizer="adam", batch_size=128)
    assert_same(*models)
    assert fl.info()["counters"]["threads_worked"] >= 2


# Dtypes and memory orders of the data


@pytest.mark.parametrize(
    "x", [X, np.asfortranarray(X), np.repeat(X, 2, 0)[::2], X[::-1][::-1], fl.asarray(X)], ids=range(5)
)
def test_the_memory_order_of_the_data_does_not_matter(x: Any) -> None:
    for shuffle in (False, True):
        one, two = network(), network()
        fit(one, x, shuffle=shuffle)
        fit(two, X.copy(), shuffle=shuffle)
        assert_same(one, two)


def test_data_are_cast_batch_by_batch_to_the_dtype_of_the_model() -> None:
    pixels = RNG.integers(0, 256, (107, 6)).astype(np.uint8)
    for shuffle in (False, True):
        models = [network() for _ in range(4)]
        for model, dtype in zip(models, ("uint8", "float32", "float64", "int32"), strict=True):
            fit(model, pixels.astype(dtype), shuffle=shuffle)
        for model in models[1:]:
            assert_same(models[0], model)


@pytest.mark.parametrize(
    ("n", "batch", "width"),
    [*((6007, 50, width) for width in (1, 2, 3, 5, 13, 33, 130)), (40_007, 50, 5), (607, 1, 1), (607, 1, 130)],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("order", [lambda x: x, np.asfortranarray, lambda x: x[::-1]], ids=["rows", "columns", "back"])
def test_rows_of_every_length_come_in_their_order(n: int, batch: int, width: int, dtype: str, order: Any) -> None:
    """A loss that is the sum of the batch's rows, over more samples than are gathered or put in order at once."""
    x = order(np.random.default_rng(0).integers(0, 4, (n, width)).astype(dtype))
    model = fl.nn.Linear(width, 1, bias=False, dtype="float32")
    np.asarray(model.weight)[...] = 1
    bits = _core.random_bits(_core.derive_key(3, ORDER), 0, (n,), np.uint64)
    for places in (shuffled(np.asarray(bits)), np.arange(n)):
        history = fit(model, x, np.zeros((n, 1), np.float32), loss=lambda out, y: (out + y).sum(), epochs=1,
                      optimizer=fl.optim.SGD(0.0), batch_size=batch, shuffle=places[0] != 0,
                      record_steps=True)  # fmt: skip
        sums = np.add.reduceat(x[places].astype(np.float64).sum(1), np.arange(0, n, batch))
        np.testing.assert_array_equal(history.steps["loss"], sums)


def test_a_float64_model_stays_float64() -> None:
    model = network(dtype="float64", sizes=(6, 8, 2))
    history = fit(model, X.astype(np.float64), Y, loss="mse", optimizer=fl.optim.Adam(0.01), epochs=60)
    assert {a.dtype for a in arrays(model).values()} == {np.dtype("float64")}
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    two = network(dtype="float64", sizes=(6, 8, 2))
    by_hand(two, X.astype(np.float64), Y.astype(np.float64), losses.mse, fl.optim.Adam(0.01), 60, shuffle=True)
    assert_same(model, two)
    assert fl.predict(model, X).dtype == np.float64
    assert fl.predict(model, X[:0]).dtype == np.float64


def test_images_and_other_shapes_go_through() -> None:
    x = RNG.normal(size=(20, 2, 3)).astype(np.float32)
    model = fl.nn.Sequential(fl.nn.Flatten(), fl.nn.Linear(6, 2))
    fit(model, x, np.arange(20) % 2)
    assert fl.predict(model, x).shape == (20, 2)
    single = fl.nn.Sequential(lambda v: v.reshape(-1, 1), fl.nn.Linear(1, 1))
    fit(single, X[:, 0], X[:, 0] * 3, loss="mse", optimizer=fl.optim.SGD(0.1), epochs=30)
    assert single[1].weight.item() == pytest.approx(3, abs=0.01)


def test_the_parameters_stay_the_same_objects_in_place() -> None:
    model = network()
    held = dict(model.parameters())
    addresses = {path: np.asarray(a).ctypes.data for path, a in held.items()}
    fit(model)
    for path, array in model.parameters().items():
        assert array is held[path]
        assert np.asarray(array).ctypes.data == addresses[path]
        assert not array.requires_grad
