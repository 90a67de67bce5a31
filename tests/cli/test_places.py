"""Nothing is lost: what is there stays, inputs above all, and a trained model is kept somewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run, npz, results, table

import fallline as fl
from fallline._cli import fit as fitting
from fallline._cli import places
from fallline.train._writing import write_atomically

QUICK = ("--epochs", "1", "--hidden", "4")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def fit(run: Run, *words: object) -> Any:
    return run("fit", "breast_cancer", *QUICK, *words)


def test_a_taken_name_gives_way_to_the_next_and_that_is_said(run: Run, tmp_path: Path) -> None:
    for number, name in enumerate(("model", "model-2", "model-3"), start=1):
        done = fit(run)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f"wrote {name}.safetensors and {name}.png\n")
        said = f"model.safetensors is there already: this model goes to {name}.safetensors\n"
        assert done.stdout.startswith(said) == (number > 1)
    assert len(contents(tmp_path)) == 6


@pytest.mark.parametrize("taken", ["model.safetensors", "model.png"])
def test_the_model_and_its_picture_have_one_stem(run: Run, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"mine")
    assert fit(run).returncode == 0
    assert sorted(contents(tmp_path)) == sorted([taken, "model-2.safetensors", "model-2.png"])
    assert (tmp_path / taken).read_bytes() == b"mine"


def test_a_dangling_link_is_a_taken_name(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    assert fit(run).returncode == 0
    assert (tmp_path / "model.safetensors").is_symlink()
    assert (tmp_path / "model-2.safetensors").is_file()


def test_a_name_that_is_taken_while_training_is_left_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = fl.fit

    def beside(*args: Any, **kwargs: Any) -> Any:
        (tmp_path / "model.safetensors").write_bytes(b"of another process")
        return train(*args, **kwargs)

    monkeypatch.setattr(fl, "fit", beside)
    done = fit(run)
    assert done.stdout.endswith("wrote model-2.safetensors and model-2.png\n")
    assert (tmp_path / "model.safetensors").read_bytes() == b"of another process"


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_writer_that_may_not_replace_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    if not hard_links:

        def link(*_: object) -> None:
            raise OSError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", link)
    write_atomically(tmp_path / "f", b"one", replace=False)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "f", b"two", replace=False)
    assert contents(tmp_path) == {"f": b"one"}
    write_atomically(tmp_path / "f", b"two")
    assert contents(tmp_path) == {"f": b"two"}


@pytest.mark.parametrize("taken", ["m.safetensors", "m.png"])
def test_a_named_output_is_replaced_by_force_alone(run: Run, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"mine")
    done = fit(run, "--output", "m.safetensors")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"fallline: {taken} exists; name another file, or replace it with --force\n"
    assert contents(tmp_path) == {taken: b"mine"}
    assert fit(run, "--output", "m.safetensors", "--force").returncode == 0
    assert len((tmp_path / taken).read_bytes()) > 1000


def itself(path: Path) -> Path:
    return path


def symlink(path: Path) -> Path:
    path.with_name("link" + path.suffix).symlink_to(path)
    return path.with_name("link" + path.suffix)


def hard_link(path: Path) -> Path:
    path.with_name("link" + path.suffix).hardlink_to(path)
    return path.with_name("link" + path.suffix)


def through_a_folder(path: Path) -> Path:
    (path.parent / "folder").symlink_to(path.parent)
    return path.parent / "folder" / path.name


WAYS: tuple[Callable[[Path], Path], ...] = (itself, symlink, hard_link, through_a_folder)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("read", ["m.safetensors", "t.csv"])
def test_predictions_never_replace_what_is_read(
    run: Run, tmp_path: Path, read: str, way: Callable[[Path], Path]
) -> None:
    path = table(tmp_path)
    assert run("fit", path, *QUICK, "--output", "m.safetensors").returncode == 0
    output = way(tmp_path / read)
    before = contents(tmp_path)
    for force in ([], ["--force"]):
        done = run("predict", "m.safetensors", "t.csv", "--output", output, *force)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is a file that is read; name another one" in done.stderr
        assert contents(tmp_path) == before


@pytest.mark.parametrize("way", [symlink, hard_link])
def test_a_model_never_replaces_the_data(run: Run, tmp_path: Path, way: Callable[[Path], Path]) -> None:
    path = table(tmp_path)
    way(path).rename(tmp_path / "m.png")
    before = contents(tmp_path)
    done = run("fit", path, *QUICK, "--output", "m.safetensors", "--force")
    assert (done.returncode, done.stdout) == (2, "")
    assert "m.png is a file that is read" in done.stderr
    assert contents(tmp_path) == before


def test_predictions_are_replaced_by_force_alone(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path)
    run("fit", path, *QUICK)
    (tmp_path / "p.csv").write_text("mine")
    words = ("predict", "model.safetensors", path, "--output", "p.csv")
    assert "p.csv exists" in run(*words).stderr
    assert (tmp_path / "p.csv").read_text() == "mine"
    assert run(*words, "--force").returncode == 0
    assert (tmp_path / "p.csv").read_text().startswith("prediction")


def test_a_device_is_no_output(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path)
    run("fit", path, *QUICK)
    done = run("predict", "model.safetensors", path, "--output", os.devnull, "--force")
    assert done.returncode == 2
    assert "is not a regular file" in done.stderr
    assert not Path(os.devnull).is_file()


def test_appending_predictions_to_what_is_read_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = table(tmp_path)
    run("fit", path, *QUICK)
    before = contents(tmp_path)
    with path.open("a") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with pytest.raises(ValueError, match="into a file that is read"):
            places.for_predictions(None, False, [tmp_path / "model.safetensors", path])
    assert contents(tmp_path) == before


# What stops a model from being written: found out before training, or at the end, when there is one to lose.


def test_a_folder_that_takes_no_files_is_found_before_training(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(fl, "fit", None)
    for words in ((), ("--output", "m.safetensors")):
        done = fit(run, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"the folder {tmp_path} cannot be written to (Read-only file system)" in done.stderr


def test_a_full_disk_is_found_before_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(fl, "fit", None)
    done = fit(run)
    assert done.returncode == 2
    assert "has 0 MB left and the model takes 1 MB; make room, or name another folder" in done.stderr


def disappears(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folder of the output go away while the model is trained."""
    train = fl.fit

    def and_remove(*args: Any, **kwargs: Any) -> Any:
        shutil.rmtree(folder)
        return train(*args, **kwargs)

    monkeypatch.setattr(fl, "fit", and_remove)


def test_a_model_that_cannot_go_to_its_place_is_kept_elsewhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    disappears(tmp_path / "gone", monkeypatch)
    done = fit(run, "--output", "gone/m.safetensors")
    assert done.returncode == 1
    assert set(results(done.stdout)) == {"train", "validation", "test"}
    kept = tmp_path / "m.safetensors"
    assert done.stdout.endswith(f"wrote {kept} and {kept.with_suffix('.png')}\n")
    assert done.stderr == (
        "fallline: the model could not be written to gone/m.safetensors (the folder does not exist); "
        f"it was saved as {kept} instead\n"
    )
    assert isinstance(fl.load(kept), fl.train.Predictor)


def test_ctrl_c_while_scoring_keeps_the_model(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "evaluate", interrupted)
    done = fit(run)
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout.endswith("stopped by Ctrl-C while scoring\nwrote model.safetensors and model.png\n")
    assert isinstance(fl.load("model.safetensors"), fl.train.Predictor)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_one_sentence(run: Run, tmp_path: Path) -> None:
    path = table(tmp_path)
    run("fit", path, *QUICK)
    command = [sys.executable, "-m", "fallline", "predict", "model.safetensors", str(path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "fallline: standard output failed: No space left on device\n"


def test_a_full_disk_everywhere_loses_the_model_in_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = fit(run)
    assert done.returncode == 1
    assert results(done.stdout)["test"]["accuracy"] > 0
    assert done.stderr == (
        "fallline: the model could not be written to model.safetensors (No space left on device), "
        "nor here, at home or among temporary files; it is lost\n"
    )
    assert contents(tmp_path) == {}


def test_a_picture_that_cannot_be_written_does_not_cost_the_model(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = places.write_atomically

    def no_pictures(path: Path, content: bytes, **kwargs: Any) -> None:
        if path.suffix == ".png":
            raise OSError(28, "No space left on device")
        write(path, content, **kwargs)

    monkeypatch.setattr(places, "write_atomically", no_pictures)
    done = fit(run)
    assert done.returncode == 1
    assert done.stdout.endswith("wrote model.safetensors\n")
    assert done.stderr == "fallline: the picture model.png could not be written (No space left on device)\n"
    assert list(contents(tmp_path)) == ["model.safetensors"]


def test_predictions_that_cannot_be_written_are_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = npz(tmp_path, x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 3)
    run("fit", path, *QUICK)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = run("predict", "model.safetensors", path, "--output", "p.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "fallline: p.csv failed: No space left on device\n"
    assert not (tmp_path / "p.csv").exists()
