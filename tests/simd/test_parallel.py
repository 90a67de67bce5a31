"""The thread pool: every piece once, in any process, from any thread, however many there are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import fallline as fl

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _keep_threads() -> Iterator[None]:
    threads = fl.get_num_threads()
    yield
    fl.set_num_threads(threads)


def run_python(code: str, **environment: str) -> str:
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", "import numpy as np, fallline as fl\n" + code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def big_product() -> np.ndarray:
    x = np.arange(250_000, dtype=np.float32).reshape(500, 500) % 7
    return np.asarray(fl.asarray(x) @ fl.asarray(x))


def test_the_pool_keeps_its_promises_to_cpp(tmp_path: Path) -> None:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if not compiler:
        pytest.skip("no C++ compiler")
    program = tmp_path / "parallel_check"
    parts = [ROOT / "cpp/simd/parallel.cpp", ROOT / "cpp/simd/background.cpp"]
    sources = [str(path) for path in (Path(__file__).with_name("parallel_check.cpp"), *parts)]
    command = [compiler, "-std=c++17", "-O1", "-pthread", f"-I{ROOT / 'cpp'}", *sources, "-o", str(program)]
    subprocess.run(command, check=True, timeout=120)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "all promises kept"


def test_threads_from_the_environment() -> None:
    assert run_python("print(fl.get_num_threads())", FALLLINE_NUM_THREADS="3") == "3"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no processor affinity here")
def test_threads_from_the_processors_that_the_process_may_use() -> None:
    environment = {"FALLLINE_NUM_THREADS": ""}
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\nprint(fl.get_num_threads())"
    command = [sys.executable, "-c", code.replace("\n", "\nimport fallline as fl\n")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("threads", [0, -3, 1025])
def test_a_number_of_threads_out_of_range_is_refused(threads: int) -> None:
    before = fl.get_num_threads()
    with pytest.raises(ValueError, match="1 to 1024"):
        fl.set_num_threads(threads)
    assert fl.get_num_threads() == before


def test_a_forked_child_works_and_ends() -> None:
    code = """
import os, time
x = fl.asarray(np.arange(40000, dtype=np.float32).reshape(200, 200) % 7)
first = np.asarray(x @ x)
for _ in range(3):
    child = os.fork()
    if child == 0:
        end = time.monotonic() + 40  # on a busy machine the second thread may come late
        same = np.array_equal(np.asarray(x @ x), first)
        while same and fl.info()["counters"]["threads_worked"] < 2 and time.monotonic() < end:
            same = np.array_equal(np.asarray(x @ x), first)
        os._exit(0 if same and fl.info()["counters"]["threads_worked"] == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
assert np.array_equal(np.asarray(x @ x), first)
print("done")
"""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    assert run_python(code, FALLLINE_NUM_THREADS="2") == "done"


def test_python_threads_share_the_pool() -> None:
    fl.set_num_threads(2)
    expected = big_product()
    wrong: list[int] = []

    def work(number: int) -> None:
        wrong.extend(number for _ in range(10) if not np.array_equal(big_product(), expected))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
        assert not worker.is_alive()
    assert wrong == []


def test_the_number_of_threads_may_change_at_any_time() -> None:
    fl.set_num_threads(1)
    expected = big_product()
    for threads in (2, 7, 1, 3, 64, 2):
        fl.set_num_threads(threads)
        assert fl.get_num_threads() == threads
        np.testing.assert_array_equal(big_product(), expected)


def test_a_process_ends_while_the_pool_is_warm() -> None:
    code = "x = fl.asarray(np.ones((400, 400), np.float32))\nfor _ in range(50): x @ x\nprint('done')"
    assert run_python(code, FALLLINE_NUM_THREADS="4") == "done"
