"""Data in pieces: the same training as on arrays, whatever the pieces are (R15)."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fallline as fl

Loader = fl.train.Loader
RNG = np.random.default_rng(0)
N = 107
X = RNG.normal(size=(N, 6)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
W = RNG.uniform(0.5, 2, N).astype(np.float32)
FACTS: dict[str, Any] = {"loss": "cross_entropy", "epochs": 3, "progress": False, "seed": 3, "metrics": ["accuracy"]}


def network() -> fl.nn.Sequential:
    rng = fl.random.default_rng(1)
    return fl.nn.Sequential(fl.nn.Linear(6, 9, rng=rng), fl.nn.Dropout(0.2), fl.nn.Tanh(), fl.nn.Linear(9, 3, rng=rng))


def trained(*data: Any, **facts: Any) -> tuple[list[np.ndarray], fl.History]:
    model = network()
    history = fl.fit(model, *data, **{**FACTS, **facts})
    return [np.array(a) for a in model.parameters().values()], history


def assert_same(one: tuple[list[np.ndarray], fl.History], two: tuple[list[np.ndarray], fl.History]) -> None:
    assert dict(one[1]) == dict(two[1])
    assert all(np.array_equal(a, b) for a, b in zip(one[0], two[0], strict=True))


def in_parts(size: int = 10, **weights: Any) -> list[Any]:
    columns = (X, LABELS, *weights.values())
    return [tuple(c[at : at + size] for c in columns) for at in range(0, N, size)]


# The same bits


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch", [1, 16, 107, "full"])
@pytest.mark.parametrize("prefetch", [0, 3])
def test_fit_on_a_loader_is_fit_on_its_arrays(shuffle: bool, batch: Any, prefetch: int) -> None:
    loader = Loader(X, LABELS, batch_size=batch, shuffle=shuffle, seed=3, prefetch=prefetch)
    assert_same(trained(X, LABELS, batch_size=batch, shuffle=shuffle), trained(loader))


@pytest.mark.parametrize("optimizer", ["sgd", "sophia", "muon"])
def test_every_way_to_step_takes_pieces(optimizer: str) -> None:
    loader = Loader(X, LABELS, seed=3, sample_weight=W)
    assert_same(trained(X, LABELS, sample_weight=W, optimizer=optimizer), trained(loader, optimizer=optimizer))


def test_windows_that_are_smaller_than_the_data_are_filled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fallline.train._stream.WINDOW", 3 * 8 * (24 + 8))  # three batches
    assert_same(trained(X, LABELS, batch_size=8), trained(Loader(X, LABELS, batch_size=8, seed=3)))


@pytest.mark.parametrize("size", [1, 7, 10, 200])
def test_batches_of_any_size_are_cut_anew(size: int) -> None:
    parts = in_parts(size)
    want = trained(X, LABELS, shuffle=False, batch_size=16)
    assert_same(want, trained(parts, batch_size=16))
    assert_same(want, trained(lambda: iter(parts), batch_size=16))
    assert_same(want, trained((part for part in parts), shuffle=False, batch_size=16))
    weighted = trained(X, LABELS, sample_weight=W, shuffle=False)
    assert_same(weighted, trained(in_parts(size, weights=W)))


def test_sparse_matrices_are_made_dense_batch_by_batch() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(np.abs(X) > 1, X, 0)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        assert_same(trained(x, LABELS), trained(kind(x), LABELS))
    model = network()
    np.testing.assert_array_equal(np.asarray(fl.predict(model, sparse.csr_array(x))), np.asarray(fl.predict(model, x)))
    facts = {"loss": "cross_entropy", "metrics": ["accuracy", "auc"]}
    found, want = (fl.evaluate(model, data, LABELS, **facts) for data in (sparse.csr_array(x), x))
    assert found == pytest.approx(want, rel=1e-6)


def test_a_training_on_pieces_that_was_broken_off_goes_on_with_the_same_bits(tmp_path: Any) -> None:
    pytest.importorskip("safetensors")

    class Stop(fl.train.callbacks.Callback):
        def batch(self, run: Any) -> None:
            if run.step == 9:
                raise KeyboardInterrupt

    def on(folder: str, *more: Any) -> tuple[list[np.ndarray], fl.History]:
        kept = fl.train.callbacks.Checkpoint(tmp_path / folder, steps=1)
        return trained(Loader(X, LABELS, seed=3, batch_size=16), callbacks=[kept, *more], epochs=3)

    whole = on("a")
    with pytest.raises(KeyboardInterrupt):
        on("b", Stop())
    Stop.batch = lambda self, run: None  # type: ignore[method-assign]
    assert_same(whole, on("b", Stop()))


# Memory-mapped arrays, frames


def test_arrays_on_disk_are_trained_on_where_they_lie(tmp_path: Any) -> None:
    for name, array in {"x": X, "y": LABELS}.items():
        np.save(tmp_path / f"{name}.npy", array)
    x, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    assert_same(trained(X, LABELS), trained(x, y))
    assert_same(trained(X, LABELS), trained(Loader(x, y, seed=3)))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_are_read_and_their_columns_named(library: str) -> None:
    frames = pytest.importorskip(library)
    pytest.importorskip("narwhals")
    make = frames.table if library == "pyarrow" else frames.DataFrame
    columns = {f"c{i}": X[:, i] for i in range(6)}
    labels = frames.array(LABELS) if library == "pyarrow" else frames.Series(LABELS)
    assert_same(trained(X, LABELS), trained(make(columns), LABELS if library == "pyarrow" else labels))
    words = [*map(str, LABELS)]
    with pytest.raises(fl.DTypeError, match=r"column .c2. of x holds .*, expected numbers"):
        trained(make({**columns, "c2": words}), LABELS)
    gone = [None if i == 5 else float(v) for i, v in enumerate(X[:, 3])]
    with pytest.raises(ValueError, match=r"(column 'c3' of x has no value in row 5|x holds nan at \[5, 3\])"):
        trained(make({**columns, "c3": gone}), LABELS)


def test_nothing_keeps_the_data_when_training_is_over() -> None:
    gc.collect()
    gc.disable()
    try:
        x = X.copy()
        alive = weakref.ref(x)
        trained(x, LABELS)
        del x
        assert alive() is None
    finally:
        gc.enable()


# What a loader draws


def test_a_loop_of_ones_own_sees_every_sample_once_in_a_new_order_each_time() -> None:
    loader = Loader(np.arange(N)[:, None], LABELS, batch_size=16, sample_weight=W)
    passes = [list(loader) for _ in range(2)]
    assert [len(batch[0]) for batch in passes[0]] == [16] * 6 + [11]
    orders = [np.concatenate([x[:, 0] for x, _, _ in batches]) for batches in passes]
    assert not np.array_equal(*orders)
    for order, batches in zip(orders, passes, strict=True):
        np.testing.assert_array_equal(np.sort(order), np.arange(N))
        np.testing.assert_array_equal(np.concatenate([w for _, _, w in batches]), W[order])
        np.testing.assert_array_equal(np.concatenate([y for _, y, _ in batches]), LABELS[order])
    again = Loader(np.arange(N)[:, None], LABELS, batch_size=16)
    np.testing.assert_array_equal(np.concatenate([x[:, 0] for x, _ in again]), orders[0])
    assert [len(x) for x, _ in Loader(X, LABELS, batch_size=16, drop_last=True)] == [16] * 6


def test_samples_are_drawn_by_their_probabilities() -> None:
    shares = np.where(LABELS == 2, 8.0, 1.0)
    loader = Loader(X, LABELS, batch_size=N, probabilities=shares, seed=1)
    drawn = np.concatenate([y for _ in range(200) for _, y in loader])
    want = shares[LABELS == 2].sum() / shares.sum()
    assert abs((drawn == 2).mean() - want) < 4 * np.sqrt(want / len(drawn))
    never = Loader(np.arange(N)[:, None], LABELS, probabilities=np.arange(N) % 2)
    assert all((x % 2 == 1).all() for x, _ in never)


def test_batches_that_are_stratified_have_the_proportions_of_all() -> None:
    labels = np.array([0] * 300 + [1] * 80 + [2] * 20)
    loader = Loader(np.arange(400)[:, None], labels, batch_size=40, stratify=True)
    seen = []
    for x, y in loader:
        counts = np.bincount(y, minlength=3)
        assert abs(counts - [30, 8, 2]).max() <= 1
        seen.extend(x[:, 0])
    assert sorted(seen) == list(range(400))


def test_transforms_depend_on_seed_pass_and_batch_alone() -> None:
    def noisy(x: Any, y: Any, rng: np.random.Generator) -> Any:
        return x + rng.normal(size=x.shape).astype(x.dtype), y

    loaders = [Loader(X, LABELS, transform=noisy, prefetch=prefetch, shuffle=False) for prefetch in (0, 2)]
    one, two = ([x for x, _ in loader] for loader in loaders)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0], X[:32])
    assert_same(trained(loaders[0]), trained(loaders[1]))


def test_threads_end_with_the_loop_and_errors_come_out() -> None:
    def broken(x: Any, y: Any, rng: Any) -> Any:
        raise RuntimeError("mine")

    before = threading.active_count()
    batches = iter(Loader(X, LABELS, batch_size=4))
    next(batches)
    assert threading.active_count() == before + 1
    del batches
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="mine"):
        list(Loader(X, LABELS, transform=broken))
    with pytest.raises(RuntimeError, match="mine"):
        trained(Loader(X, LABELS, transform=broken))
    assert threading.active_count() == before


# What is wrong


def endless() -> Iterator[Any]:
    yield from [(X, LABELS)]


calls: list[int] = []


def shrinking() -> Iterator[Any]:
    calls.append(1)
    return iter(in_parts()[: 11 if len(calls) < 3 else 5])


BAD: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "no y": (X, {}, TypeError, "y is missing"),
    "no pairs": ([X, LABELS], {}, TypeError, r"batches as \(x, y\).*got ndarray as number 0"),
    "empty": ([], {}, fl.ShapeError, "no samples"),
    "empty generator": (iter(()), {}, fl.ShapeError, "no samples: the generator gave nothing"),
    "other width": ([(X, LABELS), (X[:, :5], LABELS)], {}, fl.ShapeError, "x of a later batch is not like"),
    "nan later": ([(X, LABELS), (X * np.nan, LABELS)], {}, ValueError, "x holds nan"),
    "counts": ([(X, LABELS[:4])], {}, fl.ShapeError, "x has 107, y has 4"),
    "weights beside": (Loader(X, LABELS), {"sample_weight": W}, ValueError, "weights come with the batches"),
    "split": (Loader(X, LABELS), {"validation_split": 0.2}, ValueError, "validation_split needs all samples at once"),
    "shrinks": (shrinking, {}, ValueError, "the data ended 57 samples before those of the first pass"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_pieces_is_told(name: str) -> None:
    data, facts, error, message = BAD[name]
    calls.clear()
    with pytest.raises(error, match=message):
        trained(data, **facts)


@pytest.mark.parametrize(("facts", "error", "message"), [
    ({"probabilities": np.ones(3)}, fl.ShapeError, r"probabilities must have shape \(107,\), got \(3,\)"),
    ({"probabilities": -np.ones(N)}, ValueError, "at least 0"),
    ({"probabilities": np.ones(N), "stratify": True}, ValueError, "give one of them"),
    ({"batch_size": 0}, ValueError, "batch_size must be a positive whole number or 'full', got 0"),
    ({"sample_weight": W[:5]}, fl.ShapeError, "sample_weight has 5"),
])  # fmt: skip
def test_what_is_wrong_with_a_loader_is_told(facts: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        Loader(X, LABELS, **facts)
    with pytest.raises(ValueError, match="stratify takes labels"):
        Loader(X, X, stratify=True)


def test_sequences_are_padded_and_what_is_padded_does_not_count() -> None:
    sequences = [RNG.normal(size=(n, 2)) for n in (3, 5, 1)]
    x, mask = fl.train.pad(sequences)
    assert (x.shape, mask.sum(1).tolist()) == ((3, 5, 2), [3, 5, 1])
    assert all(np.array_equal(x[i, : len(s)], s) and not x[i, len(s) :].any() for i, s in enumerate(sequences))
    labels, _ = fl.train.pad([np.arange(len(s)) % 2 for s in sequences], value=-1)
    scores = RNG.normal(size=(3, 5, 4))[..., :2]
    kept = mask.ravel()
    right = scores.reshape(-1, 2)[kept].argmax(1) == labels.ravel()[kept]
    assert fl.train.metrics.accuracy(scores, labels, ignore_index=-1) == pytest.approx(right.mean())
    assert fl.train.pad(sequences, length=2)[0].shape == (3, 2, 2)
    with pytest.raises(fl.ShapeError, match=r"sequence 1 has shape \(2, 3\), the first \(3, 2\)"):
        fl.train.pad([np.ones((3, 2)), np.ones((2, 3))])
