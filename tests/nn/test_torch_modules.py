"""Every module of PyTorch's own table that we have: outputs, gradients, running statistics (R13 R17 R25 R108-R111)."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest
import torch_modules as table

import fallline as fl

pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's table needs it

MOST = 6  # cases of a module, evenly from all of them; FALLLINE_ALL_CASES=1 takes all


@pytest.fixture(scope="module")
def rows() -> dict[str, list[table.Case]]:
    found: dict[str, list[table.Case]] = defaultdict(list)
    for case in table.cases(without=table.ABSENT):
        found[case.name].append(case)
    if os.environ.get("FALLLINE_ALL_CASES"):
        return found
    return {name: cases[:: -(-len(cases) // MOST)] for name, cases in found.items()}


@pytest.mark.parametrize("name", sorted(table.names()))
def test_a_module_computes_what_pytorchs_does(name: str, rows: dict[str, list[table.Case]]) -> None:
    if name in table.ABSENT:
        assert table.ours(name) is None, f"{name} is here: take it out of table.ABSENT"
        return
    assert rows[name], "no case"
    for case in rows[name]:
        try:
            table.check(case)
        except Exception as error:
            raise AssertionError(f"{name}, case {case.number}, {case.arguments} {case.settings}: {error}") from error


def test_the_check_sees_what_it_should(rows: dict[str, list[table.Case]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fl.nn.Hardtanh, "function", staticmethod(lambda x, min_val, max_val: 1.0001 * x))
    with pytest.raises(AssertionError, match="output"):
        table.check(rows["Hardtanh"][0])
