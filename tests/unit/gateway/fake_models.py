"""System models in formulas, as checks tell them."""

from ackrep.scheduler.v1 import check_pb2


def lorenz_in_formulas() -> check_pb2.ModelDescription:
    """The Lorenz system, with its parameter table."""
    return check_pb2.ModelDescription(
        states=["x_{1}", "x_{2}", "x_{3}"],
        equations=[
            r"\dot{x}_{1} = \sigma \left(x_{2} - x_{1}\right)",
            r"\dot{x}_{2} = x_{1} \left(\rho - x_{3}\right) - x_{2}",
            r"\dot{x}_{3} = x_{1} x_{2} - \beta x_{3}",
        ],
        parameter_columns=["Parameter", "Symbol", "Value", "Range"],
        parameters=[
            check_pb2.ParameterRow(
                name="sigma", value=10, cells=["Prandtl number", r"$\sigma$", "$10$", "$[0, 20]$"]
            ),
            check_pb2.ParameterRow(
                name="rho", value=28, cells=["Rayleigh number", r"$\rho$", "$28$", r"$\mathbb{R}$"]
            ),
            check_pb2.ParameterRow(
                name="beta", value=8 / 3, cells=["geometry", r"$\beta$", r"$\frac{8}{3}$", "-"]
            ),
        ],
    )
