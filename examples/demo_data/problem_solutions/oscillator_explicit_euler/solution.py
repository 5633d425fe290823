"""Integrate with the explicit Euler method, whose step is too large here.

The code does what it says; the numbers are wrong. The oscillator is damped, but a step of the
method multiplies the oscillation by |1 + h lambda| > 1: it grows. This solution is kept as a
warning, and its check is expected to end as *inaccurate*.
"""

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
    solution_data = SolutionData()
    solution_data.xx = fsi.integrate(P.rhs(), P.xx0, P.tt, fsi.EULER)

    m, d, k = P.parameters()
    pole = np.roots([m, d, k])[0]
    growth = np.abs(fsi.EULER.stability_function(P.step * pole))
    print(f"poles of the oscillator: {pole:.3f} and {np.conj(pole):.3f}")
    print(
        f"a step of {1e3 * P.step:g} ms multiplies the oscillation by {growth:.6f}, not by "
        f"{np.abs(np.exp(P.step * pole)):.6f}"
    )
    print(f"steps below {2e3 * d / (2 * m) / (k / m):.2f} ms would be stable")

    save_spiral(P, solution_data.xx)
    save_stability(P, pole)
    return solution_data


def save_spiral(P, xx):
    """Draw the outward spiral, beside the inward one that a good method finds."""
    good = fsi.integrate(P.rhs(), P.xx0, P.tt, fsi.RK4)
    fig, ax = plt.subplots(figsize=(6.4, 5.6))
    ax.plot(1e3 * xx[0], xx[1], lw=1.3, color=COLOURS[1], label="explicit Euler")
    ax.plot(1e3 * good[0], good[1], lw=1.3, color=COLOURS[0], label="Runge-Kutta, same step")
    ax.plot(1e3 * P.force / P.parameters()[2], 0, "o", color="0.2", ms=6, label="equilibrium")
    ax.plot(*P.xx0, "s", color="0.2", ms=5, label="start")
    ax.set(xlabel="position x in mm", ylabel="velocity v in m/s", ylim=(-0.36, 0.47))
    ax.set_title("A step too large turns damping into growth")
    ax.legend(loc="upper center", ncol=2, fontsize=10)
    fig.tight_layout()
    save_plot_in_dir("plot_1.png")


def save_stability(P, pole):
    """Draw the edge of the stability region, and the pole for several steps."""
    fig, ax = plt.subplots(figsize=(6.4, 5.2))
    imaginary = np.linspace(0, 0.1, 200)
    edge = np.sqrt(1 - imaginary**2) - 1  # |1 + z| = 1
    ax.fill_betweenx(imaginary, -0.006, edge, color=COLOURS[3], alpha=0.3, lw=0, label="stable")
    ax.plot(edge, imaginary, color=COLOURS[3], lw=2, label="|1 + z| = 1")
    for h in (0.002, 0.004, 0.006, 0.008, 0.01, 0.012, 0.014):
        z = h * pole if pole.imag > 0 else h * np.conj(pole)
        chosen = abs(h - P.step) < 1e-9
        colour = COLOURS[1] if chosen else COLOURS[0]
        ax.plot(z.real, z.imag, "o", color=colour, ms=9 if chosen else 6)
        ax.annotate(f"{1e3 * h:.0f} ms", (z.real, z.imag), (9, -4), textcoords="offset points")
    ax.set(xlim=(-0.006, 0.002), ylim=(0, 0.1), xticks=[-0.006, -0.004, -0.002, 0, 0.002])
    ax.set(xlabel="real part of h times pole", ylabel="imaginary part of h times pole")
    ax.set_title("Explicit Euler: stability near the imaginary axis")
    ax.legend(loc="lower left")
    fig.tight_layout()
    save_plot_in_dir("plot_2.png")
