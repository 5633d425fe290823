"""Plan the angle as a polynomial; speed, current and voltage follow by differentiation.

The angle is a flat output of the motor: with its first three derivatives all states and the input
are known without solving a differential equation.
"""

import matplotlib.pyplot as plt
import numpy as np
from polynomial_trajectory_planning import Transition

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
    """What the problem asks for: `u_func`."""


def flat_parametrisation(derivatives, parameters):
    """Return current and voltage from the angle and its first three derivatives."""
    _, speed, acceleration, jerk = derivatives
    resistance, inductance, constant, inertia, friction = parameters
    current = (inertia * acceleration + friction * speed) / constant
    current_slope = (inertia * jerk + friction * acceleration) / constant
    voltage = inductance * current_slope + resistance * current + constant * speed
    return current, voltage


def solve(problem_spec):
    """Return the voltage that turns the motor, and draw the plan."""
    P = problem_spec
    parameters = P.parameters()
    # The voltage contains the third derivative; with three continuous ones it starts at zero.
    angle = Transition(P.xx_start[0], P.angle_end, P.duration, smoothness=3)

    def u_func(t):
        """Return the voltage at a time or at an array of times."""
        return flat_parametrisation(angle(t, 3), parameters)[1]

    tt = np.linspace(0, P.duration, 601)
    plan = angle(tt, 3)
    current, voltage = flat_parametrisation(plan, parameters)
    # The derivative of the unit transition has its peak 140 (1/2)^6 = 35/16 in the middle.
    print(
        f"peak speed {plan[1].max():.2f} rad/s, 35/16 of the mean speed: "
        f"{35 / 16 * P.angle_end / P.duration:.2f} rad/s"
    )
    print(f"peak acceleration {np.abs(plan[2]).max():.0f} rad/s^2")
    save_plot(P, tt, plan, current, voltage)

    solution_data = SolutionData()
    solution_data.u_func = u_func
    return solution_data


def save_plot(P, tt, plan, current, voltage):
    """Draw the planned motion, current and voltage."""
    ms = 1e3 * tt
    fig, axes = plt.subplots(3, 1, figsize=(6.4, 7.8), sharex=True)
    axes[0].plot(ms, np.degrees(plan[0]), lw=2.2)
    axes[0].set(ylabel="angle in degrees", yticks=range(0, 361, 90))
    axes[0].set_title("One revolution in 0.12 s")
    axes[1].plot(ms, plan[1], lw=2.2, color=COLOURS[3])
    axes[1].set(ylabel="speed in rad/s")
    axes[2].plot(ms, voltage, lw=2.2, color=COLOURS[1], label="voltage in V")
    axes[2].plot(ms, current, lw=2.2, color=COLOURS[2], label="current in A")
    axes[2].fill_between(ms, 0, voltage, color=COLOURS[1], alpha=0.1, lw=0)
    for sign in (-1, 1):
        axes[2].axhline(sign * P.current_limit, color=COLOURS[2], ls="--", lw=1)
        axes[2].axhline(sign * P.voltage_limit, color=COLOURS[1], ls="--", lw=1)
    axes[2].set(xlabel="time t in ms", ylabel="input and limits", xlim=(0, ms[-1]))
    axes[2].legend(loc="upper right", fontsize=10, framealpha=0.95)
    fig.tight_layout()
    save_plot_in_dir("plot.png")
