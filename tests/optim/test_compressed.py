"""Compressed state: the codes, a step on them, and everything else that an optimizer can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_codes as codes
from reference_rules import reference_slots, reference_step

import fallline as fl
from fallline import _core
from fallline.optim import ASGD, Adam, AdamW, Lion, Momentum, Optimizer, RMSprop

RULES = [name for name in _core.rule_names() if set(_core.rule_info(name)[2].values()) & {"signed", "nonnegative"}]


def encode(precision: str, values: str, x: np.ndarray, key: int) -> np.ndarray:
    if precision == "bfloat16":
        return codes.encode_bfloat16(x, key)
    return np.concatenate(codes.encode_float8(x, key, signed=values == "signed"))


def decode(precision: str, values: str, slot: np.ndarray, n: int) -> np.ndarray:
    if precision == "bfloat16":
        return codes.decode_bfloat16(slot)
    return codes.decode_float8(slot[:n], slot[n:], signed=values == "signed")


def sample(n: int, values: str) -> np.ndarray:
    rng = np.random.default_rng(n)
    x = (rng.normal(size=n) * 10.0 ** rng.integers(-12, 4, size=n)).astype(np.float32)
    x[rng.random(n) < 0.1] = 0
    return x if values == "signed" else np.abs(x)


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("values", ["signed", "nonnegative"])
@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
def test_codes_equal_the_reference_on_every_target(precision: str, values: str, target: str) -> None:
    _core.set_target(target)
    for n in (0, 1, 7, 31, 255, 256, 257, 1000):
        x = sample(n, values)
        slot = _core.encode_state(precision, values, x, 77, 1)
        np.testing.assert_array_equal(slot[:-1], encode(precision, values, x, codes.counter_of(77, 0)))
        assert slot[-1] == 1
        np.testing.assert_array_equal(
            _core.decode_state(precision, values, slot, n), decode(precision, values, slot[:-1], n)
        )


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
def test_codes_keep_infinity_and_nan(precision: str, target: str) -> None:
    _core.set_target(target)
    x = np.array([np.inf, np.nan, 3e38, 0, 1], np.float32)
    for values in ("signed", "nonnegative"):
        back = _core.decode_state(precision, values, _core.encode_state(precision, values, x, 1, 0), 5)
        assert back[0] == np.inf
        assert np.isnan(back[1])
        assert back[3] == 0
    back = _core.decode_state(precision, "signed", _core.encode_state(precision, "signed", -x, 1, 0), 5)
    assert back[0] == -np.inf
    assert np.isnan(back[1])


@pytest.mark.parametrize("values", ["signed", "nonnegative"])
@pytest.mark.parametrize(("precision", "step"), [("bfloat16", 2**-7), ("float8", 2**-3)])
def test_rounding_is_right_on_average(precision: str, step: float, values: str) -> None:
    """A thousand keys: each code is a neighbour, and their mean is the value, within five standard errors."""
    x = np.abs(np.random.default_rng(0).normal(size=100)).astype(np.float32) + np.float32(0.01)
    back = np.array(
        [
            _core.decode_state(precision, values, _core.encode_state(precision, values, x, k, 0), 100)
            for k in range(1000)
        ]
    )
    assert (np.abs(back - x) <= step * x).all()
    assert (np.abs(back.mean(axis=0) - x) <= 5 * back.std(axis=0) / np.sqrt(1000) + 1e-7).all()


def test_small_values_of_a_block_are_kept_on_average_and_squares_never_vanish() -> None:
    x = np.full(256, 1e-7, np.float32)
    x[0] = 1.0
    back = [
        _core.decode_state("float8", "signed", _core.encode_state("float8", "signed", x, k, 0), 256)[1:]
        for k in range(400)
    ]
    assert np.mean(back) == pytest.approx(1e-7, rel=0.1)
    squares = _core.decode_state("float8", "nonnegative", _core.encode_state("float8", "nonnegative", x * x, 3, 0), 256)
    assert (squares > 0).all()


@pytest.mark.parametrize("target", _core.targets())
@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
@pytest.mark.parametrize("rule", RULES)
def test_a_step_on_codes_equals_the_reference_bitwise(rule: str, precision: str, target: str) -> None:
    _core.set_target(target)
    rng = np.random.default_rng(3)
    opt, (starts, specs, values) = Optimizer(rule, state_dtype=precision), _core.rule_info(rule)
    h = {name: default for name, default, _ in specs}
    params = [rng.normal(size=n).astype(np.float32) for n in (700, 3, 256, 0)]
    expected = [p.copy() for p in params]

    def kept(x: np.ndarray, slot: str, key: int) -> np.ndarray:
        kind = values[slot]
        return x if kind == "exact" else decode(precision, kind, encode(precision, kind, x, key), x.size)

    zero = codes.counter_of(0, 0)
    state = [
        [kept(x, slot, zero) for slot, x in zip(starts, reference_slots(starts, h, p), strict=True)] for p in params
    ]
    for t in (1, 2, 3):
        grads = [rng.normal(size=p.size).astype(np.float32) for p in params]
        opt.step(params, grads)
        for i, g in enumerate(grads):
            expected[i], *new = reference_step(rule, h, t, expected[i], g, tuple(state[i]))
            keys = [codes.counter_of(codes.step_key(t, i), s) for s in range(len(new))]
            state[i] = [kept(x, slot, key) for x, slot, key in zip(new, values, keys, strict=True)]
            np.testing.assert_array_equal(params[i], expected[i])


@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
def test_the_bits_do_not_depend_on_threads(precision: str) -> None:
    rng, results = np.random.default_rng(0), []
    start, g = rng.normal(size=300_001).astype(np.float32), rng.normal(size=300_001).astype(np.float32)
    for threads in (1, 2):
        fl.set_num_threads(threads)
        opt, w = Adam(0.1, state_dtype=precision), start.copy()
        for _ in range(3):
            opt.step([w[:1000], w[1000:]], [g[:1000], g[1000:]])
        results.append(w.tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
@pytest.mark.parametrize("make", [Adam, AdamW, Lion, lambda **o: Momentum(1e-2, **o), lambda **o: RMSprop(1e-3, **o)])
def test_training_reaches_what_full_state_reaches(make: Any, precision: str) -> None:
    """Digits, ten epochs: within two points of the accuracy with float32 state."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    x, y = (data.data / 16).astype(np.float32), data.target
    found = []
    for state_dtype in (None, precision):
        rng = fl.random.default_rng(0)
        model = fl.nn.Sequential(fl.nn.Linear(64, 64, rng=rng), fl.nn.ReLU(), fl.nn.Linear(64, 10, rng=rng))
        fl.fit(
            model,
            x[:1400],
            y[:1400],
            optimizer=make(state_dtype=state_dtype),
            loss="cross_entropy",
            epochs=10,
            progress=False,
        )
        found.append(fl.evaluate(model, x[1400:], y[1400:], loss="cross_entropy", metrics=["accuracy"])["accuracy"])
    assert found[1] > found[0] - 0.02


@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
def test_saved_and_resumed_equals_uninterrupted(precision: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(200, 5)).astype(np.float32), rng.integers(0, 3, 200)

    def start() -> tuple[Any, Any]:
        rng = fl.random.default_rng(0)
        return fl.nn.Sequential(fl.nn.Linear(5, 40, rng=rng), fl.nn.Tanh(), fl.nn.Linear(40, 3, rng=rng)), Adam(
            state_dtype=precision
        )

    model, opt = start()
    fl.fit(model, x, y, optimizer=opt, loss="cross_entropy", epochs=4, progress=False)
    once, again = start()
    fl.fit(once, x, y, optimizer=again, loss="cross_entropy", epochs=2, progress=False)
    fl.save(tmp_path / "half.safetensors", once, again)
    other, resumed = start()
    fl.load(tmp_path / "half.safetensors", other, resumed)
    fl.fit(other, x, y, optimizer=resumed, loss="cross_entropy", epochs=2, progress=False)
    for path, w in model.parameters().items():
        np.testing.assert_array_equal(np.asarray(w), np.asarray(other.parameters()[path]))


def test_memory_is_what_was_asked_for() -> None:
    w = {"w": np.zeros((100, 100), np.float32)}
    assert [Adam(state_dtype=d).memory_bytes(w) for d in (None, "bfloat16", "float8")] == [80_000, 40_002, 20_082]


def test_state_can_be_read() -> None:
    w, g = (
        {"w": np.zeros((3, 5), np.float32, order="F")},
        {"w": np.arange(15, dtype=np.float32).reshape(3, 5, order="C")},
    )
    opt = Adam(state_dtype="bfloat16")
    opt.step(w, g)
    np.testing.assert_allclose(opt.state_values(w)["w"]["m"], 0.1 * g["w"], rtol=2**-7)
    full = Adam()
    full.step(w, g)
    np.testing.assert_array_equal(full.state_values(w)["w"]["m"], full.state["w"]["m"])


def test_what_cannot_be_is_said_and_changes_nothing() -> None:
    with pytest.raises(ValueError, match="state_dtype must be None, 'bfloat16' or 'float8', got 'int4'"):
        Adam(state_dtype="int4")
    with pytest.raises(ValueError, match="no state of this rule may be compressed"):
        ASGD(state_dtype="float8")
    opt = Adam(state_dtype="float8")
    with pytest.raises(fl.DTypeError, match="is for float32 parameters, got float64"):
        opt.step(np.zeros(3), np.ones(3))
    w = np.zeros((4, 3), np.float32)
    opt.step(w, np.ones((4, 3), np.float32))
    before, saved = w.copy(), opt.state_dict()
    with pytest.raises(ValueError, match="column-major in memory, but its compressed state 'm' was made for row-major"):
        opt.step(np.asfortranarray(w), np.ones((4, 3), np.float32))
    with pytest.raises(ValueError, match="its state_dtype is 'float8', not None"):
        Adam().load_state_dict(saved)
    with pytest.raises(fl.DTypeError, match="compressed state has no derivative"):
        fl.grad(lambda a: opt.update(np.ones((4, 3), np.float32), opt.init(w), a)[0].sum())(fl.asarray(w))
    np.testing.assert_array_equal(w, before)
    assert opt.t == 1
