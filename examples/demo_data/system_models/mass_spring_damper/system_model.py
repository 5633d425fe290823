"""A mass on a spring with a viscous damper, pushed by a force."""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """State: position and velocity. Input: force."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 1
        self.sys_dim = 2
        self.has_params = True
        self.params = params

    def uu_default_func(self):
        """Return the default input: a constant force, switched on at t = 0."""

        def uu_rhs(t, xx):
            return [1.0]

        return uu_rhs

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 2x1 matrix of the states, input and parameters."""
        if self.dxx_dt_symb is None:
            x, v = self.xx_symb
            (force,) = self.uu_symb
            m, d, k = self.pp_symb
            self.dxx_dt_symb = sp.Matrix([v, (force - d * v - k * x) / m])
        return self.dxx_dt_symb
