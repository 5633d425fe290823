"""Show that the open loop is unstable, and check the model by its energy balance."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from system_model import Model

from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir

GAP = 0.010  # equilibrium that the default input belongs to, in m
OFFSETS = np.array([-0.5, -0.2, -0.05, 0.05, 0.2, 0.5]) * 1e-3  # initial deviations in m
T_END = 0.2

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
    """Release the ball beside its equilibrium, draw what happens, and return the data."""
    model = Model()
    rhs = model.get_rhs_func()
    for symbol, equation in zip(model.xx_symb, model.get_rhs_symbolic()):
        print(f"d{symbol}/dt = {equation}")

    data = SimulationData()
    data.model = model
    data.rhs = rhs
    data.pp = [float(model.pp_dict[p]) for p in model.pp_symb]
    mass, gravity, force_constant, _, _ = data.pp
    data.equilibrium = np.array([GAP, 0, GAP * np.sqrt(mass * gravity / force_constant)])
    data.voltage = model.uu_func(0, data.equilibrium)[0]

    # The input u1 stays a symbol here; at the equilibrium it does not enter the derivative.
    jacobian = model.get_rhs_symbolic_num_params().jacobian(model.xx_symb)
    point = dict(zip(model.xx_symb, data.equilibrium))
    point[model.uu_symb[0]] = data.voltage
    data.jacobian = np.array(jacobian.subs(point).evalf(), dtype=float)

    def hits(t, xx):
        """Reach the magnet (2 mm) or the ground (20 mm)."""
        return (xx[0] - 0.002) * (0.020 - xx[0])

    hits.terminal = True
    data.runs = [
        solve_ivp(
            rhs,
            (0, T_END),
            data.equilibrium + np.array([offset, 0, 0]),
            events=hits,
            max_step=1e-3,
            rtol=1e-9,
            atol=1e-12,
            method="DOP853",
        )
        for offset in OFFSETS
    ]
    save_plot(data)
    return data


def save_plot(data):
    """Draw how the ball leaves its equilibrium, and why."""
    fig, (ax1, ax2) = plt.subplots(2, 1, figsize=(6.4, 7.0))
    colours = plt.get_cmap("coolwarm")(np.linspace(0, 1, len(OFFSETS)))
    for run, offset, colour in zip(data.runs, OFFSETS, colours):
        label = f"{1e3 * offset:+.2f} mm"
        ax1.plot(1e3 * run.t, 1e3 * run.y[0], color=colour, lw=2, label=label)
    ax1.axhline(1e3 * GAP, color="0.4", ls="--", lw=1)
    ax1.set(xlabel="time t in ms", ylabel="air gap s in mm", xlim=(0, 1e3 * T_END))
    ax1.set_title("Magnetic levitation without feedback")
    ax1.invert_yaxis()  # the magnet is above
    ax1.legend(title="start", fontsize=9, title_fontsize=10, loc="center right")
    # Why it is unstable: at constant current the force grows as the ball comes closer.
    mass, gravity, force_constant, _, _ = data.pp
    gap = np.linspace(0.006, 0.020, 200)
    force = force_constant * (data.equilibrium[2] / gap) ** 2
    ax2.plot(1e3 * gap, force, lw=2, color=COLOURS[0], label="magnetic force, constant current")
    ax2.axhline(mass * gravity, color=COLOURS[2], lw=2, label="weight")
    ax2.plot(1e3 * GAP, mass * gravity, "o", color="0.2", ms=7, label="equilibrium")
    ax2.set(xlabel="air gap s in mm", ylabel="force in N", xlim=(6, 20), ylim=(0, 1.4))
    ax2.legend(loc="upper right", fontsize=10)
    fig.tight_layout()
    save_plot_in_dir("plot.png")


def energy_error(run, pp, voltage):
    """Return by how much the power balance of a run is violated, relative to what was supplied.

    Kinetic, potential and magnetic energy may only change by the supplied electrical energy less
    the losses in the coil. Integrals are taken by the trapezoidal rule.
    """
    mass, gravity, force_constant, resistance, inductance = pp
    gap, velocity, current = run.y
    magnetic = (inductance + 2 * force_constant / gap) * current**2 / 2
    energy = mass * velocity**2 / 2 - mass * gravity * gap + magnetic
    power = voltage * current - resistance * current**2
    steps = np.diff(run.t)
    supplied = np.sum(steps * voltage * (current[1:] + current[:-1]) / 2)
    balance = np.sum(steps * (power[1:] + power[:-1]) / 2)
    return (energy[-1] - energy[0] - balance) / supplied


def evaluate_simulation(data):
    """Check equilibrium, linearisation and energy balance."""
    mass, _, force_constant, resistance, inductance0 = data.pp
    residual = np.max(np.abs(data.rhs(0, data.equilibrium)))

    # Linearised by hand: with current i0 at the gap s0 the force changes by
    # 2 c i0^2 / s0^3 per metre and by 2 c i0 / s0^2 per ampere.
    gap, _, current = data.equilibrium
    per_metre = 2 * force_constant * current**2 / gap**3 / mass
    per_ampere = 2 * force_constant * current / gap**2 / mass
    inductance = inductance0 + 2 * force_constant / gap
    by_hand = np.array(
        [
            [0, 1, 0],
            [per_metre, 0, -per_ampere],
            [0, mass * per_ampere / inductance, -resistance / inductance],
        ]
    )
    jacobian_error = np.max(np.abs(data.jacobian - by_hand)) / np.max(np.abs(by_hand))
    eigenvalues = np.linalg.eigvals(data.jacobian)
    energy_errors = [energy_error(run, data.pp, data.voltage) for run in data.runs]

    print(f"equilibrium: gap {1e3 * gap:.1f} mm, {current:.3f} A, {data.voltage:.2f} V")
    print("eigenvalues in 1/s:", np.round(np.sort_complex(eigenvalues), 2))
    print(f"energy balance, largest relative error: {np.max(np.abs(energy_errors)):.1e}")

    rc = ResultContainer(score=1.0, final_state_errors=[float(e) for e in energy_errors])
    rc.jacobian_error = float(jacobian_error)
    # The trapezoidal rule with steps of at most 1 ms limits the energy balance to about 1e-5.
    rc.success = bool(
        residual < 1e-9
        and jacobian_error < 1e-9
        and np.max(eigenvalues.real) > 0
        and np.max(np.abs(energy_errors)) < 1e-4
    )
    return rc
