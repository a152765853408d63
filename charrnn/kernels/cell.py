"""A recurrent cell as the rest of the program sees it: one entry of the table `CELLS`.

Each cell's file, here gru.py, contains one computation in several forms:

    form            functions                               runs in
    step pair       gru_step_forward, gru_step_backward     tests only: the readable reference
    sequence pair   gru_forward, gru_backward               training, evaluation, reading a prime
    loops           gru_forward_loop, gru_backward_loop     the sequence pair, once per window
    gate functions  gru_gates_forward, gru_gates_backward   the loops, once per step; the stepper
    stepper         gru_stepper                             sampling, one token at a time

The Numba backend replaces the loops. `charrnn.backends` compiles the same loop functions (loops.py)
around compiled twins of the gate functions (gates.py) and of the matrix product (matmul.py). On a
processor whose vector width Numba does not know, Python runs the loops, with the compiled gates
and NumPy's product. elementwise.py has the twins of the softmax, of `scatter_rows` and of Adam.
`backends/backend.py` selects the backend by its name, train.backend, and `Model` passes the loops
to the sequence pair. Sampling uses the compiled gates if many records are to be written; otherwise
it uses NumPy alone, like float64.

To change a gate, for instance to make the GRU's reset gate a hard sigmoid, change in this order:

    what to change                                         what then must pass, in tests/
    kernels/gru.py: equations, step pair                   kernels/test_gradients.py -k test_step
    kernels/gru.py: gru_gates_forward, gru_gates_backward  kernels/test_gradients.py,
                                                           kernels/test_equivalence.py,
                                                           model/test_stepper.py
    backends/gates.py: the functions of the same names     backends/test_loops.py

These tests run every cell and need no edit. They show that the forms agree and that the gradient
belongs to them; the formula itself is held by PyTorch's results, in kernels/test_pytorch_parity.py,
which fails from the first change on. A cell that PyTorch does not have, such as the Mogrifier LSTM,
is written forward only in kernels/make_pytorch_reference.py, where PyTorch differentiates it. A new
compiled helper, such as a hard sigmoid, gets a test beside that of the sigmoid in
backends/test_elementwise.py. Checkpoints of the old cell still load, since names and shapes are the
same, but compute something else.

A gate function must not mix units or sequences: the stepper passes N sequences of H units as one
sequence of NH units. If its backward half needs another array of the forward half, add the array to
the loops, the cache, the sequence pair, the stepper, and the compiled loops in backends/loops.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy.typing as npt

from charrnn.kernels.arrays import Array, Workspace
from charrnn.kernels.blas import pack, product
from charrnn.kernels.embedding import scatter_rows


class Loops(NamedTuple):
    """The loops over the steps of a window, forward and backward.

    At every step, a loop multiplies by the same matrix. `pack(W, workspace, name)` returns that
    matrix in the form that the loop's product takes; it is called once per window. `gates_forward`
    is the gate function of one step, for the stepper; `scatter` is an implementation of
    `scatter_rows`.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    pack: Callable[[Array, Workspace, str], Array]
    gates_forward: Callable[..., None]
    scatter: Callable[[Array, Array, Array, Workspace], None] = scatter_rows


def numpy_loops(
    forward: Callable[..., None],
    gates_forward: Callable[..., None],
    backward: Callable[..., None],
    gates_backward: Callable[..., None],
) -> Loops:
    """Return loops that Python runs, with NumPy's product and these gate functions."""
    return Loops(
        partial(forward, product, gates_forward),
        partial(backward, product, gates_backward),
        pack,
        gates_forward,
    )


@dataclass(frozen=True)
class Cell:
    """A cell: its names, its sizes and its functions.

    States and parameters are positional arguments, in the order of `states` and `parameters`. The
    parameters start with Wx, Wh and b. The first state is h, the output of the cell:

        step_forward(x, *prev_states, *parameters)  -> *next_states, cache
        step_backward(*dnext_states, cache)         -> dx, *dprev_states, *dparameters
        forward(x, *states0, *parameters, ...)      -> *states at every step, cache
        backward(dh, cache, ...)                    -> dx, *dstates0, *dparameters
        stepper(gates_forward, *states0, *parameters but Wx and b) -> step, and step(a) -> h

    The sequence pair, forward and backward, also takes these keywords:

        workspace   the `Workspace` of temporary arrays and results, which the next call with the
                    same workspace overwrites. By default, the arrays are fresh.
        loops       the `Loops` to run, by default NumPy's.
        dlast       backward: one gradient for each last state, in addition to dh. By default it is
                    zero, which truncates back-propagation through time at the window's end.
        grads       backward: one array for each parameter, to write its gradient into.
        need_dx     backward: False skips the product for dx, which is then None.

    The stepper allocates its arrays once, and each step overwrites states0, which are C-contiguous.
    Each call of `step` advances them by one step. The argument of `step` is the input's part of the
    pre-activations, x Wx + b, as a row from `charrnn.kernels.gatewise`; `step` overwrites it. The
    next call overwrites the result h (N, H).
    """

    name: str
    gates: tuple[str, ...]  # blocks of width H along the gate axis, in order
    states: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]  # name -> sizes; see `parameter_shapes`
    step_forward: Callable[..., Any]
    step_backward: Callable[..., Any]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    loops: Loops
    stepper: Callable[..., Callable[[Array], Array]]
    h_mean_square: float  # expected in a new network; scales the initial weights that multiply h
    learning_rate_scale: float = 1.0  # factor on the default learning rate
    bias_init: Mapping[str, float] = field(default_factory=dict)  # gate -> value; others start at 0
    input_gates: tuple[str, ...] = ()  # the last gates, of x alone; their weights start at 0

    def parameter_shapes(self, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter for D inputs and H hidden units.

        G is the width of all gates, and R that of the gates which depend on the state.
        """
        G = len(self.gates) * H
        sizes = {"D": D, "H": H, "G": G, "R": G - len(self.input_gates) * H}
        return {name: tuple(sizes[s] for s in dims) for name, dims in self.parameters.items()}

    def gradient_arrays(
        self, D: int, H: int, workspace: Workspace, dtype: npt.DTypeLike
    ) -> tuple[Array, ...]:
        """Return an array for the gradient of each parameter, from the workspace."""
        shapes = self.parameter_shapes(D, H)
        return tuple(workspace.array(f"d{name}", shapes[name], dtype) for name in shapes)
