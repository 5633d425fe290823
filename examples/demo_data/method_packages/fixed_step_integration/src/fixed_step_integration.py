"""Explicit Runge-Kutta methods with a constant step.

A method is given by its Butcher tableau. Whether it is stable for a step h and an eigenvalue
lambda of the system is decided by its stability function R(h lambda): |R| has to be at most 1.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Method:
    """An explicit Runge-Kutta method, as a Butcher tableau."""

    name: str
    a: tuple
    b: tuple
    c: tuple

    def stability_function(self, z):
        """Return R(z) = 1 + z b' (I - z A)^-1 1, by which a step multiplies an eigenmode."""
        stages = len(self.b)
        matrix = np.zeros((stages, stages))
        for i, row in enumerate(self.a):
            matrix[i, : len(row)] = row
        ones = np.ones(stages)
        return 1 + z * (np.array(self.b) @ np.linalg.solve(np.eye(stages) - z * matrix, ones))


EULER = Method("explicit Euler", a=((),), b=(1,), c=(0,))
HEUN = Method("Heun", a=((), (1,)), b=(1 / 2, 1 / 2), c=(0, 1))
RK4 = Method(
    "classical Runge-Kutta",
    a=((), (1 / 2,), (0, 1 / 2), (0, 0, 1)),
    b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    c=(0, 1 / 2, 1 / 2, 1),
)


def integrate(rhs, xx0, tt, method):
    """Return the states at the times `tt`, one column per time, with one step between two times.

    :param rhs: function of time and state that returns the derivative
    :param xx0: state at `tt[0]`
    """
    xx = np.empty((len(xx0), len(tt)))
    xx[:, 0] = xx0
    for i, t in enumerate(tt[:-1]):
        h = tt[i + 1] - t
        slopes = []
        for row, c in zip(method.a, method.c):
            stage = xx[:, i] + h * sum((w * k for w, k in zip(row, slopes)), np.zeros(len(xx0)))
            slopes.append(np.asarray(rhs(t + c * h, stage), float).ravel())
        xx[:, i + 1] = xx[:, i] + h * sum(w * k for w, k in zip(method.b, slopes))
    return xx
