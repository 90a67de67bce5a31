"""Initialisers: the spread that each paper states, from the generator that is given."""

from __future__ import annotations

import numpy as np
import pytest

import fallline as fl
from fallline.nn import init

SHAPE = (300, 200)
DEVIATIONS = {
    "glorot_uniform": (2 / 500) ** 0.5,
    "glorot_normal": (2 / 500) ** 0.5,
    "he_uniform": (2 / 200) ** 0.5,
    "he_normal": (2 / 200) ** 0.5,
    "lecun_normal": (1 / 200) ** 0.5,
    "lecun_uniform": (1 / 200) ** 0.5,
}


@pytest.mark.parametrize("name", DEVIATIONS)
def test_weights_have_the_stated_deviation_and_no_mean(name: str) -> None:
    w = np.asarray(init.get(name)(SHAPE, rng=fl.random.default_rng(0)), np.float64)
    n = w.size
    assert abs(w.mean()) < 5 * DEVIATIONS[name] / n**0.5
    assert w.std() == pytest.approx(DEVIATIONS[name], rel=5 / (2 * n) ** 0.5)
    if "uniform" in name:
        assert np.abs(w).max() <= DEVIATIONS[name] * 3**0.5


def test_kernels_count_towards_the_fans() -> None:
    assert init.fans((8, 3, 5, 5)) == (75, 200)
    assert init.fans((7,)) == (7, 7)
    w = np.asarray(init.he_normal((64, 16, 3, 3), rng=fl.random.default_rng(1)))
    assert w.std() == pytest.approx((2 / 144) ** 0.5, rel=0.03)


def test_constants_and_plain_distributions() -> None:
    assert (np.asarray(init.zeros((2, 2))) == 0).all()
    assert (np.asarray(init.ones((3,))) == 1).all()
    assert np.asarray(init.constant(0.1)((2,))).tolist() == pytest.approx([0.1, 0.1])
    assert np.asarray(init.normal(0.5)((400, 100), rng=fl.random.default_rng(2))).std() == pytest.approx(0.5, rel=0.02)
    assert np.abs(np.asarray(init.uniform(0.25)((1000,)))).max() <= 0.25


def test_names_are_checked_and_functions_are_taken_as_they_are() -> None:
    with pytest.raises(ValueError, match="glorot_uniform"):
        init.get("glorot")
    layer = fl.nn.Linear(2, 3, weight_init=init.constant(0.5), bias_init="ones")
    assert (np.asarray(layer.weight) == 0.5).all()
    assert (np.asarray(layer.bias) == 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_the_one_asked_for(dtype: str) -> None:
    for name in (*DEVIATIONS, "zeros", "ones"):
        assert init.get(name)((3, 4), dtype=dtype).dtype == dtype


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 3, 2, 2)])
def test_orthogonal_matrices_keep_lengths(shape: tuple[int, ...]) -> None:
    w = np.asarray(init.orthogonal(shape, rng=fl.random.default_rng(0), dtype="float64")).reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-14)


def test_orthogonal_matrices_have_signs_of_either_kind() -> None:
    first = [np.asarray(init.orthogonal((2, 2), rng=fl.random.default_rng(i)))[0, 0] for i in range(40)]
    assert 8 < sum(x > 0 for x in first) < 32


def test_a_truncated_normal_ends_at_two_deviations() -> None:
    w = np.asarray(init.truncated_normal(0.5)((300, 200), rng=fl.random.default_rng(0)))
    assert np.abs(w).max() <= 1.0 and (np.abs(w) > 0.95).any()
    assert w.std() == pytest.approx(0.5 * 0.87962566, rel=0.01)  # of a normal variable cut at two deviations


def test_an_identity_lets_everything_through() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32)
    layer = fl.nn.Conv2d(3, 3, 3, padding=1, weight_init="identity")
    np.testing.assert_array_equal(np.asarray(layer(x)), x)
    assert np.asarray(init.identity((2, 3))).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_gains_are_pytorchs() -> None:
    assert init.gain("relu") == 2**0.5 and init.gain("tanh") == 5 / 3 and init.gain("selu") == 0.75
    assert init.gain("leaky_relu", 0.2) == pytest.approx((2 / 1.04) ** 0.5)
    with pytest.raises(ValueError, match="expected one of"):
        init.gain("step")


def test_lists_and_dicts_of_modules() -> None:
    class Net(fl.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = fl.nn.ModuleList([fl.nn.Linear(2, 3), fl.nn.Linear(3, 3)])
            self.heads = fl.nn.ModuleDict({"a": fl.nn.Linear(3, 1)})

        def forward(self, x: fl.Array) -> fl.Array:
            for layer in self.layers:
                x = fl.tanh(layer(x))
            return self.heads["a"](x)

    net = Net()
    assert list(net.parameters())[::2] == ["layers.0.weight", "layers.1.weight", "heads.a.weight"]
    assert set(fl.grad(lambda m: m(fl.ones((1, 2))).sum())(net)) == set(net.parameters())
    net.layers.insert(0, fl.nn.Linear(2, 2))
    assert len(net.layers) == 3 and net.layers[0].out_features == 2 and len(net.layers[1:]) == 2
    assert net(fl.ones((4, 2))).shape == (4, 1)
    with pytest.raises(TypeError, match="expected modules, got int"):
        net.layers.append(3)
    with pytest.raises(ValueError, match="without a dot"):
        net.heads["a.b"] = fl.nn.Linear(1, 1)


def test_layers_beyond_the_memory_are_refused_at_once() -> None:
    for make in (lambda: fl.nn.Linear(4, 10**12), lambda: fl.nn.Conv2d(10**6, 10**6, 3), lambda: init.zeros((10**13,))):
        with pytest.raises(MemoryError, match=r"an array of .* numbers needs .* GB, and this machine has"):
            make()


@pytest.mark.parametrize("distribution", ["truncated_normal", "normal", "uniform"])
@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 200), ("fan_out", 300), ("fan_avg", 250)])
def test_variance_is_scaled_by_the_fan_in_every_distribution(distribution: str, mode: str, fan: float) -> None:
    w = np.asarray(init.variance_scaling(2.0, mode, distribution)(SHAPE, rng=fl.random.default_rng(0)), np.float64)
    assert w.std() == pytest.approx((2 / fan) ** 0.5, rel=0.015)
    most = {"truncated_normal": 2 / init.CUT, "normal": 9.0, "uniform": 3**0.5}[distribution]
    assert np.abs(w).max() <= most * (2 / fan) ** 0.5 * (1 + 1e-6)
    with pytest.raises(ValueError, match=r"\[variance_scaling\] mode must be 'fan_in' or"):
        init.variance_scaling(1.0, "fan")


def test_a_share_of_each_column_stays_at_zero() -> None:
    w = np.asarray(init.sparse(0.25, 0.5)((40, 30), rng=fl.random.default_rng(0)))
    assert ((w == 0).sum(0) == 10).all()
    assert len({tuple(np.flatnonzero(column == 0)) for column in w.T}) > 25
    assert w[w != 0].std() == pytest.approx(0.5, rel=0.05)
    with pytest.raises(ValueError, match=r"\[sparse\] expected two axes, got \(3, 3, 3\)"):
        init.sparse(0.5)((3, 3, 3))


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "orthogonal"])
def test_a_gain_multiplies(name: str) -> None:
    make = getattr(init, name)
    plain, wide = (make((6, 4), rng=fl.random.default_rng(3), dtype="float64", **more) for more in ({}, {"gain": 2.0}))
    np.testing.assert_allclose(wide, 2 * np.asarray(plain), rtol=1e-12)


@pytest.mark.parametrize("theirs", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_pytorchs_initialisers_have_the_same_deviation(theirs: str) -> None:
    """R116, R117: beside PyTorch's own, which draws other numbers."""
    torch = pytest.importorskip("torch")

    torch.manual_seed(0)
    tensor = torch.empty(*SHAPE, 3, 3, dtype=torch.float64)
    getattr(torch.nn.init, theirs)(tensor, **({"nonlinearity": "relu"} if "kaiming" in theirs else {}))
    mine = theirs.rstrip("_").replace("xavier", "glorot").replace("kaiming", "he")
    w = np.asarray(init.get(mine)((*SHAPE, 3, 3), rng=fl.random.default_rng(0), dtype="float64"))
    assert w.std() == pytest.approx(tensor.std().item(), rel=0.01)
    if "uniform" in theirs:
        assert np.abs(w).max() == pytest.approx(tensor.abs().max().item(), rel=1e-4)
