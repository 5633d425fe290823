"""Let the pole fall, and check the derived equations against mechanics in another form."""

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp
from system_model import Model

from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir

T_END = 6.0
XX0 = np.array([0.0, 0.15, 0.0, 0.0])  # leaning by 8.6 degrees, at rest

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
    """Integrate the fall without input, draw it, and return the data."""
    model = Model()
    rhs = model.get_rhs_func()
    mass_matrix, forces = model.get_equations_of_motion()
    print("mass matrix:", mass_matrix.tolist())
    print("forces:", list(forces))

    data = SimulationData()
    data.model = model
    data.rhs = rhs
    data.pp = [float(model.pp_dict[p]) for p in model.pp_symb]
    friction = data.pp[-1]

    def rhs_with_loss(t, z):
        """State and dissipated energy together."""
        return [*rhs(t, z[:4]), friction * z[2] ** 2]

    data.tt = np.linspace(0, T_END, 1501)
    sol = solve_ivp(
        rhs_with_loss, (0, T_END), [*XX0, 0], t_eval=data.tt, rtol=1e-9, atol=1e-11, method="DOP853"
    )
    data.yy, data.loss = sol.y[:4], sol.y[4]

    energy = sum(model.get_energies()).subs(model.pp_subs_list)
    data.energy = sp.lambdify(model.xx_symb, energy, modules="numpy")(*data.yy)

    save_stroboscope(data)
    save_time_series(data)
    return data


def save_stroboscope(data):
    """Draw the cart and the pole at many instants of the first swing."""
    length = 2 * data.pp[2]
    count = np.searchsorted(data.tt, 1.75)
    shown = slice(0, count, 11)
    cmap = plt.get_cmap("viridis")
    fig, ax = plt.subplots(figsize=(6.4, 5.6))
    s, phi = data.yy[:2, :count]
    ax.plot(s + length * np.sin(phi), length * np.cos(phi), color="0.7", lw=1)
    for t, s_i, phi_i in zip(data.tt[shown], data.yy[0, shown], data.yy[1, shown]):
        colour = cmap(t / data.tt[count])
        tip = (s_i + length * np.sin(phi_i), length * np.cos(phi_i))
        ax.plot([s_i, tip[0]], [0, tip[1]], color=colour, lw=2.2, solid_capstyle="round")
        ax.plot(s_i, 0, "s", color=colour, ms=8)
    ax.axhline(0, color="0.3", lw=1, zorder=0)
    ax.set(xlabel="horizontal position in m", ylabel="height in m", aspect="equal")
    ax.set_title("Cart-pole: the pole falls and swings through")
    scale = plt.cm.ScalarMappable(plt.Normalize(0, data.tt[count]), cmap)
    fig.colorbar(scale, ax=ax, label="time t in s", shrink=0.85)
    fig.tight_layout()
    save_plot_in_dir("plot_1.png")


def save_time_series(data):
    """Draw position and angle, and where the energy goes."""
    fig, (ax1, ax2, ax3) = plt.subplots(3, 1, figsize=(6.4, 7.6), sharex=True)
    ax1.plot(data.tt, data.yy[0], lw=2)
    ax1.set(ylabel="position s in m", title="Cart-pole without input")
    ax2.plot(data.tt, np.degrees(data.yy[1]), lw=2, color=COLOURS[1])
    ax2.axhline(180, color="0.4", ls="--", lw=1)
    ax2.annotate("hanging down", (2.52, 187), fontsize=10, color="0.3")
    ax2.set(ylabel="angle in degrees", yticks=range(0, 361, 90))
    ax3.stackplot(
        data.tt,
        data.energy - data.energy.min(),
        data.loss,
        labels=["mechanical energy", "lost to friction"],
        colors=[COLOURS[3], COLOURS[2]],
        alpha=0.85,
    )
    ax3.set(xlabel="time t in s", ylabel="energy in J", xlim=(0, T_END))
    ax3.legend(loc="lower left", framealpha=0.95)
    fig.tight_layout()
    save_plot_in_dir("plot_2.png")


def newton_euler(xx, force, pp):
    """Return the accelerations from Newton's and Euler's laws, eliminating the hinge forces.

    This is the form found in textbooks, written down without a Lagrangian.
    """
    M, m, a, J, g, d = pp
    _, phi, ds, dphi = xx
    push = force - d * ds + m * a * dphi**2 * np.sin(phi)
    angular = (m * g * a * np.sin(phi) - m * a * np.cos(phi) * push / (M + m)) / (
        J + m * a**2 - (m * a * np.cos(phi)) ** 2 / (M + m)
    )
    return np.array([(push - m * a * angular * np.cos(phi)) / (M + m), angular])


def evaluate_simulation(data):
    """Check the equations of motion, the energy balance and the frequencies of small motion."""
    # 1. The derived equations against the textbook's, at states from all over the state space.
    states = np.random.default_rng(1).uniform(-3, 3, size=(20, 5))
    deviation = 0.0
    for state in states:
        data.model.set_input_func(lambda t, xx, force=state[4]: [force])
        derived = np.array(data.rhs(0, state[:4]), dtype=float).ravel()[2:]
        deviation = max(
            deviation, np.max(np.abs(derived - newton_euler(state[:4], state[4], data.pp)))
        )

    # 2. Energy plus friction losses is constant along the motion.
    balance = data.energy + data.loss - data.energy[0]
    relative_balance = np.max(np.abs(balance)) / np.ptp(data.loss)

    # 3. Without friction the hanging pole swings with the frequency of a compound pendulum on a
    #    free cart, and the upright one falls with the same number as a growth rate.
    M, m, a, J, g, _ = data.pp
    rate = np.sqrt(m * g * a / (J + m * a**2 - (m * a) ** 2 / (M + m)))
    model = data.model
    friction = model.pp_symb[-1]
    rhs = model.get_rhs_symbolic().subs(friction, 0).subs(model.pp_subs_list)
    jacobian = rhs.jacobian(model.xx_symb).subs(model.uu_symb[0], 0)
    measured = []
    for angle in (0, sp.pi):
        point = dict(zip(model.xx_symb, (0, angle, 0, 0)))
        matrix = np.array(jacobian.subs(point).evalf(), dtype=float)
        measured.append(np.sqrt(np.abs(matrix[3, 1])))
    rate_errors = np.array(measured) / rate - 1

    print(f"derived equations against the textbook's: {deviation:.1e}")
    print(f"energy balance, relative error: {relative_balance:.1e}")
    print(f"growth rate upright {measured[0]:.4f} 1/s, hanging frequency {measured[1]:.4f} rad/s")

    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in rate_errors])
    rc.energy_error = float(relative_balance)
    # Rounding only in 1 and 3; the energy inherits the integrator's nine digits.
    rc.success = bool(
        deviation < 1e-9 and relative_balance < 1e-6 and np.max(np.abs(rate_errors)) < 1e-9
    )
    return rc
