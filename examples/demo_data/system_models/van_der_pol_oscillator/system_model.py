"""The Van der Pol oscillator: damping that is negative for small and positive for large motion."""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """State: position and velocity."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 0  # autonomous
        self.sys_dim = 2
        self.has_params = True
        self.params = params

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 2x1 matrix of the states and parameters."""
        if self.dxx_dt_symb is None:
            x, v = self.xx_symb
            (mu,) = self.pp_symb
            self.dxx_dt_symb = sp.Matrix([v, mu * (1 - x**2) * v - x])
        return self.dxx_dt_symb
