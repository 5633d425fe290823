"""Parameter of the Van der Pol oscillator."""

import sympy as sp

model_name = "Van der Pol oscillator"

pp_symb = [mu] = [sp.Symbol("mu", real=True)]
pp_sf = [1]
pp_subs_list = []

# The parameter table: one column before "Symbol" and "Value", none after them.
latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value"]
col_alignment = ["left", "center", "left"]
col_1 = ["Nonlinearity of the damping"]
start_columns_list = [col_1]
end_columns_list = []
