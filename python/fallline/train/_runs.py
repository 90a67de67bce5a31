"""How do several runs compare?  Those of one kind over seeds, and kinds beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fallline.train._history import History
from fallline.train._show import aligned, axes, pandas

__all__ = ["Runs", "compare", "repeat"]


class Runs(Mapping[str, list[History]]):
    """Histories by the name of what they are runs of, each of one seed or more."""

    def __init__(self, histories: Mapping[str, list[History]]) -> None:
        self._histories = dict(histories)

    def __getitem__(self, name: str) -> list[History]:
        return self._histories[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._histories)

    def __len__(self) -> int:
        return len(self._histories)

    def values(self, name: str, of: str | None = None) -> NDArray[np.float64]:  # type: ignore[override]
        """Return a quantity as (runs, epochs), NaN behind the end of shorter runs; `of` is needed for several kinds."""
        if of is None and len(self) > 1:
            raise ValueError(f"[Runs] of which are the values: {', '.join(self)}?")
        rows = [history[name] for history in self._histories[next(iter(self)) if of is None else of]]
        found = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
        for row, given in zip(found, rows, strict=True):
            row[: len(given)] = given
        return found

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each kind: how many runs, and of each quantity the mean and deviation of the last values."""
        rows = []
        for kind, histories in self._histories.items():
            row: dict[str, Any] = {"run": kind, "seeds": len(histories)}
            for name in histories[0].curves:
                last = [history[name][-1] for history in histories if history.get(name)]
                row[name], row[f"{name} ±"] = float(np.mean(last)), float(np.std(last))
            rows.append(row)
        return rows

    def plot(self, name: str = "loss", ax: Any = None) -> Any:
        """Draw a quantity over epochs, a line of means with a band of one deviation for each kind; return the axes."""
        if ax is None:
            ax = axes()
        for kind in self:
            found = self.values(name, kind)
            epochs, mean, spread = np.arange(1, found.shape[1] + 1), np.nanmean(found, 0), np.nanstd(found, 0)
            (line,) = ax.plot(epochs, mean, label=kind)
            ax.fill_between(epochs, mean - spread, mean + spread, color=line.get_color(), alpha=0.2, linewidth=0)
        ax.set_xlabel("epoch")
        ax.set_ylabel(name)
        ax.legend()
        return ax

    def to_pandas(self) -> Any:
        """Return a data frame with a row for each run and epoch: run, seed, epoch, and each quantity."""
        rows = [
            {"run": kind, "seed": seed, "epoch": epoch + 1, **{n: v[epoch] for n, v in history.curves.items()}}
            for kind, histories in self._histories.items()
            for seed, history in enumerate(histories)
            for epoch in range(history.epochs)
        ]
        return pandas().DataFrame(rows)

    def _cells(self) -> list[list[str]]:
        rows = self.table()
        names = [n for n in dict.fromkeys(n for row in rows for n in row) if not n.endswith("±")][2:]
        shown = [[f"{r[n]:.4g} ± {r[f'{n} ±']:.2g}" if n in r else "" for n in names] for r in rows]
        heads = [[row["run"], str(row["seeds"])] for row in rows]
        return [["run", "seeds", *names], *([*head, *line] for head, line in zip(heads, shown, strict=True))]

    def __str__(self) -> str:
        return aligned(self._cells())

    def __repr__(self) -> str:
        return f"Runs({', '.join(f'{kind}: {len(histories)}' for kind, histories in self._histories.items())})"

    def _repr_html_(self) -> str:
        from fallline._html import of_rows  # only in notebooks

        head, *rows = self._cells()
        return of_rows(f"{len(self)} kinds of runs, mean and deviation of the last values", head, rows)


def repeat(fit: Callable[[int], History], seeds: int | Iterable[int] = 5, name: str = "run") -> Runs:
    """Train several times, each with a seed of its own, and return all histories.

    Parameters
    ----------
    fit
        A function of a seed that makes a model, trains it and returns its history.
    seeds
        How many, from 0 on, or which.
    name
        What the runs are called beside others: ``fl.train.compare(adam=..., sgd=...)``.

    Examples
    --------
    >>> import numpy as np, fallline as fl
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> def once(seed):
    ...     model = fl.nn.Linear(1, 1, rng=fl.random.default_rng(seed))
    ...     return fl.fit(model, x, 3 * x, loss="mse", epochs=3, seed=seed, progress=False)
    >>> runs = fl.train.repeat(once, seeds=4)
    >>> runs.values("loss").shape
    (4, 3)
    """
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    return Runs({name: [fit(seed) for seed in numbers]})


def compare(**runs: History | Runs) -> Runs:
    """Put runs beside each other: histories, or what `repeat` returned, by name; printed as a table, drawn with bands.

    Examples
    --------
    >>> import fallline as fl
    >>> a, b = fl.History(), fl.History()
    >>> a.put(0, {"loss": 0.5}); b.put(0, {"loss": 0.25})
    >>> print(fl.train.compare(adam=a, sgd=b))
    run   seeds  loss
    adam  1      0.5 ± 0
    sgd   1      0.25 ± 0
    """
    found: dict[str, list[History]] = {}
    for name, given in runs.items():
        if isinstance(given, History):
            found[name] = [given]
        elif isinstance(given, Runs):
            found[name] = [history for histories in given._histories.values() for history in histories]
        else:
            raise TypeError(f"[compare] {name} must be a History, or what repeat returned, got {type(given).__name__}")
    return Runs(found)
