"""Switch the motor on, and compare with the transfer functions in the time domain."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from system_model import Model

from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir

T_END = 0.4
VOLTAGE = 12.0

COLOURS = ["#0b6e99", "#d1495b", "#edae49", "#66a182"]
plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 12,
        "grid.alpha": 0.3,
    }
)


class SimulationData:
    """What `simulate` found and `evaluate_simulation` judges."""


def simulate():
    """Integrate the step response, draw it, and return the data."""
    model = Model()
    rhs = model.get_rhs_func()
    for symbol, equation in zip(model.xx_symb, model.get_rhs_symbolic()):
        print(f"d{symbol}/dt = {equation}")

    data = SimulationData()
    data.pp = [float(model.pp_dict[p]) for p in model.pp_symb]
    data.tt = np.linspace(0, T_END, 2001)
    data.yy = solve_ivp(
        rhs, (0, T_END), np.zeros(3), t_eval=data.tt, rtol=1e-9, atol=1e-12, method="DOP853"
    ).y
    save_plot(data)
    return data


def step_response(tt, resistance, inductance, constant, inertia, friction, voltage):
    """Return angle, speed and current after a voltage step, by partial fractions.

    The speed has the transfer function k / (L J s^2 + (R J + L b) s + R b + k^2) with two simple
    poles p and q; its step response, and the integral of it, follow term by term.
    """
    a2 = inductance * inertia
    a1 = resistance * inertia + inductance * friction
    a0 = resistance * friction + constant**2
    p, q = np.roots([a2, a1, a0]).astype(complex)
    gain = constant * voltage / a0
    cp, cq = gain * q / (p - q), gain * p / (q - p)
    ep, eq = np.exp(p * tt), np.exp(q * tt)
    angle = gain * tt + cp / p * (ep - 1) + cq / q * (eq - 1)
    speed = gain + cp * ep + cq * eq
    acceleration = cp * p * ep + cq * q * eq
    current = (inertia * acceleration + friction * speed) / constant
    return np.real(np.vstack((angle, speed, current))), (p, q)


def save_plot(data):
    """Draw speed and current below each other."""
    resistance, _, constant, _, friction = data.pp
    a0 = resistance * friction + constant**2
    final_speed, final_current = constant * VOLTAGE / a0, friction * VOLTAGE / a0
    tt = 1e3 * data.tt

    fig, (ax1, ax2) = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
    ax1.plot(tt, data.yy[1], lw=2, label="speed")
    ax1.axhline(final_speed, color="0.4", ls="--", lw=1, label="steady state")
    ax1.set(ylabel="speed in rad/s", title="DC motor: voltage step of 12 V")
    ax1.legend(loc="lower right")
    ax2.plot(tt, data.yy[2], lw=2, color=COLOURS[1], label="current")
    ax2.axhline(final_current, color="0.4", ls="--", lw=1, label="steady state")
    peak = np.argmax(data.yy[2])
    ax2.annotate(
        f"{data.yy[2, peak]:.1f} A after {tt[peak]:.0f} ms",
        (tt[peak], data.yy[2, peak]),
        xytext=(25, -4),
        textcoords="offset points",
        arrowprops={"arrowstyle": "->", "color": "0.4"},
    )
    ax2.set(xlabel="time t in ms", ylabel="current in A", xlim=(0, tt[-1]))
    ax2.legend(loc="upper right")
    fig.tight_layout()
    save_plot_in_dir("plot.png")


def evaluate_simulation(data):
    """Compare the whole trajectory with the closed-form step response."""
    exact, poles = step_response(data.tt, *data.pp, VOLTAGE)
    relative = np.max(np.abs(data.yy - exact), axis=1) / np.max(np.abs(exact), axis=1)
    final_errors = data.yy[:, -1] - exact[:, -1]

    speed = data.yy[1]
    rise_time = data.tt[speed > 0.9 * speed[-1]][0] - data.tt[speed > 0.1 * speed[-1]][0]
    print("poles in 1/s:", ", ".join(f"{p:.2f}" for p in poles))
    print(f"rise time of the speed (10 % to 90 %): {1e3 * rise_time:.1f} ms")
    print(f"steady speed {speed[-1]:.1f} rad/s, peak current {np.max(data.yy[2]):.2f} A")
    print(f"largest relative error: {np.max(relative):.1e}")

    # The integrator was asked for nine digits; six are demanded.
    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in final_errors])
    rc.rise_time = float(rise_time)
    rc.success = bool(np.max(relative) < 1e-6)
    return rc
