"""What it means to run an entity: system model, problem solution or notebook."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import Any, Callable, Dict, Iterator, Optional

from . import arrays, describing, results, tracebacks

Phase = Callable[[str], "contextlib.AbstractContextManager[None]"]


class Running:
    """One check in its own process: the request, and where to say how it goes."""

    def __init__(self, request: Dict[str, Any], report: Callable[[Dict[str, Any]], None]) -> None:
        self.plan = request["plan"]
        self.request = request
        self.data_root = request["data_root"]
        self.folder = request["folder"]
        self._report = report
        self._started = time.monotonic()

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Tell how long a part took."""
        start = time.monotonic()
        try:
            yield
        finally:
            self._report({"type": "phase", "name": name, "seconds": time.monotonic() - start})

    def fields(self, result: Any) -> Dict[str, Any]:
        """What an evaluation returned, with its large arrays saved. Raises what looking raises."""
        files = arrays.Arrays(self.folder, int(self.request["limits"].get("artefact_bytes") or 0))
        found = results.fields(result, files.save)
        found["warnings"] = files.warnings
        return found

    def describe(self, report: Dict[str, Any], module: Any) -> None:
        """Add to a report what the model in a module is. Takes time that the check has left."""
        seconds = describing.SECONDS
        wall = float(self.request["limits"].get("wall_seconds") or 0)
        if wall:
            left = wall - (time.monotonic() - self._started)
            seconds = min(seconds, left / 2)
        if seconds <= 0:
            return
        with self.phase("describe"):
            report["description"], remark = describing.describe(module, seconds)
        if remark:
            report.setdefault("warnings", []).append(remark)


def execute(running: Running) -> Dict[str, Any]:
    """Run the entity by its rule; the report of it. Never raises."""
    try:
        found = RULES[running.plan["rule"]](running)
    except BaseException as error:  # whatever the entity raises is its result
        return failure(error, running)
    found["kind"] = "done"
    return found


def system_model(running: Running) -> Dict[str, Any]:
    """Import model and simulation, simulate, evaluate."""
    modules = running.plan["modules"]
    with running.phase("import"):
        model = load(modules["model"])
        simulation = load(modules["simulation"])
    with running.phase("simulate"):
        data = simulation.simulate()
    with running.phase("evaluate"):
        found = running.fields(simulation.evaluate_simulation(data))
    running.describe(found, model)
    return found


def problem_solution(running: Running) -> Dict[str, Any]:
    """Import problem and solution, solve, evaluate."""
    modules = running.plan["modules"]
    with running.phase("import"):
        problem = load(modules["problem"])
        solution = load(modules["solution"])
    with running.phase("solve"):
        # The class itself, not an instance: that is what solutions expect.
        data = solution.solve(problem.ProblemSpecification)
    with running.phase("evaluate"):
        return running.fields(problem.evaluate_solution(data))


def notebook(running: Running) -> Dict[str, Any]:
    """Execute all cells; no exception is success."""
    from . import notebooks

    return notebooks.run(running)


def parameters(running: Running) -> Dict[str, Any]:
    """Make the parameter table; describe the model where the plan names it."""
    from . import tables

    return tables.run(running)


def document(running: Running) -> Dict[str, Any]:
    """Set a TeX document."""
    from . import typesetting

    return typesetting.run(running)


RULES: Dict[str, Callable[[Running], Dict[str, Any]]] = {
    "system_model": system_model,
    "problem_solution": problem_solution,
    "notebook": notebook,
    "parameters": parameters,
    "document": document,
}


def load(name: str) -> Any:
    """Import a module as an `import` statement does, which leaves a short traceback."""
    __import__(name)
    return sys.modules[name]


def failure(error: BaseException, running: Running) -> Dict[str, Any]:
    """The report of an exception."""
    runtime = running.request["runtime"]
    text, message = tracebacks.describe(error, running.data_root, runtime)
    report: Dict[str, Any] = {"kind": "error", "traceback": text, "message": message}
    own = getattr(error, "ackrep_report", None)
    if isinstance(own, dict):
        report.update(own)
    if isinstance(error, SystemExit):
        report["message"] = "sys.exit(%r) before there was a result" % (error.code,)
    limit = limit_of(error)
    if limit:
        report["limit"] = limit
    missing = _missing_module(error)
    if missing:
        report["missing_module"] = missing
        reason = running.request["unavailable"].get(missing.split(".")[0])
        if reason:
            package = missing.split(".")[0]
            report["message"] += " (%s is not available in this environment: %s)" % (
                package,
                reason,
            )
    return report


def limit_of(error: BaseException) -> str:
    """Which limit an exception speaks of, or ""."""
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, OSError):
        if error.errno == errno.EFBIG:
            return "file"
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            return "disk"
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return "open_files"
        if error.errno == errno.ENOMEM:
            return "memory"
        if error.errno == errno.EAGAIN and _forked(error):
            return "processes"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "processes"
    return ""


def _forked(error: BaseException) -> bool:
    """Whether an EAGAIN came from starting a process, not from a busy file."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        name = os.path.basename(code.co_filename)
        if name == "subprocess.py" or "popen_fork" in name or "fork" in code.co_names:
            return True
        trace = trace.tb_next
    return False


def _missing_module(error: Optional[BaseException]) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name
    return ""
