"""Products in panels equal plain products."""

import numpy as np
import pytest

from charrnn.kernels import Workspace
from charrnn.kernels.blas import _MAX_DEPTH, multiply, pack, product


@pytest.fixture(params=[False, True])
def small_products(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.kernels.blas.has_small_products", lambda: request.param)


@pytest.mark.usefixtures("small_products")
@pytest.mark.parametrize("M", [1, 8, 77, 600])
@pytest.mark.parametrize("K", [32, 96, 65])
@pytest.mark.parametrize("D", [32, _MAX_DEPTH, _MAX_DEPTH + 1, 700])
def test_products_in_panels(M: int, D: int, K: int) -> None:
    rng = np.random.default_rng(M + D + K)
    x, W = rng.standard_normal((M, D)), rng.standard_normal((K, D)).T
    ws, out = Workspace(), np.empty((2, M, K))
    multiply(x, W, out[0], ws, "W")
    product(x, pack(W, ws, "W panels"), out[1])
    np.testing.assert_allclose(out, np.broadcast_to(x @ W, out.shape), atol=1e-11)
