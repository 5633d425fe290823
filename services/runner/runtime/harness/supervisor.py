"""The supervisor: the first process of an environment. All input, output, deadlines and cleaning.

It never blocks on what a check's process holds: pipes are read as they fill, the end of a check is
the end of its process, not of its pipes, and whatever lives after it is killed.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import shutil
import signal
import sys
import time
from typing import Any, Dict, List, Optional, Set

from . import checking, confinement, conformance, folders, frames, launching, processes, verdicts

BACKLOG = 4 * 1024 * 1024
"""With this much unsent, the check's pipes are not read: it waits for its reader."""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX")
"""What a check inherits from the image."""
FIXED_VARIABLES = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    # Entities activate a debugger on exceptions; not in here.
    "NO_IPS_EXCEPTHOOK": "True",
}
"""The same for every check: same inputs, same numbers."""


def main(run_root: str, bundle: bytes) -> None:
    """Serve checks until stdin ends. Called by the bootstrap."""
    processes.prctl(processes.PR_SET_DUMPABLE, 0)
    if os.getpid() != 1:
        processes.prctl(processes.PR_SET_CHILD_SUBREAPER, 1)
    supervisor = Supervisor(run_root, hashlib.sha256(bundle).hexdigest())
    try:
        supervisor.serve()
    finally:
        supervisor.close()


class Supervisor:
    """One environment's checks, one at a time."""

    def __init__(self, run_root: str, version: str) -> None:
        self._boot = os.path.join(run_root, "boot")
        self._site = os.path.join(run_root, "site")
        self._run_root = run_root
        self._version = version
        self._decoder = frames.Decoder()
        self._selector = selectors.DefaultSelector()
        self._unsent = bytearray()
        self._in = os.dup(0)
        self._out = os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._selector.register(self._in, selectors.EVENT_READ, self._hear)
        self._configuration: Dict[str, Any] = {}
        self._launcher: Any = None
        self._rung = "none"
        self._shims: List[str] = []
        self._check: Optional[checking.Check] = None
        self._parts: Dict[str, bytearray] = {}
        self._layout_error = ""
        self._layout_seconds = 0.0
        self._uid: Optional[int] = None
        self._count = 0
        self._spared: Dict[str, Set[str]] = {}
        self._paused = False
        self._running = True

    def serve(self) -> None:
        """The loop."""
        while self._running:
            check = self._check
            timeout = None
            if check is not None and check.deadline is not None:
                timeout = max(0.0, check.deadline - time.monotonic())
            for key, _ in self._selector.select(timeout):
                if self._check is check or key.fd in (self._in, self._out):
                    key.data()
            self._look_after_check()

    def close(self) -> None:
        """End everything that was started, and empty what is ours."""
        if self._check is not None:
            processes.kill_group(self._check.pid)
        if self._launcher is not None:
            self._launcher.close()
        if self._configuration:
            isolated = bool(self._configuration["isolated"]) and os.getpid() == 1
            processes.kill_strays(set(), isolated, None, budget_seconds=1.0)
            for root in (self._configuration["data_root"], self._configuration["work_root"]):
                folders.empty(root, set(), [])

    # Talking to the runner.

    def _hear(self) -> None:
        try:
            data = os.read(self._in, 1 << 20)
        except BlockingIOError:
            return
        if not data:
            self._running = False
            return
        self._decoder.feed(data)
        while self._running:
            frame = self._decoder.next()
            if frame is None:
                return
            header, body = frame
            handler = self._handlers.get(header["type"])
            if handler is None:
                raise frames.FrameError("an unknown frame %r" % header["type"])
            handler(self, header, body)

    def _send(self, header: Dict[str, Any], body: bytes = b"") -> None:
        self._unsent += frames.encode(header, body)
        self._flush()

    def _flush(self) -> None:
        while self._unsent:
            try:
                written = os.write(self._out, memoryview(self._unsent)[: 1 << 18])
            except BlockingIOError:
                break
            except BrokenPipeError:
                self._running = False
                self._unsent.clear()
                return
            del self._unsent[:written]
        waiting = self._out in self._selector.get_map()
        if self._unsent and not waiting:
            self._selector.register(self._out, selectors.EVENT_WRITE, self._flush)
        elif not self._unsent and waiting:
            self._selector.unregister(self._out)
        self._pause(len(self._unsent) > BACKLOG)

    def _send_all(self) -> None:
        """Wait until nothing is unsent. Only while no check is running."""
        import select

        while self._unsent and self._running:
            select.select([], [self._out], [])
            self._flush()

    # Getting ready.

    def _configure(self, header: Dict[str, Any], body: bytes) -> None:
        self._configuration = header
        self._send(
            {
                "type": "hello",
                "python": sys.version.split()[0],
                "platform": sys.platform,
                "runtime_version": self._version,
                "conformance": conformance.facts(),
            }
        )
        for root in (header["data_root"], header["work_root"]):
            os.makedirs(root, exist_ok=True)
        for root in header["clean"]:
            if os.path.isdir(root):
                self._spared[root] = set(os.listdir(root))
        reached = (
            header["data_root"],
            header["work_root"],
            self._site,
            sys.prefix,
            sys.base_prefix,
        )
        self._rung = confinement.available(reached)
        self._choose_user()
        plots = self._plot_folder()
        environment = self._environment({"MPLCONFIGDIR": plots, "HOME": self._run_root})
        kind = launching.Zygote if header["zygote"] and processes.LINUX else launching.Fresh
        log = os.path.join(self._run_root, "zygote.log")
        try:
            self._launcher = kind([self._boot, self._site], environment, log)
            self._launcher.configure({"preload": header["preload"], "shims": header["shims"]})
            packages = _packages()
            prepared = self._launcher.prepared()
        except (launching.LaunchError, OSError) as error:
            self._send({"type": "error", "message": str(error)})
            self._send_all()
            self._running = False
            return
        self._shims = prepared["shims"]
        self._selector.register(self._launcher.handle, selectors.EVENT_READ, self._child_news)
        self._send({"type": "ready", "confinement": self._rung, "packages": packages, **prepared})

    def _plot_folder(self) -> str:
        """Where the zygote's matplotlib finds its font list: the image's, if it has one."""
        folder = os.path.join(self._run_root, "matplotlib")
        os.makedirs(folder, exist_ok=True)
        given = os.environ.get("MPLCONFIGDIR")
        if given and os.path.isdir(given):
            for name in os.listdir(given):
                if name.startswith("fontlist"):
                    shutil.copy(os.path.join(given, name), folder)
        return folder

    def _environment(self, more: Dict[str, str]) -> Dict[str, str]:
        found = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        found.setdefault("LANG", "C.UTF-8")
        found.update(self._configuration["environment"])
        found.update(FIXED_VARIABLES)
        found["ACKREP_SHIMS"] = ",".join(self._configuration["shims"])
        found.update(more)
        return found

    def _choose_user(self) -> None:
        if self._rung == "uid":
            first, count = self._configuration["uids"]
            self._uid = first + self._count % count

    # A check's beginning.

    def _tree(self, header: Dict[str, Any], body: bytes) -> None:
        path = header["path"]
        part = self._parts.setdefault(path, bytearray())
        part += body
        if not header.get("last", True):
            return
        started = time.monotonic()
        try:
            if self._uid is not None:
                os.chown(self._configuration["data_root"], self._uid, self._uid)
            content = bytes(self._parts.pop(path))
            folders.lay_out(self._configuration["data_root"], path, content, self._uid)
        except Exception as error:
            self._layout_error = "%s cannot be laid out: %s" % (path, error)
        self._layout_seconds += time.monotonic() - started

    def _start(self, header: Dict[str, Any], body: bytes) -> None:
        if self._check is not None:
            raise frames.FrameError("a check is running already")
        check = checking.Check(header, self._send)
        self._check = check
        check.phase("lay_out", self._layout_seconds)
        if self._layout_error:
            check.stop("lost", self._layout_error)
            self._finish(check)
            return
        for warning in check.plan["warnings"]:
            check.output.add("system", (warning + "\n").encode())
        started = time.monotonic()
        data_root = self._configuration["data_root"]
        check.before = folders.snapshot(data_root)
        work = self._work_folders()
        request = self._request(check, work)
        handles = check.open_pipes(request, self._run_root)
        try:
            check.pid = self._launcher.start(handles, request["environment"])
        except launching.LaunchError as error:
            check.stop("lost", str(error))
        finally:
            for handle in handles:
                os.close(handle)
        if check.stopped:
            self._finish(check)
            return
        for handle in check.pipes:
            self._selector.register(handle, selectors.EVENT_READ, self._reader(check, handle))
        check.phase("start", time.monotonic() - started)

    def _work_folders(self) -> Dict[str, str]:
        """The check's own places, fresh and its own."""
        work = os.path.join(self._configuration["work_root"], "check")
        found = {name: os.path.join(work, name) for name in ("home", "tmp", "matplotlib")}
        os.mkdir(work, 0o755)
        for path in found.values():
            os.mkdir(path, 0o700)
        fonts = os.path.join(self._run_root, "matplotlib")
        for name in os.listdir(fonts):
            # For further processes, such as a notebook's kernel: making it takes seconds.
            if name.startswith("fontlist"):
                shutil.copy(os.path.join(fonts, name), found["matplotlib"])
                if self._uid is not None:
                    os.chown(os.path.join(found["matplotlib"], name), self._uid, self._uid)
        if self._uid is not None:
            for path in found.values():
                os.chown(path, self._uid, self._uid)
        return found

    def _request(self, check: checking.Check, work: Dict[str, str]) -> Dict[str, Any]:
        data_root = self._configuration["data_root"]
        places = {"@runtime": self._site, "": data_root}
        import_path = [
            places.get(path, os.path.join(data_root, path)) for path in check.plan["import_path"]
        ]
        environment = self._environment(
            {
                "HOME": work["home"],
                "TMPDIR": work["tmp"],
                "MPLCONFIGDIR": work["matplotlib"],
                "IPYTHONDIR": os.path.join(work["home"], ".ipython"),
                "PYTHONPATH": os.pathsep.join(import_path),
                "ACKREP_CONTEXT": os.path.join(work["home"], ".ackrep_context.json"),
            }
        )
        environment.update(check.environment)
        return {
            "plan": check.plan,
            "limits": check.limits,
            "seed": check.seed,
            "uid": self._uid,
            "data_root": data_root,
            "folder": os.path.join(data_root, check.plan["entity_path"]),
            "boot": self._boot,
            "runtime": self._site,
            "import_path": import_path,
            "environment": environment,
            "unavailable": self._configuration["unavailable"],
        }

    # A check under way.

    def _reader(self, check: checking.Check, handle: int) -> Any:
        def read() -> None:
            if handle in check.pipes and not check.read(handle):
                self._forget(check, handle)

        return read

    def _forget(self, check: checking.Check, handle: int) -> None:
        if handle in self._selector.get_map():
            self._selector.unregister(handle)
        check.pipes.pop(handle, None)
        os.close(handle)

    def _pause(self, paused: bool) -> None:
        """Stop or go on reading what the check prints; its result is always read."""
        if paused == self._paused or self._check is None:
            return
        self._paused = paused
        for handle, name in self._check.pipes.items():
            if name == "result":
                continue
            if paused and handle in self._selector.get_map():
                self._selector.unregister(handle)
            elif not paused and handle not in self._selector.get_map():
                reader = self._reader(self._check, handle)
                self._selector.register(handle, selectors.EVENT_READ, reader)

    def _child_news(self) -> None:
        check = self._check
        try:
            ended = self._launcher.ended()
        except launching.LaunchError as error:
            if check is None:
                raise
            check.stop("lost", str(error))
            return
        if ended and check is not None:
            self._finish(check, ended=True)

    def _cancel(self, header: Dict[str, Any], body: bytes) -> None:
        if self._check is not None:
            self._check.stop("cancel", str(header.get("reason", "")))

    def _look_after_check(self) -> None:
        """End the check if it has to end."""
        check = self._check
        if check is None:
            return
        if not check.stopped and check.deadline is not None:
            if time.monotonic() >= check.deadline:
                if check.report is None:
                    check.stop("wall", "")
                    self._ask_for_stacks(check)
                else:
                    check.stop("slow_end", "")
        if check.stopped and self._check is check:
            self._finish(check)

    def _ask_for_stacks(self, check: checking.Check) -> None:
        """Let the process write where it is; shown to whoever wonders why it took so long."""
        try:
            os.kill(check.pid, signal.SIGQUIT)
        except OSError:
            return
        import select

        stderr = [handle for handle, name in check.pipes.items() if name == "stderr"]
        if stderr and select.select(stderr, [], [], 0.2)[0]:
            time.sleep(0.02)

    # A check's end.

    def _finish(self, check: checking.Check, ended: bool = False) -> None:
        finished = time.monotonic()
        ending = launching.Ending(0, 0.0, 0.0, 0)
        lost = ""
        if check.pid:
            try:
                if not ended:
                    try:
                        os.kill(check.pid, signal.SIGKILL)
                    except OSError:
                        pass
                    self._launcher.wait(10)
            except launching.LaunchError as error:
                lost = str(error)
        isolated = bool(self._configuration["isolated"]) and os.getpid() == 1
        known = set(self._launcher.known) | ({check.pid} if check.pid else set())
        # First those that can be found, so that they are told; then, where there is no /proc, all.
        killed = processes.kill_strays(known, isolated, self._uid, self._launcher.nursery)
        if check.pid:
            processes.kill_group(check.pid)
        if check.pid and not lost:
            try:
                ending = self._launcher.reap()
            except launching.LaunchError as error:
                lost = str(error)
        if lost:
            check.stop("lost", lost)
        for handle in check.pipes:
            if handle in self._selector.get_map():
                self._selector.unregister(handle)
        check.drain()
        check.output.finish()
        check.phase("end", time.monotonic() - finished)
        skipped = self._collect(check)
        opened, missing = self._opened(check)
        self._paused = False
        cleanliness = self._clean(check, killed)
        self._tell(check, ending, finished - check.started, cleanliness, skipped, opened, missing)
        self._check = None
        self._count += 1
        self._choose_user()
        self._parts.clear()
        self._layout_error = ""
        self._layout_seconds = 0.0
        if not self._launcher.alive:
            self._send({"type": "error", "message": lost or "the zygote ended"})
            self._send_all()
            self._running = False

    def _collect(self, check: checking.Check) -> int:
        started = time.monotonic()

        def send(path: str, content: bytes, sha256: str) -> None:
            header = {"type": "file", "path": path, "size": len(content), "sha256": sha256}
            for first in range(0, max(1, len(content)), frames.PART):
                part = content[first : first + frames.PART]
                self._send(dict(header, last=first + frames.PART >= len(content)), part)
            if len(self._unsent) > BACKLOG:
                self._send_all()

        skipped = folders.collect(
            self._configuration["data_root"],
            check.before,
            self._uid,
            int(check.limits.get("artefact_count") or 10000),
            int(check.limits.get("artefact_bytes") or 1 << 30),
            send,
        )
        check.phase("collect", time.monotonic() - started)
        return skipped

    def _opened(self, check: checking.Check) -> "tuple[List[str], List[str]]":
        """Which of the closure's files were read, and which were wanted but not there."""
        paths = (check.report or {}).get("opened")
        paths = [path for path in paths if isinstance(path, str)] if isinstance(paths, list) else []
        read, missing = [], []
        for path in paths[:5000]:
            if path in check.before:
                read.append(path)
                continue
            try:
                full = os.path.join(self._configuration["data_root"], folders.safe_path(path))
                if not os.path.lexists(full):
                    missing.append(path)
            except (folders.LayoutError, ValueError, OSError):
                continue
        return read, missing[:200]

    def _clean(self, check: checking.Check, killed: processes.Killed) -> Dict[str, Any]:
        started = time.monotonic()
        leftovers = list(killed.survivors)
        folders.empty(self._configuration["data_root"], set(), leftovers)
        folders.empty(self._configuration["work_root"], set(), leftovers)
        removed = 0
        for root, spared in self._spared.items():
            removed += folders.empty(root, spared, leftovers)
        cleanliness = {
            "processes_killed": len(killed.names),
            "processes": sorted(killed.names.values())[:20],
            "files_removed": removed,
            "leftovers": leftovers[:20],
            "ipc_objects": _ipc_objects() if self._configuration["isolated"] else 0,
            "oom_kills": max(0, processes.oom_kills() - check.oom_before),
            "zygote_alive": self._launcher.alive,
        }
        check.phase("clean", time.monotonic() - started)
        return cleanliness

    def _fork_refusals(self, check: checking.Check) -> int:
        if not self._configuration["isolated"]:
            # The control group is shared with others.
            return 0
        return max(0, processes.fork_refusals() - check.refusals_before)

    def _tell(
        self,
        check: checking.Check,
        ending: launching.Ending,
        wall_seconds: float,
        cleanliness: Dict[str, Any],
        skipped: int,
        opened: List[str],
        missing: List[str],
    ) -> None:
        status, number = verdicts.ending(ending.status)
        report = check.report
        judgement = verdicts.judge(
            verdicts.Seen(
                report=report,
                stopped=check.stopped,
                reason=check.reason,
                exit_status=status,
                signal=number,
                oom_kills=cleanliness["oom_kills"],
                fork_refusals=self._fork_refusals(check),
                cpu_seconds=ending.user_seconds + ending.system_seconds,
                limits=check.limits,
            )
        )
        said = report or {}
        header = {
            "type": "result",
            "check": check.identity,
            "verdict": judgement.verdict,
            "limit": judgement.limit,
            "message": judgement.message,
            "traceback": said.get("traceback", ""),
            "success": said.get("success"),
            "score": said.get("score"),
            "final_state_errors": said.get("final_state_errors", []),
            "numbers": said.get("numbers", []),
            "missing_module": said.get("missing_module", ""),
            "warnings": list(check.plan["warnings"]) + list(said.get("warnings", [])),
            "usage": {
                "wall_seconds": wall_seconds,
                "user_seconds": ending.user_seconds,
                "system_seconds": ending.system_seconds,
                "max_rss_bytes": ending.max_rss_bytes,
            },
            "files_read": opened,
            "files_missing": missing,
            "shims": self._shims,
            "exit_status": status,
            "signal": number,
            "output_bytes": check.output.total,
            "output_dropped": check.output.dropped,
            "artefacts_skipped": skipped,
            "cleanliness": cleanliness,
            "confinement": self._rung,
            "seed": check.seed,
            "phases": check.phases,
        }
        self._send(header)

    _handlers = {"config": _configure, "tree": _tree, "start": _start, "cancel": _cancel}


def _packages() -> Dict[str, str]:
    """What is installed, by name."""
    from importlib import metadata

    found = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            found[name] = distribution.version
    return dict(sorted(found.items()))


def _ipc_objects() -> int:
    """How many objects of System V IPC there are: they outlive processes."""
    count = 0
    for name in ("shm", "sem", "msg"):
        try:
            with open("/proc/sysvipc/" + name) as file:
                count += max(0, len(file.readlines()) - 1)
        except OSError:
            continue
    return count
