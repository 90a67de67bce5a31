"""Where do results go?  Never onto an input, onto what is there only when asked, and nowhere in silence."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from fallline._cli.report import reason
from fallline.data import InputError
from fallline.train._writing import write_atomically

MODEL = "model.safetensors"


@dataclass(frozen=True)
class Place:
    """A file to be written: one that was asked for by name, or the first free one of a series."""

    path: Path
    replace: bool = False
    series: bool = False

    def write(self, content: bytes) -> Path:
        """Put `content` there, whole or not at all, and return where that was.

        A name of a series that somebody took in the meantime gives way to the next one.
        """
        for path in _series(self.path) if self.series else (self.path,):
            try:
                write_atomically(path, content, replace=self.replace)
            except FileExistsError:
                if not self.series:
                    raise
            else:
                return path
        raise AssertionError("a series has no end")


def for_model(output: str | None, force: bool, inputs: Iterable[Path | None]) -> Place:
    """Return where a model goes, the picture of the same stem beside it; both can be written when this returns."""
    if output is None:
        place = Place(next(path for path in _series(Path(MODEL)) if not _taken(path)), series=True)
        _accepts_files(place.path.parent)
        return place
    path = Path(output)
    if path.is_dir():
        path = path / MODEL
    if not path.suffix:
        path = path.with_suffix(".safetensors")
    if path.suffix != ".safetensors":
        raise InputError(f"--output must end in .safetensors, got {output}")
    for written in (path, path.with_suffix(".png")):
        _may_be_written(written, force, inputs)
    return Place(path, replace=force)


def for_predictions(output: str | None, force: bool, inputs: Iterable[Path | None]) -> Place | None:
    """Return where predictions go; None for standard output."""
    if output is None or output == "-":
        if any(path and _same(path, sys.stdout) for path in inputs):
            raise InputError("the predictions would be written into a file that is read; send them to another one")
        return None
    _may_be_written(Path(output), force, inputs)
    return Place(Path(output), replace=force)


def has_room(place: Place, size: int) -> None:
    """Refuse to begin what would fill the disk."""
    free = shutil.disk_usage(place.path.parent).free
    if free < size:
        raise InputError(
            f"the folder {place.path.parent} has {free / 1e6:,.0f} MB left and the model takes {size / 1e6:,.0f} MB; "
            "make room, or name another folder with --output"
        )


def notes(place: Place) -> list[str]:
    """Say that a name was taken."""
    if not place.series or place.path.name == MODEL:
        return []
    return [f"{MODEL} is there already: this model goes to {place.path}"]


def keep(place: Place, content: bytes) -> tuple[Path | None, str]:
    """Write a model to its place, or where else it can be kept; return where, and what went wrong."""
    try:
        return place.write(content), ""
    except OSError as error:
        why = f"the model could not be written to {place.path} ({reason(error)})"
    for other in _elsewhere(place):
        try:
            return (path := other.write(content)), f"{why}; it was saved as {path} instead"
        except OSError:
            continue
    return None, f"{why}, nor here, at home or among temporary files; it is lost"


def _elsewhere(place: Place) -> Iterator[Place]:
    """Yield where a model can go that cannot go to its place: here, at home, among the temporary files."""
    folders: tuple[Callable[[], Path], ...] = (Path.cwd, Path.home, lambda: Path(tempfile.gettempdir()))
    for folder in folders:
        try:
            yield Place(folder() / place.path.name, series=True)
        except (OSError, RuntimeError):  # there is no such folder
            continue


def _series(first: Path) -> Iterator[Path]:
    """Yield model.safetensors, model-2.safetensors, model-3.safetensors and so on."""
    yield first
    number = 2
    while True:
        yield first.with_name(f"{first.stem}-{number}{first.suffix}")
        number += 1


def _taken(path: Path) -> bool:
    return os.path.lexists(path) or os.path.lexists(path.with_suffix(".png"))


def _may_be_written(path: Path, force: bool, inputs: Iterable[Path | None]) -> None:
    if path.is_dir():
        raise InputError(f"--output {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of --output does not exist; make it first")
    if os.path.lexists(path):
        if any(one and _same(one, path) for one in inputs):
            raise InputError(f"--output {path} is a file that is read; name another one")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"--output {path} is not a regular file; name another one")
        if not force:
            raise InputError(f"{path} exists; name another file, or replace it with --force")
    _accepts_files(path.parent)


def _same(path: Path, other: Path | TextIO) -> bool:
    """Tell whether two names, or a name and a stream, lead to one file, by links of any kind too."""
    try:
        there = other.stat() if isinstance(other, Path) else os.fstat(other.fileno())
        return os.path.samestat(path.stat(), there)
    except (OSError, ValueError):  # one of them is not there, or is no file
        return False


def _accepts_files(folder: Path) -> None:
    """Put a file without a name into the folder: permissions alone do not tell whether that works."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the folder {folder.absolute()} cannot be written to ({error.strerror}); name another one with --output"
        ) from error
