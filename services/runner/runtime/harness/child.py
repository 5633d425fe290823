"""The process of one check: takes its request, confines itself, runs the entity, reports, ends."""

from __future__ import annotations

import faulthandler
import gc
import io
import json
import os
import signal
import sys
import tempfile
import traceback
import types
from typing import Any, Dict, Set

from . import confinement, frames, readings, rules, seeds


class NotConfinedError(Exception):
    """This process is not confined as it has to be."""


def run(request_fd: int, result_fd: int, *, confined: bool = True, trouble: str = "") -> None:
    """Run the check that the request describes. Does not return.

    Args:
        request_fd: a file with the request as JSON.
        result_fd: a pipe for frames: `phase`s, and the `report`.
        confined: whether this process is confined already.
        trouble: why that failed, if it did; then nothing is run.
    """
    opened: Set[str] = set()
    context = ""
    me = os.getpid()

    def report(header: Dict[str, Any]) -> None:
        data = frames.encode(header)
        while data:
            data = data[os.write(result_fd, data) :]

    try:
        size = os.fstat(request_fd).st_size
        request = json.loads(os.pread(request_fd, size, 0))
        os.close(request_fd)
        if trouble:
            raise NotConfinedError(trouble)
        if not confined:
            confinement.Confinement.of(request["confinement"]).enter(request["uid"])
        prepare(request)
        context = request["environment"]["ACKREP_CONTEXT"]
        readings.watch(request["data_root"], lambda path: _note(opened, path))
        found = rules.execute(rules.Running(request, report))
    except BaseException as error:
        found = {
            "kind": "broken",
            "message": "the harness failed: %s" % str(error)[:500],
            "traceback": traceback.format_exc(),
        }
    if os.getpid() != me:
        # The entity forked and came back here twice: only the first speaks for it.
        os._exit(0)
    found["type"] = "report"
    found["opened"] = sorted(opened | readings.noted(context))[: readings.MAXIMUM]
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # Closed by the entity, or its reader is gone.
            pass
    try:
        report(found)
    except BaseException as error:
        report({"type": "report", "kind": "broken", "message": repr(error)[:500], "opened": []})
    finally:
        # Without atexit and without tearing down: nobody needs what is left.
        os._exit(0)


def prepare(request: Dict[str, Any]) -> None:
    """Make this process the check's: limits, environment, paths, random state."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    confinement.limit(request["limits"], request["uid"] is not None)
    os.umask(0o022)
    os.environ.clear()
    os.environ.update(request["environment"])
    # What the zygote imported may have asked already, and its answer is not this check's folder.
    tempfile.tempdir = None
    _streams()
    faulthandler.enable(2)
    # The supervisor asks for stacks before it ends a check that takes too long.
    faulthandler.register(signal.SIGQUIT, file=2)
    faulthandler.register(signal.SIGXCPU, file=2, chain=True)
    sys.dont_write_bytecode = True
    sys.path[:] = request["import_path"] + [
        path
        for path in sys.path
        if path and path != request["boot"] and path not in request["import_path"]
    ]
    sys.argv = [request["plan"]["key"]]
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    os.chdir(request["folder"])
    seeds.seed_generators(request["seed"])
    _tell_ackrep_core(request)
    gc.enable()


def _note(opened: Set[str], path: str) -> None:
    if len(opened) <= 2 * readings.MAXIMUM:
        opened.add(path)


def _streams() -> None:
    """Text streams over the pipes: whole lines at once, whatever is printed."""
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        stream = io.TextIOWrapper(
            raw, encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)


def _tell_ackrep_core(request: Dict[str, Any]) -> None:
    """Where the entities are: for this process, and in a file for those that it starts."""
    from ackrep_core import context

    plan = request["plan"]
    known = {
        "data_root": request["data_root"],
        "entities": plan["entities"],
        "metadata": plan["metadata"],
    }
    context.enter(context.Context(**known))
    with open(os.environ[context.VARIABLE], "w", encoding="utf-8") as file:
        json.dump(known, file)
