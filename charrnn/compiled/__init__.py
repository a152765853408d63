"""Numba-compiled twins of the kernels' inner loops, for float32; the readable ones stay the truth.

The loops over steps are the kernels' own lines, compiled (`loops`). What they call is written here
for the compiler: the product with a matrix that is arranged once a window (`product`), and the
element-wise work (`gates`, `elementwise`). Imports Numba, so it is itself imported only where a
compiled backend is wanted.
"""
