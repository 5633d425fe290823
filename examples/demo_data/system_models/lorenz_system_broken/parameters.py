"""Parameters with a syntax error, on purpose: the check has to end as a script error."""

import sympy as sp

model_name = "Lorenz system (broken)"

pp_symb = [sigma, rho, beta] = sp.symbols("sigma, rho, beta", real=True)

# The closing bracket is missing here, and has to stay missing.
pp_sf = [10, 28, sp.Rational(8, 3)
pp_subs_list = []

latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value"]
col_alignment = ["left", "center", "left"]
col_1 = ["Prandtl number", "Rayleigh number (relative)", "Geometry factor"]
start_columns_list = [col_1]
end_columns_list = []
