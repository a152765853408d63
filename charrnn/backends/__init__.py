"""The two backends: NumPy, and Numba, which compiles the same loops.

`backend` selects one and imports Numba only for the Numba backend. The other modules need Numba:
`jit` compiles functions and caches their machine code, `loops` compiles the kernels' own loops over
the steps, `matmul` is the matrix product inside them, `gates` and `elementwise` are compiled twins
of NumPy functions. The functions in `charrnn.kernels` define the correct results, and a test
compares every twin with its original; `charrnn.kernels.cell` has a map of both.
"""
