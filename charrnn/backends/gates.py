"""Compiled twins of the cells' gate functions, in one pass each.

Each function is the twin of the function of the same name in the cell's file in `charrnn.kernels`,
whose docstrings give the equations and the arguments. Constants are float32, because with a Python
number the compiler would compute in float64.
"""

from __future__ import annotations

import numpy as np

from charrnn.backends.jit import compiled_helper
from charrnn.kernels import Array

_float = np.float32
_HALF, _ONE = _float(0.5), _float(1)
_LARGEST = _float(7.90531110763549805)  # for larger x, tanh(x) is within 3e-7 of 1


@compiled_helper
def tanh(x: float) -> float:
    """Return tanh(x) to 3e-7, as a quotient of two polynomials from the library Eigen."""
    x = _LARGEST if x > _LARGEST else x  # in this form, NaN stays NaN
    x = -_LARGEST if x < -_LARGEST else x
    y = x * x
    p = _float(-2.76076847742355e-16)
    p = p * y + _float(2.00018790482477e-13)
    p = p * y + _float(-8.60467152213735e-11)
    p = p * y + _float(5.12229709037114e-08)
    p = p * y + _float(1.48572235717979e-05)
    p = p * y + _float(6.37261928875436e-04)
    p = p * y + _float(4.89352455891786e-03)
    q = _float(1.19825839466702e-06)
    q = q * y + _float(1.18534705686654e-04)
    q = q * y + _float(2.26843463243900e-03)
    q = q * y + _float(4.89352518554385e-03)
    result: float = x * p / q
    return result


@compiled_helper
def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    result: float = _HALF * tanh(_HALF * x) + _HALF
    return result


@compiled_helper
def rnn_gates_forward(ax: Array, ah: Array, h: Array) -> None:
    for n in range(len(h)):
        ax_n, ah_n, h_n = ax[n], ah[n], h[n]
        for j in range(len(h_n)):
            h_n[j] = tanh(ax_n[j] + ah_n[j])


@compiled_helper
def rnn_gates_backward(dh_t: Array, dh: Array, h: Array, da: Array) -> None:
    for n in range(len(h)):
        above, later, h_n, da_n = dh_t[n], dh[n], h[n], da[n]
        for j in range(len(h_n)):
            da_n[j] = (above[j] + later[j]) * (_ONE - h_n[j] * h_n[j])


@compiled_helper
def lstm_gates_forward(
    a: Array, ah: Array, prev_c: Array, c: Array, tanh_c: Array, h: Array
) -> None:
    H = h.shape[1]
    for n in range(len(h)):
        i, f, o, g = a[n, :H], a[n, H : 2 * H], a[n, 2 * H : 3 * H], a[n, 3 * H : 4 * H]
        ah_i, ah_f = ah[n, :H], ah[n, H : 2 * H]
        ah_o, ah_g = ah[n, 2 * H : 3 * H], ah[n, 3 * H :]
        prev_c_n, c_n, tanh_c_n, h_n = prev_c[n], c[n], tanh_c[n], h[n]
        for j in range(H):
            i_j = sigmoid(i[j] + ah_i[j])
            f_j = sigmoid(f[j] + ah_f[j])
            o_j = sigmoid(o[j] + ah_o[j])
            g_j = tanh(g[j] + ah_g[j])
            c_j = f_j * prev_c_n[j] + i_j * g_j
            tanh_c_j = tanh(c_j)
            i[j], f[j], o[j], g[j] = i_j, f_j, o_j, g_j
            c_n[j], tanh_c_n[j], h_n[j] = c_j, tanh_c_j, o_j * tanh_c_j


@compiled_helper
def lstm_gates_backward(
    dh_t: Array, dh: Array, dc: Array, gates: Array, prev_c: Array, tanh_c: Array, da: Array
) -> None:
    H = dh.shape[1]
    for n in range(len(dh)):
        i, f = gates[n, :H], gates[n, H : 2 * H]
        o, g = gates[n, 2 * H : 3 * H], gates[n, 3 * H : 4 * H]
        da_i, da_f = da[n, :H], da[n, H : 2 * H]
        da_o, da_g = da[n, 2 * H : 3 * H], da[n, 3 * H : 4 * H]
        above, later, dc_n, prev_c_n, tanh_c_n = dh_t[n], dh[n], dc[n], prev_c[n], tanh_c[n]
        for j in range(H):
            i_j, f_j, o_j, g_j, tanh_c_j = i[j], f[j], o[j], g[j], tanh_c_n[j]
            dh_j = above[j] + later[j]
            dc_j = dc_n[j] + dh_j * o_j * (_ONE - tanh_c_j * tanh_c_j)
            da_i[j] = dc_j * g_j * i_j * (_ONE - i_j)
            da_f[j] = dc_j * prev_c_n[j] * f_j * (_ONE - f_j)
            da_o[j] = dh_j * tanh_c_j * o_j * (_ONE - o_j)
            da_g[j] = dc_j * i_j * (_ONE - g_j * g_j)
            dc_n[j] = dc_j * f_j


@compiled_helper
def gru_gates_forward(a: Array, ah: Array, bh: Array, prev_h: Array, ah_n: Array, h: Array) -> None:
    H = h.shape[1]
    bh_r, bh_z, bh_n = bh[:H], bh[H : 2 * H], bh[2 * H :]
    for row in range(len(h)):
        r, z, n = a[row, :H], a[row, H : 2 * H], a[row, 2 * H :]
        ah_r, ah_z, ah_n_in = ah[row, :H], ah[row, H : 2 * H], ah[row, 2 * H :]
        prev_h_row, ah_n_row, h_row = prev_h[row], ah_n[row], h[row]
        for j in range(H):
            r_j = sigmoid(r[j] + ah_r[j] + bh_r[j])
            z_j = sigmoid(z[j] + ah_z[j] + bh_z[j])
            ah_n_j = ah_n_in[j] + bh_n[j]
            n_j = tanh(n[j] + r_j * ah_n_j)
            h_row[j] = (prev_h_row[j] - n_j) * z_j + n_j
            r[j], z[j], n[j], ah_n_row[j] = r_j, z_j, n_j, ah_n_j


@compiled_helper
def gru_gates_backward(
    dh_t: Array,
    dh: Array,
    dh_skip: Array,
    gates: Array,
    prev_h: Array,
    ah_n: Array,
    dax: Array,
    dah: Array,
) -> None:
    H = dh.shape[1]
    for row in range(len(dh)):
        r, z, n = gates[row, :H], gates[row, H : 2 * H], gates[row, 2 * H :]
        dax_r, dax_z, dax_n = dax[row, :H], dax[row, H : 2 * H], dax[row, 2 * H :]
        dah_r, dah_z, dah_n = dah[row, :H], dah[row, H : 2 * H], dah[row, 2 * H :]
        above, later, dh_skip_row = dh_t[row], dh[row], dh_skip[row]
        prev_h_row, ah_n_row = prev_h[row], ah_n[row]
        for j in range(H):
            r_j, z_j, n_j = r[j], z[j], n[j]
            dh_j = above[j] + later[j] + dh_skip_row[j]
            da_n = dh_j * (_ONE - z_j) * (_ONE - n_j * n_j)
            da_z = dh_j * (prev_h_row[j] - n_j) * z_j * (_ONE - z_j)
            da_r = da_n * ah_n_row[j] * r_j * (_ONE - r_j)
            dax_r[j], dah_r[j] = da_r, da_r
            dax_z[j], dah_z[j] = da_z, da_z
            dax_n[j], dah_n[j] = da_n, da_n * r_j
            dh_skip_row[j] = dh_j * z_j


@compiled_helper
def mogrify_forward(a: Array, prev_h: Array, mh: Array) -> None:
    H = mh.shape[1]
    for n in range(len(mh)):
        m, prev_h_n, mh_n = a[n, 4 * H :], prev_h[n], mh[n]
        for j in range(H):
            m_j = tanh(_HALF * m[j]) + _ONE
            m[j], mh_n[j] = m_j, m_j * prev_h_n[j]


@compiled_helper
def mogrify_backward(dh: Array, gates: Array, prev_h: Array, da: Array) -> None:
    H = dh.shape[1]
    for n in range(len(dh)):
        m, da_m, dh_n, prev_h_n = gates[n, 4 * H :], da[n, 4 * H :], dh[n], prev_h[n]
        for j in range(H):
            m_j = m[j]
            dh_j = dh_n[j] * m_j
            da_m[j], dh_n[j] = dh_j * prev_h_n[j] * (_ONE - _HALF * m_j), dh_j
