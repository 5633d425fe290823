"""Feedforward along a planned trajectory, feedback around it.

The gap is a flat output: current and voltage follow from it and its first three derivatives. What
the feedforward cannot know, the disturbed start, is left to a linear-quadratic regulator, designed
for a gap in the middle.
"""

import lqr_design
import matplotlib.pyplot as plt
import numpy as np
from polynomial_trajectory_planning import Transition
from scipy.integrate import solve_ivp

from ackrep_core.system_model_management import save_plot_in_dir

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

# Deviations that are equally bad (Bryson's rule): 1 mm, 0.1 m/s, 1 A; and 4 V.
Q_MATRIX = np.diag([1 / 1e-3**2, 1 / 0.1**2, 1 / 1.0**2])
R_MATRIX = np.array([[1 / 4.0**2]])


class SolutionData:
    """What the problem asks for: `u_func`."""


def flat_parametrisation(derivatives, parameters):
    """Return state and voltage from the gap and its first three derivatives."""
    gap, velocity, acceleration, jerk = derivatives
    mass, gravity, force_constant, resistance, inductance0 = parameters
    # The force balance, solved for the current: i = s sqrt(m (g - s'') / c) ...
    root = np.sqrt(mass * (gravity - acceleration) / force_constant)
    current = gap * root
    # ... its time derivative, and with it the voltage balance.
    current_slope = velocity * root - gap * mass * jerk / (2 * force_constant * root)
    inductance = inductance0 + 2 * force_constant / gap
    induced = -2 * force_constant / gap**2 * velocity * current
    voltage = resistance * current + inductance * current_slope + induced
    return np.array([gap, velocity, current]), voltage


def solve(problem_spec):
    """Return a tracking controller for the problem, and draw what it does."""
    P = problem_spec
    parameters = P.parameters()
    begin, end = P.time_of_transition
    plan = Transition(P.gap_start, P.gap_end, end - begin, smoothness=3, begin=begin)

    xx_mid, uu_mid = P.equilibrium((P.gap_start + P.gap_end) / 2)
    a_matrix, b_matrix = lqr_design.linearise(P.rhs(), P.xx, P.uu, xx_mid, uu_mid)
    result = lqr_design.design(a_matrix, b_matrix, Q_MATRIX, R_MATRIX)
    print("open-loop eigenvalues:  ", np.round(np.sort_complex(np.linalg.eigvals(a_matrix)), 1))
    print("closed-loop eigenvalues:", np.round(result.eigenvalues, 1))

    def u_func(t, xx):
        """Return feedforward plus feedback."""
        xx_plan, voltage = flat_parametrisation(plan(t, 3), parameters)
        return [float(voltage - (result.gain @ (np.asarray(xx) - xx_plan))[0])]

    save_plot(P, plan, parameters, u_func)
    solution_data = SolutionData()
    solution_data.u_func = u_func
    solution_data.gain = result.gain
    return solution_data


def save_plot(P, plan, parameters, u_func):
    """Draw plan and motion, the error between them, and the voltage."""
    P.model.set_input_func(u_func)
    xx0 = P.equilibrium(P.gap_start)[0] + [P.gap_disturbance, 0, 0]
    sol = solve_ivp(
        P.model.get_rhs_func(),
        (0, P.tt[-1]),
        xx0,
        t_eval=P.tt,
        max_step=5e-3,
        rtol=1e-7,
        atol=1e-10,
    )
    xx_plan, feedforward = flat_parametrisation(plan(P.tt, 3), parameters)
    voltage = np.array([u_func(t, xx)[0] for t, xx in zip(sol.t, sol.y.T)])

    ms = 1e3 * P.tt
    fig, axes = plt.subplots(3, 1, figsize=(6.4, 7.8), sharex=True)
    axes[0].plot(ms, 1e3 * sol.y[0], lw=2.4, label="gap")
    axes[0].plot(ms, 1e3 * xx_plan[0], "--", lw=1.6, color=COLOURS[2], label="plan")
    axes[0].invert_yaxis()  # the magnet is above
    axes[0].set(ylabel="air gap in mm", title="Lifting a levitated ball by 5 mm")
    axes[0].legend(loc="lower right")
    axes[1].plot(ms, 1e3 * (sol.y[0] - xx_plan[0]), lw=2, color=COLOURS[1])
    axes[1].set(ylabel="gap minus plan in mm")
    axes[2].plot(ms, voltage, lw=2, color=COLOURS[3], label="voltage")
    axes[2].plot(ms, feedforward, "--", lw=1.6, color=COLOURS[2], label="feedforward")
    axes[2].set(xlabel="time t in ms", ylabel="voltage in V", xlim=(0, ms[-1]))
    axes[2].legend(loc="upper right")
    for ax in axes:
        ax.axvspan(*(1e3 * np.array(P.time_of_transition)), color="0.95", zorder=0)
    fig.tight_layout()
    save_plot_in_dir("plot.png")
