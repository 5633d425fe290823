"""Lift a magnetically levitated ball from a gap of 12 mm to one of 7 mm.

The plant is unstable and the ball does not start where it should, so a voltage computed ahead is
not enough. A solution provides `u_func(t, xx)`, which returns the voltage as a list. It is judged
on the nonlinear model, simulated here and not by the solution.
"""

import numpy as np
from scipy.integrate import solve_ivp
from system_models.magnetic_levitation.system_model import Model

from ackrep_core import ResultContainer


class ProblemSpecification:
    """The plant, the task and the limits."""

    model = Model()
    xx = model.xx_symb
    uu = model.uu_symb
    gap_start, gap_end = 0.012, 0.007  # m
    time_of_transition = (0.1, 0.35)  # s
    tt = np.linspace(0, 0.6, 601)
    gap_disturbance = 0.4e-3  # m: the ball starts this much too low
    voltage_limits = (0.0, 12.0)  # V

    overshoot_limit = 0.1e-3  # m beyond the new height
    final_tolerance = 0.01e-3  # m, during the last 0.1 s

    @classmethod
    def rhs(cls):
        """Return the symbolic right-hand side with numbers for the parameters."""
        return cls.model.get_rhs_symbolic_num_params()

    @classmethod
    def parameters(cls):
        """Return mass, gravity, force constant, resistance and inductance as numbers."""
        return [float(cls.model.pp_dict[p]) for p in cls.model.pp_symb]

    @classmethod
    def equilibrium(cls, gap):
        """Return state and input that keep the ball at a gap."""
        mass, gravity, force_constant, resistance, _ = cls.parameters()
        current = gap * np.sqrt(mass * gravity / force_constant)
        return np.array([gap, 0, current]), np.array([resistance * current])


def evaluate_solution(solution_data):
    """Simulate the disturbed transition with feedback, and measure it."""
    P = ProblemSpecification
    P.model.set_input_func(solution_data.u_func)
    xx0 = P.equilibrium(P.gap_start)[0] + [P.gap_disturbance, 0, 0]
    sol = solve_ivp(
        P.model.get_rhs_func(),
        (0, P.tt[-1]),
        xx0,
        t_eval=P.tt,
        max_step=5e-3,
        rtol=1e-8,
        atol=1e-11,
    )
    gap = sol.y[0]
    voltage = np.array([solution_data.u_func(t, xx)[0] for t, xx in zip(sol.t, sol.y.T)])
    overshoot = float(P.gap_end - gap.min())
    final_errors = sol.y[:, -1] - P.equilibrium(P.gap_end)[0]
    last = sol.t >= P.tt[-1] - 0.1
    final_deviation = float(np.max(np.abs(gap[last] - P.gap_end)))

    print(f"overshoot: {1e3 * overshoot:.4f} mm (limit {1e3 * P.overshoot_limit:g} mm)")
    print(
        f"deviation during the last 0.1 s: {1e3 * final_deviation:.1e} mm "
        f"(limit {1e3 * P.final_tolerance:g} mm)"
    )
    print(f"voltage: {voltage.min():.2f} V to {voltage.max():.2f} V (limits {P.voltage_limits} V)")

    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in final_errors])
    rc.overshoot = overshoot
    rc.final_deviation = final_deviation
    # What is asked for is large against the error of the simulation, about 1e-8 m.
    rc.success = bool(
        sol.success
        and overshoot <= P.overshoot_limit
        and final_deviation <= P.final_tolerance
        and P.voltage_limits[0] <= voltage.min()
        and voltage.max() <= P.voltage_limits[1]
    )
    return rc
