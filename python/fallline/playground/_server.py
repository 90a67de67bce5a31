"""Who hands out the page and computes rules on whole tensors? A server on loopback, with the standard library alone.

It answers ``GET /`` with the page and ``POST /path`` with a path. It binds 127.0.0.1, refuses a Host header that is not
its own (DNS rebinding) and takes JSON alone (a form of another site cannot send that), of bounded size and length.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from fallline import landscapes, optim
from fallline.playground._compose import compose

__all__ = ["Server", "answer", "run"]

MOST_BYTES = 65_536
MOST_STEPS = 5_000
WRONG_REQUEST = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)


def answer(spec: Any) -> dict[str, str]:
    """Compute the path that the page asks for; points, losses and gradients are float64 in base64.

    Parameters
    ----------
    spec
        ``{"landscape" | "line", "start", "steps", "optimizer": {"rule", "hypers"}}``, as ``engine.js`` takes it, with
        a class of ``fl.optim`` as the rule.
    """
    if not isinstance(spec, dict):
        raise ValueError("[playground] a request is an object")
    steps = spec.get("steps")
    if not (isinstance(steps, int) and 1 <= steps <= MOST_STEPS):
        raise ValueError(f"[playground] steps is a whole number from 1 to {MOST_STEPS}, got {steps!r}")
    start = [float(value) for value in spec["start"]]
    if len(start) != 2 or not np.all(np.isfinite(start)):
        raise ValueError(f"[playground] start is two finite numbers, got {start}")
    options: dict[str, Any] = {}
    if any(shift := spec.get("shift") or (0, 0)):
        options["shift"] = tuple(float(value) for value in shift)
    if batch := spec.get("batch"):
        options |= {"batch_size": int(batch), "seed": int(spec.get("seed", 0))}
    with np.errstate(all="ignore"):
        path = landscapes.path(_landscape(spec), np.array(start), _optimizer(spec), steps, **options)
    return {
        name: base64.b64encode(np.ascontiguousarray(getattr(path, name), dtype="<f8").tobytes()).decode()
        for name in ("points", "losses", "gradients")
    }


def _landscape(spec: dict[str, Any]) -> Any:
    line = spec.get("line")
    if line is not None:
        x, y = (np.array([float(v) for v in line[name]]) for name in ("x", "y"))
        return landscapes.line(x=x, y=y, loss=str(line["loss"]))
    name = spec.get("landscape")
    if name not in landscapes.ALL:
        raise ValueError(f"[playground] there is no landscape {name!r}; there are {', '.join(landscapes.ALL)}")
    return landscapes.ALL[name]


def _optimizer(spec: dict[str, Any]) -> Any:
    wanted = spec["optimizer"]
    name = wanted["rule"]
    if name not in optim.__all__ or not isinstance(getattr(optim, name, None), type):
        raise ValueError(f"[playground] there is no optimizer {name!r} in fl.optim")
    hypers = {key: float(value) for key, value in wanted.get("hypers", {}).items()}
    rule = getattr(optim, name)(**hypers)
    links = []
    if noise := spec.get("noise"):
        links.append(optim.add_noise(eta=float(noise["sigma"]) ** 2, gamma=0.0, seed=int(noise["seed"])))
    if clip := spec.get("clip"):
        links.append({"norm": optim.clip_norm, "value": optim.clip_value}[clip["kind"]](float(clip["value"])))
    return optim.chain(*links, rule) if links else rule


class Server(ThreadingHTTPServer):
    """The page on ``http://127.0.0.1:port``; port 0 takes a free one.

    Examples
    --------
    >>> server = Server(0)
    >>> server.url.startswith("http://127.0.0.1:")
    True
    >>> server.server_close()
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.page = compose(server="path").encode()
        self.busy = threading.Lock()  # one computation at a time: a page cannot take all cores

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        if not self._ours():
            return
        if self.path.partition("?")[0] != "/":
            self._send(HTTPStatus.NOT_FOUND, b"there is one page here: /", "text/plain")
            return
        self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        if not self._ours():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/path" or self.headers.get_content_type() != "application/json" or not length.isdigit():
            self._refuse(HTTPStatus.BAD_REQUEST, "[playground] a path is asked for by a POST of JSON to /path")
        elif int(length) > MOST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"[playground] at most {MOST_BYTES} bytes")
        else:
            self._compute(self.rfile.read(int(length)))

    def _compute(self, body: bytes) -> None:
        try:
            with self.server.busy:
                found = answer(json.loads(body))
        except WRONG_REQUEST as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            return
        self._send(HTTPStatus.OK, json.dumps(found).encode(), "application/json")

    def _ours(self) -> bool:
        port = self.server.server_port
        own = {f"127.0.0.1:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in own and (origin is None or origin in {f"http://{host}" for host in own}):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "[playground] this server answers its own page alone")
        return False

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what was sent with the request is not read
        self._send(status, json.dumps({"error": why}).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the terminal belongs to the person who started it."""


def run(port: int = 0, *, browser: bool = True) -> None:
    """Serve the page until Ctrl-C, and open it in the browser."""
    with Server(port) as server:
        print(f"{server.url}  (Ctrl-C stops it)", file=sys.stderr, flush=True)
        if browser:
            threading.Timer(0.2, webbrowser.open, [server.url]).start()
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print("fallline: the playground is closed", file=sys.stderr)
