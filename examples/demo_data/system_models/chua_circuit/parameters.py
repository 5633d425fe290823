"""Parameters of Chua's circuit: normalised ones, computed from the components."""

import sympy as sp

model_name = "Chua circuit"

# Symbols, in the order in which the model unpacks them.
pp_symb = [alpha, beta, a, b] = sp.symbols("alpha, beta, a, b", real=True)

# The normalised parameters are functions of the components of the circuit ...
C1, C2, L, R, Ga, Gb = sp.symbols("C_1, C_2, L, R, G_a, G_b", real=True)
pp_sf = [C2 / C1, C2 * R**2 / L, R * Ga, R * Gb]

# ... whose values are (in F, H, Ohm and S):
pp_subs_list = [(C1, 10e-9), (C2, 100e-9), (L, 18e-3), (R, 1700), (Ga, -757e-6), (Gb, -409e-6)]

# The parameter table: one column before "Symbol" and "Value", one after them.
latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value", "Meaning"]
col_alignment = ["left", "center", "left", "left"]
col_1 = ["Ratio of the capacitances", "Resonance", "Inner slope", "Outer slope"]
col_4 = ["$C_2 / C_1$", "$C_2 R^2 / L$", "$R \\, G_a$", "$R \\, G_b$"]
start_columns_list = [col_1]
end_columns_list = [col_4]
