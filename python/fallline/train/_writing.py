"""How does a file appear?  Whole, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Put `content` at `path`, whole or not at all, even when the machine stops in between.

    Without `replace` a file that is there stays, and FileExistsError is raised. What the system refuses is told of
    `path`, or of its folder where that is missing, never of the file beside it.
    """
    try:
        _write(path, content, replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise _told_of(path, error) from error


def _told_of(path: Path, error: OSError) -> OSError:
    folder = path.parent
    if folder.is_dir():
        return OSError(error.errno, error.strerror, str(path))
    if folder.exists():
        return NotADirectoryError(errno.ENOTDIR, "this is a file, not a folder", str(folder))
    return FileNotFoundError(errno.ENOENT, "the folder does not exist", str(folder))


def _write(path: Path, content: bytes, replace: bool) -> None:
    sweep(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path, replace)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened, and the rename is journalled
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _publish(temporary: Path, path: Path, replace: bool) -> None:
    if replace:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)  # unlike a look and a rename, this leaves no moment for another writer
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        temporary.replace(path)
    else:
        temporary.unlink()


def sweep(path: Path) -> None:
    """Remove what a writer that died left beside `path`."""
    for stale in path.parent.glob(f".{path.name}.*.part"):
        owner = stale.name.split(".")[-2]
        if owner.isdigit() and int(owner) != os.getpid() and not _runs(int(owner)):
            stale.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True  # os.kill(pid, 0) would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
