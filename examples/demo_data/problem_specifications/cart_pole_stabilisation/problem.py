"""Balance the cart-pole, and bring the cart back to the origin.

A solution provides a feedback law `u_func(t, xx)` that returns the force as a list, and `gain`, the
feedback matrix it uses near the equilibrium. The law is judged on the nonlinear model, simulated
here and not by the solution.
"""

import numpy as np
from scipy.integrate import solve_ivp
from system_models.cart_pole.system_model import Model

from ackrep_core import ResultContainer


class ProblemSpecification:
    """The plant, where it starts, what is optimal, and what is allowed."""

    model = Model()
    xx = model.xx_symb
    uu = model.uu_symb
    xx_eq = np.zeros(4)  # the pole stands upright, the cart is at the origin
    uu_eq = np.zeros(1)
    xx0 = np.array([-0.4, np.radians(15), 0.0, 0.0])
    tt = np.linspace(0, 5, 1001)

    # To be minimised for the linearised plant: the integral of x' Q x + u' R u.
    q_matrix = np.diag([10.0, 1.0, 1.0, 0.1])
    r_matrix = np.array([[0.05]])

    force_limit = 20.0  # N
    track_limit = 1.0  # m, to either side
    settling_limit = 3.0  # s, after which the state stays in the tolerance
    position_tolerance = 0.02  # m
    angle_tolerance = np.radians(1)

    @classmethod
    def rhs(cls):
        """Return the symbolic right-hand side with numbers for the parameters."""
        return cls.model.get_rhs_symbolic_num_params()


def optimal_gain(a_matrix, b_matrix, q_matrix, r_matrix):
    """Return the optimal gain from the stable eigenvectors of the Hamiltonian matrix.

    If the columns of [X; Y] span the stable invariant subspace of [[A, -B R^-1 B'], [-Q, -A']], the
    Riccati solution is Y X^-1. This is a textbook way with nothing in common with the Schur method
    of `scipy.linalg.solve_continuous_are`, which makes it a reference.
    """
    r_inverse_bt = np.linalg.solve(r_matrix, b_matrix.T)
    hamiltonian = np.block([[a_matrix, -b_matrix @ r_inverse_bt], [-q_matrix, -a_matrix.T]])
    eigenvalues, vectors = np.linalg.eig(hamiltonian)
    stable = vectors[:, eigenvalues.real < 0]
    n = len(a_matrix)
    return r_inverse_bt @ np.real(stable[n:] @ np.linalg.inv(stable[:n]))


def linearisation(model):
    """Return A and B at the upright equilibrium, derived by hand (small angles)."""
    M, m, a, J, g, d = (float(model.pp_dict[p]) for p in model.pp_symb)
    mass_matrix = np.array([[M + m, m * a], [m * a, J + m * a**2]])
    # accelerations = mass_matrix^-1 (force on the cart - friction, torque of gravity)
    per_state = np.linalg.solve(mass_matrix, [[0, 0, -d, 0], [0, m * g * a, 0, 0]])
    per_input = np.linalg.solve(mass_matrix, [[1.0], [0.0]])
    a_matrix = np.vstack((np.hstack((np.zeros((2, 2)), np.eye(2))), per_state))
    return a_matrix, np.vstack((np.zeros((2, 1)), per_input))


def evaluate_solution(solution_data):
    """Simulate the closed loop, measure it, and compare the gain with the optimal one."""
    P = ProblemSpecification
    P.model.set_input_func(solution_data.u_func)
    sol = solve_ivp(
        P.model.get_rhs_func(), (0, P.tt[-1]), P.xx0, t_eval=P.tt, rtol=1e-8, atol=1e-10
    )
    position, angle = sol.y[:2]
    force = np.array([solution_data.u_func(t, xx)[0] for t, xx in zip(sol.t, sol.y.T)])

    outside = (np.abs(position) > P.position_tolerance) | (np.abs(angle) > P.angle_tolerance)
    settling_time = float(P.tt[np.nonzero(outside)[0][-1]]) if outside.any() else 0.0

    # Both ways to the gain are exact but for rounding; six digits are demanded.
    reference = optimal_gain(*linearisation(P.model), P.q_matrix, P.r_matrix)
    gain_error = float(np.max(np.abs(solution_data.gain - reference)) / np.max(np.abs(reference)))

    print(f"settling time: {settling_time:.2f} s (limit {P.settling_limit:g} s)")
    print(f"largest force: {np.max(np.abs(force)):.1f} N (limit {P.force_limit:g} N)")
    print(f"track used:    {np.max(np.abs(position)):.2f} m (limit {P.track_limit:g} m)")
    print(f"gain against the Hamiltonian reference, relative error: {gain_error:.1e}")

    rc = ResultContainer(score=float(np.clip(1 / max(settling_time, 1e-3), 0, 10)))
    rc.final_state_errors = [float(e) for e in sol.y[:, -1] - P.xx_eq]
    rc.settling_time = settling_time
    rc.largest_force = float(np.max(np.abs(force)))
    rc.gain_error = gain_error
    rc.success = bool(
        sol.success
        and settling_time <= P.settling_limit
        and np.max(np.abs(force)) <= P.force_limit
        and np.max(np.abs(position)) <= P.track_limit
        and gain_error < 1e-6
    )
    return rc
