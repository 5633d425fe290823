"""Smooth transitions between two values at rest.

Between 0 and 1 the normalised transition with the continuous derivatives 1 ... n at both ends is
the polynomial of degree 2 n + 1 whose derivative is proportional to x^n (1 - x)^n. Its
coefficients are known in closed form, so nothing has to be solved.
"""

from math import comb, factorial

import numpy as np
from numpy.polynomial import Polynomial


def unit_transition(smoothness):
    """Return the polynomial from 0 to 1 on [0, 1] with this many vanishing derivatives."""
    n = smoothness
    factor = factorial(2 * n + 1) // factorial(n) ** 2  # 1 / integral of x^n (1 - x)^n
    coefficients = np.zeros(2 * n + 2)
    for k in range(n + 1):
        coefficients[n + k + 1] = (-1) ** k * factor * comb(n, k) / (n + k + 1)
    return Polynomial(coefficients)


class Transition:
    """A function of time that goes from one value to another and rests before and after.

    Calling it returns the value and derivatives: `y, dy, ddy = transition(t, 2)`, where t may be
    a number or an array. All derivatives up to `smoothness` are continuous.
    """

    def __init__(self, start, end, duration, smoothness=3, begin=0.0):
        """Plan from `start` to `end` within `duration`, beginning at the time `begin`."""
        if duration <= 0:
            raise ValueError(f"a transition needs a positive duration, not {duration}")
        self.start, self.end = start, end
        self.begin, self.duration = begin, duration
        self.smoothness = smoothness
        polynomial = unit_transition(smoothness)
        self._derivatives = [polynomial.deriv(order) for order in range(smoothness + 2)]

    def __call__(self, t, derivatives=0):
        """Return an array whose first axis counts the derivatives 0 ... `derivatives`."""
        if derivatives > self.smoothness + 1:
            raise ValueError(f"derivative {derivatives} of this transition is not a function")
        phase = (np.asarray(t, float) - self.begin) / self.duration
        moving = (phase >= 0) & (phase <= 1)
        phase = np.clip(phase, 0, 1)
        step = self.end - self.start
        values = [self.start + step * self._derivatives[0](phase)]
        for order in range(1, derivatives + 1):
            derivative = self._derivatives[order](phase) / self.duration**order
            values.append(np.where(moving, step * derivative, 0.0))
        return np.array(values)
