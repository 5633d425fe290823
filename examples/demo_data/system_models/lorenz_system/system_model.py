"""The Lorenz system: a fluid layer heated from below, reduced to three modes."""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """State: intensity of the convection, horizontal and vertical temperature difference."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 0  # autonomous
        self.sys_dim = 3
        self.has_params = True
        self.params = params

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 3x1 matrix of the states and parameters."""
        if self.dxx_dt_symb is None:
            x, y, z = self.xx_symb
            sigma, rho, beta = self.pp_symb
            self.dxx_dt_symb = sp.Matrix([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])
        return self.dxx_dt_symb
