"""A uniform pole hinged on a cart; the equations of motion follow from the Lagrangian.

The pole is at rest at the angle 0 when it stands upright, and positive angles lean to the right,
the direction in which the cart position and the force count.
"""

import sympy as sp

from ackrep_core.system_model_management import GenericModel, import_parameters

params = import_parameters()


class Model(GenericModel):
    """State: cart position, pole angle and their velocities. Input: force on the cart."""

    def initialize(self):
        """Declare the dimensions; called by the constructor of `GenericModel`."""
        self.u_dim = 1
        self.sys_dim = 4
        self.has_params = True
        self.params = params

    def uu_default_func(self):
        """Return the default input: no force."""

        def uu_rhs(t, xx):
            return [0.0]

        return uu_rhs

    def get_energies(self):
        """Return kinetic and potential energy as expressions of the states."""
        _, phi, ds, dphi = self.xx_symb
        M, m, a, J, g, _ = self.pp_symb
        # velocity of the pole's centre of mass, which is at (s + a sin(phi), a cos(phi))
        v_x = ds + a * dphi * sp.cos(phi)
        v_y = -a * dphi * sp.sin(phi)
        kinetic = (M * ds**2 + m * (v_x**2 + v_y**2) + J * dphi**2) / 2
        potential = m * g * a * sp.cos(phi)
        return kinetic, potential

    def get_equations_of_motion(self):
        """Return mass matrix and right-hand side of `mass_matrix * accelerations = forces`.

        Lagrange's equations of the second kind, d/dt (dL/dq') - dL/dq = Q, with the generalised
        forces Q: the input and the viscous friction act on the cart, nothing acts on the hinge.
        """
        qq = sp.Matrix(self.xx_symb[:2])
        dqq = sp.Matrix(self.xx_symb[2:])
        (force,) = self.uu_symb
        d = self.pp_symb[-1]
        kinetic, potential = self.get_energies()
        lagrangian = sp.Matrix([kinetic - potential])

        momenta = lagrangian.jacobian(dqq).T
        mass_matrix = momenta.jacobian(dqq).applyfunc(sp.trigsimp)
        external = sp.Matrix([force - d * dqq[0], 0])
        forces = external + lagrangian.jacobian(qq).T - momenta.jacobian(qq) * dqq
        return mass_matrix, forces.applyfunc(lambda e: sp.trigsimp(sp.expand(e)))

    def get_rhs_symbolic(self):
        """Return the right-hand side as a 4x1 matrix of the states, input and parameters."""
        if self.dxx_dt_symb is None:
            mass_matrix, forces = self.get_equations_of_motion()
            # Cramer's rule keeps the two fractions short and their common denominator visible.
            determinant = mass_matrix.det()
            accelerations = mass_matrix.adjugate() * forces / determinant
            self.dxx_dt_symb = sp.Matrix([*self.xx_symb[2:], *accelerations])
        return self.dxx_dt_symb
