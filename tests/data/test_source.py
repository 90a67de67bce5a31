"""Opening data: archives, named sets, and what is said when there is nothing to open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fallline.data import Arrays, InputError, load

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 0, 1])


def archive(folder: Path, **arrays: Any) -> str:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def opened(data: str) -> Arrays:
    found = load(data)
    assert isinstance(found, Arrays)
    return found


def test_x_and_y(tmp_path: Path) -> None:
    found = opened(archive(tmp_path, x=X.reshape(4, 3, 1), y=Y[:, None]))
    np.testing.assert_array_equal(found.x, X)
    assert found.y is not None
    np.testing.assert_array_equal(found.y, Y)
    assert found.x_test is None


def test_a_test_split_of_its_own(tmp_path: Path) -> None:
    found = opened(archive(tmp_path, x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2]))
    assert found.x_test is not None
    assert found.x_test.shape == (2, 3)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": X}, "it holds a"),
        ({"x": X, "y": Y[:3]}, "4 rows of x and 3 of y"),
        ({"x": np.where(X == 5, np.nan, X), "y": Y}, "nan in row 1, feature 2"),
        ({"x": np.where(X == 5, 1e200, X), "y": Y}, "1e\\+200 in row 1, feature 2"),
        ({"x": X.astype(str), "y": Y}, "must hold numbers"),
        ({"x": X.astype(complex), "y": Y}, "must hold numbers"),
        ({"x": X.astype(object), "y": Y}, "Python objects"),
        ({"x": X, "y": np.eye(4)}, "one target per row"),
        ({"x": X, "y": np.array([0, np.inf, 0, 1])}, "y with inf in row 1"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0)}, "rows of features"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y}, "3 features for training and 2 for testing"),
    ],
)
def test_an_archive_that_cannot_be_used(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(archive(tmp_path, **arrays))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.97])
def test_a_truncated_archive(tmp_path: Path, share: float) -> None:
    path = Path(archive(tmp_path, x=np.random.default_rng(0).normal(size=(100, 3)), y=np.arange(100)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"complete\?"):
        load(str(path))


def test_damaged_content(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=(100, 3)), y=np.arange(100))
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged in x"):
        load(str(path))


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(InputError, match="one array"):
        load(str(tmp_path / "x.npz"))


def test_files_that_are_not_there_or_not_ours(tmp_path: Path) -> None:
    (tmp_path / "data.doc").write_bytes(b"PK")
    for data, words in (
        (str(tmp_path), "is a folder"),
        (str(tmp_path / "none.csv"), "there is no file"),
        (str(tmp_path / "data.doc"), "neither a .csv nor a .npz"),
        ("digit", "did you mean 'digits'"),
    ):
        with pytest.raises(InputError, match=words):
            load(data)


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1797, 64)), ("breast_cancer", (569, 30)), ("diabetes", (442, 10))]
)
def test_named_sets(name: str, shape: tuple[int, int]) -> None:
    pytest.importorskip("sklearn")
    found = opened(name)
    assert found.x.shape == shape
    assert found.y is not None
    assert found.y.shape == shape[:1]
    assert found.y.dtype.kind == ("f" if name == "diabetes" else "U")
