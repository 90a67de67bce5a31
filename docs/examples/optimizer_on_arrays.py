"""Any gradient will do: logistic regression in plain NumPy, and fallline for the update alone."""

import numpy as np

import fallline as fl


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 5))
    truth = np.array([2.0, -1.0, 0.0, 0.5, 1.0])
    y = (rng.uniform(size=1000) < 1 / (1 + np.exp(-x @ truth))).astype(float)

    params = {"w": np.zeros(5)}
    for opt in (fl.optim.SGD(1.0), fl.optim.Momentum(0.3), fl.optim.Adam(0.05)):
        params["w"][:] = 0
        for _ in range(300):
            p = 1 / (1 + np.exp(-x @ params["w"]))
            opt.step(params, {"w": x.T @ (p - y) / len(x)})
        p = 1 / (1 + np.exp(-x @ params["w"]))
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        print(f"{type(opt).__name__:10s} loss {loss:.4f}  w {np.round(params['w'], 2)}")


if __name__ == "__main__":
    main()
