"""A simulation that is never reached: importing the model fails."""

import numpy as np
from scipy.integrate import solve_ivp
from system_model import Model

from ackrep_core import ResultContainer


def simulate():
    """Integrate for one time unit."""
    return solve_ivp(Model().get_rhs_func(), (0, 1), np.ones(3))


def evaluate_simulation(data):
    """Accept a finite state."""
    final_state = data.y[:, -1]
    return ResultContainer(
        score=1.0,
        final_state_errors=[0.0 for _ in final_state],
        success=bool(np.all(np.isfinite(final_state))),
    )
