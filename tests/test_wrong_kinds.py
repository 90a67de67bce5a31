"""Every public function and class with arguments of a wrong kind: errors name the function, in words of ours."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl

MODULES = {
    "fl": fl, "random": fl.random, "nn": fl.nn, "init": fl.nn.init, "functional": fl.nn.functional,
    "losses": fl.nn.losses, "optim": fl.optim, "schedules": fl.optim.schedules, "train": fl.train,
}  # fmt: skip
WRONG = (None, "a", 2.5, -1, object())
X = np.linspace(0.1, 1, 6, dtype=np.float32).reshape(2, 3)
GOOD = {  # by name of the argument; X for all others
    "arrays": [X, X], "shape": (2, 3), "axes": (1, 0), "axis": 0, "n": 3, "start": 0, "stop": 3, "num": 3, "value": 1.0,
    "indices": np.array([0, 1]), "dtype": "float32", "condition": X > 0.5, "f": lambda x: fl.sum(x * x), "seed": 1,
    "size": (2,), "low": 0, "high": 5, "loss": "mse", "model": fl.nn.Linear(3, 1), "in_features": 3, "out_features": 2,
}  # fmt: skip
NOT_CALLED = {  # what users get and do not make
    "optim.Optimizer": "rules of one's own are made from TensorRule",
    "train.Run": "given to callbacks",
}


def public() -> Iterator[tuple[str, Any]]:
    for module, names in MODULES.items():
        for name in names.__all__:
            it = getattr(names, name)
            error = isinstance(it, type) and issubclass(it, BaseException)
            if callable(it) and not error and f"{module}.{name}" not in NOT_CALLED:
                yield f"{module}.{name}", it


CALLABLES = dict(public())


def calls(f: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield calls with one argument that is wrong, and all others that are needed as they should be."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (ValueError, TypeError):  # without a signature
        return
    first = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    good = {p.name: GOOD.get(p.name, X if p.default is p.empty else p.default) for p in first}
    for p in parameters:
        for wrong in () if p.kind is p.VAR_KEYWORD else WRONG:
            args = [wrong] if p.kind is p.VAR_POSITIONAL else []
            named = {}
            for q in first if not args else ():
                value = wrong if q is p else good[q.name]
                if q.kind is q.POSITIONAL_ONLY:
                    args.append(value)
                elif q is p or q.default is q.empty:
                    named[q.name] = value
            if p.kind is p.KEYWORD_ONLY:
                named[p.name] = wrong
            yield f"{p.name}={wrong!r:.12}", lambda args=args, named=named: f(*args, **named)


@pytest.mark.parametrize("name", CALLABLES)
def test_a_wrong_kind_of_argument_is_told_in_words_of_ours(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # `save("a", ...)` is fine
    foreign = {}
    threads, dtype = fl.get_num_threads(), fl.zeros(1).dtype
    for what, call in calls(CALLABLES[name]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call()
            except FileNotFoundError as error:
                assert name == "fl.load" or name == "train.load", error
            except Exception as error:
                text = str(error)
                ours = text.startswith("[") and "incompatible function arguments" not in text and "C++" not in text
                if not ours:
                    foreign[what] = f"{type(error).__name__}: {text[:80]}"
    fl.set_num_threads(threads)
    fl.set_default_dtype(dtype)
    assert foreign == {}


ROWS: dict[str, tuple[Callable[[], Any], str]] = {
    "zeros": (lambda: fl.zeros(2.5), r"\[zeros\] shape must be a whole number of at least 0 or a list .*, got 2.5"),
    "full": (lambda: fl.full((2, -1), 3), r"\[full\] shape must be .* whole numbers of at least 0, got \(2, -1\)"),
    "reshape": (lambda: fl.asarray(X).reshape(2.5), r"\[reshape\] shape must be .*, got 2.5"),
    "sum": (lambda: fl.sum(X, axis="a"), r"\[sum\] axis must be a whole number, a list or .*None, got 'a'"),
    "a method": (lambda: fl.asarray(X).sum(axis="a"), r"\[sum\] axis must be .*, got 'a'"),
    "keepdims": (lambda: fl.max(X, keepdims="a"), r"\[max\] keepdims must be True or False, got 'a'"),
    "dtype": (lambda: fl.ones(2, dtype="floaty"), r"\[ones\] dtype must be a dtype, .*, got 'floaty'"),
    "normal": (lambda: fl.random.default_rng(0).normal(size=2.5), r"\[normal\] size must be .*, got 2.5"),
    "integers": (lambda: fl.random.default_rng(0).integers("a"), r"\[integers\] low must be a whole number, got 'a'"),
    "Upsample": (lambda: fl.nn.Upsample("a"), r"\[Upsample\] size must be .*, got 'a'"),
    "AdaptiveAvgPool2d": (lambda: fl.nn.AdaptiveAvgPool2d("x"), r"\[AdaptiveAvgPool2d\] output_size must .*, got 'x'"),
    "a loss": (lambda: fl.nn.losses.huber(X, X, delta="a"), r"\[huber\] delta must be .*, got 'a'"),
    "a schedule": (lambda: fl.optim.schedules.cosine("a", 10), r"\[cosine\] .*, got 'a'"),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_the_argument_is_named_with_what_it_was_and_what_it_should_be(row: str) -> None:
    call, text = ROWS[row]
    with pytest.raises((TypeError, ValueError), match=f"^{text}"):
        call()


def test_an_error_of_a_function_that_was_handed_in_stays_as_it_is() -> None:
    def f(carry: Any, x: Any) -> Any:
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        fl.scan(f, X, X)
