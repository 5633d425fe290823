"""Parameters of the Lorenz system: the classical chaotic values."""

import sympy as sp

model_name = "Lorenz system"

# Symbols, in the order in which the model unpacks them.
pp_symb = [sigma, rho, beta] = sp.symbols("sigma, rho, beta", real=True)

# Their values: numbers, or functions of other symbols (replaced by pp_subs_list).
pp_sf = [10, 28, sp.Rational(8, 3)]
pp_subs_list = []

# The parameter table: one column before "Symbol" and "Value", none after them.
latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value"]
col_alignment = ["left", "center", "left"]
col_1 = ["Prandtl number", "Rayleigh number (relative)", "Geometry factor"]
start_columns_list = [col_1]
end_columns_list = []
