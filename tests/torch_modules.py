"""PyTorch's own table of modules with their inputs, as cases for ours: same arguments, weights, outputs, gradients."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import fallline as fl

# What a module class of PyTorch is here, where it is not a layer of the same name.
LOSSES = {
    "L1Loss": "mae",
    "MSELoss": "mse",
    "SmoothL1Loss": "smooth_l1",
    "HuberLoss": "huber",
    "CrossEntropyLoss": "cross_entropy",
    "NLLLoss": "nll",
    "BCELoss": "binary_cross_entropy_of_probabilities",
    "BCEWithLogitsLoss": "binary_cross_entropy",
    "KLDivLoss": "kl_divergence",
    "PoissonNLLLoss": "poisson_nll",
    "GaussianNLLLoss": "gaussian_nll",
    "HingeEmbeddingLoss": "hinge_embedding",
    "MarginRankingLoss": "margin_ranking",
    "MultiLabelMarginLoss": "multilabel_margin",
    "MultiMarginLoss": "multi_margin",
    "SoftMarginLoss": "soft_margin",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin",
    "CosineEmbeddingLoss": "cosine_embedding",
    "CTCLoss": "ctc",
}

ABSENT = {  # what is not here, and why
    **{f"LazyConv{n}d": "shapes are given when a layer is made" for n in (1, 2, 3)},
    **{f"LazyConvTranspose{n}d": "shapes are given when a layer is made" for n in (1, 2, 3)},
    "LinearCrossEntropyLoss": "a dense layer and a loss in one; write them one after the other",
}


class Case(NamedTuple):
    """One row of the table: a module, its arguments, and the inputs of its call."""

    name: str
    number: int
    training: bool
    kind: type
    arguments: tuple[Any, ...]
    settings: dict[str, Any]
    inputs: tuple[Any, ...]
    named: dict[str, Any]


def names() -> list[str]:
    """Return the modules of the table, without their inputs; none without PyTorch."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.testing._internal.common_modules import module_db
    except ImportError:
        return []
    return [info.name.removeprefix("nn.") for info in module_db]


def cases(without: Container[str] = ()) -> Iterator[Case]:
    """Go through the table, in float64 on the CPU."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db

        for info in module_db:
            if info.name.removeprefix("nn.") in without:
                continue
            for training in (True, False) if info.train_and_eval_differ else (True,):
                torch.manual_seed(0)
                np.random.seed(0)
                rows = info.module_inputs_func(
                    info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
                )
                for number, row in enumerate(rows):
                    made, called = row.constructor_input, row.forward_input
                    if called is None:
                        continue
                    settings = {k: v for k, v in made.kwargs.items() if k not in ("device", "dtype")}
                    yield Case(
                        info.name.removeprefix("nn."),
                        number,
                        training,
                        info.module_cls,
                        made.args,
                        settings,
                        called.args,
                        called.kwargs,
                    )


def plain(value: Any) -> Any:
    """Return tensors as arrays, in whatever they lie; functions and modules of PyTorch as ours of that name."""
    import torch

    if isinstance(value, torch.Tensor):
        return fl.asarray(value.detach().numpy().copy())
    if isinstance(value, tuple | list):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return fl.nn.TransformerEncoderLayer(
            value.self_attn.embed_dim,
            value.self_attn.num_heads,
            value.linear1.out_features,
            value.dropout.p,
            plain(value.activation),
            value.norm1.eps,
            value.self_attn.batch_first,
            value.norm_first,
            value.linear1.bias is not None,
        )
    if callable(value) and getattr(value, "__module__", "").startswith("torch"):
        return getattr(fl.nn.functional, value.__name__, None) or getattr(fl, value.__name__)
    return value


def ours(name: str) -> Any:
    """Return our layer or loss of PyTorch's name, or None."""
    if name in LOSSES:
        return getattr(fl.nn.losses, LOSSES[name], None)
    return getattr(fl.nn, name, None)


def leaves(tree: Any) -> list[Any]:
    """Return what can have a gradient, and the numbers of all else that is an array."""
    import torch

    found: list[Any] = []
    if isinstance(tree, torch.Tensor | fl.Array):
        return [tree]
    if isinstance(tree, tuple | list):
        for item in tree:
            found += leaves(item)
    if isinstance(tree, dict):
        for item in tree.values():
            found += leaves(item)
    return found


@contextmanager
def in_float64() -> Iterator[None]:
    """Make layers in float64."""
    before = fl.zeros(0).dtype
    fl.set_default_dtype(np.float64)
    try:
        yield
    finally:
        fl.set_default_dtype(before)


class Pair(NamedTuple):
    """PyTorch's module and ours, with the same weights, and what both are called with."""

    theirs: Any
    mine: Any  # None for losses
    call: Any  # ours, of a model and the float inputs
    starts: list[Any]  # their float inputs
    inputs: list[Any]  # ours


def pair(case: Case) -> Pair:
    """Make both modules and copies of the inputs."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        theirs = case.kind(*case.arguments, **case.settings).double().train(case.training)
    kind, is_loss = ours(case.name), case.name in LOSSES
    with in_float64():
        arguments, settings = plain(case.arguments), plain(case.settings)
        mine = None if is_loss else kind(*arguments, **settings)
    if mine is not None:
        mine.train(case.training)
        mine.load_state_dict(theirs.state_dict())
    inputs, named = plain(case.inputs), plain(case.named)

    def call(model: Any, *given: Any) -> Any:
        rest = iter(given)
        args, more = refill(inputs, rest), refill(named, rest)
        return kind(*args, *arguments, **more, **settings) if is_loss else model(*args, **more)

    given = [x for x in [*leaves(case.inputs), *leaves(case.named)] if x.is_floating_point()]
    # PyTorch refuses the derivative by these targets.
    known = 1 if case.name in ("SoftMarginLoss", "MarginRankingLoss") else len(given)
    starts = [x.detach().clone().requires_grad_(place < known) for place, x in enumerate(given)]
    return Pair(theirs, mine, call, starts, [x for x in [*leaves(inputs), *leaves(named)] if x.dtype.kind == "f"])


def check(case: Case, tolerance: float = 1e-6) -> None:
    """Compare outputs, gradients of a weighted sum of them by inputs and parameters, and running statistics."""
    both = pair(case)
    rest = iter(both.starts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = both.theirs(*torch_refill(case.inputs, rest), **torch_refill(case.named, rest))
    found = both.call(both.mine, *both.inputs)
    for ours_, theirs_ in zip(leaves(found), leaves(expected), strict=True):
        assert ours_.shape == tuple(theirs_.shape), f"shape {ours_.shape} for {tuple(theirs_.shape)}"
        close(ours_, theirs_, tolerance, "output")
    if both.mine is not None:
        for name, value in both.mine.state_dict().items():
            if "running" in name:
                close(value, both.theirs.state_dict()[name], tolerance, name)
    check_gradients(case, both, [x for x in leaves(expected) if x.is_floating_point()], tolerance)


def check_gradients(case: Case, both: Pair, outputs: list[Any], tolerance: float) -> None:
    """Compare the gradients of a weighted sum of outputs."""
    import torch

    rng = np.random.default_rng(0)
    weights = [rng.normal(size=tuple(x.shape)) for x in outputs]
    loss = sum((x * torch.from_numpy(np.asarray(w))).sum() for x, w in zip(outputs, weights, strict=True))
    parameters = dict(both.theirs.named_parameters())
    asked = [x for x in [*both.starts, *parameters.values()] if x.requires_grad]
    if not asked or not isinstance(loss, torch.Tensor) or not loss.requires_grad:
        return
    gradients = dict(zip(map(id, asked), torch.autograd.grad(loss, asked, allow_unused=True), strict=True))

    def scalar(model: Any, *given: Any) -> Any:
        out = [x for x in leaves(both.call(model, *given)) if x.dtype.kind == "f"]
        return sum((x * w).sum() for x, w in zip(out, weights, strict=True))

    first = 0 if both.mine is not None and parameters else 1
    numbers = tuple(range(first, 1 + len(both.inputs)))
    found = fl.grad(scalar, argnums=numbers)(both.mine, *both.inputs)
    for place, (g, start) in enumerate(zip(found[1 - first :], both.starts, strict=True)):
        if not start.requires_grad:
            continue
        if case.name == "CTCLoss" and place == 0:  # PyTorch's is that by the logits below: sums over classes are zero
            g = g - fl.exp(both.inputs[0]) * g.sum(axis=-1, keepdims=True)
        t = gradients[id(start)]
        close(g, torch.zeros_like(start) if t is None else t, tolerance, f"gradient of input {place}")
    for name, parameter in parameters.items():
        t = gradients[id(parameter)]
        close(found[0][name], torch.zeros_like(parameter) if t is None else t, tolerance, f"gradient of {name}")


def refill(tree: Any, arrays: Iterator[Any]) -> Any:
    """Return the tree with its float arrays replaced, in order."""
    if isinstance(tree, fl.Array):
        return next(arrays) if tree.dtype.kind == "f" else tree
    if isinstance(tree, tuple | list):
        return type(tree)(refill(item, arrays) for item in tree)
    if isinstance(tree, dict):
        return {key: refill(item, arrays) for key, item in tree.items()}
    return tree


def torch_refill(tree: Any, tensors: Iterator[Any]) -> Any:
    """Return the tree with its float tensors replaced, in order."""
    import torch

    if isinstance(tree, torch.Tensor):
        return next(tensors) if tree.is_floating_point() else tree
    if isinstance(tree, tuple | list):
        return type(tree)(torch_refill(item, tensors) for item in tree)
    if isinstance(tree, dict):
        return {key: torch_refill(item, tensors) for key, item in tree.items()}
    return tree


def close(mine: Any, theirs: Any, tolerance: float, what: str) -> None:
    """Raise unless numbers agree; where a gradient of PyTorch is NaN, any will do."""
    found, expected = np.asarray(mine.detach()), theirs.detach().numpy()
    if what.startswith("gradient"):
        found = np.where(np.isnan(expected), np.nan, found)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=what)
