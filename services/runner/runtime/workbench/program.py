"""Serves one session over standard input and output until that ends."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from typing import Any, Dict, Iterator, Optional, Tuple

from ..harness import conformance, frames, processes
from . import files, places, running, tunnels

BACKLOG = 4 * 1024 * 1024
"""With this much unsent, nothing more is read that would be sent."""
INPUT = 2 * 1024 * 1024
"""A client that sends more input than is consumed breaks the rules."""
SERVER_SECONDS = 90.0
"""How long a server may take until it listens."""
LOOK_SECONDS = 0.1


def main(run_root: str, bundle: bytes) -> None:
    """Serve one session until stdin ends. Called by the bootstrap."""
    processes.prctl(processes.PR_SET_DUMPABLE, 0)
    Workbench(run_root).serve()


class Workbench:
    """One session."""

    def __init__(self, run_root: str) -> None:
        self._run_root = run_root
        self._decoder = frames.Decoder()
        self._selector = selectors.DefaultSelector()
        self._unsent = bytearray()
        self._in, self._out = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        for handle in (self._in, self._out):
            os.set_blocking(handle, False)
        self._selector.register(self._in, selectors.EVENT_READ, self._hear)
        self._children, wake = os.pipe()
        for handle in (self._children, wake):
            os.set_blocking(handle, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._selector.register(self._children, selectors.EVENT_READ, self._reap)
        self._configuration: Dict[str, Any] = {}
        self._places: Any = None
        self._copy: Any = None
        self._refusal: Optional[files.Refused] = None
        self._program: Optional[running.Program] = None
        self._tunnels: Any = None
        self._input = bytearray()
        self._input_ended = False
        self._collecting: Optional[Iterator[Tuple[Dict[str, Any], bytes]]] = None
        self._server_deadline: Optional[float] = None
        self._congested = False
        self._ended = False
        self._running = True

    def serve(self) -> None:
        """The loop. The container ends with it."""
        while self._running:
            timeout = None if self._server_deadline is None else LOOK_SECONDS
            if self._collecting is not None and not self._congested:
                timeout = 0
            for key, mask in self._selector.select(timeout):
                known = self._selector.get_map().get(key.fileobj)
                if known is not None and known.data is key.data:
                    key.data(mask)
            self._look_for_server()
            self._collect_more()

    # Talking to the runner.

    def _hear(self, mask: int) -> None:
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
            try:
                self._handlers[header["type"]](self, header, body)
            except files.Refused as error:
                self._send({"type": "refused", "message": str(error)})

    def _send(self, header: Dict[str, Any], body: bytes = b"") -> None:
        self._unsent += frames.encode(header, body)
        self._flush(0)

    def _flush(self, mask: int) -> None:
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
        congested = len(self._unsent) > BACKLOG
        if congested != self._congested:
            self._congested = congested
            self._watch_program()
            if self._tunnels is not None:
                self._tunnels.look_again()

    # The beginning.

    def _configure(self, header: Dict[str, Any], body: bytes) -> None:
        self._configuration = header
        self._places = places.Places(header, self._run_root)
        self._copy = files.WorkingCopy(
            self._places.data, self._places.uid, int(header["data_bytes"])
        )
        facts = conformance.facts(self._places.trial)
        self._send({"type": "hello", "conformance": facts, "rung": self._places.trial.rung})

    def _file(self, header: Dict[str, Any], body: bytes) -> None:
        # Once the program runs, a folder may have become a link, and we are root.
        self._require_beginning()
        if self._refusal is None:
            try:
                self._copy.add(header, body)
            except files.Refused as error:
                # Told when all were sent: who is still sending then would not hear it.
                self._refusal = error

    def _require_beginning(self) -> None:
        if self._program is not None:
            raise files.Refused("the session has begun; files come before its program")

    def _start(self, header: Dict[str, Any], body: bytes) -> None:
        self._require_beginning()
        if self._refusal is not None:
            raise self._refusal
        self._copy.finish()
        folder = self._places.folder(header)
        if not os.path.isdir(folder):
            raise files.Refused("there is no folder %r in the working copy" % header["folder"])
        jupyter = header["program"] == "jupyter"
        size = {"rows": header["rows"], "columns": header["columns"]}
        self._program = running.Program(
            self._places.command(header),
            self._places.variables(header),
            folder,
            self._places.confined(),
            self._places.uid,
            size if header["rows"] and not jupyter else None,
            not jupyter,
        )
        self._watch_program()
        if jupyter:
            self._server_deadline = time.monotonic() + SERVER_SECONDS
        else:
            self._send({"type": "started"})

    def _look_for_server(self) -> None:
        """Say that the program has started once its server takes connections."""
        if self._server_deadline is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(LOOK_SECONDS)
            try:
                trial.connect(self._places.socket)
            except OSError:
                if time.monotonic() > self._server_deadline:
                    self._server_deadline = None
                    self._send({"type": "refused", "message": "Jupyter does not start"})
                return
        self._server_deadline = None
        self._tunnels = tunnels.Tunnels(
            self._places.socket, self._selector, self._send, lambda: self._congested
        )
        self._send({"type": "started"})

    # The program under way.

    def _watch_program(self) -> None:
        program = self._program
        if program is None or self._ended:
            return
        wanted: Dict[int, int] = {}
        if not self._congested:
            wanted = {handle: selectors.EVENT_READ for handle in program.outputs}
        if program.stdin is not None and self._input:
            wanted[program.stdin] = wanted.get(program.stdin, 0) | selectors.EVENT_WRITE
        for handle in {*program.outputs, program.stdin} - {None}:
            mask, known = wanted.get(handle, 0), self._selector.get_map().get(handle)
            if not mask and known is not None:
                self._selector.unregister(handle)
            elif mask and known is None:
                self._selector.register(handle, mask, self._transfer(handle))
            elif mask and known is not None and known.events != mask:
                self._selector.modify(handle, mask, self._transfer(handle))

    def _transfer(self, handle: int) -> Any:
        def transfer(mask: int) -> None:
            if mask & selectors.EVENT_WRITE:
                self._feed()
            if mask & selectors.EVENT_READ:
                self._print(handle)

        return transfer

    def _print(self, handle: int) -> bool:
        """Pass on what the program wrote; False when there is no more now."""
        program = self._program
        if program is None or handle not in program.outputs:
            return False
        data = program.read(handle)
        if data:
            self._send({"type": program.outputs[handle]}, data)
        elif data is None:
            self._forget(handle)
            del program.outputs[handle]
            if handle == program.stdin:
                program.stdin = program.terminal = None
            os.close(handle)
        return bool(data)

    def _hear_input(self, header: Dict[str, Any], body: bytes) -> None:
        self._input += body
        if len(self._input) > INPUT:
            raise frames.FrameError("more input than is consumed")
        self._input_ended = self._input_ended or not body
        self._feed()

    def _feed(self) -> None:
        """Give the program its input."""
        program = self._program
        consumed = 0
        if program is None or program.stdin is None or self._ended:
            consumed = len(self._input)
            self._input.clear()
        while self._input and program is not None and program.stdin is not None:
            try:
                count = os.write(program.stdin, memoryview(self._input)[:4096])
            except BlockingIOError:
                break
            except OSError:  # it reads no more
                count = len(self._input)
            consumed += count
            del self._input[:count]
        if consumed:
            self._send({"type": "input_consumed", "bytes": consumed})
        self._watch_program()
        if self._input_ended and not self._input and program is not None:
            if program.stdin is not None and program.terminal is None:
                self._forget(program.stdin)
                os.close(program.stdin)
                program.stdin = None

    def _forget(self, handle: int) -> None:
        if handle in self._selector.get_map():
            self._selector.unregister(handle)

    def _resize(self, header: Dict[str, Any], body: bytes) -> None:
        if self._program is not None:
            self._program.resize(header["rows"], header["columns"])

    def _signal(self, header: Dict[str, Any], body: bytes) -> None:
        if self._program is not None and not self._ended:
            self._program.signal(header["number"])

    def _tunnel(self, header: Dict[str, Any], body: bytes) -> None:
        if self._tunnels is not None:
            self._tunnels.hear(header, body)

    # The end.

    def _reap(self, mask: int) -> None:
        """Take note of ended children: the program's end is the end of all it started."""
        try:
            os.read(self._children, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, waited = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._program is not None and pid == self._program.pid:
                self._end(self._program, running.status_of(waited))

    def _end(self, program: running.Program, status: int) -> None:
        processes.kill_strays(set(), os.getpid() == 1, None)
        for handle in list(program.outputs):
            while self._print(handle):
                pass
        for handle in {*program.outputs, program.stdin} - {None}:
            self._forget(handle)
        self._ended = True
        self._server_deadline = None
        if self._tunnels is not None:
            self._tunnels.close()
        self._feed()
        self._send({"type": "ended", "status": status})

    def _collect(self, header: Dict[str, Any], body: bytes) -> None:
        if self._collecting is None:
            bounds = self._configuration
            self._collecting = self._copy.changes(
                bounds["file_bytes"], bounds["collected_bytes"], bounds["collected_files"]
            )

    def _collect_more(self) -> None:
        if self._collecting is None or self._congested:
            return
        header, body = next(self._collecting)
        if header["type"] == "collected":
            self._collecting = None  # before it is told, for then it may be asked for again
        self._send(header, body)

    _handlers = {
        "config": _configure,
        "file": _file,
        "start": _start,
        "input": _hear_input,
        "resize": _resize,
        "signal": _signal,
        "tunnel": _tunnel,
        "collect": _collect,
    }
