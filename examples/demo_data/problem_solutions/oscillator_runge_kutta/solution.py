"""Integrate with the classical Runge-Kutta method, and compare it with its weaker relatives."""

import fixed_step_integration as fsi
import matplotlib.pyplot as plt
import numpy as np

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
    """What the problem asks for: `xx`."""


def solve(problem_spec):
    """Return the states on the time grid of the problem."""
    P = problem_spec
    rhs = P.rhs()
    results = {method: fsi.integrate(rhs, P.xx0, P.tt, method) for method in (fsi.HEUN, fsi.RK4)}

    m, d, k = P.parameters()
    pole = np.roots([m, d, k])[0]
    for method in results:
        damping = np.abs(method.stability_function(P.step * pole))
        print(f"{method.name}: a step multiplies the oscillation by {damping:.9f}")
    print(f"exactly: {np.abs(np.exp(P.step * pole)):.9f}")

    save_plot(P, results)
    solution_data = SolutionData()
    solution_data.xx = results[fsi.RK4]
    return solution_data


def save_plot(P, results):
    """Draw the solution, and the difference between the methods."""
    position = 1e3 * results[fsi.RK4][0]
    difference = 1e3 * results[fsi.HEUN][0] - position
    fig, (ax1, ax2) = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
    ax1.plot(P.tt, position, lw=1.8, label=fsi.RK4.name)
    ax1.axhline(1e3 * P.force / P.parameters()[2], color=COLOURS[1], ls="--", lw=1.2)
    ax1.set(ylabel="position x in mm", title="Step response, step size 10 ms", ylim=(-2, 62))
    ax1.legend(loc="upper right")
    ax2.plot(P.tt, difference, lw=1.8, color=COLOURS[3], label="Heun minus Runge-Kutta")
    limit = 1e3 * P.tolerance * P.force / P.parameters()[2]
    ax2.axhspan(-limit, limit, color=COLOURS[2], alpha=0.25, lw=0, label="tolerance")
    ax2.set(xlabel="time t in s", ylabel="difference in mm", xlim=(0, P.tt[-1]), ylim=(-0.45, 0.35))
    ax2.legend(loc="lower left", ncol=2, fontsize=10)
    fig.tight_layout()
    save_plot_in_dir("plot.png")
