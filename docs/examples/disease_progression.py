"""Regression on a table of numbers: features and target standardised, the learning rate on half a cosine."""

import numpy as np
from sklearn.datasets import load_diabetes

import fallline as fl


def main() -> None:
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[:88], order[88:]
    x = ((x - x[train].mean(0)) / x[train].std(0)).astype(np.float32)
    mean, std = y[train].mean(), y[train].std()
    z = ((y - mean) / std).astype(np.float32)[:, None]

    fl.random.seed(0)
    model = fl.nn.Sequential(fl.nn.Linear(10, 32), fl.nn.ReLU(), fl.nn.Linear(32, 1))
    epochs, batch = 20, 32
    steps = epochs * -(-len(train) // batch)
    opt = fl.optim.Adam(fl.optim.schedules.cosine(2e-3, steps))
    fl.fit(model, x[train], z[train], loss="mse", optimizer=opt, batch_size=batch, epochs=epochs)

    predicted = np.asarray(fl.predict(model, x[test]))[:, 0] * std + mean
    r2 = 1 - np.sum((y[test] - predicted) ** 2) / np.sum((y[test] - y[test].mean()) ** 2)
    print(f"test r2 {r2:.3f}")


if __name__ == "__main__":
    main()
