"""Every schedule, and every one inside every other, beside plain functions of time: steps, epochs, mixed; R85.

Epochs have lengths of their own here. A part begins when the clock of the whole reaches it; on a clock of epochs it
then counts the whole epochs that have gone by since, in fractions where it began in the middle of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from fallline import optim
from fallline.optim import schedules as s
from fallline.optim._clock import Clock

Plain = Callable[["Time", int, int], float]  # the value at update t of what began at update b


class Time:
    """The epochs of a training, spelled out batch by batch; the last length goes on."""

    def __init__(self, *lengths: int) -> None:
        self.lengths = [*lengths, *[lengths[-1]] * 60]
        self.position = [Fraction(e) + Fraction(i, n) for e, n in enumerate(self.lengths) for i in range(n)]
        self.clock = Clock.constant(lengths[0]).then(0, lengths)

    @cache  # noqa: B019
    def since(self, per: str, t: int, b: int) -> int:
        return t - b if per == "step" else math.floor(self.position[t] - self.position[b])

    @cache  # noqa: B019 (three clocks live as long as this module)
    def after(self, per: str, b: int, much: int) -> int:
        return next(t for t in range(b, len(self.position)) if self.since(per, t, b) >= much)


def cosine(share: float) -> float:
    return (1 + math.cos(math.pi * share)) / 2


def restarts(x: int) -> float:
    length, begin, height = 2.0, 0.0, 1.0
    while x >= begin + length:
        begin, length, height = begin + length, 1.5 * length, 0.5 * height
    return 0.1 + 0.7 * height * cosine((x - begin) / length)


def one_cycle(x: int) -> float:
    top, last = 0.5 * 8 - 1, 7.0
    if x <= top:
        return 0.1 + 0.4 * (1 - cosine(x / top))
    return 0.01 + 0.49 * cosine(min((x - top) / (last - top), 1))


def cyclic(x: int) -> float:
    cycle, phase = divmod(x, 6)
    return 0.1 + 0.6 * (1 - abs(phase / 3 - 1)) * 0.5**cycle


def wsd(x: int) -> float:
    if x < 2:
        return 0.8 * x / 2
    return 0.8 if x < 5 else 0.2 + 0.6 * (1 - math.sqrt(min((x - 5) / 4, 1)))


# How to make it, and the same as a function of the time since it began.
LEAVES: dict[str, tuple[Callable[..., s.Schedule], Callable[[int], float]]] = {
    "constant": (lambda per: s.constant(0.3), lambda x: 0.3),
    "step": (lambda per: s.step(0.8, 3, 0.7, per=per), lambda x: 0.8 * 0.7 ** (x // 3)),
    "multi_step": (
        lambda per: s.multi_step(0.8, [2, 5], 0.3, per=per), lambda x: 0.8 if x < 2 else 0.24 if x < 5 else 0.072
    ),
    "piecewise": (
        lambda per: s.piecewise([2, 5], [0.8, 0.1, 0.4], per=per), lambda x: 0.8 if x < 2 else 0.1 if x < 5 else 0.4
    ),
    "exponential": (lambda per: s.exponential(0.8, 0.2, per=per), lambda x: 0.8 * math.exp(-0.2 * x)),
    "inverse_time": (lambda per: s.inverse_time(0.8, 0.5, per=per), lambda x: 0.8 / (1 + 0.5 * x)),
    "polynomial": (
        lambda per: s.polynomial(0.8, 0.1, 6, 1.7, per=per), lambda x: 0.1 + 0.7 * (1 - min(x, 6) / 6) ** 1.7
    ),
    "linear": (lambda per: s.linear(0.8, 0.1, 6, per=per), lambda x: 0.8 - 0.7 * min(x, 6) / 6),
    "cosine": (lambda per: s.cosine(0.8, 6, 0.1, per=per), lambda x: 0.1 + 0.7 * cosine(min(x, 6) / 6)),
    "cosine_restarts": (lambda per: s.cosine_restarts(0.8, 2, 1.5, 0.5, 0.1, per=per), restarts),
    "one_cycle": (lambda per: s.one_cycle(0.5, 8, 0.5, 5.0, 10.0, per=per), one_cycle),
    "cyclic": (lambda per: s.cyclic(0.1, 0.7, 3, "triangular2", per=per), cyclic),
    "wsd": (lambda per: s.wsd(0.8, 2, 3, 4, 0.2, "sqrt", per=per), wsd),
    "function": (lambda per: lambda x: 1 / (2 + x), lambda x: 1 / (2 + x)),
}  # fmt: skip


def leaf(name: str, per: str | None, outer: str) -> tuple[Any, Plain]:
    make, plain = LEAVES[name]
    own = outer if per is None or name == "function" else per  # a function of yours has no clock of its own
    return make(per), lambda time, t, b: plain(time.since(own, t, b))


def warm(inner: tuple[Any, Plain], per: str | None, outer: str, shape: str) -> tuple[Any, Plain]:
    schedule, then = inner
    ways = {"linear": lambda a, z, p: a + (z - a) * p, "cosine": lambda a, z, p: a + (z - a) * (1 - cosine(p)),
            "exponential": lambda a, z, p: a * (z / a) ** p}  # fmt: skip

    def plain(time: Time, t: int, b: int) -> float:
        x, start = time.since(per or outer, t, b), time.after(per or outer, b, 3)
        return then(time, t, start) if x >= 3 else ways[shape](0.05, then(time, start, start), x / 3)

    return s.warmup(schedule, 3, 0.05, shape, per=per), plain


def joined(first: tuple[Any, Plain], inner: tuple[Any, Plain], per: str | None, outer: str) -> tuple[Any, Plain]:
    def plain(time: Time, t: int, b: int) -> float:
        start = time.after(per or outer, b, 4)
        return first[1](time, t, b) if t < start else inner[1](time, t, start)

    return s.join([first[0], inner[0]], [4], per=per), plain


def scaled(inner: tuple[Any, Plain]) -> tuple[Any, Plain]:
    return s.scale(inner[0], 0.5), lambda time, t, b: 0.5 * inner[1](time, t, b)


# Whatever contains another: from the part, and its own clock.
AROUND: dict[str, Callable[[Callable[[str], tuple[Any, Plain]], str | None, str], tuple[Any, Plain]]] = {
    "warmup": lambda inner, per, outer: warm(inner(per or outer), per, outer, "linear"),
    "cosine warmup": lambda inner, per, outer: warm(inner(per or outer), per, outer, "cosine"),
    "exponential warmup": lambda inner, per, outer: warm(inner(per or outer), per, outer, "exponential"),
    "join": lambda inner, per, outer: joined(leaf("step", None, per or outer), inner(per or outer), per, outer),
    "join before": lambda inner, per, outer: joined(
        inner(per or outer), leaf("linear", None, per or outer), per, outer
    ),
    "scale": lambda inner, per, outer: scaled(inner(outer)),
}
CLOCKS = {"constant": Time(5), "changing": Time(3, 4, 4, 7, 2, 5), "one": Time(1)}
KINDS = (None, "step", "epoch")


def same(schedule: Any, plain: Plain, time: Time, updates: int = 36) -> None:
    found = schedule.on(time.clock, None).values(0, updates)
    np.testing.assert_allclose(found, [plain(time, t, 0) for t in range(updates)], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", [name for name in LEAVES if name != "function"])
def test_every_schedule_is_its_function_of_time(name: str, clock: str) -> None:
    for per in KINDS:
        same(*leaf(name, per, "step"), CLOCKS[clock])


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("inner", [*LEAVES, *AROUND])
@pytest.mark.parametrize("around", AROUND)
def test_every_schedule_inside_every_other(around: str, inner: str, clock: str) -> None:
    for outer in KINDS:
        for per in KINDS:

            def part(mine: str, per: str | None = per) -> tuple[Any, Plain]:
                if inner in LEAVES:
                    return leaf(inner, per, mine)
                return AROUND[inner](lambda own: leaf("cosine", None, own), per, mine)

            schedule, plain = AROUND[around](part, outer, "step")
            same(schedule, plain, CLOCKS[clock])


def test_the_table_says_what_the_functions_take() -> None:
    import inspect

    from fallline import _core

    for name, numbers, marks, parts in _core.schedule_table():
        if name == "function":
            continue
        signature = inspect.signature(getattr(s, name)).parameters
        own = [key for key in signature if key not in ("per", "steps_per_epoch")]
        assert set(own) == {number for number, *_ in numbers} | {key for key in (marks, parts) if key}, name
        for number, default, kind, may_be_open, words in numbers:
            given = signature[number].default
            if kind == "choice":
                assert given == words.split()[0]
            elif may_be_open:
                assert given in (None, inspect.Parameter.empty) and math.isnan(default)
            else:
                assert (given is inspect.Parameter.empty) == math.isnan(default)
                assert math.isnan(default) or given == default


@pytest.mark.parametrize("clock", ["constant", "changing"])
@pytest.mark.parametrize("every", [2, 3, 7])
def test_gathered_gradients_leave_fewer_updates_on_the_same_clock(every: int, clock: str) -> None:
    """An update that ends `every` batches belongs to the epoch of the last of them."""
    time = CLOCKS[clock]
    inner = optim.SGD(s.step(1.0, 1, 0.5, per="epoch"), weight_decay=s.cosine(1.0, per="step"))
    opt = optim.chain(optim.accumulate(every), inner)
    batches = sum(time.lengths[:6])
    opt.set_clock(time.clock, batches)
    w, epochs = np.zeros(1), []
    for t in range(batches):
        before = inner.t
        value = inner.hyperparameters()
        opt.step(w, np.zeros(1))
        if inner.t > before:
            epochs.append((math.log2(1 / value["lr"]), math.floor(time.position[t])))
            share = before / (batches // every)
            assert value["weight_decay"] == pytest.approx(cosine(share), abs=1e-15)
    assert [a for a, _ in epochs] == [b for _, b in epochs]
    assert len(epochs) == batches // every


def test_a_second_optimizer_counts_from_its_own_start() -> None:
    first, then = optim.SGD(s.cosine(1.0)), optim.SGD(s.linear(1.0, 0.0), weight_decay=s.step(1.0, 1, per="epoch"))
    opt = optim.SwitchTo(first, then, at=12)
    opt.set_clock(Clock.constant(4), 20)
    w, rates, decays = np.zeros(1), [], []
    for _ in range(20):
        rates.append(opt.hyperparameters()["lr"])
        decays.append(opt.hyperparameters()["weight_decay"])
        opt.step(w, np.zeros(1))
    np.testing.assert_allclose(rates[:12], [cosine(t / 12) for t in range(12)], atol=1e-15)
    np.testing.assert_allclose(rates[12:], [1 - t / 8 for t in range(8)])
    assert decays[12:] == [1.0] * 4 + [0.5] * 4
