"""Why are local minima rare in high dimension? At a critical point every direction must go up, and each may go down.

If the curvatures of n directions were independent coins, a share of 2 ** -n of all critical points would be minima. The
eigenvalues of random symmetric matrices repel each other, which makes minima rarer still: in ten dimensions hardly one
in a million is left, and nearly everything else is a saddle.
"""

import numpy as np

import fallline as fl

DRAWS = 4000


def kind(hessian: np.ndarray) -> str:
    """Look at the critical point of the quadratic function that has this Hessian."""
    return str(fl.diagnose.critical_point(lambda w: 0.5 * np.sum(w * (hessian @ w)), np.zeros(len(hessian))).kind)


def share_of_minima(n: int, rng: np.random.Generator) -> float:
    """Draw symmetric matrices with normal entries, and count those that curve upwards everywhere."""
    a = rng.normal(size=(DRAWS, n, n))
    eigenvalues = np.linalg.eigvalsh(a + np.swapaxes(a, 1, 2))
    return float(np.mean(eigenvalues[:, 0] > 0))


def main() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 9):
        print(f"dimensions {n}: minima {share_of_minima(n, rng):.4f}, coins {2.0**-n:.4f}")
    a = rng.normal(size=(20, 8, 8))
    kinds = [kind(one + one.T) for one in a]
    print(f"of 20 critical points in 8 dimensions, saddles {kinds.count('saddle')}")


if __name__ == "__main__":
    main()
