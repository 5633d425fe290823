"""Parameters of the mass-spring-damper: 1 Hz, and a damping ratio of 2 %."""

import sympy as sp

model_name = "Mass-spring-damper"

# Symbols, in the order in which the model unpacks them.
pp_symb = [m, d, k] = sp.symbols("m, d, k", real=True)

# Damping and stiffness follow from the natural frequency and the damping ratio.
omega, zeta = sp.symbols("omega_0, zeta", real=True)
pp_sf = [1, 2 * zeta * omega * m, m * omega**2]
pp_subs_list = [(omega, 2 * sp.pi), (zeta, 0.02), (m, 1)]

# The parameter table: one column before "Symbol" and "Value", one after them.
latex_names = {}
tabular_header = ["Parameter", "Symbol", "Value", "Unit"]
col_alignment = ["left", "center", "left", "left"]
col_1 = ["Mass", "Damping constant", "Stiffness"]
col_4 = ["kg", "Ns/m", "N/m"]
start_columns_list = [col_1]
end_columns_list = [col_4]
