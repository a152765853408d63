"""The two backends of the inner loops: NumPy, and the same loops compiled by Numba.

`backend` chooses between them and imports Numba only where it is asked for. The other modules need
Numba: `jit` says how functions are compiled and where machine code is kept, `loops` compiles the
kernels' own loops over the steps, `matmul` is the product inside them, `gates` and `elementwise`
are compiled twins of NumPy functions. The readable functions in `charrnn.kernels` define what is
right: a twin without a test against its original does not belong here.
"""
