"""A permanent magnet DC motor that turns an inertia."""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """State: angle, speed and armature current. Input: armature voltage."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 1
        self.sys_dim = 3
        self.has_params = True
        self.params = params

    def uu_default_func(self):
        """Return the default input: 12 V, switched on at t = 0."""

        def uu_rhs(t, xx):
            return [12.0]

        return uu_rhs

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 3x1 matrix of the states, input and parameters."""
        if self.dxx_dt_symb is None:
            _, speed, current = self.xx_symb
            (voltage,) = self.uu_symb
            R, L, k, J, b = self.pp_symb
            self.dxx_dt_symb = sp.Matrix(
                [
                    speed,
                    (k * current - b * speed) / J,  # torque balance
                    (voltage - R * current - k * speed) / L,  # voltage balance
                ]
            )
        return self.dxx_dt_symb
