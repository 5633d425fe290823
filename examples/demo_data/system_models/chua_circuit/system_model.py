"""Chua's circuit in normalised form.

The states are x = v1 / E, y = v2 / E and z = R iL / E, where v1 and v2 are the capacitor voltages,
iL is the current of the inductor, and E is the breakpoint voltage of the piecewise linear
resistor. Time is counted in units of R C2.
"""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """Three energy stores and one piecewise linear negative resistance."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 0  # autonomous
        self.sys_dim = 3
        self.has_params = True
        self.params = params

    def get_resistor_characteristic(self):
        """Return the normalised current of Chua's resistor as an expression of x."""
        x = self.xx_symb[0]
        _, _, a, b = self.pp_symb
        return b * x + (a - b) / 2 * (sp.Abs(x + 1) - sp.Abs(x - 1))

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 3x1 matrix of the states and parameters."""
        if self.dxx_dt_symb is None:
            x, y, z = self.xx_symb
            alpha, beta, _, _ = self.pp_symb
            current = self.get_resistor_characteristic()
            self.dxx_dt_symb = sp.Matrix([alpha * (y - x - current), x - y + z, -beta * y])
        return self.dxx_dt_symb
