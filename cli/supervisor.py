"""Runs the embedded system of one data repository: `python -m cli.supervisor < wishes.json`.

Hidden: commands start it when they need a system (`cli.embedded`). It lives as long as a command
uses the system, and everything it starts ends with it, however it ends.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path

from cli import broker, children
from cli.children import Child, Spec
from cli.source import Source
from cli.state import FileLock, StateDirectory, System
from services import logs
from services.errors import Error, UnavailableError

log = logging.getLogger(__name__)

LOST = 75
"""Exit code of a supervisor that finds another one at work."""
DEFAULT_PAGE_PORT = 8642
_REMNANTS_SECONDS = 30.0
_START_SECONDS = 90.0
_REMOTE_POLL_SECONDS = 60.0
_HOST = "127.0.0.1"


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the command that starts the system wants it to be."""

    state: str
    """State directory."""
    location: str
    """Path or URL of the data repository."""
    ref: str = ""
    """Branch, tag or commit."""
    backend: str = "auto"
    """`auto`, `docker` or `process`."""
    slots: int = 0
    """Checks at once; 0 means one for each processor, at most 4."""
    port: int = 0
    """Port of the pages; 0 means 8642, or another if that is taken."""


def main() -> None:
    """Reads the wishes from standard input and supervises until nobody uses the system."""
    wishes = Wishes(**json.load(sys.stdin))
    logs.configure(service="system")
    state = StateDirectory(Path(wishes.state))
    sys.exit(asyncio.run(_supervise(wishes, state)))


async def _supervise(wishes: Wishes, state: StateDirectory) -> int:
    """Holds the locks around everything else.

    `system.lock` comes first: while remnants of a killed system or a short command that needs the
    catalog alone hold it, nothing may start.
    """
    deadline = time.monotonic() + _REMNANTS_SECONDS
    system_lock = state.system_lock()
    while not system_lock.try_take():
        if state.supervised():
            return LOST
        if time.monotonic() > deadline:
            state.write("failure.json", {"message": f"the directory {state.path} stays in use"})
            return children.REFUSED
        await asyncio.sleep(0.02)
    with state.supervisor_lock() as own:
        own.take()
        state.remove("system.json", "failure.json", "starting.json")
        system = EmbeddedSystem(wishes, state, inherited=system_lock.fd)
        try:
            await system.run()
        except Error as error:
            log.error(error.message)  # noqa: TRY400  # the message says all
            state.write("failure.json", {"message": error.message})
            return children.REFUSED
        finally:
            state.remove("system.json", "starting.json")
        return 0


class EmbeddedSystem:
    """NATS and the four services of one data repository."""

    def __init__(self, wishes: Wishes, state: StateDirectory, *, inherited: int) -> None:
        self._wishes = wishes
        self._state = state
        self._inherited = inherited
        self._token = secrets.token_urlsafe(32)
        self._children: dict[str, Child] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ready: list[str] = []
        self._stop = asyncio.Event()
        self._child_failed = asyncio.Event()
        self._stop_reason = ""

    async def run(self) -> None:
        """Starts everything, waits until it is not needed any more, and stops everything.

        Raises:
            Error: A part does not start, or ends again and again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave, f"signal {number}")
        users = self._state.users_lock()
        threading.Thread(target=self._wait_for_users, args=(users, loop), daemon=True).start()
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._unless_stopped(self._start())
            await self._unless_stopped(self._tend())
        except TimeoutError:
            missing = ", ".join(name for name in self._children if name not in self._ready)
            raise UnavailableError(
                f"the system does not start within {_START_SECONDS:.0f} s "
                f"(waiting for: {missing}); its logs are in {self._state.logs}"
            ) from None
        finally:
            # Whoever comes from now on waits for the next system.
            self._state.remove("system.json")
            await self._stop_all()
        log.info(f"stopped: {self._stop_reason}")

    def _wait_for_users(self, users: FileLock, loop: asyncio.AbstractEventLoop) -> None:
        users.take()
        with contextlib.suppress(RuntimeError):  # the loop is closed: it is all over anyway
            loop.call_soon_threadsafe(self._leave, "nobody uses the system any more")

    def _leave(self, reason: str) -> None:
        self._stop_reason = self._stop_reason or reason
        self._stop.set()

    async def _unless_stopped(self, work: Coroutine[None, None, None]) -> None:
        """Runs `work` until it ends, the system is to stop, or a child fails for good."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        # An event of its own: children that start while this waits count too.
        failed = asyncio.ensure_future(self._child_failed.wait())
        try:
            await asyncio.wait({task, stop, failed}, return_when=asyncio.FIRST_COMPLETED)
            for one in self._tasks:
                if one.done() and (error := one.exception()) is not None:
                    raise error
            if task.done():
                task.result()
        finally:
            for pending in (task, stop, failed):
                pending.cancel()

    async def _start(self) -> None:
        """Starts each part as soon as what it must know is known; all of them import at once."""
        reserved = {name: children.reserve_port() for name in ("catalog", "scheduler", "runner")}
        address = {name: children.address_of(one) for name, one in reserved.items()}
        self._pages = children.listen(self._wishes.port or DEFAULT_PAGE_PORT)
        address["gateway"] = children.address_of(self._pages)
        self._launch_broker(port=-1)
        for name in ("catalog", "gateway"):
            self._launch(name, address)
        nats = await self._broker_address()
        for name in ("scheduler", "runner"):
            self._launch(name, address, nats=nats)
        async with asyncio.TaskGroup() as group:
            for name in ("catalog", "scheduler", "runner"):
                group.create_task(self._wait_serving(name, address[name]))
            group.create_task(self._wait_page(self._pages.getsockname()[1]))
        system = System(
            token=self._token,
            catalog=address["catalog"],
            scheduler=address["scheduler"],
            runner=address["runner"],
            page=f"http://{address['gateway']}/",
            nats=nats,
            source=f"{self._wishes.location}@{self._wishes.ref}".removesuffix("@"),
            pid=os.getpid(),
            version=version("ackrep"),
            backend=self._wishes.backend,
            start_time=time.time(),
            state=self._wishes.state,
        )
        self._state.write("system.json", dataclasses.asdict(system))
        self._reserved = reserved  # kept open as long as the system runs
        log.info(f"ready: {system.page}")

    async def _tend(self) -> None:
        """Keeps logs bounded."""
        while True:
            await asyncio.sleep(10.0)
            for child in self._children.values():
                children.bound(child.spec.log)

    # Parts ----------------------------------------------------------------------------------

    def _launch_broker(self, *, port: int) -> None:
        folder = self._state.path / "nats"
        configuration = broker.configure(folder, token=self._token, port=port)
        self._keep(
            "nats",
            children.leashed_command(broker.program(), "-c", str(configuration)),
            settings={},
            inherit=[self._inherited],
        )

    async def _broker_address(self) -> str:
        """Waits for the broker's port, and keeps it for a broker that is started again."""
        folder = self._state.path / "nats"
        while (port := broker.port_taken(folder)) is None:  # noqa: ASYNC110  # a file, no event
            await asyncio.sleep(0.005)
        broker.configure(folder, token=self._token, port=port)
        self._mark_ready("nats")
        return f"nats://{broker.HOST}:{port}"

    def _launch(self, name: str, address: dict[str, str], *, nats: str = "") -> None:
        folder = self._state.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "ACKREP_TOKEN": self._token,
            "ACKREP_LOG_FORMAT": "pretty",
            f"ACKREP_{name.upper()}_ADDRESS": address[name],
            **service_settings(name, folder=folder, wishes=self._wishes),
        }
        if name == "catalog":
            settings |= following_settings(self._wishes)
        inherit = [self._inherited]
        if name == "gateway":
            settings["ACKREP_GATEWAY_LISTENER"] = str(self._pages.fileno())
            inherit.append(self._pages.fileno())
        if nats:
            settings["ACKREP_NATS"] = nats
        for peer in _PEERS[name]:
            settings[f"ACKREP_{name.upper()}_{peer.upper()}"] = address[peer]
        module = "gateway" if name == "gateway" else f"services.{name}"
        self._keep(name, children.module_command(module), settings=settings, inherit=inherit)

    def _keep(
        self, name: str, command: list[str], *, settings: dict[str, str], inherit: list[int]
    ) -> None:
        child = Child(
            Spec(
                name=name,
                command=command,
                settings=settings,
                folder=self._state.path,
                log=self._state.logs / f"{name}.log",
                inherit=tuple(inherit),
            )
        )
        self._children[name] = child
        task = asyncio.create_task(child.keep())
        task.add_done_callback(lambda _: self._child_failed.set())
        self._tasks.append(task)
        self._say_progress()

    async def _wait_serving(self, name: str, address: str) -> None:
        import grpc  # noqa: PLC0415  # the children start while this is imported
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

        options = [("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while True:
                try:
                    answer = await stub.Check(
                        health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=5.0
                    )
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)
                    continue
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    break
                await asyncio.sleep(0.02)
        self._mark_ready(name)

    async def _wait_page(self, port: int) -> None:
        request = f"GET /healthz HTTP/1.1\r\nHost: {_HOST}:{port}\r\nConnection: close\r\n\r\n"
        while True:
            try:
                reader, writer = await asyncio.open_connection(_HOST, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.write(request.encode())
            status = b""
            with contextlib.suppress(OSError):
                status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                break
            await asyncio.sleep(0.05)
        self._mark_ready("gateway")

    def _mark_ready(self, name: str) -> None:
        self._ready.append(name)
        self._children[name].ready.set()
        self._say_progress()

    def _say_progress(self) -> None:
        waiting = [name for name in self._children if name not in self._ready]
        self._state.write("starting.json", {"ready": self._ready, "waiting": waiting})

    async def _stop_all(self) -> None:
        """First what uses the others; the broker last. The runner needs a moment to hand back."""
        for names, grace in ((("gateway", "runner"), 10.0), (("scheduler", "catalog"), 6.0)):
            stopping = [
                self._children[one].stop(grace=grace) for one in names if one in self._children
            ]
            await asyncio.gather(*stopping)
        if "nats" in self._children:
            await self._children["nats"].stop(grace=3.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


_PEERS: dict[str, tuple[str, ...]] = {
    "catalog": (),
    "scheduler": ("catalog",),
    "runner": ("catalog", "scheduler"),
    "gateway": ("catalog", "scheduler", "runner"),
}


def service_settings(name: str, *, folder: Path, wishes: Wishes) -> dict[str, str]:
    """The settings of one service that do not depend on the others."""
    if name == "catalog":
        return {
            "ACKREP_CATALOG_STATE": str(folder),
            "ACKREP_CATALOG_DATABASE": f"sqlite+aiosqlite:///{folder / 'catalog.sqlite'}",
            "ACKREP_CATALOG_SOURCE": wishes.location,
            "ACKREP_CATALOG_REF": wishes.ref,
            # The pages are on loopback: who may use them has this machine's files anyway.
            "ACKREP_CATALOG_PROPOSAL_LOCAL": os.environ.get("ACKREP_CATALOG_PROPOSAL_LOCAL", "1"),
            # A command that borrows the folder for a moment has nothing to follow.
            "ACKREP_CATALOG_WATCH": "0",
            "ACKREP_CATALOG_POLL": "0",
        }
    if name == "scheduler":
        return {
            "ACKREP_SCHEDULER_DATABASE": f"sqlite+aiosqlite:///{folder / 'scheduler.sqlite'}",
            "ACKREP_SCHEDULER_ARTEFACTS": str(folder / "artefacts"),
        }
    if name == "runner":
        installed = Path(__file__).resolve().parent.parent / "environments"
        return {
            # Shared by all data repositories: it holds what can be made again, under locks.
            "ACKREP_RUNNER_STATE": str(Path(wishes.state).parent / "runner"),
            "ACKREP_RUNNER_BACKEND": wishes.backend,
            "ACKREP_RUNNER_SLOTS": str(wishes.slots or min(os.cpu_count() or 1, 4)),
            "ACKREP_RUNNER_POOL": "default,untrusted",
            # Who stops the system does not wait for checks: commands cancel theirs before.
            "ACKREP_RUNNER_DRAIN_SECONDS": "1",
            "ACKREP_RUNNER_NAME": _runner_name(wishes.state),
            "ACKREP_RUNNER_ENVIRONMENTS": os.environ.get(
                "ACKREP_RUNNER_ENVIRONMENTS", str(installed)
            ),
        }
    return {}


def _runner_name(state: str) -> str:
    """Id of the runner of a state directory, on this host.

    Two systems that live must not have the same: a runner removes what its name left at an engine,
    and engines are shared by state directories and by hosts.
    """
    place = f"{socket.gethostname()}:{state}"
    return f"local-{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def following_settings(wishes: Wishes) -> dict[str, str]:
    """How the catalog of a system that stays learns of changes, unless somebody decided that."""
    local = Source(location=wishes.location, ref=wishes.ref).is_local
    return {
        "ACKREP_CATALOG_WATCH": os.environ.get("ACKREP_CATALOG_WATCH", "1"),
        "ACKREP_CATALOG_POLL": os.environ.get(
            "ACKREP_CATALOG_POLL", "0" if local else f"{_REMOTE_POLL_SECONDS:g}"
        ),
    }


if __name__ == "__main__":
    main()
