"""Turn a DC motor by one revolution, from rest to rest, in 0.12 s.

A solution provides `u_func(t)`, the armature voltage as a function of time. It is applied to the
model without any feedback.
"""

import numpy as np
from scipy.integrate import solve_ivp
from system_models.dc_motor.system_model import Model

from ackrep_core import ResultContainer


class ProblemSpecification:
    """The plant, the task and the limits."""

    model = Model()
    xx_start = np.array([0.0, 0.0, 0.0])  # angle in rad, speed in rad/s, current in A
    angle_end = 2 * np.pi
    duration = 0.12  # s
    voltage_limit = 24.0  # V
    current_limit = 12.0  # A

    # At the end: 0.06 degrees, 0.1 % of the peak speed, and nearly no current.
    tolerances = np.array([1e-3, 0.1, 0.05])

    @classmethod
    def parameters(cls):
        """Return resistance, inductance, torque constant, inertia and friction as numbers."""
        return [float(cls.model.pp_dict[p]) for p in cls.model.pp_symb]


def least_copper_loss(P):
    """Return a lower bound for the energy that any solution turns into heat, in J.

    To move an inertia by an angle within a time T from rest to rest, the integral of the squared
    acceleration is at least 12 angle^2 / T^3 (its minimiser is a linear acceleration), and the
    current is proportional to the acceleration. Friction only adds to it: in the square of the
    current its cross term integrates to zero from rest to rest.
    """
    resistance, _, constant, inertia, _ = P.parameters()
    return resistance * (inertia / constant) ** 2 * 12 * P.angle_end**2 / P.duration**3


def evaluate_solution(solution_data):
    """Apply the voltage to the model, look where it ends, and what it cost."""
    P = ProblemSpecification
    P.model.set_input_func(lambda t, xx: [float(solution_data.u_func(t))])
    tt = np.linspace(0, P.duration, 601)
    sol = solve_ivp(
        P.model.get_rhs_func(),
        (0, P.duration),
        P.xx_start,
        t_eval=tt,
        max_step=P.duration / 100,
        rtol=1e-9,
        atol=1e-10,
    )
    errors = sol.y[:, -1] - [P.angle_end, 0, 0]
    voltage = np.array([float(solution_data.u_func(t)) for t in tt])
    current = sol.y[2]

    resistance = P.parameters()[0]
    loss = resistance * np.sum(np.diff(tt) * (current[1:] ** 2 + current[:-1] ** 2) / 2)
    bound = least_copper_loss(P)

    print(f"final errors: {errors[0]:.1e} rad, {errors[1]:.1e} rad/s, {errors[2]:.1e} A")
    print(f"largest voltage: {np.max(np.abs(voltage)):.2f} V (limit {P.voltage_limit:g} V)")
    print(f"largest current: {np.max(np.abs(current)):.2f} A (limit {P.current_limit:g} A)")
    print(f"copper loss: {loss:.3f} J; no solution needs less than {bound:.3f} J")

    # The score is the efficiency: 1 would be the unreachable bound.
    rc = ResultContainer(score=float(bound / loss))
    rc.final_state_errors = [float(e) for e in errors]
    rc.copper_loss = float(loss)
    rc.success = bool(
        np.all(np.abs(errors) < P.tolerances)
        and np.max(np.abs(voltage)) <= P.voltage_limit
        and np.max(np.abs(current)) <= P.current_limit
        and bound <= loss  # else the accounting is wrong
    )
    return rc
