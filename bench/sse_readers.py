"""Many readers of one stream of server-sent events, in a process of their own.

`python -m bench.sse_readers HOST PORT PATH COUNT` reads to the end and prints what came as JSON:
for each reader a digest of all its messages, and of the first one the text of the log.
"""

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass, field

_CHUNK = 256 * 1024


@dataclass
class Reading:
    """What one reader got."""

    messages: int = 0
    tokens: set[bytes] = field(default_factory=set)
    repeated: int = 0
    ended: bool = False
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    kept: list[bytes] = field(default_factory=list)

    def take(self, line: bytes, *, keep: bool) -> None:
        """Takes a line of the stream."""
        if line.startswith(b"id: "):
            self.repeated += line in self.tokens
            self.tokens.add(line)
        elif line == b"event: end":
            self.ended = True
        elif line.startswith(b"data: {") and not self.ended:
            self.messages += 1
            self.digest.update(line)
            if keep:
                self.kept.append(line[6:])


async def read(host: str, port: int, path: str, *, keep: bool) -> Reading:
    """Reads one stream to its end. The gateway's chunks hold whole events."""
    reader, writer = await asyncio.open_connection(host, port, limit=_CHUNK)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    reading = Reading()
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"{path}: {status.decode().strip()}")
    while (await reader.readline()).strip():
        pass
    rest = b""
    while size := int(await reader.readline(), 16):
        chunk = rest + await reader.readexactly(size)
        await reader.readexactly(2)
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            reading.take(line, keep=keep)
    writer.close()
    return reading


async def read_all(host: str, port: int, path: str, count: int) -> dict[str, object]:
    """Lets many read at once."""
    readings = await asyncio.gather(
        *(read(host, port, path, keep=number == 0) for number in range(count))
    )
    events = [json.loads(line) for line in readings[0].kept]
    return {
        "digests": sorted({reading.digest.hexdigest() for reading in readings}),
        "messages": readings[0].messages,
        "repeated": sum(reading.repeated for reading in readings),
        "ended": sum(reading.ended for reading in readings),
        "log": "".join(event["log"]["text"] for event in events if "log" in event),
        "gaps": sum("gap" in event for event in events),
    }


if __name__ == "__main__":
    host, port, path, count = sys.argv[1:]
    print(json.dumps(asyncio.run(read_all(host, int(port), path, int(count)))))
