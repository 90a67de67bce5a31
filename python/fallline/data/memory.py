"""Is there enough memory?  Asked before much of it is taken: a system out of memory ends programs without a word."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fallline.data.errors import InputError

# The limit and the use of the group of processes that we are in (cgroup 2, then 1): containers have such.
GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def need(size: int, what: str, way_out: str) -> None:
    """Raise InputError if `size` bytes cannot be had."""
    free = available()
    if free is not None and size > free:
        raise InputError(f"{what} would take {spelled(size)} of memory, {spelled(free)} are free; {way_out}")


def available() -> int | None:
    """Return the bytes that can be had, None where the system does not say."""
    found = [number for number in (_of_the_machine(), *(_of_a_group(*paths) for paths in GROUPS)) if number is not None]
    return min(found, default=None)


def spelled(size: int) -> str:
    """Spell a number of bytes.

    Examples
    --------
    >>> spelled(2_500_000), spelled(2_600_000_000), spelled(7 * 10**18)
    ('2 MB', '3 GB', '7,000,000,000 GB')
    """
    return f"{size // 10**6} MB" if size < 10**9 else f"{size / 1e9:,.0f} GB"


def _of_the_machine() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    except OSError:
        pass
    try:  # all that there is, where it is not said what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _of_a_group(limit: str, use: str) -> int | None:
    try:
        return max(0, int(Path(limit).read_text(encoding="ascii")) - int(Path(use).read_text(encoding="ascii")))
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return None
