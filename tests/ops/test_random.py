"""Random numbers: the published generator, the right distributions, and the same bits everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from reference import shuffled

import fallline as fl
from fallline import _core
from fallline.testing import use_target

TARGETS = _core.targets()


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Return the block of Philox4x32-10 (Salmon et al. 2011) in Python's integers."""
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (second >> 32) ^ counter[1] ^ key[0], second & 0xFFFFFFFF,
            (first >> 32) ^ counter[3] ^ key[1], first & 0xFFFFFFFF,
        ]  # fmt: skip
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def bits(key: int, counter: int, n: int) -> list[int]:
    return [int(v) for v in np.asarray(_core.random_bits(key, counter, (n,), np.uint64))]


def test_python_s_philox_has_the_published_values() -> None:
    """The known answers that came with the paper, in the file kat_vectors of Random123."""
    assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    digits_of_pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert philox(digits_of_pi, [0xA4093822, 0x299F31D0]) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_the_bits_are_philox_blocks_of_key_and_counter() -> None:
    for key, counter in ((0, 0), (0x299F31D0A4093822, 7), (2**64 - 1, 2**32 - 2), (5, 2**63)):
        want = []
        for block in range(4):
            low, high = (counter + block) & 0xFFFFFFFF, (counter + block) >> 32
            a, b, c, d = philox([low, high, 0, 0], [key & 0xFFFFFFFF, key >> 32])
            want += [a << 32 | b, c << 32 | d]
        assert bits(key, counter, 8) == want


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", TARGETS)
def test_targets_and_threads_draw_the_same_bits(target: str, dtype: str) -> None:
    def draw() -> bytes:
        rng = fl.random.default_rng(3)
        values = [
            rng.uniform(size=10001, dtype=dtype),
            rng.normal(size=(77, 501), dtype=dtype),
            rng.integers(9, size=99),
        ]
        return b"".join(np.asarray(v).tobytes() for v in values)

    with use_target("scalar"):
        fl.set_num_threads(1)
        want = draw()
    with use_target(target):
        for threads in (1, 2):
            fl.set_num_threads(threads)
            if target != "sse4":  # its logarithm and cosine are rounded in other places
                assert draw() == want
        got = np.asarray(fl.random.default_rng(3).normal(size=1000, dtype=dtype))
    with use_target("scalar"):
        np.testing.assert_allclose(got, np.asarray(fl.random.default_rng(3).normal(size=1000, dtype=dtype)), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers_fill_their_range_evenly(dtype: str) -> None:
    n = 200_000
    x = np.asarray(fl.random.default_rng(1).uniform(size=n, dtype=dtype)).astype(np.float64)
    assert 0 <= x.min() < 1e-4
    assert 1 - 1e-4 < x.max() < 1
    assert abs(x.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5
    assert abs(x.var() - 1 / 12) < 5 * (1 / 180 / n) ** 0.5
    counts = np.histogram(x, 100, (0, 1))[0]
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 160  # chi squared of 99; five deviations
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 5 / n**0.5
    shifted = np.asarray(fl.random.default_rng(1).uniform(-3, 5, size=n, dtype=dtype))
    np.testing.assert_allclose(shifted, x * 8 - 3, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_have_the_moments_of_the_normal_distribution(dtype: str) -> None:
    n = 200_000
    x = np.asarray(fl.random.default_rng(2).normal(size=n, dtype=dtype)).astype(np.float64)
    assert np.isfinite(x).all()
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        spread = np.std(x**power) / n**0.5
        assert abs(np.mean(x**power) - moment) < 5 * spread, power
    assert abs((np.abs(x) < 1).mean() - 0.682689) < 5 * (0.2166 / n) ** 0.5
    moved = np.asarray(fl.random.default_rng(2).normal(10.0, 0.5, size=n, dtype=dtype))
    np.testing.assert_allclose(moved, x * 0.5 + 10, rtol=1e-6)


def test_integers_cover_their_range() -> None:
    x = np.asarray(fl.random.default_rng(3).integers(-3, 4, size=70_000))
    assert x.dtype == np.int64
    values, counts = np.unique(x, return_counts=True)
    assert values.tolist() == list(range(-3, 4))
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 30
    assert set(np.asarray(fl.random.default_rng(3).integers(2, size=50)).tolist()) == {0, 1}
    with pytest.raises(ValueError, match="empty"):
        fl.random.default_rng(0).integers(5, 5)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 10, 1000, 65_537, 200_000])
def test_the_order_is_shuffled_by_random_bits(n: int) -> None:
    bits = np.asarray(_core.random_bits(7, 11, (n,), np.uint64))
    order = np.asarray(_core.random_order(7, 11, (n,), np.int64))
    np.testing.assert_array_equal(order, shuffled(bits))


def test_permutations_have_every_number_once_and_every_order() -> None:
    rng = fl.random.default_rng(4)
    assert sorted(rng.permutation(1000).tolist()) == list(range(1000))
    orders = {tuple(rng.permutation(3).tolist()) for _ in range(100)}
    assert len(orders) == 6
    rows = np.arange(12).reshape(6, 2)
    shuffled = np.asarray(rng.permutation(rows))
    assert sorted(map(tuple, shuffled.tolist())) == sorted(map(tuple, rows.tolist()))


def test_choice_draws_with_and_without_replacement() -> None:
    rng = fl.random.default_rng(5)
    assert len(set(rng.choice(50, 50, replace=False).tolist())) == 50
    assert len(set(rng.choice(50, 50).tolist())) < 50
    assert set(rng.choice(np.array([2.0, 4.0]), (5, 6)).ravel().tolist()) == {2.0, 4.0}
    with pytest.raises(ValueError, match="without replacement"):
        rng.choice(3, 4, replace=False)


def test_a_seed_fixes_the_stream_and_the_state_resumes_it() -> None:
    a, b = fl.random.default_rng(6), fl.random.default_rng(6)
    assert a.normal(size=5).tolist() == b.normal(size=5).tolist()
    assert a.uniform(size=5).tolist() != fl.random.default_rng(7).uniform(size=5).tolist()
    later = fl.random.default_rng(0)
    later.key, later.counter = a.key, a.counter
    assert later.uniform(size=3).tolist() == a.uniform(size=3).tolist()
    assert fl.random.default_rng().key != fl.random.default_rng().key


def test_successive_draws_do_not_repeat_themselves() -> None:
    rng = fl.random.default_rng(8)
    drawn = [v for n in (1, 2, 3, 4, 5, 8, 1, 1) for v in np.asarray(rng.uniform(size=n, dtype="float64")).tolist()]
    drawn += [rng.uniform(dtype="float64").item() for _ in range(20)]
    assert len(set(drawn)) == len(drawn)


def test_spawned_generators_are_independent_of_each_other_and_of_their_parent() -> None:
    parent = fl.random.default_rng(9)
    children = [*parent.spawn(3), *parent.spawn(2)]
    assert len({child.key for child in (*children, parent)}) == 6
    drawn = np.stack([np.asarray(r.normal(size=5000, dtype="float64")) for r in (*children, parent)])
    assert np.abs(np.corrcoef(drawn) - np.eye(6)).max() < 5 / 5000**0.5
    again = fl.random.default_rng(9).spawn(5)
    assert [child.key for child in again] == [child.key for child in children]


def test_initialisers_draw_from_the_seeded_generator() -> None:
    def weights() -> list[float]:
        return [fl.nn.Linear(2, 2).weight.tolist() for _ in range(2)]

    fl.random.seed(5)
    first = weights()
    fl.random.seed(5)
    assert weights() == first
    assert weights() != first


def test_shapes_dtypes_and_seeds_are_checked() -> None:
    rng = fl.random.default_rng(0)
    assert rng.normal().shape == ()
    assert rng.uniform(size=(2, 0)).shape == (2, 0)
    assert rng.normal(size=3).dtype == np.float32
    fl.set_default_dtype("float64")
    assert rng.normal(size=3).dtype == np.float64
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed"):
            fl.random.default_rng(seed)
