"""One file for a trained model: exact, whole or absent, and loaded all or nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline.train._checkpoint import read_history, write_atomically

pytest.importorskip("safetensors")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype(np.float32)
Y = RNG.integers(0, 3, size=96)


def network(seed: int = 0, width: int = 8) -> fl.nn.Sequential:
    fl.random.seed(seed)
    return fl.nn.Sequential(fl.nn.Linear(4, width), fl.nn.ReLU(), fl.nn.Dropout(0.25), fl.nn.Linear(width, 3))


def arrays(model: fl.nn.Module) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in model.state_dict().items()}


def fit(model: fl.nn.Module, opt: fl.optim.Optimizer, epochs: int) -> fl.train.History:
    return fl.fit(model, X, Y, loss="cross_entropy", optimizer=opt, epochs=epochs, seed=5, progress=False)


def assert_same(a: fl.nn.Module, b: fl.nn.Module) -> None:
    one, two = arrays(a), arrays(b)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_a_model_is_rebuilt_without_its_code(tmp_path: Path) -> None:
    model = network()
    fl.save(tmp_path / "m.safetensors", model)
    again = fl.load(tmp_path / "m.safetensors")
    assert_same(model, again)
    again.eval()
    model.eval()
    np.testing.assert_array_equal(fl.predict(model, X), fl.predict(again, X))


def test_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, halves = network(), network()
    fit(whole, fl.optim.Adam(0.01), 4)
    opt = fl.optim.Adam(0.01)
    history = fit(halves, opt, 2)
    fl.save(tmp_path / "m.safetensors", halves, opt, history)
    resumed, opt = network(seed=9), fl.optim.Adam(0.01)
    assert fl.load(tmp_path / "m.safetensors", resumed, opt) is resumed
    fit(resumed, opt, 2)
    assert_same(whole, resumed)
    assert read_history(tmp_path / "m.safetensors")["loss"] == list(history["loss"])


def test_pytorch_s_names_are_kept(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    fl.save(tmp_path / "m.safetensors", network())
    assert set(load_file(tmp_path / "m.safetensors")) == {"0.weight", "0.bias", "3.weight", "3.bias"}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fl.save(tmp_path / name, network(), metadata={key: key for key in "stuvwxyz"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    opt = fl.optim.Adam(0.01)
    model = network()
    fit(model, opt, 1)
    fl.save(tmp_path / "m.safetensors", model, opt)
    fl.save(tmp_path / "plain.safetensors", model)
    other, fresh, sgd = network(seed=3, width=7), network(seed=3), fl.optim.SGD(0.1)
    for path, target, rule, words in (
        ("m.safetensors", other, None, r"does not fit the model: 0.weight is \(8, 4\) in the file and \(7, 4\)"),
        ("m.safetensors", fresh, sgd, "rule"),
        ("plain.safetensors", fresh, fl.optim.Adam(0.01), "holds no optimizer state"),
    ):
        before = arrays(target)
        with pytest.raises(ValueError, match=words):
            fl.load(tmp_path / path, target, rule)
        for name, value in arrays(target).items():
            np.testing.assert_array_equal(value, before[name])
        assert rule is None or rule.t == 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_named_in_one_sentence(tmp_path: Path, share: float) -> None:
    path = tmp_path / "m.safetensors"
    fl.save(path, network())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"m.safetensors is not a readable safetensors file; is it complete\?$"):
        fl.load(path)


def test_a_class_of_ones_own_is_loaded_into(tmp_path: Path) -> None:
    class Mine(fl.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = fl.nn.Linear(2, 2)

    one, two = Mine(), Mine()
    fl.save(tmp_path / "m.safetensors", one)
    with pytest.raises(ValueError, match="'Mine', which is not fallline's: make one and pass it"):
        fl.load(tmp_path / "m.safetensors")
    fl.load(tmp_path / "m.safetensors", two)
    assert_same(one, two)


def test_metadata_are_kept_and_ours_are_ours(tmp_path: Path) -> None:
    from safetensors import safe_open

    fl.save(tmp_path / "m.safetensors", network(), metadata={"note": "α < β"})
    with safe_open(tmp_path / "m.safetensors", framework="numpy") as file:
        assert file.metadata()["note"] == "α < β"
        assert json.loads(file.metadata()["model"])["type"] == "Sequential"
    with pytest.raises(ValueError, match="'model' is fallline's own"):
        fl.save(tmp_path / "n.safetensors", network(), metadata={"model": "x"})
    assert not (tmp_path / "n.safetensors").exists()


@pytest.mark.skipif(os.name != "posix", reason="there is no umask on Windows")
def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "f", b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_what_a_dead_writer_left_is_swept(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead = tmp_path / f".f.{done.stdout.strip()}.part"
    alive = tmp_path / f".f.{os.getppid()}.part"
    other = tmp_path / ".g.1.part"
    for path in (dead, alive, other):
        path.write_bytes(b"half")
    write_atomically(tmp_path / "f", b"whole")
    assert (tmp_path / "f").read_bytes() == b"whole"
    assert dead.exists() == (os.name != "posix")
    assert alive.exists()
    assert other.exists()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "f", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of Unix")
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)


REFUSALS = [  # where to save, what the system does, what the error names, and how
    ("nosuch/m.safetensors", None, "nosuch", FileNotFoundError, "the folder does not exist"),
    ("file/m.safetensors", None, "file", NotADirectoryError, "this is a file, not a folder"),
    ("m" * 300, None, "m" * 300, OSError, "File name too long"),
    ("m.safetensors", full_disk, "m.safetensors", OSError, "No space left on device"),
]


@pytest.mark.parametrize(("path", "system", "named", "kind", "why"), REFUSALS)
def test_what_the_system_refuses_is_told_of_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, system: Any, named: str, kind: type[OSError], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    if system:
        system(monkeypatch)
    with pytest.raises(kind) as refused:
        fl.save(path, network())
    assert (refused.value.filename, refused.value.strerror) == (named, why)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_killed_writers_leave_whole_files_only(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from fallline.train._checkpoint import write_atomically\n"
        "n = 0\n"
        "while True:\n"
        "    write_atomically(Path('f'), bytes([n % 256]) * 2_000_000)\n"
        "    n += 1\n"
        "    print(n, flush=True)\n"
    )
    for pause in (0.001, 0.004, 0.009):
        writer = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(pause)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        content = (tmp_path / "f").read_bytes()
        assert len(content) == 2_000_000
        assert len(set(content)) == 1
