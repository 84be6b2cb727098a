"""Plain NumPy loops, written from the description of a step alone, that the simulator is compared with."""

import numpy as np
from scipy.linalg import expm


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


def gumbel(words):
    """Standard Gumbel deviates of 32 random bits each, which the step of a GIF neuron draws."""
    uniform = np.minimum((np.asarray(words, float) + 0.5) / 2**32, 1 - 2.0**-24)
    return -np.log(-np.log1p(-uniform))


def adaptive_population(p, current, steps, dt, integrator, words=None):
    """V, threshold, I_stc and spikes, each (steps, n), of neurons that a spike leaves a current and a shift of theta.

    Args:
        p: parameters, each a number or (n,); of elements, q_stc, tau_stc, q_sfa and tau_sfa, (elements, n).
        current: (steps, n) [pA].
        steps, dt, integrator: of the grid.
        words: 32 random bits for each step and neuron, (steps, n); None fires where V reaches theta.
    """
    n = current.shape[1:]
    q = {name: np.broadcast_to(np.asarray(x, float), n) for name, x in p.items() if name[-4:] not in ("_stc", "_sfa")}
    e = {name: np.broadcast_to(np.asarray(x, float), (len(x), *n)) for name, x in p.items() if name not in q}
    many = len(e["q_stc"])
    tau_m = q["tau_m"] if "tau_m" in q else q["C_m"] / q["g_L"]
    M = np.zeros((*n, many + 2, many + 2))  # of V - E_L, the currents and the input
    M[:, 0, 0], M[:, 0, 1:-1], M[:, 0, -1] = -1 / tau_m, -1 / (tau_m * q["g_L"])[:, None], 1 / (tau_m * q["g_L"])
    for i in range(many):
        M[:, 1 + i, 1 + i] = -1 / e["tau_stc"][i]
    onward = expm(M * dt) if integrator == "exact" else np.eye(many + 2) + M * dt
    fade = np.exp(-dt / e["tau_sfa"]) if integrator == "exact" else 1 - dt / e["tau_sfa"]
    n_ref = np.ceil(q["t_ref"] / dt * (1 - 1e-9)).astype(int)
    rest = q["V_th"] if words is None else q["V_T_star"]
    noise = 0 if words is None else q["Delta_V"] * (gumbel(words) + np.log(q["lambda_0"] * dt / 1000))
    y, sfa, wait = np.zeros((*n, many + 2)), np.zeros_like(e["q_sfa"]), np.zeros(n, int)
    y[:, 0] = q["V_init"] - q["E_L"]
    out = {name: np.empty((steps, *n)) for name in ("V", "threshold", "I_stc", "spikes")}
    for k in range(steps):
        held = wait > 0
        fired = ~held & (y[:, 0] + q["E_L"] >= rest + sfa.sum(axis=0) - (noise[k] if words is not None else 0))
        y[:, 0] = np.where(held | fired, q["V_reset"] - q["E_L"], y[:, 0])
        y[:, 1:-1] += fired[:, None] * e["q_stc"].T
        sfa = sfa + fired * e["q_sfa"]
        wait = np.where(held, wait - 1, np.where(fired, n_ref, 0))
        out["V"][k], out["threshold"][k], out["spikes"][k] = y[:, 0] + q["E_L"], rest + sfa.sum(axis=0), fired
        out["I_stc"][k] = y[:, 1:-1].sum(axis=1)
        y[:, -1] = current[k]
        y, sfa = np.einsum("nij,nj->ni", onward, y), sfa * fade
    return out


def glif_population(p, current, steps, dt, integrator):
    """V, threshold, I_asc and spikes, each (steps, n), of GLIF neurons, from their equations and rules alone.

    p holds all of a GLIF neuron's parameters, each a number or (n,), those of elements (elements, n).
    """
    n, many = current.shape[1:], len(p["asc_amps"])
    q = {name: np.broadcast_to(np.asarray(x, float), n) for name, x in p.items() if name[:4] != "asc_"}
    amps, decay, share, init = (
        np.broadcast_to(np.asarray(p[name], float), (many, *n)).T
        for name in ("asc_amps", "asc_decay", "asc_r", "asc_init")
    )
    M = np.zeros((*n, many + 3, many + 3))  # of V - E_L, theta_v, the currents and the input
    M[:, 0, 0], M[:, 0, 2:] = -q["g_L"] / q["C_m"], 1 / q["C_m"][:, None]
    M[:, 1, 0], M[:, 1, 1] = q["th_voltage_index"], -q["th_voltage_decay"]
    for j in range(many):
        M[:, 2 + j, 2 + j] = -decay[:, j]
    exact = integrator == "exact"
    onward = expm(M * dt) if exact else np.eye(many + 3) + M * dt
    fade = np.exp(-q["th_spike_decay"] * dt) if exact else 1 - q["th_spike_decay"] * dt
    n_ref = np.ceil(q["t_ref"] / dt * (1 - 1e-9)).astype(int)
    y, theta_s, wait = np.zeros((*n, many + 3)), np.zeros(n), np.zeros(n, int)
    y[:, 0], y[:, 2:-1] = q["V_init"] - q["E_L"], init
    out = {name: np.empty((steps, *n)) for name in ("V", "threshold", "I_asc", "spikes")}
    for k in range(steps):
        theta, held = q["V_th"] + theta_s + y[:, 1], wait > 0
        fired = ~held & (y[:, 0] + q["E_L"] >= theta)
        wait = np.where(held, wait - 1, np.where(fired, n_ref, 0))
        after = q["V_reset"] + q["voltage_reset_fraction"] * (theta - q["E_L"]) - q["E_L"]
        y[:, 0] = np.where(fired, after, y[:, 0])
        left = share * y[:, 2:-1] * np.exp(-decay * q["t_ref"][:, None]) + amps
        y[:, 2:-1] = np.where(fired[:, None], left, y[:, 2:-1])
        theta_s = np.where(fired, theta_s * np.exp(-q["th_spike_decay"] * q["t_ref"]) + q["th_spike_add"], theta_s)
        lift = np.maximum(0, q["th_reset"] - (q["V_th"] + theta_s + y[:, 1]))
        y[:, 1] += np.where(fired, lift, 0)
        out["V"][k], out["threshold"][k], out["spikes"][k] = y[:, 0] + q["E_L"], q["V_th"] + theta_s + y[:, 1], fired
        out["I_asc"][k] = y[:, 2:-1].sum(axis=1)
        y[:, -1] = current[k]
        on = wait == 0
        y = np.where(on[:, None], np.einsum("nij,nj->ni", onward, y), y)
        theta_s = np.where(on, theta_s * fade, theta_s)
    return out


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
