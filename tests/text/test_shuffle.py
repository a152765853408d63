"""The order that is computed place by place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charrnn.text.shuffle import shuffled


@given(st.integers(1, 3000), st.lists(st.integers(0, 2**40), min_size=1, max_size=4))
def test_every_number_stands_at_one_place(n: int, seed: list[int]) -> None:
    order = shuffled(np.arange(n), n, seed)
    assert sorted(order.tolist()) == list(range(n))
    some = np.arange(0, n, 3)
    assert np.array_equal(shuffled(some, n, seed), order[some])


def test_orders_are_random() -> None:
    """Each number stands at each place about equally often, and neighbours are independent."""
    orders = np.array([shuffled(np.arange(6), 6, [seed]) for seed in range(3000)])
    counts = np.array([np.bincount(place, minlength=6) for place in orders.T])
    assert abs(counts - 500).max() < 5 * np.sqrt(500)
    ascending = (orders[:, 1:] > orders[:, :-1]).mean(0)
    assert abs(ascending - 0.5).max() < 0.05


def test_a_large_order_needs_no_list() -> None:
    order = shuffled(np.arange(1000), 10**15, [7])
    assert len(set(order.tolist())) == 1000
    assert order.max() < 10**15
    assert 4e14 < order.mean() < 6e14
