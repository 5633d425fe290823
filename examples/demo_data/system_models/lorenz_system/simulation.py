"""Draw the Lorenz attractor, and check the model against what is known exactly.

The end of a long chaotic trajectory depends on the last digit of every operation and is therefore
worthless as a reference. What is checked instead does not depend on it: a short trajectory, the
rate at which volumes shrink, the equilibria, and a sphere no trajectory leaves.
"""

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.collections import LineCollection
from scipy.integrate import solve_ivp
from system_model import Model

from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir

XX0 = np.array([3.0, 6.0, 14.0])  # near the attractor
T_END = 40.0  # horizon of the picture
T_SHORT = 3.0  # horizon of the comparison, short enough for errors to stay small
T_VOLUME = 0.5
LYAPUNOV_EXPONENT = 0.9056  # largest one for these parameters, from the literature; only drawn

# State at T_SHORT, computed with a Taylor series method in 40-digit arithmetic
# (mpmath.odefun with its default degree), that is by another method and another implementation.
REFERENCE_SHORT = np.array([2.505905889092003, 4.02271195465792, 14.18114655792127])

COLOURS = ["#0b6e99", "#d1495b", "#edae49", "#66a182"]
plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 12,
        "grid.alpha": 0.3,
    }
)


class SimulationData:
    """What `simulate` found and `evaluate_simulation` judges."""


def simulate():
    """Integrate the model, draw it, and return the data."""
    model = Model()
    rhs = model.get_rhs_func()
    for symbol, equation in zip(model.xx_symb, model.get_rhs_symbolic()):
        print(f"d{symbol}/dt = {equation}")

    data = SimulationData()
    data.model = model
    data.rhs = rhs
    tt = np.linspace(0, T_END, 6001)
    settings = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-12}

    def twin_rhs(t, z):
        """Two copies of the system, integrated with the same steps."""
        return [*rhs(t, z[:3]), *rhs(t, z[3:])]

    z0 = np.concatenate((XX0, XX0 + np.array([1e-9, 0, 0])))
    twins = solve_ivp(twin_rhs, (0, T_END), z0, t_eval=tt, method="DOP853", rtol=1e-9, atol=1e-11)
    data.tt, data.yy, data.yy_twin = tt, twins.y[:3], twins.y[3:]
    data.short = solve_ivp(rhs, (0, T_SHORT), XX0, **settings).y[:, -1]

    jacobian = model.get_rhs_symbolic_num_params().jacobian(model.xx_symb)
    data.jacobian = sp.lambdify(model.xx_symb, jacobian, modules="numpy")

    def variational_rhs(t, z):
        """State and transition matrix together: dX/dt = J(x) X, X(0) = I."""
        transition = z[3:].reshape(3, 3)
        return np.concatenate((rhs(t, z[:3]), (data.jacobian(*z[:3]) @ transition).ravel()))

    z0 = np.concatenate((XX0, np.eye(3).ravel()))
    data.transition = solve_ivp(variational_rhs, (0, T_VOLUME), z0, **settings).y[3:, -1]

    save_attractor(data)
    save_sensitivity(data)
    return data


def save_attractor(data):
    """Draw the attractor from the side, coloured by the speed along the trajectory."""
    x, _, z = data.yy
    speed = np.linalg.norm(np.gradient(data.yy, data.tt, axis=1), axis=0)
    points = np.column_stack((x, z)).reshape(-1, 1, 2)
    segments = np.concatenate((points[:-1], points[1:]), axis=1)
    lines = LineCollection(segments, array=speed[:-1], cmap="viridis", linewidths=0.7)

    fig, ax = plt.subplots(figsize=(6.4, 5.4))
    ax.add_collection(lines)
    wing = np.sqrt(8 / 3 * 27)
    ax.plot([-wing, wing], [27, 27], "o", color=COLOURS[1], ms=6, label="unstable foci")
    ax.set(xlim=(-21, 21), ylim=(0, 50), xlabel="x (convection)", ylabel="z (vertical temperature)")
    ax.set_title("Lorenz attractor")
    ax.legend(loc="upper center")
    fig.colorbar(lines, label="speed of the state")
    fig.tight_layout()
    save_plot_in_dir("plot_1.png")


def save_sensitivity(data):
    """Draw two trajectories that start 1e-9 apart, and how the distance grows."""
    tt = data.tt
    distance = np.linalg.norm(data.yy - data.yy_twin, axis=0)

    fig, (ax1, ax2) = plt.subplots(2, 1, figsize=(6.4, 6.4), sharex=True)
    ax1.plot(tt, data.yy[0], lw=1.3, label="x(0) = 3")
    ax1.plot(tt, data.yy_twin[0], lw=1.3, ls="--", label="x(0) = 3 + 1e-9")
    ax1.set(ylabel="x", title="Sensitive dependence on the initial state")
    ax1.legend(loc="upper left", ncol=2, fontsize=10)
    ax1.set_ylim(-20, 29)
    ax2.semilogy(tt, distance, lw=1.3)
    growth = 1e-9 * np.exp(LYAPUNOV_EXPONENT * tt)
    ax2.semilogy(tt[growth < 30], growth[growth < 30], "--", label="exp(0.906 t)")
    ax2.set(xlabel="time t", ylabel="distance of the states", xlim=(0, T_END))
    ax2.legend(loc="lower right")
    fig.tight_layout()
    save_plot_in_dir("plot_2.png")


def evaluate_simulation(data):
    """Compare with an independent integration and with three exact statements."""
    sigma, rho, beta = (float(data.model.pp_dict[p]) for p in data.model.pp_symb)

    # 1. The short trajectory. The integration is good to about 1e-8.
    errors = data.short - REFERENCE_SHORT

    # 2. Liouville: the divergence of the vector field is constant, -(sigma + 1 + beta), so the
    #    determinant of the transition matrix is known exactly.
    determinant = np.linalg.det(data.transition.reshape(3, 3))
    volume_error = determinant / np.exp(-(sigma + 1 + beta) * T_VOLUME) - 1

    # 3. The equilibrium on the right wing, and the coefficients of its characteristic polynomial.
    wing = np.sqrt(beta * (rho - 1))
    equilibrium = np.array([wing, wing, rho - 1])
    residual = np.max(np.abs(data.rhs(0, equilibrium)))
    polynomial = np.poly(data.jacobian(*equilibrium))
    exact = [1, sigma + 1 + beta, beta * (rho + sigma), 2 * sigma * beta * (rho - 1)]
    polynomial_error = np.max(np.abs(polynomial / exact - 1))

    # 4. The attractor lies in a sphere (Leonov, Bunin and Koksch 1987; for sigma >= 1, beta >= 2).
    #    The initial state is inside, so the whole trajectory has to be.
    x, y, z = data.yy
    radius = np.max(np.sqrt(x**2 + y**2 + (z - sigma - rho) ** 2))
    radius_limit = beta * (sigma + rho) / (2 * np.sqrt(beta - 1))

    eigenvalues = np.linalg.eigvals(data.jacobian(*equilibrium))
    print(f"eigenvalues at the foci: {np.round(np.sort_complex(eigenvalues), 3)}")
    print(f"error at t = {T_SHORT:g}: {np.max(np.abs(errors)):.1e}")
    print(f"volume contraction, relative error: {volume_error:.1e}")
    print(f"largest distance from the centre of the sphere: {radius:.2f} of {radius_limit:.2f}")

    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in errors])
    rc.volume_error = float(volume_error)
    rc.polynomial_error = float(polynomial_error)
    rc.success = bool(
        np.max(np.abs(errors)) < 1e-6
        and abs(volume_error) < 1e-5
        and residual < 1e-10
        and polynomial_error < 1e-10
        and radius < radius_limit
    )
    return rc
