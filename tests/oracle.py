"""Plain NumPy loops, written from the description of a step alone, that the simulator is compared with."""

import numpy as np


def lif_population(p, current, steps, dt, integrator="euler", dtype=np.float64):
    """V (steps, n), spikes (steps, n) and the V after the last step of LIF neurons under a current (steps, n) [pA].

    p holds V_th, V_reset, V_init, E_L, tau_m, g_L and t_ref, each a number or (n,).
    """
    n = np.broadcast_shapes(*(np.shape(x) for x in p.values()), np.shape(current)[1:])
    q = {name: np.broadcast_to(np.asarray(x, dtype), n) for name, x in p.items()}
    n_ref = np.broadcast_to(np.ceil(np.asarray(p["t_ref"], float) / dt * (1 - 1e-9)).astype(int), n)
    if integrator == "euler":
        alpha = dtype(dt) / q["tau_m"]
    else:
        alpha = (-np.expm1(-dt / np.broadcast_to(np.asarray(p["tau_m"], float), n))).astype(dtype)
    V, wait = q["V_init"].copy(), np.zeros(n, int)
    trace, spikes = np.empty((steps, *n), dtype), np.zeros((steps, *n), bool)
    for k in range(steps):
        held = wait > 0
        fired = ~held & (V >= q["V_th"])
        V = np.where(held | fired, q["V_reset"], V)
        wait = np.where(held, wait - 1, np.where(fired, n_ref, 0))
        trace[k], spikes[k] = V, fired
        V = V + (q["E_L"] - V + np.asarray(current[k], dtype) / q["g_L"]) * alpha
    return trace, spikes, V


def upstroke_population(
    p, current, steps, dt, integrator, slopes, peak="V_peak", reset="V_reset", second=("none", "none")
):
    """V (steps, n), the second variable likewise, and spikes (steps, n) of neurons that run away to a spike.

    Args:
        p: parameters, each a number or (n,).
        current: (steps, n) [pA].
        slopes: of V and of the second variable, from (p, V, second, current).
        peak, reset: what the potentials at and after a spike are called.
        second: what the second variable is at first, and what a spike adds to it; 0 if there is none.
    """
    n = np.broadcast_shapes(*(np.shape(x) for x in p.values()), np.shape(current)[1:])
    q = {name: np.broadcast_to(np.asarray(x, float), n) for name, x in {"none": 0.0, "t_ref": 0.0, **p}.items()}
    n_ref = np.ceil(q["t_ref"] / dt * (1 - 1e-9)).astype(int)
    V, w, wait = q["V_init"].copy(), q[second[0]].copy(), np.zeros(n, int)
    trace, other, spikes = np.empty((steps, *n)), np.empty((steps, *n)), np.zeros((steps, *n), bool)
    for k in range(steps):
        held = wait > 0
        fired = ~held & (q[peak] <= V)
        V = np.where(held | fired, q[reset], V)
        w = np.where(fired, w + q[second[1]], w)
        wait = np.where(held, wait - 1, np.where(fired, n_ref, 0))
        trace[k], other[k], spikes[k] = V, w, fired

        def change(V, w, k=k, wait=wait):
            dV, dw = slopes(q, np.minimum(V, q[peak]), w, current[k])
            return np.where(wait > 0, 0, dV) * dt, dw * dt

        a, b = change(V, w)
        if integrator == "rk4":
            a2, b2 = change(V + a / 2, w + b / 2)
            a3, b3 = change(V + a2 / 2, w + b2 / 2)
            a4, b4 = change(V + a3, w + b3)
            a, b = (a + 2 * a2 + 2 * a3 + a4) / 6, (b + 2 * b2 + 2 * b3 + b4) / 6
        V, w = np.minimum(V + a, q[peak]), w + b
    return trace, other, spikes


def eif_slopes(p, V, w, I):
    """Fourcaud-Trocme et al. (2003)."""
    upstroke = p["g_L"] * p["Delta_T"] * np.exp((V - p["V_th"]) / p["Delta_T"])
    return (-p["g_L"] * (V - p["E_L"]) + upstroke - w + I) / p["C_m"], np.zeros_like(w)


def adex_slopes(p, V, w, I):
    """Brette and Gerstner (2005)."""
    return eif_slopes(p, V, w, I)[0], (p["a"] * (V - p["E_L"]) - w) / p["tau_w"]


def qif_slopes(p, V, w, I):
    """Latham et al. (2000)."""
    parabola = p["g_L"] * (V - p["E_L"]) * (V - p["V_th"]) / (p["V_th"] - p["E_L"])
    return (parabola + I) / p["C_m"], np.zeros_like(w)


def izhikevich_slopes(p, V, u, I):
    """Izhikevich (2003)."""
    return 0.04 * V**2 + 5 * V + 140 - u + I, p["a"] * (p["b"] * V - u)


def tutorial_loop(pars, current, stop):
    """The tutorial's loop for one neuron: v at every grid time and spike times."""
    dt, length = pars["dt"], pars["range_t"].size
    I = np.asarray(current) * np.ones(length)
    if stop:
        I[: len(I) // 2 - 1000] = 0
        I[len(I) // 2 + 1000 :] = 0
    v, wait, fired = np.zeros(length), 0.0, []
    v[0] = pars["V_init"]
    for k in range(length - 1):
        if wait > 0:
            v[k] = pars["V_reset"]
            wait -= 1
        elif v[k] >= pars["V_th"]:
            fired.append(k)
            v[k] = pars["V_reset"]
            wait = pars["tref"] / dt
        v[k + 1] = v[k] + (-(v[k] - pars["E_L"]) + I[k] / pars["g_L"]) * (dt / pars["tau_m"])
    return v, np.array(fired) * dt
