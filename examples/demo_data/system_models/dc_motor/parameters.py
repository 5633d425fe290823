"""Parameters of the DC motor: a 24 V servo motor of about 150 W."""

import sympy as sp

model_name = "DC motor"

# Symbols, in the order in which the model unpacks them.
pp_symb = [R, L, k, J, b] = sp.symbols("R, L, k, J, b", real=True)
pp_sf = [0.8, 4e-3, 0.06, 2e-4, 1e-4]
pp_subs_list = []

# The parameter table: one column before "Symbol" and "Value", one after them.
latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value", "Unit"]
col_alignment = ["left", "center", "left", "left"]
col_1 = [
    "Armature resistance",
    "Armature inductance",
    "Torque constant",
    "Inertia with load",
    "Viscous friction",
]
col_5 = [r"$\Omega$", "H", "Nm/A", r"kg\,m$^2$", "Nms"]
start_columns_list = [col_1]
end_columns_list = [col_5]
