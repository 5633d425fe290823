"""Parameters of the cart-pole: a laboratory set-up with a pole of 0.7 m."""

import sympy as sp

model_name = "Cart-pole"

# Symbols, in the order in which the model unpacks them.
pp_symb = [M, m, a, J, g, d] = sp.symbols("M, m, a, J, g, d", real=True)

# The pole is a uniform rod of the length ell: its centre of mass and its moment of inertia follow.
ell = sp.Symbol("ell", real=True)
pp_sf = [0.8, 0.2, ell / 2, m * ell**2 / 12, 9.81, 0.1]
pp_subs_list = [(ell, 0.7), (m, 0.2)]

# The parameter table: one column before "Symbol" and "Value", one after them.
latex_names = {ell: r"\ell"}
tabular_header = ["Parameter", "Symbol", "Value", "Unit"]
col_alignment = ["left", "center", "left", "left"]
col_1 = [
    "Mass of the cart",
    "Mass of the pole",
    "Hinge to centre of mass",
    "Moment of inertia of the pole",
    "Gravity",
    "Friction of the cart",
]
col_4 = ["kg", "kg", "m", r"kg\,m$^2$", r"m/s$^2$", "Ns/m"]
start_columns_list = [col_1]
end_columns_list = [col_4]
