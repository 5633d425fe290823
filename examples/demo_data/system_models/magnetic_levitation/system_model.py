"""A steel ball below an electromagnet.

The inductance depends on the air gap, L(s) = L0 + 2 c / s. Force and induced voltage both follow
from it: the co-energy L(s) i^2 / 2 has the derivative -c i^2 / s^2 with respect to the gap, which
is the force, and the flux linkage L(s) i has the time derivative u - R i.
"""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """State: air gap (positive downwards), its velocity, coil current. Input: coil voltage."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 1
        self.sys_dim = 3
        self.has_params = True
        self.params = params

    def uu_default_func(self):
        """Return the default input: the voltage that balances the ball at a gap of 10 mm."""
        m, g, c, R, _ = (float(self.pp_dict[p]) for p in self.pp_symb)
        balance = R * 0.010 * (m * g / c) ** 0.5

        def uu_rhs(t, xx):
            return [balance]

        return uu_rhs

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 3x1 matrix of the states, input and parameters."""
        if self.dxx_dt_symb is None:
            gap, velocity, current = self.xx_symb
            (voltage,) = self.uu_symb
            m, g, c, R, L0 = self.pp_symb
            inductance = L0 + 2 * c / gap
            induced = -2 * c / gap**2 * velocity * current  # (dL/ds) (ds/dt) i
            self.dxx_dt_symb = sp.Matrix(
                [
                    velocity,
                    g - c / m * (current / gap) ** 2,
                    (voltage - R * current - induced) / inductance,
                ]
            )
        return self.dxx_dt_symb
