"""Without typer and rich the library works, and the command line says what it needs."""

from __future__ import annotations

from pathlib import Path

from absent import command_without, run_without


def test_the_command_line_says_how_to_install_it(tmp_path: Path) -> None:
    done = command_without("typer,rich", ["info"], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fallline: the command line needs typer and rich: pip install 'fallline[cli]'\n"


def test_importing_the_library_loads_no_optional_one() -> None:
    names = "typer,rich,tqdm,matplotlib,safetensors,sklearn,torch,scipy"
    done = run_without(names, "import fallline")
    assert done.returncode == 0, done.stderr
