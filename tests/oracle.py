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
