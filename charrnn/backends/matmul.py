"""The matrix product inside the compiled loops: out = x W, for few rows x and a W used repeatedly.

BLAS copies W into an order of its own in every call, which takes a third of the time when there are
few rows. Here, `pack` does so once per window: it cuts W (D, K) into panels of a few columns, each
panel (D, columns) contiguous. A tile of the output, some rows by one panel, then stays in registers
while the loop runs down the panel; one step of the loop is a fused multiply-add for each register
(Goto and van de Geijn 2008, without the packing). In a tile of one or two rows, each multiply-add
would wait for the one before: there, several partial sums take the rows of the panel in turn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from charrnn.backends.jit import compiled_entry_point, compiled_helper, vector_width
from charrnn.kernels import Array, Workspace

WIDTH = vector_width() or 4  # floats in a register
_VECTORS = 2  # registers per row of a tile
COLUMNS = WIDTH * _VECTORS  # of a panel
ROWS = 8 if WIDTH == 16 else 6  # of a tile, at most, so that it fits in the registers
_SUMS = 8  # registers that keep two units busy while a multiply-add takes four cycles

_FLOAT, _INT, _LANE = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, WIDTH)


def pack(W: Array, workspace: Workspace, name: str) -> Array:
    """Return W (D, K), of any memory layout, as panels (panels, D, COLUMNS), padded with zeros."""
    D, K = W.shape
    panels = workspace.array(name, (-(-K // COLUMNS), D, COLUMNS), np.float32)
    _fill_panels(W, panels)
    return panels


@compiled_entry_point
def _fill_panels(W: Array, panels: Array) -> None:
    D, K = W.shape
    for p in range(len(panels)):
        start = p * COLUMNS
        width = min(COLUMNS, K - start)
        if width < COLUMNS:
            panels[p] = 0
        for d in range(D):
            for k in range(width):
                panels[p, d, k] = W[d, start + k]


@compiled_helper
def product(x: Array, panels: Array, out: Array) -> None:
    """Write out (N, K) = x (N, D) W, given W as the panels of `pack`.

    Columns of x after the first D are not read.
    """
    N, D = len(x), panels.shape[1]
    tiles = (N + ROWS - 1) // ROWS  # of almost equal height
    for p in range(len(panels)):
        i = 0
        for tile in range(tiles):
            rows = (N - i) // (tiles - tile)
            _tile(rows, x, i, panels, p, out, D)
            i += rows


@intrinsic  # type: ignore[misc, unused-ignore]
def _tile(typing, rows, x, i, panels, p, out, D):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Write a tile: out[i : i + rows, columns of panel p] = x[i : i + rows] panels[p]."""
    n = types.int64

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, i, p, D = (arguments[k] for k in (0, 2, 4, 6))
        x, panels, out = (
            context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (1, 3, 5)
        )
        x_columns, out_columns = (
            cgutils.unpack_tuple(builder, array.shape, 2)[1] for array in (x, out)
        )
        first_column = builder.mul(p, _integer(COLUMNS))
        panel = builder.gep(panels.data, [builder.mul(first_column, D)])
        x_row = builder.gep(x.data, [builder.mul(i, x_columns)])
        out_row = builder.gep(out.data, [builder.mul(i, out_columns)])
        out_row = builder.gep(out_row, [first_column])
        columns_left = builder.sub(out_columns, first_column)
        buffer = cgutils.alloca_once(builder, ir.ArrayType(_FLOAT, COLUMNS))
        end = builder.append_basic_block("end")
        choice = builder.switch(rows, end)
        for height in range(1, ROWS + 1):
            block = builder.append_basic_block(f"rows{height}")
            choice.add_case(_integer(height), block)
            builder.position_at_end(block)
            sums = _sums(builder, height, x_row, x_columns, panel, D)
            _store(builder, sums, out_row, out_columns, columns_left, buffer)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(n, x, n, panels, n, out, n), generate


def _integer(number: int) -> Any:
    return ir.Constant(_INT, number)


def _vector_at(builder: Any, pointer: Any, v: int) -> Any:
    place = builder.gep(pointer, [_integer(v * WIDTH)])
    return builder.bitcast(place, _VECTOR.as_pointer())


def _sums(
    builder: Any, height: int, x_row: Any, x_columns: Any, panel: Any, D: Any
) -> list[list[Any]]:
    """Emit the loops down a panel; return the registers of the tile, row by row."""
    x_rows = [builder.gep(x_row, [builder.mul(_integer(r), x_columns)]) for r in range(height)]
    zeros = [[ir.Constant(_VECTOR, [0.0] * WIDTH)] * _VECTORS for _ in range(height)]
    parts = max(1, _SUMS // (height * _VECTORS))  # a power of 2
    end = builder.and_(D, _integer(-parts))  # the last multiple of parts
    sums = _loop(builder, x_rows, panel, _integer(0), end, [zeros] * parts)
    if parts > 1:
        sums[:1] = _loop(builder, x_rows, panel, end, D, sums[:1])
    while len(sums) > 1:
        sums = [_added(builder, *pair) for pair in zip(sums[::2], sums[1::2], strict=True)]
    return sums[0]


def _added(builder: Any, a: list[list[Any]], b: list[list[Any]]) -> list[list[Any]]:
    return [
        [builder.fadd(*pair) for pair in zip(*rows, strict=True)] for rows in zip(a, b, strict=True)
    ]


def _loop(
    builder: Any, x_rows: list[Any], panel: Any, start: Any, end: Any, sums: list[list[list[Any]]]
) -> list[list[list[Any]]]:
    """Emit a loop from row `start` of a panel to `end`, which takes a row for each partial sum.

    The partial sums, each by row and register, start at `sums`; return them after the loop.
    """
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{WIDTH}f32"
    )
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first_lane = ir.Constant(ir.VectorType(_LANE, WIDTH), [0] * WIDTH)
    before = builder.block
    head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    d = builder.phi(_INT)
    phis = [[[builder.phi(_VECTOR) for _ in row] for row in part] for part in sums]
    builder.cbranch(builder.icmp_signed("<", d, end), body, done)
    builder.position_at_end(body)
    for part, (phi_part, part_sums) in enumerate(zip(phis, sums, strict=True)):
        at = builder.add(d, _integer(part))
        panel_row = builder.gep(panel, [builder.mul(at, _integer(COLUMNS))])
        weights = [
            builder.load(_vector_at(builder, panel_row, v), align=4) for v in range(_VECTORS)
        ]
        for x_row, phi_row, row_sums in zip(x_rows, phi_part, part_sums, strict=True):
            number = builder.load(builder.gep(x_row, [at]))
            lane = builder.insert_element(undefined, number, ir.Constant(_LANE, 0))
            factor = builder.shuffle_vector(lane, undefined, first_lane)  # in every lane
            for phi, first, vector in zip(phi_row, row_sums, weights, strict=True):
                phi.add_incoming(first, before)
                phi.add_incoming(builder.call(fma, [factor, vector, phi]), body)
    d.add_incoming(start, before)
    d.add_incoming(builder.add(d, _integer(len(sums))), body)
    builder.branch(head)
    builder.position_at_end(done)
    return phis


def _store(
    builder: Any, sums: list[list[Any]], out_row: Any, out_columns: Any, left: Any, buffer: Any
) -> None:
    """Emit the stores of a tile, cut off at the `left` columns that remain in the output."""
    floats = builder.bitcast(buffer, _FLOAT.as_pointer())
    for r, vectors in enumerate(sums):
        row = builder.gep(out_row, [builder.mul(_integer(r), out_columns)])
        with builder.if_else(builder.icmp_signed(">=", left, _integer(COLUMNS))) as (whole, part):
            with whole:
                for v, vector in enumerate(vectors):
                    builder.store(vector, _vector_at(builder, row, v), align=4)
            with part:
                for v, vector in enumerate(vectors):
                    builder.store(vector, _vector_at(builder, floats, v), align=4)
                with cgutils.for_range(builder, left) as loop:
                    number = builder.load(builder.gep(floats, [loop.index]))
                    builder.store(number, builder.gep(row, [loop.index]))
