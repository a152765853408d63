"""What a recurrent cell is to the rest of the program: one entry of a table."""

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
    """The loops over a window's steps, forward and backward.

    Both multiply by one matrix at every step. `pack(W, workspace, name)` brings it, once a
    window, into the form that their product takes. `scatter` is the loop of `scatter_rows`.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]
    pack: Callable[[Array, Workspace, str], Array]
    scatter: Callable[[Array, Array, Array, Workspace], None] = scatter_rows


def numpy_loops(
    forward: Callable[..., None],
    gates_forward: Callable[..., None],
    backward: Callable[..., None],
    gates_backward: Callable[..., None],
) -> Loops:
    """Return loops as Python runs them, with NumPy's product and these gates."""
    return Loops(
        partial(forward, product, gates_forward),
        partial(backward, product, gates_backward),
        pack,
    )


@dataclass(frozen=True)
class Cell:
    """A cell: the names and sizes of its parts, and its functions.

    States and parameters are passed by position, in the order in which they are listed here. The
    first state is h, the cell's output:

        step_forward(x, *prev_states, *parameters)  -> *next_states, cache
        step_backward(*dnext_states, cache)         -> dx, *dprev_states, *dparameters
        forward(x, *states0, *parameters, ...)      -> *states at every step, cache
        backward(dh, cache, ...)                    -> dx, *dstates0, *dparameters
        stepper(*states0, *parameters but Wx and b) -> step, and step(a) -> h

    The sequence pair is the loop over the steps with what need not be in it before and after; the
    loop itself is a function of its own, so that the same lines can also be compiled. These
    keywords are taken as well:

        workspace   where temporary arrays and results live; what was returned from it is
                    overwritten by the next call. Without it the arrays are fresh.
        loops       the loops over the steps, which may be exchanged for compiled ones.
        dlast       backward: one gradient for each last state, added to what dh brings. Zero
                    without it, which is where back-propagation through time is truncated.
        grads       backward: one array for each parameter, to write its gradient into.
        need_dx     backward: False spares the product for dx, which is then None.

    The stepper is for text that is not known beforehand: it makes its arrays once, owns the states
    from states0 on, and each call of `step` takes them one step further. Its argument is the
    input's part of the pre-activations, x Wx + b, as a row that `gatewise` makes, and is used up;
    h (N, H) is overwritten by the next call.
    """

    name: str
    gates: tuple[str, ...]  # blocks of width H along the gate axis, in order
    states: tuple[str, ...]
    parameters: Mapping[str, tuple[str, ...]]  # name -> sizes: D, H, or G for gates x H
    step_forward: Callable[..., Any]
    step_backward: Callable[..., Any]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    loops: Loops
    stepper: Callable[..., Callable[[Array], Array]]
    h_mean_square: float  # of the outputs of a new network, about; weights that read them go by it
    learning_rate_scale: float = 1.0  # of the default learning rate
    bias_init: Mapping[str, float] = field(default_factory=dict)  # gate -> value; others start at 0

    def parameter_shapes(self, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter for D inputs and H hidden units."""
        sizes = {"D": D, "H": H, "G": len(self.gates) * H}
        return {name: tuple(sizes[s] for s in dims) for name, dims in self.parameters.items()}

    def gradient_arrays(
        self, D: int, H: int, workspace: Workspace, dtype: npt.DTypeLike
    ) -> tuple[Array, ...]:
        """Return an array for each parameter's gradient, from the workspace."""
        shapes = self.parameter_shapes(D, H)
        return tuple(workspace.array(f"d{name}", shapes[name], dtype) for name in shapes)
