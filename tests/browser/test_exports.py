"""Are picture and numbers what is shown?"""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browsing import Page

Tab = Callable[..., Page]
STATE = "lab=optimizers&landscape=rosenbrock&start=-1.2,1&steps=25&run=adam;lr:0.1&run=sgd;lr:0.9"
BOTH = pytest.mark.parametrize(
    "state", [STATE, STATE + "&view=hills", "lab=line&points=30"], ids=["map", "hills", "line"]
)


def saved(page: Page, kind: str, folder: Path) -> Path:
    with page.tab.expect_download() as download:
        page.tab.locator(f".export-{kind}").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@BOTH
def test_the_picture_stands_alone(tab: Tab, address: str, tmp_path: Path, state: str) -> None:
    page = tab().open(address, state)
    picture = ElementTree.parse(saved(page, "svg", tmp_path)).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(list(picture.iter())) > 20
    assert "var(" not in (tmp_path / "descent.svg").read_text()
    png = saved(page, "png", tmp_path).read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(png) > 10_000


def test_the_table_has_every_digit(tab: Tab, address: str, tmp_path: Path) -> None:
    page = tab().open(address, STATE)
    with saved(page, "csv", tmp_path).open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert len(head) == 7
    assert head[0] == "step"
    found = np.array(rows, float)
    assert np.array_equal(found[:, 1:3], page.points(0))
    assert np.array_equal(found[:, 4:6], page.points(1), equal_nan=True)  # it overflowed, and says so
    assert np.isnan(found[-1, 4])


def test_the_link_is_shown_and_closed_by_keys(tab: Tab, file_address: str) -> None:
    page = tab().open(file_address, STATE)
    page.tab.locator(".export-link").click()
    link = page.tab.get_by_label("the link").input_value()
    assert set(STATE.split("&")) <= set(link.partition("#")[2].split("&"))
    page.tab.keyboard.press("Escape")
    assert not page.tab.locator("dialog").is_visible()
