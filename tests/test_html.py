"""Tables for notebooks: what is shown is there, and every text is escaped."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

import fallline as fl


class Cells(HTMLParser):
    """Collects the cells of a table, and sees that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_a_small_matrix_is_a_table_and_others_are_text() -> None:
    assert Cells(fl.asarray([[1.0, 2.5], [3.0, 4.0]])._repr_html_()).rows == [["1.", "2.5"], ["3.", "4."]]
    assert Cells(fl.asarray([1, 2])._repr_html_()).rows == [["1", "2"]]
    for x in (fl.ones(()), fl.ones((2, 2, 2)), fl.ones((50, 50)), fl.zeros((0, 3))):
        html = x._repr_html_()
        assert Cells(html).rows == []
        assert f"shape {x.shape}" in html
    seen = []
    fl.jit(lambda x: seen.append(x._repr_html_()) or x)(fl.ones(3))  # type: ignore[func-returns-value]
    assert "&lt;traced&gt;" in seen[0]


def test_a_model_shows_which_arrays_are_trained() -> None:
    class Net(fl.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = {"<b>": fl.nn.Linear(2, 3), "n": fl.nn.BatchNorm1d(3)}

    html = Net()._repr_html_()
    rows = Cells(html).rows
    assert rows[0] == ["array", "of", "is a", "shape", "dtype"]
    assert rows[1] == ["stages.<b>.weight", "Linear", "parameter", "(3, 2)", "float32"]
    assert ["stages.n.running_mean", "BatchNorm1d", "buffer", "(3,)", "float32"] in rows
    assert "15 trained numbers" in html
    assert "<b>" not in html
    many = fl.nn.Sequential(*(fl.nn.Linear(1, 1) for _ in range(200)))
    assert Cells(many._repr_html_()).rows[-1][2] == "280 more"


def test_a_history_shows_its_epochs() -> None:
    x = np.ones((8, 1), np.float32)
    history = fl.fit(fl.nn.Linear(1, 1), x, x, loss="mse", epochs=3, validation=(x, x), progress=False)
    rows = Cells(history._repr_html_()).rows
    assert rows[0] == ["epoch", "loss", "grad_norm", "val_loss"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3"]
    assert float(rows[3][1]) == np.float64(f"{history['loss'][2]:.5g}")
    long = fl.fit(fl.nn.Linear(1, 1), x, x, loss="mse", epochs=99, progress=False)
    assert [row[0] for row in Cells(long._repr_html_()).rows[1:6]] == ["1", "2", "3", "...", "88"]
    assert Cells(fl.History()._repr_html_()).rows == [["epoch"]]


def test_arrays_are_documented_where_they_are_typed() -> None:
    text = fl.Array.__doc__
    assert text is not None
    for name in ("shape", "dtype", "T", "mT", "grad", "device", "strides", "nbytes"):
        assert name in text
        assert hasattr(fl.ones((2, 2)), name)


def test_an_optimizer_shows_its_hyper_parameters_and_one_around_others_itself() -> None:
    opt = fl.optim.SGD(fl.optim.schedules.cosine(0.1, 10))
    rows = Cells(opt._repr_html_()).rows
    assert rows[:2] == [["hyper-parameter", "value"], ["lr", "cosine(initial=0.1, steps=10, final=0.0)"]]
    opt.step(np.ones(2), np.ones(2))
    assert "SGD after 1 updates" in opt._repr_html_()
    chain = fl.optim.chain(fl.optim.clip_value(1.0), opt)
    assert "chain(clip_value(1.0), SGD(lr=cosine(" in chain._repr_html_()
