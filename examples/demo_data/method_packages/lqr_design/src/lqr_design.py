"""Linear-quadratic state feedback for models given as symbolic equations.

result = design(*linearise(rhs, xx, uu, xx_eq, uu_eq), q_matrix, r_matrix)
u = uu_eq - result.gain @ (x - xx_eq)
"""

from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.linalg import solve_continuous_are


@dataclass(frozen=True)
class LqrResult:
    """A stabilising feedback u = -gain x, and what it promises."""

    gain: np.ndarray
    """The feedback matrix K, with a row for every input."""
    cost_matrix: np.ndarray
    """The Riccati solution P: the cost from the state x is x' P x."""
    eigenvalues: np.ndarray
    """The eigenvalues of the closed loop, by ascending real part."""


def linearise(rhs, xx, uu, xx_eq, uu_eq):
    """Return the matrices A and B of a model at an equilibrium.

    :param rhs: right-hand side, a sympy column with all parameters replaced by numbers
    :param xx: the state symbols in `rhs`
    :param uu: the input symbols in `rhs`
    :param xx_eq: the state at the equilibrium
    :param uu_eq: the input at the equilibrium
    :raises ValueError: if the given point is no equilibrium
    """
    rhs = sp.Matrix(rhs)
    point = dict(zip([*xx, *uu], [*map(float, xx_eq), *map(float, uu_eq)]))

    def numeric(matrix):
        return np.array(matrix.subs(point).evalf(), dtype=float)

    if np.max(np.abs(numeric(rhs))) > 1e-6:
        raise ValueError(f"not an equilibrium: the derivative is {numeric(rhs).ravel()}")
    return numeric(rhs.jacobian(xx)), numeric(rhs.jacobian(uu))


def design(a_matrix, b_matrix, q_matrix, r_matrix):
    """Return the feedback that minimises the integral of x' Q x + u' R u.

    :raises numpy.linalg.LinAlgError: if (A, B) cannot be stabilised
    """
    a_matrix, b_matrix = np.asarray(a_matrix, float), np.asarray(b_matrix, float)
    r_matrix = np.atleast_2d(r_matrix)
    cost_matrix = solve_continuous_are(a_matrix, b_matrix, q_matrix, r_matrix)
    gain = np.linalg.solve(r_matrix, b_matrix.T @ cost_matrix)
    eigenvalues = np.linalg.eigvals(a_matrix - b_matrix @ gain)
    return LqrResult(gain, cost_matrix, eigenvalues[np.argsort(eigenvalues.real)])
