"""One check in the supervisor: its pipes, its deadlines, what its process said."""

from __future__ import annotations

import json
import os
import select
import signal
import tempfile
import time
from typing import Any, Callable, Dict, List, Optional

from . import frames, groups, output, results

READ = 65536
MAXIMUM_REPORT = 24 * 1024 * 1024
LOOK_SECONDS = 0.25
"""How often the processor time is looked at."""
AFTER_REPORT_SECONDS = 3.0
"""How long a process may take to end once it has reported."""


class Check:
    """A check that is running.

    Args:
        header: the `start` frame.
        send: takes a frame's header and body.
    """

    def __init__(
        self, header: Dict[str, Any], send: Callable[[Dict[str, Any], bytes], None]
    ) -> None:
        self.plan = header["plan"]
        self.limits = header["limits"]
        self.seed = int(header["seed"])
        self.identity = header.get("check", "")
        self.environment = header.get("environment") or {}
        self.output = output.Output(send, int(self.limits.get("output_bytes") or 1 << 30))
        self.phases: Dict[str, float] = {}
        self.report: Optional[Dict[str, Any]] = None
        self.stopped = ""
        self.reason = ""
        self.pid = 0
        self.oom_before = groups.oom_kills()
        self.refusals_before = groups.fork_refusals()
        self.cpu_before = groups.cpu_seconds()
        self.cpu_looked = 0.0
        self.before: Dict[str, Any] = {}
        self.started = time.monotonic()
        wall = float(self.limits.get("wall_seconds") or 0)
        self.deadline = self.started + wall if wall else None
        self._send = send
        self._decoder = frames.Decoder()
        self._report_bytes = 0
        self.pipes: Dict[int, str] = {}

    def open_pipes(self, request: Dict[str, Any], folder: str) -> List[int]:
        """The child's ends: request, stdout, stderr, result. Ours are in `pipes`."""
        handles = [request_file(json.dumps(request).encode(), folder)]
        for name in ("stdout", "stderr", "result"):
            ours, theirs = os.pipe()
            os.set_blocking(ours, False)
            self.pipes[ours] = name
            handles.append(theirs)
        return handles

    def read(self, handle: int) -> bool:
        """Take what a pipe has; False when it is at its end."""
        try:
            data = os.read(handle, READ)
        except BlockingIOError:
            return True
        if not data:
            return False
        name = self.pipes[handle]
        if name == "result":
            self._hear(data)
        else:
            self.output.add(name, data)
            flood = int(self.limits.get("flood_bytes") or 0)
            if flood and self.output.total > flood and not self.stopped:
                self.stop("output", "more than %d bytes of output" % flood)
        return True

    def drain(self) -> None:
        """Take what is left in the pipes, whoever still holds them open."""
        for handle in list(self.pipes):
            for _ in range(64):
                try:
                    data = os.read(handle, READ)
                except OSError:
                    break
                if not data:
                    break
                if self.pipes[handle] == "result":
                    self._hear(data)
                else:
                    self.output.add(self.pipes[handle], data)
            os.close(handle)
        self.pipes = {}

    def stop(self, why: str, reason: str) -> None:
        """Note that it is to be ended, and why."""
        if not self.stopped:
            self.stopped = why
            self.reason = reason

    def watch_cpu(self) -> None:
        """Stop it when all its processes together used up its processor time.

        The kernel limits that of each process alone.
        """
        limit = float(self.limits.get("cpu_seconds") or 0)
        now = time.monotonic()
        if not limit or self.cpu_before is None or now - self.cpu_looked < LOOK_SECONDS:
            return
        self.cpu_looked = now
        used = groups.cpu_seconds()
        if used is not None and used - self.cpu_before >= limit and self.report is None:
            self.stop("cpu", "")

    def ask_for_stacks(self) -> None:
        """Let the process write where it is; shown to whoever wonders why it took so long."""
        try:
            os.kill(self.pid, signal.SIGQUIT)
        except OSError:
            return
        stderr = [handle for handle, name in self.pipes.items() if name == "stderr"]
        if stderr and select.select(stderr, [], [], 0.2)[0]:
            time.sleep(0.02)

    def phase(self, name: str, seconds: float) -> None:
        """Note how long a part took, and tell."""
        self.phases[name] = round(self.phases.get(name, 0.0) + seconds, 6)
        self._send({"type": "phase", "name": name, "seconds": round(seconds, 6)}, b"")

    def _hear(self, data: bytes) -> None:
        """Take frames of the child: it may be anybody who writes them, so look at everything."""
        self._report_bytes += len(data)
        if self._report_bytes > MAXIMUM_REPORT or self.report is not None:
            return
        try:
            self._decoder.feed(data)
            while True:
                frame = self._decoder.next()
                if frame is None:
                    return
                header, _ = frame
                if header["type"] == "phase" and len(self.phases) < 50:
                    if not 0 <= float(header["seconds"]) < 1e9:
                        raise ValueError("no duration")
                    self.phase(str(header["name"])[:40], float(header["seconds"]))
                elif header["type"] == "report":
                    self.report = results.checked(header)
                    limit = time.monotonic() + AFTER_REPORT_SECONDS
                    self.deadline = limit if self.deadline is None else min(limit, self.deadline)
                    return
        except (frames.FrameError, KeyError, TypeError, ValueError, OverflowError):
            self._report_bytes = MAXIMUM_REPORT


def request_file(content: bytes, folder: str) -> int:
    """A file with this content and no name."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("request")
    else:
        handle, path = tempfile.mkstemp(dir=folder)
        os.unlink(path)
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]
    return handle
