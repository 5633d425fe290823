"""The Lorenz system, whose parameters cannot be read: see parameters.py."""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()  # raises SyntaxError, on purpose


class Model(GenericModel):
    """Never constructed."""

    def initialize(self):
        """Declare the dimensions."""
        self.u_dim = 0
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
