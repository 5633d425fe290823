"""Linearise the cart-pole at the upright position, and design the optimal state feedback."""

import lqr_design
import matplotlib.pyplot as plt
import numpy as np
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


class SolutionData:
    """What the problem asks for: `u_func` and `gain`."""


def solve(problem_spec):
    """Return a feedback law for the problem, and draw what it does."""
    P = problem_spec
    a_matrix, b_matrix = lqr_design.linearise(P.rhs(), P.xx, P.uu, P.xx_eq, P.uu_eq)
    result = lqr_design.design(a_matrix, b_matrix, P.q_matrix, P.r_matrix)
    print("open-loop eigenvalues:  ", np.round(np.sort(np.linalg.eigvals(a_matrix).real), 3))
    print("closed-loop eigenvalues:", np.round(result.eigenvalues, 3))
    print("gain:", np.round(result.gain, 3))

    def u_func(t, xx):
        """Return the force for a state."""
        return list(P.uu_eq - result.gain @ (np.asarray(xx) - P.xx_eq))

    solution_data = SolutionData()
    solution_data.u_func = u_func
    solution_data.gain = result.gain
    solution_data.eigenvalues = result.eigenvalues
    save_closed_loop(P, u_func)
    save_phase_portrait(P, u_func)
    return solution_data


def save_closed_loop(P, u_func):
    """Draw position, angle and force, with what is allowed."""
    P.model.set_input_func(u_func)
    sol = solve_ivp(P.model.get_rhs_func(), (0, P.tt[-1]), P.xx0, t_eval=P.tt, rtol=1e-8)
    force = np.array([u_func(t, xx)[0] for t, xx in zip(sol.t, sol.y.T)])

    fig, axes = plt.subplots(3, 1, figsize=(6.4, 7.6), sharex=True)
    axes[0].plot(P.tt, sol.y[0], lw=2)
    axes[0].axhspan(-P.position_tolerance, P.position_tolerance, color="0.88", zorder=0)
    axes[0].set(ylabel="position in m", title="Cart-pole: balanced by an LQR")
    axes[1].plot(P.tt, np.degrees(sol.y[1]), lw=2, color=COLOURS[1])
    tolerance = np.degrees(P.angle_tolerance)
    axes[1].axhspan(-tolerance, tolerance, color="0.88", zorder=0)
    axes[1].set(ylabel="angle in degrees")
    axes[2].plot(P.tt, force, lw=2, color=COLOURS[3])
    for sign in (-1, 1):
        axes[2].axhline(sign * P.force_limit, color="0.4", ls="--", lw=1)
    axes[2].set(ylabel="force in N", xlabel="time t in s", xlim=(0, P.tt[-1]))
    for ax in axes:
        ax.axvline(P.settling_limit, color=COLOURS[2], ls=":", lw=1.5)
    axes[0].annotate(
        "settled by here", (P.settling_limit, -0.25), (6, 0), textcoords="offset points"
    )
    fig.tight_layout()
    save_plot_in_dir("plot_1.png")


def save_phase_portrait(P, u_func):
    """Draw the pole's motion from several angles: the nonlinear plant, not its linearisation."""
    P.model.set_input_func(u_func)
    rhs = P.model.get_rhs_func()
    fig, ax = plt.subplots(figsize=(6.4, 5.2))
    angles = np.array([-45, -30, -15, 15, 30, 45])
    colours = plt.get_cmap("coolwarm")(np.linspace(0, 1, len(angles)))
    for angle, colour in zip(angles, colours):
        xx0 = [0, np.radians(angle), 0, 0]
        sol = solve_ivp(rhs, (0, 5), xx0, t_eval=P.tt, rtol=1e-6)
        ax.plot(np.degrees(sol.y[1]), sol.y[3], color=colour, lw=2)
        ax.plot(angle, 0, "o", color=colour, ms=6)
    ax.plot(0, 0, "o", color="0.2", ms=7)
    ax.set(xlabel="angle in degrees", ylabel="angular velocity in rad/s")
    ax.set_title("Motion of the pole from rest")
    fig.tight_layout()
    save_plot_in_dir("plot_2.png")
