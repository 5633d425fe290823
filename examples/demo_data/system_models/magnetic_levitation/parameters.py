"""Parameters of the magnetic levitation."""

import sympy as sp

model_name = "Magnetic levitation"

# Symbols, in the order in which the model unpacks them.
pp_symb = [m, g, c, R, L0] = sp.symbols("m, g, c, R, L_0", real=True)
pp_sf = [0.05, 9.81, 5e-5, 4.0, 0.02]
pp_subs_list = []

# The parameter table: one column before "Symbol" and "Value", one after them.
latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value", "Unit"]
col_alignment = ["left", "center", "left", "left"]
col_1 = [
    "Mass of the ball",
    "Gravity",
    "Force constant",
    "Coil resistance",
    "Inductance without ball",
]
col_4 = ["kg", r"m/s$^2$", r"Nm$^2$/A$^2$", r"$\Omega$", "H"]
start_columns_list = [col_1]
end_columns_list = [col_4]
