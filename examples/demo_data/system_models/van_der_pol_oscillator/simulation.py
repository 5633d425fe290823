"""Draw the phase portrait, and measure period, amplitude and stability of the limit cycle."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from system_model import Model

from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir

# Period and amplitude of the limit cycle for mu = 1, computed in 25-digit arithmetic with a
# Taylor series method (mpmath.odefun). The values agree with those published for this oscillator.
REFERENCE_PERIOD = 6.663286859323130
REFERENCE_AMPLITUDE = 2.008619860874843

T_RELAX = 40.0  # the distance from the cycle shrinks by exp(-7.06) per period, so it is gone

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
SETTINGS = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-12}


class SimulationData:
    """What `simulate` found and `evaluate_simulation` judges."""


def turning_point(t, xx):
    """Change sign from plus to minus where the position has a maximum."""
    return xx[1]


turning_point.direction = -1


def simulate():
    """Integrate from many initial states, draw the portrait, and return the data."""
    model = Model()
    rhs = model.get_rhs_func()
    for symbol, equation in zip(model.xx_symb, model.get_rhs_symbolic()):
        print(f"d{symbol}/dt = {equation}")

    data = SimulationData()
    data.model = model
    settled = solve_ivp(rhs, (0, T_RELAX), [0.5, 0.0], events=turning_point, **SETTINGS)
    start = settled.y_events[0][-1]  # the last maximum: on the cycle
    cycle = solve_ivp(rhs, (0, 20), start, events=turning_point, dense_output=True, **SETTINGS)
    # The start itself may or may not be reported as an event: take later ones.
    maxima = cycle.t_events[0][cycle.t_events[0] > 1]
    data.period = maxima[1] - maxima[0]
    data.amplitude = cycle.sol(maxima[0])[0]
    tt = np.linspace(maxima[0], maxima[1], 2001)
    data.cycle = cycle.sol(tt)
    data.cycle_time = tt - tt[0]

    save_phase_portrait(rhs, data)
    save_time_series(rhs)
    return data


def save_phase_portrait(rhs, data):
    """Draw the vector field, trajectories from inside and outside, and the limit cycle."""
    xx, vv = np.meshgrid(np.linspace(-3.4, 3.4, 25), np.linspace(-4.4, 4.4, 25))
    dx, dv = rhs(0, (xx, vv))

    fig, ax = plt.subplots(figsize=(6.4, 6.0))
    ax.streamplot(xx, vv, dx, dv, color="0.82", density=1.0, linewidth=0.7, arrowsize=0.8)
    inside = [(0.05, 0.0), (-0.05, 0.0)]
    outside = [(-3.2, 4.2), (3.2, -4.2), (0.5, 4.2), (-0.5, -4.2)]
    for starts, colour, label in (
        (inside, COLOURS[2], "from inside"),
        (outside, COLOURS[0], "from outside"),
    ):
        for i, xx0 in enumerate(starts):
            sol = solve_ivp(rhs, (0, 20), xx0, max_step=0.05)
            ax.plot(*sol.y, color=colour, lw=1.4, label=label if i == 0 else None)
            ax.plot(*xx0, "o", color=colour, ms=4)
    ax.plot(*data.cycle, color=COLOURS[1], lw=3, label="limit cycle")
    ax.set(xlim=(-3.4, 3.4), ylim=(-4.4, 4.4), xlabel="position x", ylabel="velocity dx/dt")
    ax.set_title("Van der Pol oscillator, mu = 1")
    ax.legend(loc="upper right", framealpha=0.95)
    fig.tight_layout()
    save_plot_in_dir("plot_1.png")


def save_time_series(rhs):
    """Draw how a small and a large motion reach the same amplitude."""
    tt = np.linspace(0, 30, 1501)
    fig, ax = plt.subplots(figsize=(6.4, 4.2))
    for xx0, colour in (((0.05, 0.0), COLOURS[2]), ((3.2, 4.2), COLOURS[0])):
        sol = solve_ivp(rhs, (0, 30), xx0, t_eval=tt, rtol=1e-8)
        ax.plot(tt, sol.y[0], color=colour, lw=1.8, label=f"x(0) = {xx0[0]:g}")
    for sign in (-1, 1):
        ax.axhline(sign * REFERENCE_AMPLITUDE, color=COLOURS[1], ls="--", lw=1)
    ax.set(xlabel="time t", ylabel="position x", xlim=(0, 30), ylim=(-3, 4.8))
    ax.set_title("Two initial states, one final amplitude")
    ax.legend(loc="upper right", ncol=2)
    fig.tight_layout()
    save_plot_in_dir("plot_2.png")


def evaluate_simulation(data):
    """Compare period and amplitude with the reference, and see that the cycle is stable."""
    mu = float(data.model.pp_dict[data.model.pp_symb[0]])
    errors = [data.period - REFERENCE_PERIOD, data.amplitude - REFERENCE_AMPLITUDE]

    # The nontrivial Floquet multiplier of a planar cycle is exp of the integrated divergence.
    divergence = mu * (1 - data.cycle[0] ** 2)
    steps = np.diff(data.cycle_time)
    multiplier = np.exp(np.sum(steps * (divergence[1:] + divergence[:-1]) / 2))

    print(f"period    {data.period:.9f} (error {errors[0]:+.1e})")
    print(f"amplitude {data.amplitude:.9f} (error {errors[1]:+.1e})")
    print(f"Floquet multiplier {multiplier:.2e}: a disturbance is gone after one period")

    # The integration is good to about 1e-9; 1e-6 leaves room for every platform.
    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in errors])
    rc.floquet_multiplier = float(multiplier)
    rc.success = bool(np.max(np.abs(errors)) < 1e-6 and multiplier < 1)
    return rc
