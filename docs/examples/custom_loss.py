"""A loss of one's own, written with NumPy: the pinball loss, whose minimum is a quantile instead of the mean."""

import numpy as np

import fallline as fl


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(2000, 1)).astype(np.float32)
    y = (2 * x + rng.exponential(1.0, size=x.shape)).astype(np.float32)
    quantile = 0.9

    def pinball(p):
        error = y - (x @ p["w"] + p["b"])
        return np.mean(np.maximum(quantile * error, (quantile - 1) * error))

    params = {"w": np.zeros((1, 1), np.float32), "b": np.zeros(1, np.float32)}
    opt = fl.optim.Adam(0.02)
    loss_and_grad = fl.value_and_grad(pinball)
    for _ in range(1000):
        loss = opt.minimize(loss_and_grad, params)
    below = np.mean(y < x @ params["w"] + params["b"])
    print(f"loss {float(loss):.4f}, slope {params['w'].item():.2f}, share below the line {below:.3f}")


if __name__ == "__main__":
    main()
