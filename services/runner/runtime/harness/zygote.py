"""The zygote: has imported and warmed the environment's libraries, and forks a child per check.

It never sees a check: requests travel past it in files that it only hands on. So nothing of one
check can be found in the memory of the next. It does nothing but this loop:

    F + file handles   hand them to the spare child      -> {"pid": ...}
                       ... when the child has ended      -> {"ended": true}
    R + user id        reap it, fork the next spare      -> {"status": ..., "usage": [...]}

One spare child is forked ahead, when no process of the former check is left, and waits for its
handles, confined already: so no check waits for a fork. A child that has ended stays a zombie until
R, so that its id belongs to nobody else meanwhile.
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import random
import signal
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from . import confinement

HANDLES = 4
"""request, stdout, stderr, result."""
USER = struct.Struct(">I")
"""The user id of the next check; 0 where checks have none of their own."""
NOBODY = 0xFFFFFFFF
"""In its place: there is no next check, and the zygote ends."""


def main(control_fd: int) -> None:
    """Prepare, say so, and serve until the supervisor is gone."""
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    from . import processes

    processes.prctl(processes.PR_SET_PDEATHSIG, signal.SIGKILL)
    processes.prctl(processes.PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configuration = json.loads(control.recv(1 << 20))
    _send(control, prepare(configuration))
    from . import confinement

    confined = confinement.Confinement.of(configuration["confinement"])
    uid = configuration["uid"] or 0
    spare = Spare(control, confined, uid)
    while True:
        request, handles = _receive(control)
        if not request:
            os._exit(0)
        if not spare.hand_over(handles):
            # It was killed while it waited, for memory perhaps.
            spare = Spare(control, confined, uid)
            spare.hand_over(handles)
        for handle in handles:
            os.close(handle)
        uid = see_to_the_end(control, spare.pid)
        spare = Spare(control, confined, uid)


def prepare(configuration: Dict[str, Any]) -> Dict[str, Any]:
    """Import, add shims, warm up, freeze; what came of it."""
    from . import child, notebooks, processes, shims  # noqa: F401 - imported for the children to inherit

    gc.disable()
    started = time.monotonic()
    random.seed(0)
    applied = shims.apply(configuration["shims"])
    failures = {}
    for name in configuration["preload"]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            failures[name] = "%s: %s" % (type(error).__name__, error)
    for name, function in WARM.items():
        if name in sys.modules:
            try:
                function()
            except Exception as error:
                failures["warming " + name] = "%s: %s" % (type(error).__name__, error)
    import ackrep_core.context  # noqa: F401
    import ackrep_core.system_model_management  # noqa: F401

    if "sympy" in sys.modules:
        import ackrep_core.models  # noqa: F401
        import ackrep_core.parameter_tables  # noqa: F401

        # Otherwise random: the order of sets of dummies would differ between zygotes.
        sys.modules["sympy"].core.symbol.Dummy._base_dummy_index = 1000000  # type: ignore
    gc.collect()
    gc.freeze()
    processes.collapse_memory()
    return {
        "shims": applied,
        "preload_failures": failures,
        "preload_seconds": round(time.monotonic() - started, 3),
    }


class Spare:
    """A child that waits for a check.

    Args:
        control: our end towards the supervisor, which the child must not keep.
        confined: how it is confined.
        uid: its user; 0 where it has none of its own.
    """

    def __init__(
        self, control: socket.socket, confined: "confinement.Confinement", uid: int
    ) -> None:
        self._feed, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            control.close()
            self._feed.close()
            become(theirs, confined, uid or None)
        theirs.close()

    def hand_over(self, handles: List[int]) -> bool:
        """Give it its handles; whether it was there to take them."""
        rights = array.array("i", handles)
        try:
            ended, _ = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                return False
            self._feed.sendmsg([b"F"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        except OSError:
            return False
        finally:
            self._feed.close()
        return True


def see_to_the_end(control: socket.socket, pid: int) -> int:
    """Tell when a child has ended, and reap it when asked to; the user id of the next one."""
    _send(control, {"pid": pid})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    _send(control, {"ended": True})
    command, _ = _receive(control)
    if not command:
        os._exit(0)
    uid = int(USER.unpack(control.recv(USER.size))[0])
    _, status, usage = os.wait4(pid, 0)
    _send(control, {"status": status, "usage": [usage.ru_utime, usage.ru_stime, usage.ru_maxrss]})
    if uid == NOBODY:
        os._exit(0)
    return uid


def become(feed: socket.socket, confined: "confinement.Confinement", uid: "int | None") -> None:
    """Wait for the handles of a check, then be its process. Does not return."""
    try:
        from . import child, seeds

        os.setsid()
        trouble = ""
        try:
            confined.enter(uid)
        except Exception as error:
            # Nothing of a check may run in here: its result will say so.
            trouble = "a check cannot be confined: %s" % error
        # Touch what every check touches: each page that is written to is copied once.
        json.loads(json.dumps({"a": [[] for _ in range(2000)]}))
        seeds.seed_generators(0)
        request, handles = _receive(feed)
        if not request:
            os._exit(0)
        place(handles)
        child.run(3, 4, trouble=trouble)
    finally:
        os._exit(70)


def place(handles: List[int]) -> None:
    """Put the handles where the child expects them: 0 null, 1, 2, 3 request, 4 result."""
    # First away from the numbers that will be used.
    request, out, err, result = [_above(handle) for handle in handles]
    os.dup2(_above(os.open(os.devnull, os.O_RDONLY)), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.dup2(request, 3, inheritable=False)
    os.dup2(result, 4, inheritable=False)
    os.closerange(5, 1024)


def _above(handle: int) -> int:
    import fcntl

    return fcntl.fcntl(handle, fcntl.F_DUPFD, 64)


def fresh(request_fd: int, result_fd: int) -> None:
    """Be the check's process in an interpreter of one's own, without a zygote."""
    from . import child, shims

    os.set_inheritable(request_fd, False)
    os.set_inheritable(result_fd, False)
    shims.apply(name for name in os.environ.get("ACKREP_SHIMS", "").split(",") if name)
    child.run(request_fd, result_fd, confined=False)


def _receive(control: socket.socket) -> "tuple[bytes, List[int]]":
    handles = array.array("i")
    size = HANDLES * handles.itemsize
    data, ancillary, _, _ = control.recvmsg(1, socket.CMSG_LEN(size))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            handles.frombytes(content[: len(content) - len(content) % handles.itemsize])
    return data, list(handles)


def _send(control: socket.socket, message: Dict[str, Any]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


def _warm_plots() -> None:
    """Draw once in two and three dimensions: fonts, text layout, and the writer of PNG."""
    import io

    import matplotlib.pyplot as plt

    figure = plt.figure()
    plt.plot([0, 1], [0, 1], label="$x_1$")
    plt.title("x")
    plt.legend()
    plt.grid()
    plt.tight_layout()
    plt.savefig(io.BytesIO(), format="png", dpi=50)
    plt.close(figure)
    figure = plt.figure()
    axes = figure.add_subplot(projection="3d")
    axes.plot([0, 1], [0, 1], [0, 1])
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    plt.close("all")


def _warm_integration() -> None:
    from scipy.integrate import odeint, solve_ivp

    solve_ivp(lambda t, x: [-x[0]], (0, 0.1), [1.0])
    odeint(lambda x, t: [-x[0]], [1.0], [0, 0.1])


def _warm_algebra() -> None:
    import sympy

    x, y = sympy.symbols("x y")
    matrix = sympy.Matrix([x * sympy.sin(y), sympy.exp(x) / (1 + y**2)])
    matrix.jacobian([x, y]).subs([(x, 1), (y, 2.5)])
    sympy.lambdify([x, y], list(matrix), modules="numpy" if "numpy" in sys.modules else "math")
    sympy.simplify(sympy.sin(x) ** 2 + sympy.cos(x) ** 2)
    # Models are told in formulas; the first one imports a lot.
    sympy.latex(-x * sympy.sin(y) ** 2 / (1 + sympy.exp(x)))


WARM = {
    "matplotlib.pyplot": _warm_plots,
    "scipy.integrate": _warm_integration,
    "sympy": _warm_algebra,
}
"""What is done once for a module that was imported: the first use is slower than the others."""
