"""How good are networks for tables, told nothing but the target?  Their error over CatBoost's, and their seconds.

Every model gets the same rows of a seeded split, 80 % to learn and 20 % to test. The error is the share of wrong
labels, or the root mean squared error over the target's deviation. Without CatBoost it is scikit-learn's
HistGradientBoosting that is divided by, and the heading says so. Where few rows are wrong, one is added to both.

    FALLLINE_DATA=folder-of-housing.csv python benchmarks/bench_tables.py [--effort quick ...] [TABLE ...]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fallline as fl

EFFORTS = ("quick", "default", "best")
FEW = 20  # wrong rows, under which one more or less moves a ratio too far


@dataclass(frozen=True)
class Data:
    """A table of columns, its target, and which rows are for test."""

    name: str
    frame: Any
    target: str
    classes: bool

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and test rows."""
        order = np.random.default_rng(0).permutation(len(self.frame))
        held = round(len(order) * 0.2)
        return np.sort(order[held:]), np.sort(order[:held])


def tables() -> Iterator[Callable[[], Data]]:
    """Yield what makes each table, smallest first; those whose package is absent say so when they are made."""

    def of_sklearn(name: str, classes: bool) -> Callable[[], Data]:
        def make() -> Data:
            import sklearn.datasets as sets

            return Data(name, getattr(sets, f"load_{name}")(as_frame=True).frame, "target", classes)

        make.__name__ = name
        return make

    for name, classes in (("iris", True), ("wine", True), ("diabetes", False), ("breast_cancer", True)):
        yield of_sklearn(name, classes)

    def caravan() -> Data:
        from ISLP import load_data

        return Data("caravan", load_data("Caravan"), "Purchase", True)

    def bikeshare() -> Data:
        from ISLP import load_data

        return Data("bikeshare", load_data("Bikeshare").drop(columns=["casual", "registered"]), "bikers", False)

    def housing() -> Data:
        import pandas

        folder = Path(os.environ["FALLLINE_DATA"])
        return Data("housing", pandas.read_csv(folder / "housing.csv"), "median_house_value", False)

    def diamonds() -> Data:
        from plotnine.data import diamonds as frame

        return Data("diamonds", frame, "price", False)

    yield from (caravan, bikeshare, housing, diamonds)


def fallline(data: Data, effort: str) -> np.ndarray:
    train, test = data.rows
    task = "classification" if data.classes else "regression"
    model = fl.tabular.fit(data.frame.iloc[train], data.target, task=task, effort=effort)
    return model.predict(data.frame.iloc[test])


def _prepared(data: Data) -> tuple[Any, Any, list[str]]:
    """Return inputs whose texts are texts, the target, and which columns are categories."""
    inputs = data.frame.drop(columns=data.target).copy()
    texts = [c for c in inputs if inputs[c].dtype.kind not in "iuf"]
    for c in texts:
        inputs[c] = inputs[c].astype(str)
    y = data.frame[data.target]
    return inputs, (y.astype(str) if data.classes else y).to_numpy(), texts


def catboost(data: Data) -> np.ndarray:
    from catboost import CatBoostClassifier, CatBoostRegressor

    (x, y, texts), (train, test) = _prepared(data), data.rows
    kind = CatBoostClassifier if data.classes else CatBoostRegressor
    model = kind(verbose=0, cat_features=texts, random_seed=0, allow_writing_files=False)
    return np.asarray(model.fit(x.iloc[train], y[train]).predict(x.iloc[test])).ravel()


def boosting(data: Data) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    (x, y, texts), (train, test) = _prepared(data), data.rows
    for c in texts:
        x[c] = x[c].astype("category").cat.codes
    kind = HistGradientBoostingClassifier if data.classes else HistGradientBoostingRegressor
    return np.asarray(kind(random_state=0).fit(x.iloc[train], y[train]).predict(x.iloc[test]))


def sklearn_mlp(data: Data) -> np.ndarray:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    (x, y, texts), (train, test) = _prepared(data), data.rows
    numbers = [c for c in x if c not in texts]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), texts),
    )
    early = len(train) > 1000  # of fewer rows a tenth judges nothing
    kind = MLPClassifier if data.classes else MLPRegressor
    model = make_pipeline(columns, kind(random_state=0, early_stopping=early, max_iter=200 if early else 1000))
    mean, std = (0, 1) if data.classes else (y[train].mean(), y[train].std())
    model.fit(x.iloc[train], y[train] if data.classes else (y[train] - mean) / std)
    found = model.predict(x.iloc[test])
    return np.asarray(found if data.classes else found * std + mean)


def error(data: Data, predicted: np.ndarray) -> float:
    train, test = data.rows
    y = data.frame[data.target].to_numpy()
    if data.classes:
        return float(np.mean(predicted.astype(str) != y[test].astype(str)))
    return float(np.sqrt(np.mean((predicted - y[test]) ** 2)) / y[train].std())


def ratio(data: Data, mine: float, theirs: float) -> float:
    """Return one error over another; with one row added to both where errors are few."""
    tested = len(data.rows[1])
    if data.classes and min(mine, theirs) * tested < FEW:
        return (mine * tested + 1) / (theirs * tested + 1)
    return mine / theirs


def installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", nargs="*")
    parser.add_argument("--effort", choices=EFFORTS, action="append")
    chosen = parser.parse_args()
    trees = ("CatBoost", catboost) if installed("catboost") else ("HistGradientBoosting", boosting)
    models: list[tuple[str, Callable[[Data], np.ndarray]]] = [trees, ("MLP", sklearn_mlp)]
    for effort in chosen.effort or EFFORTS:
        models.append((effort, lambda data, effort=effort: fallline(data, effort)))  # type: ignore[misc]
    print(f"error over {trees[0]}'s default, seconds per 1,000 rows; fallline {fl.__version__}, ", end="")
    print(f"{fl.get_num_threads()} threads, {fl.info()['simd_target']}; load {os.getloadavg()[0]:.1f}\n")
    print("| table | rows | " + " | ".join(f"{name}" for name, _ in models) + " |")
    print("| --- | ---: |" + " ---: |" * len(models), flush=True)
    ratios: dict[str, list[float]] = {name: [] for name, _ in models}
    for make in tables():
        if chosen.table and make.__name__ not in chosen.table:
            continue
        try:
            data = make()
        except (ModuleNotFoundError, KeyError) as absent:
            print(f"| {make.__name__} | left out: {absent} |")
            continue
        cells, base = [], 0.0
        for name, model in models:
            start = time.perf_counter()
            found = error(data, model(data))
            seconds = time.perf_counter() - start
            base = found if name == trees[0] else base
            ratios[name].append(ratio(data, found, base))
            cells.append(f"{found:.4f} ({ratios[name][-1]:.3f}, {1000 * seconds / len(data.frame):.2f} s)")
        print(f"| {data.name} | {len(data.frame)} | {' | '.join(cells)} |", flush=True)
    means = [f"{np.exp(np.mean(np.log(found))):.3f}" for found in ratios.values() if found]
    print(f"| geometric mean | | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
