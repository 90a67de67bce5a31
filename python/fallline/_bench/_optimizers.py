"""How long does one optimizer step take from Python?  Beside PyTorch's foreach and fused forms and Optax under jit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fallline import get_num_threads, optim
from fallline._bench._measure import Effort, Row, Wanted, in_turns, installed, microseconds, repeated, sweep

Step = Callable[[], object]
CASES = ((10, 1_000), (10, 100_000), (400, 2_500))  # tensors, elements in each
LARGE = 32_000_000
LR = 1e-4
# rule: PyTorch's class and options, Optax's function and options, the arrays that a step reads
RULES: dict[str, tuple[str, dict[str, Any], str, dict[str, Any], int]] = {
    "Adam": ("Adam", {}, "adam", {}, 4),
    "Momentum": ("SGD", {"momentum": 0.9}, "sgd", {"momentum": 0.9}, 3),
    "RMSprop": ("RMSprop", {}, "rmsprop", {"decay": 0.99, "eps_in_sqrt": False}, 3),
    "Adagrad": ("Adagrad", {}, "adagrad", {"initial_accumulator_value": 0.0, "eps": 1e-10}, 3),
}
COMPRESSED = ("bfloat16", "float8")


def rows(effort: Effort, wanted: Wanted) -> Iterator[Row]:
    """Yield one row for each rule and case that is wanted by name."""
    for rule in RULES:
        for tensors, elements in (*CASES, *(((1, LARGE),) if effort.thorough else ())):
            name = f"{rule} {tensors} x {elements:,}"
            if wanted(name):
                yield from _rows(name, rule, _Values(tensors, elements), effort)


class _Values:
    """Where everyone starts, and the gradients; no element is so near zero that two epsilons differ."""

    def __init__(self, tensors: int, elements: int) -> None:
        rng = np.random.default_rng(0)
        self.tensors, self.elements = tensors, elements
        self.start = [rng.standard_normal(elements, np.float32) for _ in range(tensors)]
        signs = [rng.choice(np.array([-1, 1], np.float32), elements) for _ in range(tensors)]
        self.grads = [s * rng.uniform(0.1, 2, elements).astype(np.float32) for s in signs]


def _rows(name: str, rule: str, values: _Values, effort: Effort) -> Iterator[Row]:
    makers: dict[str, Callable[[], tuple[Step, Callable[[], list[np.ndarray]]]]] = {
        "fallline": lambda: _ours(rule, values)
    }
    if installed(["torch"]):
        makers["PyTorch foreach"] = lambda: _torch(rule, "foreach", values)
        if rule != "RMSprop":  # which has no fused form
            makers["PyTorch fused"] = lambda: _torch(rule, "fused", values)
    if len(installed(["jax", "optax"])) == 2:
        makers["Optax jit"] = lambda: _optax(rule, values)
    steps = {}
    after: dict[str, list[np.ndarray]] = {}
    for who, make in makers.items():
        steps[who], state = make()
        for _ in range(3):
            steps[who]()
        after[who] = [np.array(a) for a in state()] if values.elements < LARGE else [np.array(state()[0][:1000])]
    for who, arrays in after.items():
        for mine, theirs in zip(after["fallline"], arrays, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4, err_msg=f"{name}: {who}")
    large = values.elements == LARGE
    if large and rule == "Adam":
        steps |= {f"fallline, {bits}": _ours(rule, values, state_dtype=bits)[0] for bits in COMPRESSED}
    runners = {who: repeated(step, effort.seconds) for who, step in steps.items()}
    times = microseconds(in_turns(runners, effort.rounds))
    limit = 1e6 * sweep(values.tensors * values.elements, RULES[rule][4]) if values.tensors == 1 else None
    peers = {who: t for who, t in times.items() if not who.startswith("fallline")}
    yield Row("optimizer step", name, {"fallline": times["fallline"], **peers}, limit)
    for bits in COMPRESSED:
        if f"fallline, {bits}" in times:
            yield Row("optimizer step", f"{rule}, {bits} state", {"fallline": times[f"fallline, {bits}"], **peers})


def _ours(rule: str, values: _Values, **options: Any) -> tuple[Step, Callable[[], list[np.ndarray]]]:
    params, opt = [a.copy() for a in values.start], getattr(optim, rule)(LR, **options)
    return lambda: opt.step(params, values.grads), lambda: params


def _torch(rule: str, form: str, values: _Values) -> tuple[Step, Callable[[], list[np.ndarray]]]:
    import torch

    torch.set_num_threads(get_num_threads())
    name, options, *_ = RULES[rule]
    params = [torch.tensor(a, requires_grad=True) for a in values.start]
    for parameter, g in zip(params, values.grads, strict=True):
        parameter.grad = torch.from_numpy(g)
    opt = getattr(torch.optim, name)(params, lr=LR, **{form: True}, **options)
    return opt.step, lambda: [p.detach().numpy() for p in params]


def _optax(rule: str, values: _Values) -> tuple[Step, Callable[[], list[np.ndarray]]]:
    import jax
    import optax

    _, _, name, options, _ = RULES[rule]
    transform = getattr(optax, name)(LR, **options)
    params: Any = [jax.numpy.array(a) for a in values.start]
    grads, now = [jax.numpy.array(g) for g in values.grads], {"params": params, "state": transform.init(params)}

    def update(grads: Any, state: Any, params: Any) -> Any:
        updates, state = transform.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jax.jit(update, donate_argnums=(1, 2))

    def step() -> None:
        now["params"], now["state"] = compiled(grads, now["state"], now["params"])
        jax.block_until_ready(now["params"])

    return step, lambda: [np.asarray(p) for p in now["params"]]
