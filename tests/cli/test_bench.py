"""`fallline bench` and the table that benchmarks make."""

from __future__ import annotations

from pathlib import Path

import pytest

from fallline import _bench
from fallline._bench import _openblas
from fallline._bench._measure import check_equal, installed, leave_out_different
from fallline._bench._networks import NETS

typer = pytest.importorskip("typer")

from fallline.cli import main  # noqa: E402


def test_a_case_is_measured_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "steps", "--only", "S3"]) == 0
    out, errors = capsys.readouterr()
    assert "| S3 13-64-64-1, batch 32 |" in out and "| fallline |" in out and "limit" in out
    assert errors.startswith("S3 13-64-64-1, batch 32: ")


@pytest.mark.parametrize("words", [["bench", "nothing"], ["bench", "steps", "--only", "no such case"]])
def test_unknown_names_give_one_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_table_shows_limits_ratios_and_losses() -> None:
    rows = [
        _bench.Row("kernel", "quick", {"fallline": 2.0, "NumPy": 8.0, "JAX": 3.0}, limit=1.0),
        _bench.Row("kernel", "lost", {"fallline": 2.0, "NumPy": 1.0}, note="why"),
    ]
    head, _, quick, lost, _, note = _bench.markdown(rows).splitlines()
    assert head == "| kernel | fallline | NumPy | JAX | limit | best peer / fallline | fallline / limit |"
    assert quick == "| quick | 2.00 | 8.00 | 3.00 | 1.00 | 1.50 | 2.00 |"
    assert lost == "| lost | 2.00 | 1.00 |  |  | 0.500 |  |"
    assert note == "lost: why"


def test_the_pages_have_a_place_for_every_table() -> None:
    for page, parts in (("docs/benchmarks.md", list(_bench.PARTS)), ("README.md", ["steps"])):
        text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
        for part in parts:
            begin, end = (f"<!-- {edge}: output of benchmarks/run.py {part} -->" for edge in ("begin", "end"))
            assert text.index(begin) < text.index(end)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    _bench.picture([_bench.Row("a", "b", {"fallline": 2.0, "x": 4.0}, limit=1.0)], tmp_path / "p.png", "title")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_peer_whose_libraries_are_missing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "peer_with_lost_library.py").write_text("raise ImportError('libpeer.so: no such file')", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed(["numpy", "peer_with_lost_library", "peer_that_is_not_here"]) == ["numpy"]
    assert capsys.readouterr().err == (
        "peer_with_lost_library is left out, it cannot be imported: libpeer.so: no such file\n"
    )


def test_another_process_times_products_in_its_turn() -> None:
    seconds = _openblas.Product(3, 4, 5, ", left transposed").runner(0.001)
    assert 0 < seconds() < 1
    a, b = _openblas.operands(3, 4, 5, ", left transposed")
    assert (a @ b).shape == (3, 5)
    assert a.flags.f_contiguous


def test_growth_is_drawn_against_width_and_batch(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = list(_bench.run(_bench.QUICK, ["growth"], ["growth 8-8-8, batch 32", "growth 64-64-64, batch 16"]))
    assert [row.case for row in rows] == ["growth 8-8-8, batch 32", "growth 64-64-64, batch 16"]
    assert all(row.limit < row.times["fallline, one thread"] for row in rows)
    _bench.growth_picture(rows, tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_contenders_that_disagree_are_found() -> None:
    check_equal({"fallline": 1.0, "peer": 1.0005}, 1e-3, "case")
    with pytest.raises(AssertionError, match=r"case: peer came to 2\.0, fallline to 1\.0"):
        check_equal({"fallline": 1.0, "peer": 2.0}, 1e-3, "case")


def test_work_is_counted() -> None:
    by_name = {net.name.split()[0]: net for net in NETS}
    assert by_name["S2"].flops() == 32 * (2 * 2 * 4 * 32 + 3 * 2 * 32 * 32 + 3 * 2 * 32 * 3)
    assert by_name["S4"].parameters() == 784 * 128 + 128 + 128 * 10 + 10
    assert by_name["S8"].parameters() == 44426  # LeNet-5 without padding


def test_a_peer_that_came_to_another_number_is_left_out_and_named() -> None:
    results = {"fallline": 1.0, "one": 1.0005, "other": 1.3}
    different, note = leave_out_different(results, 1e-3, "case")
    assert different == ["other"]
    assert note == "other came to 1.3 instead of 1"
    assert leave_out_different({"fallline": 1.0}, 1e-3, "case") == ([], "")
    with pytest.raises(AssertionError, match="case: one"):
        leave_out_different({"fallline": 2.0, "one": 1.0, "other": 1.0}, 1e-3, "case")
