"""summary(): layers, shapes, parameters, memory and multiply-adds, counted by hand and by PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import nn


def conv_net() -> nn.Sequential:
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3, groups=2), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * 3 * 3, 10))


class Mixed(nn.Module):
    """A part used twice, an array of its own, and a part that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.mix, self.idle = nn.Linear(4, 4), fl.ones((4, 2)), nn.Linear(7, 7)

    def forward(self, x: Any) -> Any:
        return self.shared(fl.relu(self.shared(x))) @ self.mix


def test_a_net_of_images_by_hand() -> None:
    table = conv_net().summary((2, 3, 10, 10))
    rows = {row.path: row for row in table.rows}
    assert [row.path for row in table.rows] == ["", "0", "1", "2", "3", "4", "5"]
    assert rows["3"].shape == "(2, 4, 3, 3)"
    assert [rows[i].parameters for i in ("0", "1", "3", "5")] == [8 * 27 + 8, 0, 4 * 4 * 9 + 4, 36 * 10 + 10]
    assert rows["0"].multiply_adds == 2 * 8 * 100 * 27
    assert rows["3"].multiply_adds == 2 * 4 * 9 * 36
    assert rows["5"].multiply_adds == 2 * 36 * 10
    assert rows["0"].nbytes == rows["1"].nbytes == 2 * 8 * 100 * 4
    assert rows[""].multiply_adds == rows[""].nbytes == rows[""].parameters == 0  # its parts have it
    assert table.multiply_adds == sum(rows[i].multiply_adds for i in ("0", "3", "5"))
    assert table.parameters == sum(a.size for a in conv_net().parameters().values())
    assert table.parameter_bytes == 4 * table.parameters


def test_modules_of_ones_own() -> None:
    table = Mixed().summary((5, 4))
    kinds = [(row.path, row.depth, row.parameters, row.multiply_adds) for row in table.rows]
    assert kinds == [("", 0, 8, 5 * 4 * 2), ("shared", 1, 20, 80), ("shared", 1, 0, 80), ("idle", 0, 56, 0)]
    assert table.parameters == 84


def test_without_a_shape_there_are_only_parameters() -> None:
    table = Mixed().freeze("shared.weight").summary()
    assert [(row.path, row.parameters, row.trained) for row in table.rows] == [
        ("", 8, 8),
        ("shared", 20, 4),
        ("idle", 56, 56),
    ]
    assert table.head == ("layer", "kind", "parameters")
    assert table.totals == "84 parameters, 16 of them frozen; 336 bytes of parameters"
    assert "20 partly frozen" in str(table)


def test_loops_count_as_often_as_they_run() -> None:
    n, length, features, hidden = 3, 7, 5, 6
    table = nn.LSTM(features, hidden).summary((length, n, features))
    assert table.multiply_adds == length * n * 4 * hidden * (features + hidden)
    assert table.rows[0].shape == "(7, 3, 6), (1, 3, 6), (1, 3, 6)"


def test_several_inputs_integers_and_arrays() -> None:
    assert nn.Bilinear(2, 3, 4).summary((5, 2), (5, 3)).rows[0].shape == "(5, 4)"
    words = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
    assert words.summary((5, 6)).rows[-1].shape == "(5, 6, 2)"
    assert words.summary(np.zeros((5, 6), np.int32)).multiply_adds == 5 * 6 * 8


def test_nothing_is_computed_drawn_or_changed() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    net[0].eval()
    fl.random.seed(3)
    net.summary((4, 3))
    assert int(net[0].num_batches_tracked) == 0
    assert [m.training for m in net.modules()] == [True, False, True]
    drawn = fl.random.default_rng(3).normal(size=2)
    assert fl.random.get_default().normal(size=2).tolist() == drawn.tolist()
    big = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU())
    assert big.summary((1000, 3, 2000, 2000)).output_bytes > 1e12
    assert big._hooks is None or not big._hooks.handles


def test_a_shape_that_does_not_fit_names_the_layer() -> None:
    with pytest.raises(fl.ShapeError, match=r"in layer 5 = Linear\(36, 10\)"):
        conv_net().summary((2, 3, 12, 12))


def test_it_is_printed_and_shown_as_a_table() -> None:
    table = conv_net().freeze("0.*").summary((2, 3, 10, 10))
    lines = str(table).splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "parameters", "bytes", "multiply-adds"]
    assert lines[3].split() == ["0", "Conv2d", "(2,", "8,", "10,", "10)", "224", "frozen", "6,400", "43,200"]
    assert len({len(line) for line in lines[2:4]}) <= 2
    html = table._repr_html_()
    assert html.count("<tr>") == 8
    assert "<td>43,200</td>" in html
    assert "224 of them frozen" in html


def torch_twins() -> dict[str, tuple[Any, Any, tuple[int, ...]]]:
    import torch.nn as theirs

    def attention(lib: Any) -> Any:
        return lib.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def depthwise(lib: Any) -> Any:
        return lib.Sequential(lib.Conv1d(4, 8, 3, stride=2, groups=4, padding=1), lib.GELU(), lib.Conv1d(8, 2, 1))

    def volumes(lib: Any) -> Any:
        return lib.Sequential(lib.Conv3d(2, 3, (2, 3, 1), dilation=(1, 2, 1)), lib.AvgPool3d(2))

    rows = {
        "attention": (attention, (3, 5, 8)),
        "depthwise": (depthwise, (2, 4, 9)),
        "volumes": (volumes, (2, 2, 6, 8, 5)),
    }
    return {name: (make(nn), make(theirs), shape) for name, (make, shape) in rows.items()}


def test_pytorchs_counter_finds_the_same_multiplications() -> None:
    torch = pytest.importorskip("torch")
    counter = pytest.importorskip("torch.utils.flop_counter")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (mine, theirs, shape) in torch_twins().items():
            with counter.FlopCounterMode(display=False) as found:
                theirs(torch.zeros(shape))  # in training: its fast path counts nothing
            assert 2 * mine.summary(shape).multiply_adds == found.get_total_flops(), name
