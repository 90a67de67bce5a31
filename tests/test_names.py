"""Names that other libraries have: every one that is looked for is explained, and what it names exists."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline._hints import table

MODULES = {
    "fl": fl, "fl.random": fl.random,
    "fl.nn": fl.nn, "fl.nn.init": fl.nn.init, "fl.nn.losses": fl.nn.losses, "fl.optim": fl.optim,
    "fl.optim.schedules": fl.optim.schedules, "fl.train": fl.train, "fl.train.callbacks": fl.train.callbacks,
}  # fmt: skip
OBJECTS: dict[str, Any] = {"Array": fl.ones(3), "Module": fl.nn.Linear(2, 1), "Optimizer": fl.optim.Adam()}
ARGUMENTS: dict[str, Any] = {"fit": fl.fit, "optimizer arguments": fl.optim.AdamW}
ROWS = [(owner, theirs, *row) for (owner, theirs), row in table().items()]
LETTERS = {"x": OBJECTS["Array"], "model": OBJECTS["Module"], "opt": OBJECTS["Optimizer"], "fl": fl}


def exists(path: str) -> bool:
    first, *rest = path.split(".")
    found: Any = LETTERS[first]
    for name in rest:
        found = getattr(found, name)
    return True


@pytest.mark.parametrize(("owner", "theirs", "ours", "remark"), ROWS, ids=lambda v: str(v)[:30])
def test_what_is_named_exists_and_theirs_does_not(owner: str, theirs: str, ours: str, remark: str) -> None:
    if ours.endswith("="):
        assert ours[:-1] in inspect.signature(ARGUMENTS[owner]).parameters
    else:
        assert exists(ours)
    for path in re.findall(r"\b(?:fl|model|opt|x)\.[a-z][\w.]*\w", remark):
        assert exists(path), path
    if owner in ARGUMENTS:
        assert theirs not in inspect.signature(ARGUMENTS[owner]).parameters
        return
    home = MODULES.get(owner, OBJECTS.get(owner))
    with pytest.raises(AttributeError) as raised:
        getattr(home, theirs)
    assert f"no attribute {theirs!r}; use {ours}" in str(raised.value)


def test_there_are_many() -> None:
    assert len(ROWS) >= 250
    assert {owner for owner, *_ in ROWS} == {*MODULES, *OBJECTS, *ARGUMENTS}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_lists_its_public_names_alone(name: str) -> None:
    module = MODULES[name]
    assert [n for n in dir(module) if not n.startswith("__")] == sorted(n for n in module.__all__ if n[:2] != "__")
    assert all(hasattr(module, n) for n in module.__all__)


def test_slips_are_told_what_is_near() -> None:
    slips: list[tuple[Any, str, str]] = [
        (fl, "zeross", "zeros"), (fl.nn, "Liner", "Linear"), (fl.optim, "Addam", "Adam"),
        (OBJECTS["Module"], "parameterz", "parameters"), (OBJECTS["Array"], "shapes", "shape"),
    ]  # fmt: skip
    for home, slip, near in slips:
        assert not hasattr(home, slip)
        with pytest.raises(AttributeError, match=f"no attribute '{slip}'; did you mean .*'{near}'"):
            getattr(home, slip)


def test_functions_of_numpy_that_arrays_know_have_their_names_here() -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(np.asarray(fl.concatenate([x, x], axis=1)), np.concatenate([x, x], axis=1))
    np.testing.assert_array_equal(np.asarray(fl.swapaxes(fl.asarray(x), 0, 1)), x.T)
    np.testing.assert_array_equal(np.asarray(fl.absolute(-x)), x)
    assert fl.shape([1, 2]) == (2,)
    with pytest.raises(AttributeError, match=r"NumPy has it, without derivatives: np\.nanmedian"):
        fl.nanmedian  # noqa: B018


def test_the_switch_of_the_type_checker_is_no_name() -> None:
    assert not hasattr(fl, "TYPE_CHECKING")


def test_the_error_of_an_absent_name_goes_through_pickle() -> None:
    import pickle

    with pytest.raises(AttributeError) as raised:
        fl.tensor  # noqa: B018
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is AttributeError
    assert str(again) == str(raised.value)
