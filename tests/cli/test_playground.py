"""Does `fallline playground` write the page, and serve it until it is stopped?"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from commands import Run

from fallline.playground import compose


def test_the_page_is_written_as_one_file(run: Run, tmp_path: Path) -> None:
    done = run("playground", "--output", "lab.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lab.html").read_text(encoding="utf-8") == compose()
    again = run("playground", "--output", "lab.html")
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert run("playground", "--output", "lab.html", "--force").returncode == 0


@pytest.mark.parametrize("command", [["fallline", "playground"], ["fallline.playground"]])
def test_the_page_is_served_until_it_is_interrupted(command: list[str]) -> None:
    program = "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "runpy.run_module(sys.argv.pop(1), run_name='__main__')"  # a shell may have tests ignore the signal
    words = [sys.executable, "-c", program, *command, "--port", "0", "--no-browser"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
    assert found
    with urllib.request.urlopen(found[0], timeout=60) as answer:
        assert answer.read().decode() == compose(server="path")
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert "closed" in rest
    assert process.returncode == 0


def test_a_port_that_is_taken_is_said(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("playground", "--no-browser", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "--port" in done.stderr
