"""Running commands as a user does, but in this process: starting one takes longer than most commands."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

import pytest
from commands import Run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `fallline` with these words in an empty folder."""
    pytest.importorskip("typer")
    from fallline.cli import main

    monkeypatch.chdir(tmp_path)

    def start(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(word) for word in words]
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main(command)
        return subprocess.CompletedProcess(command, code, out.getvalue(), errors.getvalue())

    return start
