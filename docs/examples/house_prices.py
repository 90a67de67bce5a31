"""Prices of houses from floor area, bedrooms and ceiling height: y = w x + b, by the squared error (R19, R23, R24).

The data are drawn here, so that the prices of the square metre, of a bedroom and of height are known.
"""

import numpy as np

import fallline as fl

PRICES = {"floor area (m2)": 3000.0, "bedrooms": 15000.0, "ceiling height (m)": 40000.0}


def houses(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    area, bedrooms = rng.uniform(40, 200, count), rng.integers(1, 6, count)
    x = np.column_stack([area, bedrooms, rng.normal(2.6, 0.2, count)])
    return x, x @ list(PRICES.values()) + rng.normal(0, 20_000, count)


def main() -> None:
    rng = np.random.default_rng(0)
    (x, y), (x_test, y_test) = houses(6400, rng), houses(200, rng)
    mean, std, scale = x.mean(0), x.std(0), y.std()

    def prepared(x):
        return ((x - mean) / std).astype(np.float32)

    model = fl.nn.Linear(3, 1, rng=fl.random.default_rng(0))
    targets = ((y - y.mean()) / scale)[:, None].astype(np.float32)
    options = {"loss": "mse", "optimizer": "adam", "batch_size": 256, "epochs": 150, "progress": False}
    history = fl.fit(model, prepared(x), targets, **options)

    print("epoch  loss (squared error over the variance)")
    for epoch in (0, 20, 60, 149):  # a lower loss is a better model
        print(f"{epoch + 1:5}  {history['loss'][epoch]:.4f}  {'#' * round(60 * history['loss'][epoch])}")
    for name, weight, deviation in zip(PRICES, np.asarray(model.weight)[0], std, strict=True):
        print(f"{name}: {weight * scale / deviation:.0f} each, drawn with {PRICES[name]:.0f}")
    error = np.asarray(fl.predict(model, prepared(x_test)))[:, 0] * scale + y.mean() - y_test
    print(f"test r2 {1 - error.var() / y_test.var():.3f} rmse {np.sqrt((error**2).mean()):.0f}")


if __name__ == "__main__":
    main()
