"""Draw the double scroll, and check the model region by region.

Inside each of its three regions the circuit is linear, so that equilibria, eigenvalues and even
trajectories are known in closed form as long as the state stays in the region. That is what is
checked; the chaotic trajectory itself is only drawn.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from system_model import Model

from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir

XX0 = np.array([0.02, 0.01, -0.01])  # in the inner region, near the unstable origin
T_END = 180.0
TRANSIENT = 20.0

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


def region_matrix(alpha, beta, slope):
    """Return the system matrix of the region in which the resistor has this slope."""
    return np.array([[-alpha * (1 + slope), alpha, 0.0], [1.0, -1.0, 1.0], [0.0, -beta, 0.0]])


def simulate():
    """Integrate the model, draw it, and return the data."""
    model = Model()
    for symbol, equation in zip(model.xx_symb, model.get_rhs_symbolic()):
        print(f"d{symbol}/dt = {equation}")

    data = SimulationData()
    data.model = model
    data.rhs = model.get_rhs_func()
    tt = np.linspace(0, T_END, 7201)
    data.sol = solve_ivp(data.rhs, (0, T_END), XX0, t_eval=tt, rtol=1e-6, atol=1e-8)

    # The first leg: until the state leaves the inner region |x| < 1.
    def leaves(t, xx):
        return abs(xx[0]) - 1

    leaves.terminal = True
    data.leg = solve_ivp(
        data.rhs, (0, 5), XX0, events=leaves, method="DOP853", rtol=1e-9, atol=1e-11, max_step=0.1
    )

    save_double_scroll(data)
    save_time_series(data)
    return data


def save_double_scroll(data):
    """Draw the attractor in the plane of the capacitor voltages, coloured by the current."""
    x, y, z = data.sol.y[:, data.sol.t > TRANSIENT]
    points = np.column_stack((x, y)).reshape(-1, 1, 2)
    segments = np.concatenate((points[:-1], points[1:]), axis=1)
    lines = LineCollection(segments, array=z[:-1], cmap="plasma", linewidths=0.6)

    fig, ax = plt.subplots(figsize=(6.4, 5.4))
    ax.axvspan(-1, 1, color="0.93", zorder=0)
    ax.add_collection(lines)
    x_eq = outer_equilibrium(data.model)
    ax.plot([-x_eq, 0, x_eq], [0, 0, 0], "o", color="0.2", ms=5, label="equilibria")
    ax.autoscale_view()
    ax.set(xlabel="x = v1 / E", ylabel="y = v2 / E", title="Chua circuit: the double scroll")
    ax.legend(loc="upper right")
    fig.colorbar(lines, label="z = R iL / E")
    fig.tight_layout()
    save_plot_in_dir("plot_1.png")


def save_time_series(data):
    """Draw the irregular switching between the scrolls, and the resistor that causes it."""
    fig, (ax1, ax2) = plt.subplots(2, 1, figsize=(6.4, 6.8), height_ratios=[1.1, 1])
    ax1.plot(data.sol.t, data.sol.y[0], lw=1)
    ax1.axhspan(-1, 1, color="0.93", zorder=0)
    ax1.set(xlabel="time t / (R C2)", ylabel="x = v1 / E", xlim=(0, 120))
    ax1.set_title("Switching between the scrolls")

    a, b = (float(data.model.pp_dict[p]) for p in data.model.pp_symb[2:])
    xx = np.linspace(-3, 3, 301)
    current = b * xx + (a - b) / 2 * (np.abs(xx + 1) - np.abs(xx - 1))
    ax2.plot(xx, current, lw=2, color=COLOURS[1], label="Chua's resistor f(x)")
    ax2.plot(xx, -xx, "--", color=COLOURS[3], label="load line -x")
    x_eq = outer_equilibrium(data.model)
    ax2.plot([-x_eq, 0, x_eq], [x_eq, 0, -x_eq], "o", color="0.2", ms=6, label="equilibria")
    ax2.set(xlabel="x = v1 / E", ylabel="current R i / E")
    ax2.legend(loc="upper right")
    fig.tight_layout()
    save_plot_in_dir("plot_2.png")


def outer_equilibrium(model):
    """Return x of the positive equilibrium, where the resistor crosses its load line."""
    a, b = (float(model.pp_dict[p]) for p in model.pp_symb[2:])
    return (b - a) / (1 + b)


def evaluate_simulation(data):
    """Compare with the closed-form solution of the linear regions."""
    alpha, beta, a, b = (float(data.model.pp_dict[p]) for p in data.model.pp_symb)

    # 1. The first leg runs in the inner region, so the matrix exponential is its exact solution.
    #    The states are of size 1 and the integration is good to about 1e-8.
    inner = region_matrix(alpha, beta, a)
    exact = expm(inner * data.leg.t[-1]) @ XX0
    errors = data.leg.y[:, -1] - exact

    # 2. The outer equilibrium: a root of the right-hand side ...
    x_eq = outer_equilibrium(data.model)
    equilibrium = np.array([x_eq, 0, -x_eq])
    residual = np.max(np.abs(data.rhs(0, equilibrium)))

    # ... whose Jacobian, by central differences (exact for a linear region, but for rounding),
    #     is the matrix of the outer region.
    step = 1e-3
    jacobian = np.column_stack(
        [
            (np.array(data.rhs(0, equilibrium + d)) - np.array(data.rhs(0, equilibrium - d)))
            / (2 * step)
            for d in step * np.eye(3)
        ]
    )
    outer = region_matrix(alpha, beta, b)
    jacobian_error = np.max(np.abs(jacobian.reshape(3, 3) - outer))

    # 3. Double scroll: both outer equilibria are circled, and the motion stays bounded.
    x = data.sol.y[0]
    both_scrolls = x.min() < -x_eq and x.max() > x_eq and np.max(np.abs(data.sol.y)) < 10

    print(f"eigenvalues, inner region: {np.round(np.linalg.eigvals(inner), 3)}")
    print(f"eigenvalues, outer region: {np.round(np.linalg.eigvals(outer), 3)}")
    print(f"first leg ends at t = {data.leg.t[-1]:.3f}, error {np.max(np.abs(errors)):.1e}")

    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in errors])
    rc.jacobian_error = float(jacobian_error)
    rc.success = bool(
        np.max(np.abs(errors)) < 1e-5 and residual < 1e-9 and jacobian_error < 1e-8 and both_scrolls
    )
    return rc
