"""Does the local server answer its own page, and nobody else?"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

import numpy as np
import pytest

import fallline as fl
from fallline import landscapes
from fallline.playground import Server, compose

SPEC = {"landscape": "ravine", "start": [-4.5, 1.5], "steps": 20, "optimizer": {"rule": "Muon", "hypers": {"lr": 0.05}}}


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def path_of(server: Server, spec: Any) -> tuple[int, dict[str, Any]]:
    status, body = ask(server, "POST", "/path", json.dumps(spec), Content_Type="application/json")
    return status, json.loads(body)


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float64)


def test_the_page_is_served(server: Server) -> None:
    assert ask(server, "GET", "/") == (200, compose(server="path").encode())
    assert ask(server, "GET", "/etc/passwd")[0] == 404
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("rule", ["Muon", "Shampoo", "SOAP", "LBFGS", "Sophia", "Adafactor", "LAMB"])
def test_a_rule_on_whole_tensors_gives_the_library_s_path(server: Server, rule: str) -> None:
    status, found = path_of(server, {**SPEC, "optimizer": {"rule": rule, "hypers": {"lr": 0.05}}})
    assert status == 200, found
    wanted = landscapes.path(landscapes.ravine, np.array([-4.5, 1.5]), getattr(fl.optim, rule)(lr=0.05), 20)
    assert np.array_equal(numbers(found["points"]).reshape(-1, 2), wanted.points)
    assert np.array_equal(numbers(found["losses"]), wanted.losses)


def test_noise_clipping_and_data_are_taken(server: Server) -> None:
    x = np.linspace(-1, 1, 7)
    line = {"x": list(x), "y": list(2 * x - 1), "loss": "mse"}
    status, found = path_of(
        server, {**SPEC, "landscape": None, "line": line, "batch": 3, "seed": 1, "noise": {"sigma": 0.1, "seed": 2}}
    )
    assert status == 200, found
    quiet = path_of(server, {**SPEC, "landscape": None, "line": line, "batch": 3, "seed": 1})[1]
    assert found["points"] != quiet["points"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps is a whole number"),
        ({"steps": 10**9}, "steps is a whole number"),
        ({"landscape": "moon"}, "no landscape 'moon'"),
        ({"start": [1]}, "start is two finite numbers"),
        ({"start": [1, float("nan")]}, "start is two finite numbers"),
        ({"optimizer": {"rule": "__class__"}}, "no optimizer"),
        ({"optimizer": {"rule": "chain"}}, "no optimizer"),
        ({"optimizer": {"rule": "Muon", "hypers": {"lr": -1}}}, "lr"),
        ({"optimizer": {"rule": "Muon", "hypers": {"moon": 1}}}, "moon"),
    ],
)
def test_a_wrong_request_is_told_why(server: Server, change: dict[str, Any], words: str) -> None:
    status, found = path_of(server, {**SPEC, **change})
    assert status == 400
    assert words in found["error"]


@pytest.mark.parametrize("body", ["", "[]", "{", "null", "3"])
def test_what_is_no_request_is_refused(server: Server, body: str) -> None:
    assert ask(server, "POST", "/path", body, Content_Type="application/json")[0] == 400


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"Host": "evil.example", "Content_Type": "application/json"}),
        (403, {"Origin": "http://evil.example", "Content_Type": "application/json"}),
        (400, {"Content_Type": "text/plain"}),  # what a form of another site can send
        (413, {"Content_Type": "application/json", "Content_Length": "70000"}),
    ],
)
def test_strangers_are_refused(server: Server, status: int, headers: dict[str, str]) -> None:
    assert ask(server, "POST", "/path", json.dumps(SPEC), **headers)[0] == status
    if "Host" in headers:
        assert ask(server, "GET", "/", Host="evil.example")[0] == 403
