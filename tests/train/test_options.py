"""What the arguments of fit do: each beside the same by hand, for native rules and for those in Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fallline as fl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 4)).astype(np.float32)
LABELS = (X[:, 0] > 0.5).astype(np.int64)
RULES: dict[str, Callable[[], Any]] = {
    "native": lambda: fl.optim.Adam(0.01),
    "streamed": lambda: fl.optim.SGD(0.1),
    "Python": lambda: fl.optim.Lookahead(fl.optim.Adam(0.01)),
    "SAM": lambda: fl.optim.SAM(fl.optim.SGD(0.1)),
}


def network(*middle: fl.nn.Module, dtype: Any = None) -> fl.nn.Sequential:
    rng = fl.random.default_rng(1)
    first, last = fl.nn.Linear(4, 8, rng=rng, dtype=dtype), fl.nn.Linear(8, 2, rng=rng, dtype=dtype)
    return fl.nn.Sequential(first, *middle, fl.nn.Tanh(), last)


def fit(model: fl.nn.Module, x: Any = X, y: Any = LABELS, **facts: Any) -> fl.History:
    return fl.fit(model, x, y, **{"loss": "cross_entropy", "progress": False, "optimizer": fl.optim.SGD(0.1), **facts})


def arrays(model: fl.nn.Module) -> dict[str, np.ndarray]:
    return {path: np.array(a) for path, a in model.state_dict().items()}


def assert_same(a: fl.nn.Module, b: fl.nn.Module, rtol: float = 0.0) -> None:
    for path, array in arrays(a).items():
        np.testing.assert_allclose(array, arrays(b)[path], rtol=rtol, atol=rtol, err_msg=path)


# Weights


@pytest.mark.parametrize("rule", RULES)
def test_class_weights_are_weights_of_samples_in_the_loss_alone(rule: str) -> None:
    table = {0: 0.5, 1: 3.0}
    weight = np.where(LABELS == 1, 3.0, 0.5)
    one, two, three = network(), network(), network()
    facts: dict[str, Any] = {"epochs": 2, "metrics": ["accuracy"]}
    history = fit(one, class_weight=table, optimizer=RULES[rule](), **facts)
    fit(two, sample_weight=weight, optimizer=RULES[rule](), epochs=2)
    fit(three, class_weight=[0.5, 3.0], optimizer=RULES[rule](), epochs=2)
    assert_same(one, two)
    assert_same(one, three)
    plain = network()
    fit(plain, sample_weight=weight, optimizer=fl.optim.SGD(1e-30), metrics=["accuracy"])
    weighed = fit(network(), class_weight=table, optimizer=fl.optim.SGD(1e-30), metrics=["accuracy"])
    unweighed = fit(network(), optimizer=fl.optim.SGD(1e-30), metrics=["accuracy"])
    assert weighed["accuracy"] == unweighed["accuracy"]
    assert len(history["accuracy"]) == 2


def test_balanced_classes_count_alike_whatever_form_their_targets_have() -> None:
    counts = np.bincount(LABELS)
    wanted = network()
    fit(wanted, sample_weight=len(X) / (2 * counts[LABELS]))
    one, two = network(), network()
    fit(one, class_weight="balanced")
    assert_same(one, wanted)
    fit(two, y=np.eye(2, dtype=np.float32)[LABELS], class_weight="balanced")
    assert_same(two, wanted, 1e-6)
    logit = fl.nn.Linear(4, 1, rng=fl.random.default_rng(0))
    fit(logit, y=LABELS.astype(np.float32), loss="binary_cross_entropy", class_weight="balanced")
    other = fl.nn.Linear(4, 1, rng=fl.random.default_rng(0))
    fit(other, y=LABELS, loss="binary_cross_entropy", sample_weight=len(X) / (2 * counts[LABELS]))
    assert_same(logit, other)


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_that_counts_nothing_makes_no_step(rule: str) -> None:
    weight = np.ones(100, np.float32)
    weight[32:64] = 0
    norm = fl.nn.BatchNorm1d(8)
    one, two = network(norm), network(fl.nn.BatchNorm1d(8))
    facts: dict[str, Any] = {"shuffle": False, "metrics": ["accuracy"], "record_steps": True}
    history = fit(one, sample_weight=weight, optimizer=RULES[rule](), **facts)
    kept = np.r_[0:32, 64:100]
    other = fit(two, X[kept], LABELS[kept], optimizer=RULES[rule](), shuffle=False, metrics=["accuracy"])
    if rule in ("streamed", "SAM"):  # others count the step that was not made
        assert_same(one, two)
    assert np.asarray(norm.num_batches_tracked) == 3
    assert np.isnan(history.steps["loss"]).tolist() == [False, True, False, False]
    assert history["loss"][0] == pytest.approx(np.nanmean(history.steps["loss"]))
    assert np.isfinite(other["loss"][0])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "negative": ({"sample_weight": -np.ones(100)}, "sample_weight must not be negative, got -1.0 at 0; give 0"),
    "all 0": ({"sample_weight": np.zeros(100)}, "sample_weight is 0 for all samples"),
    "nan": ({"sample_weight": np.full(100, np.nan)}, "sample_weight holds nan"),
    "shape": ({"sample_weight": np.ones((100, 1))}, r"one number for each sample, shape \(n,\), got \(100, 1\)"),
    "length": ({"sample_weight": np.ones(99)}, "sample_weight has 99"),
    "class": ({"class_weight": {0: 1.0}}, "no weight for the class 1"),
    "word": ({"class_weight": "balance"}, "class_weight must be a dict from labels to weights"),
    "label": ({"class_weight": {"a": 1.0}}, "class_weight must be a dict from labels to weights"),
    "negative class": ({"class_weight": [1.0, -1.0]}, "class_weight must not be negative"),
    "numbers": (
        {"class_weight": [1.0], "y": X[:, 0], "loss": "mse", "model": fl.nn.Linear(4, 1)},
        "class_weight needs targets that are labels",
    ),
    "split": ({"validation_split": 1.0}, "validation_split must be at least 0 and below 1"),
    "two": ({"validation_split": 0.5, "validation": (X, LABELS)}, "validation or validation_split, not both"),
    "a share": ({"validation": 0.2}, "a share of the samples is validation_split=0.2"),
    "accumulate": ({"accumulate": 0}, "accumulate must be a positive whole number"),
    "ema": ({"ema": 1.0}, "ema must be at least 0 and below 1"),
    "time": ({"max_time": 0}, "max_time must be positive"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told_before_the_first_step(name: str) -> None:
    facts, words = WRONG[name]
    model, opt = facts.pop("model", network()), fl.optim.SGD(0.1)
    with pytest.raises((ValueError, TypeError), match=words):
        fit(model, optimizer=opt, **facts)
    assert opt.t == 0


# Validation


def test_a_share_is_kept_aside_by_the_seed_and_of_each_class_its_share() -> None:
    from fallline.train._split import split

    y = fl.asarray(np.repeat([0, 1, 2], [700, 250, 50]))
    seen = []
    for seed in (0, 1):
        train, aside = split(y, 0.2, shuffle=True, seed=seed)
        assert sorted([*train, *aside]) == list(range(1000))
        assert np.bincount(np.asarray(y)[aside]).tolist() == [140, 50, 10]
        seen.append(aside)
        assert np.array_equal(split(y, 0.2, shuffle=True, seed=seed)[1], aside)
    assert not np.array_equal(*seen)
    train, aside = split(fl.asarray(X[:, 0]), 0.25, shuffle=True, seed=0)
    assert len(aside) == 25 and len(set(aside) | set(train)) == 100
    assert split(y, 0.2, shuffle=False, seed=0) == (slice(0, 800), slice(800, 1000))


def test_a_split_is_the_same_as_two_sets_of_samples() -> None:
    one, two = network(), network()
    history = fit(one, validation_split=0.3, shuffle=False, epochs=2)
    wanted = fit(two, X[:70], LABELS[:70], validation=(X[70:], LABELS[70:]), shuffle=False, epochs=2)
    assert dict(history) == dict(wanted)
    assert_same(one, two)
    drawn = fit(network(), validation_split=0.3, sample_weight=np.ones(100), epochs=2)
    assert len(drawn["val_loss"]) == 2


def test_validation_comes_every_few_epochs_and_after_the_last() -> None:
    history = fit(network(), epochs=7, validation=(X, LABELS), validation_freq=3, metrics=["accuracy"])
    for name in ("val_loss", "val_accuracy"):
        assert np.isfinite(history[name]).tolist() == [False, False, True, False, False, True, True]
    every = fit(network(), epochs=7, validation=(X, LABELS), metrics=["accuracy"])
    assert [history["val_loss"][i] for i in (2, 5, 6)] == [every["val_loss"][i] for i in (2, 5, 6)]


def test_the_model_can_be_measured_before_the_first_step() -> None:
    model = network()
    wanted = {
        **fl.evaluate(model, X, LABELS, loss="cross_entropy"),
        **{f"val_{k}": v for k, v in fl.evaluate(model, X[:9], LABELS[:9], loss="cross_entropy").items()},
    }
    history = fit(model, initial=True, validation=(X[:9], LABELS[:9]))
    assert history.initial == wanted
    assert fit(network()).initial == {}


def test_what_is_measured_before_the_first_step_counts_samples_as_the_training_does() -> None:
    weight = np.linspace(0, 2, len(X))
    by_class = np.array([1.0, 5.0, 0.5])[LABELS]
    for given, counts in (
        ({"sample_weight": weight}, weight),
        ({"class_weight": [1.0, 5.0, 0.5]}, by_class),
        ({"class_weight": [1.0, 5.0, 0.5], "sample_weight": weight}, by_class * weight),
    ):
        model = network()
        wanted = fl.evaluate(model, X, LABELS, loss="cross_entropy", sample_weight=counts)["loss"]
        accuracy = fl.evaluate(
            model, X, LABELS, loss="cross_entropy", metrics=["accuracy"], sample_weight=given.get("sample_weight")
        )["accuracy"]
        history = fit(model, initial=True, batch_size="full", metrics=["accuracy"], **given)
        assert history.initial == pytest.approx({"loss": wanted, "accuracy": accuracy}, rel=1e-6)
        assert history["loss"][0] == pytest.approx(wanted, rel=1e-6)  # before its only step


@pytest.mark.parametrize(
    ("weight", "said"),
    [(-1.0, "must not be negative, got -1.0 at 0"), (np.nan, "holds nan at"), (0.0, "is 0 for all samples")],
)
def test_weights_to_evaluate_with_are_looked_at(weight: float, said: str) -> None:
    with pytest.raises(ValueError, match=r"\[evaluate\] sample_weight " + said):
        fl.evaluate(network(), X, LABELS, loss="cross_entropy", sample_weight=np.full(len(X), weight))


# Gradients


def test_accumulated_batches_are_a_large_one() -> None:
    for rule in (fl.optim.SGD, fl.optim.Adam):
        one, two = network(dtype="float64"), network(dtype="float64")
        fit(one, X[:96], LABELS[:96], batch_size=8, accumulate=4, shuffle=False, epochs=3, optimizer=rule(0.05))
        fit(two, X[:96], LABELS[:96], batch_size=32, shuffle=False, epochs=3, optimizer=rule(0.05))
        assert_same(one, two, 1e-9)


def test_a_training_too_short_for_one_accumulated_step_is_refused() -> None:
    with pytest.raises(ValueError, match="accumulate=9 batches make a step, and this training has 8"):
        fit(network(), X[:32], LABELS[:32], batch_size=8, accumulate=9, epochs=2)
    assert fit(network(), X[:32], LABELS[:32], batch_size=8, accumulate=8, epochs=2).epochs == 2


def test_schedules_count_epochs_inside_accumulation_and_in_a_second_fit() -> None:
    seen: list[float] = []
    watch = fl.train.callbacks.LearningRateMonitor()
    opt = fl.optim.SGD(fl.optim.schedules.step(0.8, every=1, factor=0.5, per="epoch"))
    wrapped = fl.optim.chain(fl.optim.accumulate(2), opt)
    model = network()
    for epochs, size in ((2, 25), (1, 10), (2, 50)):
        seen += fit(model, optimizer=wrapped, epochs=epochs, batch_size=size, callbacks=[watch])["lr"]
    assert seen == [0.4, 0.2, 0.1, 0.05, 0.025]
    assert opt.t == (4 + 4 + 10 + 2 + 2) // 2


CLIPS: dict[str, Callable[[float], Any]] = {
    "clip_value": fl.optim.clip_value,
    "clip_norm": fl.optim.clip_norm,
    "clip_global_norm": fl.optim.clip_global_norm,
    "adaptive_clip": fl.optim.adaptive_clip,
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_clip_is_its_link_of_a_chain(name: str) -> None:
    one, two, plain = network(), network(), network()
    fit(one, epochs=2, **{name: 0.01})
    fit(two, epochs=2, optimizer=fl.optim.chain(CLIPS[name](0.01), fl.optim.SGD(0.1)))
    assert_same(one, two, 1e-6)
    fit(plain, epochs=2)
    assert any((arrays(one)[path] != array).any() for path, array in arrays(plain).items())


def test_clipping_comes_after_accumulation() -> None:
    one, two = network(), network()
    fit(one, epochs=2, accumulate=2, clip_global_norm=0.05)
    links = (fl.optim.accumulate(2), fl.optim.clip_global_norm(0.05), fl.optim.SGD(0.1))
    fit(two, epochs=2, optimizer=fl.optim.chain(*links))
    assert_same(one, two)


# Averages


def test_the_model_holds_the_average_in_the_end_and_the_history_tells_of_it() -> None:
    one, two, opt = network(), network(), fl.optim.EMA(fl.optim.SGD(0.5), 0.8)
    history = fit(one, ema=0.8, optimizer=fl.optim.SGD(0.5), epochs=3, validation=(X, LABELS))
    fit(two, optimizer=opt, epochs=3)
    for path, mean in opt.averaged(two.parameters()).items():
        np.testing.assert_array_equal(arrays(one)[path], mean)
    assert fl.evaluate(one, X, LABELS, loss="cross_entropy")["loss"] == history["val_loss"][-1]


def test_swa_is_the_mean_of_the_ends_of_epochs() -> None:
    ends: list[dict[str, np.ndarray]] = []

    def keep(epoch: int, history: Any, model: fl.nn.Module, opt: Any) -> None:
        ends.append(arrays(model))

    model = network()
    fit(model, swa=2, epochs=5, callbacks=[keep])
    for path, array in arrays(model).items():
        np.testing.assert_allclose(array, np.mean([end[path] for end in ends[1:]], axis=0), rtol=1e-5, atol=1e-7)


def test_averages_have_running_statistics_of_their_own() -> None:
    norm = fl.nn.BatchNorm1d(8)
    model = network(norm)
    fit(model, swa=1, epochs=4)
    hidden = np.asarray(model[0](fl.asarray(X)))
    np.testing.assert_allclose(np.asarray(norm.running_mean), hidden.mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("facts", [{"initial": True}, {"teach": True}, {"swa": 0}, {"class_weight": "balanced"}])
def test_what_needs_all_samples_at_once_says_so(facts: dict[str, Any]) -> None:
    loader = fl.train.Loader(X, LABELS, batch_size=25)
    with pytest.raises(ValueError, match="needs all samples at once, and these come in pieces"):
        fit(network(fl.nn.BatchNorm1d(8)), loader, None, **facts)


# How long


@pytest.mark.parametrize("rule", RULES)
def test_the_last_short_batch_may_be_left_out(rule: str) -> None:
    one, two, opt = network(), network(), RULES[rule]()
    history = fit(one, drop_last=True, shuffle=False, epochs=2, optimizer=opt, record_steps=True)
    assert len(history.steps["loss"]) == opt.t == 6
    fit(two, X[:96], LABELS[:96], shuffle=False, epochs=2, optimizer=RULES[rule]())
    assert_same(one, two)


@pytest.mark.parametrize("rule", RULES)
def test_training_ends_after_so_many_steps(rule: str) -> None:
    opt = RULES[rule]()
    history = fit(network(), max_steps=6, epochs=10**9, optimizer=opt, record_steps=True)
    assert (opt.t, history.epochs, len(history.steps["loss"])) == (6, 2, 6)


def test_training_ends_when_its_time_is_over() -> None:
    start = time.monotonic()
    history = fit(network(), max_time=0.3, epochs=10**9)
    assert 0.3 <= time.monotonic() - start < 20
    assert history.epochs >= 1 and "seconds" not in history


def test_batches_follow_each_other_without_shuffling() -> None:
    """R96: 2,560 samples in batches of 32 are 80 updates an epoch, of samples 0 to 31, 32 to 63 and so on."""
    x = np.arange(2560, dtype=np.float64)[:, None]
    firsts: list[float] = []

    def first(output: Any, target: Any) -> Any:
        return target[0, 0]

    model = fl.nn.Linear(1, 1, dtype="float64")
    history = fit(
        model, x, x, loss="mse", optimizer=fl.optim.SGD(1e-12), metrics=[first], shuffle=False, record_steps=True
    )
    firsts = history.steps["first"].tolist()
    assert firsts == [32.0 * i for i in range(80)]


def test_a_hundred_thousand_samples_are_learnt_from_in_batches() -> None:
    """R15: in one epoch of 1,563 steps, 97 % of samples that it did not see."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(110_000, 12)).astype(np.float32)
    y = (x @ rng.normal(size=12) > 0).astype(np.int64)
    model = fl.nn.Linear(12, 2, rng=fl.random.default_rng(0))
    history = fit(model, x[:100_000], y[:100_000], batch_size=64, optimizer=fl.optim.Adam(0.01), record_steps=True)
    assert len(history.steps["loss"]) == 1563
    assert fl.evaluate(model, x[100_000:], y[100_000:], loss="cross_entropy", metrics=["accuracy"])["accuracy"] > 0.97


# Teaching


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_lesson_shows_forward_loss_backward_and_update_of_each_step(
    capsys: pytest.CaptureFixture[str], shuffle: bool
) -> None:
    """R9: the step is the same with and without the lesson, and its numbers are those of the step."""
    one, two = network(fl.nn.Dropout(0.5)), network(fl.nn.Dropout(0.5))
    history = fit(one, teach=True, shuffle=shuffle, epochs=2, record_steps=True, sample_weight=np.linspace(1, 2, 100))
    lines = capsys.readouterr().out.splitlines()
    fit(two, shuffle=shuffle, epochs=2, sample_weight=np.linspace(1, 2, 100))
    assert_same(one, two)
    assert [line.split()[0] for line in lines] == ["step", "forward", "loss", "backward", "update"] * 8
    assert lines[0].startswith("step 1, epoch 1: 32 samples, ")
    shown = [float(line.split()[1]) for line in lines if line.split()[0] == "loss"]
    np.testing.assert_allclose(shown, history.steps["loss"], rtol=1e-5)
    norms = [float(part) ** 2 for part in lines[3].replace(",", "").split()[2::2]]
    assert sum(norms) ** 0.5 == pytest.approx(history.steps["grad_norm"][0], rel=1e-3)
