"""Views that the body of a loop or checkpoint takes from outside: whatever their memory looks like, bits as eager."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fallline as fl

X = np.random.default_rng(0).normal(size=(3, 3))
VIEWS = {
    "transposed": lambda w: w.T,
    "reversed": lambda w: w[::-1, ::-1],
    "every second": lambda w: fl.concat([w, w, w])[::3],
    "broadcast": lambda w: fl.broadcast_to(w[0], (3, 3)),
    "a slice of a transpose": lambda w: fl.concat([w, w])[1:4].T,
}
USES = {
    "right factor": lambda e, z: e @ z.T,
    "left factor": lambda e, z: (z @ e).T,
    "elementwise": lambda e, z: fl.exp(z) * e + z,
    "sums": lambda e, z: e + z.sum(axis=0) + z.T.mean(axis=1),
    "reshaped": lambda e, z: z.reshape((9,)).reshape((3, 3)) + e,
    "indexed": lambda e, z: z[1:, ::2].sum() * e + z[0],
    "joined": lambda e, z: fl.concat([z, e]).T,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("view", VIEWS)
def test_a_body_takes_views_from_outside(view: str, use: str) -> None:
    rows = np.random.default_rng(1).normal(size=(2, 3, 3))

    def looped(w: Any) -> Any:
        z = VIEWS[view](w)
        return fl.scan(lambda carry, e: (carry, USES[use](e, z)), None, rows)[1]

    def by_hand(w: Any) -> Any:
        z = VIEWS[view](w)
        return fl.stack([USES[use](fl.asarray(e), z) for e in rows])

    def again(w: Any) -> Any:
        z = VIEWS[view](w)
        return fl.stack([fl.checkpoint(lambda e: USES[use](e, z))(fl.asarray(e)) for e in rows])

    expected = by_hand(fl.asarray(X))
    value, gradient = fl.value_and_grad(lambda w: (by_hand(w) ** 2).sum())(X)
    for f in (looped, again):
        for made in (f, fl.jit(f)):
            np.testing.assert_array_equal(np.asarray(made(fl.asarray(X))), np.asarray(expected))
        of_f = fl.value_and_grad(lambda w, f=f: (f(w) ** 2).sum())
        for made in (of_f, fl.jit(of_f)):
            found, slope = made(fl.asarray(X))
            np.testing.assert_array_equal(np.asarray(found), np.asarray(value))
            np.testing.assert_allclose(np.asarray(slope), np.asarray(gradient), rtol=1e-13, atol=1e-13)
