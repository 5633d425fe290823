"""The supervisor: the first process of an environment. All input, output, deadlines and cleaning.

It never blocks on what a check's process holds: pipes are read as they fill, the end of a check is
the end of its process, not of its pipes, and whatever lives after it is killed.
"""

from __future__ import annotations

import hashlib
import os
import selectors
import signal
import sys
import time
from typing import Any, Dict, List, Optional

from . import (
    checking,
    conformance,
    folders,
    frames,
    groups,
    launching,
    processes,
    reporting,
    surroundings,
)

BALLAST = 4 * 1024 * 1024
"""Memory that is held to be let go of when there is no other."""
BACKLOG = 4 * 1024 * 1024
"""With this much unsent, the check's pipes are not read: it waits for its reader."""


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
        self._around: Any = None
        self._launcher: Any = None
        self._shims: List[str] = []
        self._check: Optional[checking.Check] = None
        self._parts: Dict[str, bytearray] = {}
        self._layout_error = ""
        self._layout_seconds = 0.0
        self._paused = False
        self._running = True
        self._ballast: Optional[bytearray] = bytearray(BALLAST)

    def serve(self) -> None:
        """The loop."""
        while self._running:
            check = self._check
            timeout = None
            if check is not None and check.deadline is not None:
                timeout = max(0.0, check.deadline - time.monotonic())
                if self._around.isolated:
                    timeout = min(timeout, checking.LOOK_SECONDS)
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
        if self._around is not None:
            strays = processes.kill_strays(set(), self._around.isolated, None, budget_seconds=1.0)
            self._around.clean(strays)

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
        if header["type"] == "phase" and header["seconds"] < frames.SHORT:
            return  # it goes with what follows: each write is a long way through the engine
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
        around = self._around = surroundings.Surroundings(header, self._run_root)
        self._send(
            {
                "type": "hello",
                "python": sys.version.split()[0],
                "platform": sys.platform,
                "runtime_version": self._version,
                "conformance": conformance.facts(around.trial),
            }
        )
        environment = around.environment(
            {"MPLCONFIGDIR": around.plot_folder, "HOME": self._run_root}
        )
        kind = launching.Zygote if header["zygote"] and processes.LINUX else launching.Fresh
        log = os.path.join(self._run_root, "zygote.log")
        try:
            self._launcher = kind([around.boot, around.site], environment, log)
            self._launcher.configure(
                {
                    "preload": header["preload"],
                    "shims": header["shims"],
                    "confinement": around.confinement,
                    "uid": around.uid,
                }
            )
            packages = conformance.packages()
            prepared = self._launcher.prepared()
        except (launching.LaunchError, OSError) as error:
            self._give_up(str(error))
            return
        self._shims = prepared["shims"]
        self._selector.register(self._launcher.handle, selectors.EVENT_READ, self._child_news)
        self._send({"type": "ready", "confinement": around.rung, "packages": packages, **prepared})

    def _give_up(self, message: str) -> None:
        self._send({"type": "error", "message": message})
        self._send_all()
        self._running = False

    # A check's beginning.

    def _tree(self, header: Dict[str, Any], body: bytes) -> None:
        path = header["path"]
        part = self._parts.setdefault(path, bytearray())
        part += body
        if not header.get("last", True):
            return
        started = time.monotonic()
        try:
            around = self._around
            if around.uid is not None:
                os.chown(around.data_root, around.uid, around.uid)
            content = bytes(self._parts.pop(path))
            folders.lay_out(around.data_root, path, content, around.uid)
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
        check.before = folders.snapshot(self._around.data_root)
        request = self._around.request(check, self._around.work_folders())
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
        if self._around.isolated:
            check.watch_cpu()
        if not check.stopped and check.deadline is not None:
            if time.monotonic() >= check.deadline:
                if check.report is None:
                    check.stop("wall", "")
                    check.ask_for_stacks()
                else:
                    check.stop("slow_end", "")
        if check.stopped and self._check is check:
            self._finish(check)

    # A check's end.

    def _finish(self, check: checking.Check, ended: bool = False) -> None:
        finished = time.monotonic()
        # What filled the memory may be files, which are still there: cleaning up needs some, too.
        starved = self._around.isolated and groups.oom_kills() > check.oom_before
        if starved:
            self._ballast = None
        ending = launching.Ending(0, 0.0, 0.0, 0)
        lost = ""
        if check.pid:
            try:
                if not ended:
                    processes.kill(check.pid)
                    self._launcher.wait(10)
            except launching.LaunchError as error:
                lost = str(error)
        around = self._around
        known = set(self._launcher.known) | ({check.pid} if check.pid else set())
        # Once it has handed over its spare child, the zygote has none that is ours.
        nursery = None if check.pid else self._launcher.nursery
        following = around.next_user() if check.pid else around.uid
        killed = processes.kill_strays(known, around.isolated, around.uid, nursery)
        if check.pid:
            processes.kill_group(check.pid)
        if check.pid and not lost:
            try:
                ending = self._launcher.reap(following, last=starved)
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
        collected = self._collect(check)
        opened, missing = around.opened(check)
        started = time.monotonic()
        cleanliness = around.clean(killed)
        cleanliness["oom_kills"] = max(0, groups.oom_kills() - check.oom_before)
        cleanliness["zygote_alive"] = self._launcher.alive
        cleanliness["memory_bytes"] = groups.memory_bytes() if around.isolated else 0
        check.phase("clean", time.monotonic() - started)
        # Outside of a container the control group is shared with others.
        refusals = groups.fork_refusals() - check.refusals_before if around.isolated else 0
        findings = reporting.Findings(
            ending=ending,
            wall_seconds=finished - check.started,
            cleanliness=cleanliness,
            fork_refusals=refusals,
            artefacts_skipped=collected.skipped,
            files_left=collected.files + cleanliness["files_removed"] + cleanliness["files_own"],
            bytes_left=collected.bytes,
            opened=opened,
            missing=missing,
            shims=self._shims,
            rung=around.rung,
        )
        self._send(reporting.result(check, findings))
        self._check = None
        self._paused = False
        around.uid = following
        self._parts.clear()
        self._layout_error = ""
        self._layout_seconds = 0.0
        if not self._launcher.alive:
            self._give_up(lost or "the zygote ended")

    def _collect(self, check: checking.Check) -> folders.Collected:
        started = time.monotonic()

        def send(path: str, content: bytes, sha256: str) -> None:
            header = {"type": "file", "path": path, "size": len(content), "sha256": sha256}
            for last, part in frames.parts(content):
                self._send(dict(header, last=last), part)
            if len(self._unsent) > BACKLOG:
                self._send_all()

        collected = folders.collect(
            self._around.data_root,
            check.before,
            self._around.uid,
            int(check.limits.get("artefact_count") or 10000),
            int(check.limits.get("artefact_bytes") or 1 << 30),
            send,
        )
        check.phase("collect", time.monotonic() - started)
        return collected

    _handlers = {"config": _configure, "tree": _tree, "start": _start, "cancel": _cancel}
