"""Integrate a lightly damped oscillator over ten periods on a given time grid.

A solution provides `xx`, the states (rows) at the times `ProblemSpecification.tt` (columns),
computed with one step of its method between two of these times. They are compared with the exact
solution, which is known for a linear oscillator.
"""

import numpy as np
from system_models.mass_spring_damper.system_model import Model

from ackrep_core import ResultContainer


class ProblemSpecification:
    """The plant, its initial state, the time grid and the demanded accuracy."""

    model = Model()
    force = 1.0  # N, switched on at t = 0
    xx0 = np.array([0.0, 0.0])
    step = 0.01  # s: a hundredth of the period
    tt = step * np.arange(1001)
    tolerance = 0.01  # largest error of the position, relative to the static deflection F / k

    @classmethod
    def rhs(cls):
        """Return the right-hand side as a function of time and state."""
        cls.model.set_input_func(lambda t, xx: [cls.force])
        return cls.model.get_rhs_func()

    @classmethod
    def parameters(cls):
        """Return mass, damping constant and stiffness as numbers."""
        return [float(cls.model.pp_dict[p]) for p in cls.model.pp_symb]


def exact_solution(P):
    """Return position and velocity on the time grid, in closed form."""
    m, d, k = P.parameters()
    sigma = d / (2 * m)
    omega_d = np.sqrt(k / m - sigma**2)
    decay = np.exp(-sigma * P.tt)
    cosine, sine = np.cos(omega_d * P.tt), np.sin(omega_d * P.tt)
    position = P.force / k * (1 - decay * (cosine + sigma / omega_d * sine))
    velocity = P.force / (m * omega_d) * decay * sine
    return np.vstack((position, velocity))


def evaluate_solution(solution_data):
    """Compare with the exact solution, everywhere on the grid."""
    P = ProblemSpecification
    exact = exact_solution(P)
    deflection = P.force / P.parameters()[2]
    errors = np.asarray(solution_data.xx) - exact
    relative = float(np.max(np.abs(errors[0])) / deflection)

    print(f"static deflection: {1e3 * deflection:.2f} mm")
    print(f"largest error: {100 * relative:.2g} % of it (tolerance {100 * P.tolerance:g} %)")
    print(
        f"position after {P.tt[-1]:g} s: {1e3 * solution_data.xx[0, -1]:.3f} mm, "
        f"exactly {1e3 * exact[0, -1]:.3f} mm"
    )

    # A simple score: correct digits.
    rc = ResultContainer(score=float(np.clip(-np.log10(max(relative, 1e-16)), 0, 16)))
    rc.final_state_errors = [float(e) for e in errors[:, -1]]
    rc.relative_error = relative
    rc.success = relative <= P.tolerance
    return rc
