"""Pictures, as checks produce them."""

import struct
import zlib


def lorenz_svg() -> bytes:
    """Draws the attractor, as a check's plot."""
    x, y, z = 0.1, 0.0, 20.0
    points = []
    for step in range(4200):
        dx, dy, dz = 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z
        x, y, z = x + dx * 0.006, y + dy * 0.006, z + dz * 0.006
        if step > 200:
            points.append(f"{300 + x * 12:.1f},{400 - z * 7.4:.1f}")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 420" font-family="sans-serif">'
        '<rect width="600" height="420" fill="#fff"/><path d="M60 20V380H580" fill="none" '
        'stroke="#333"/><text x="310" y="408" font-size="14">x</text><text x="30" y="200" '
        f'font-size="14">z</text><polyline points="{" ".join(points)}" fill="none" '
        'stroke="#2b4acb" stroke-width="0.8"/></svg>'
    ).encode()


def png(width: int = 480, height: int = 300) -> bytes:
    """Draws a small picture as PNG."""
    rows = b"".join(
        b"\0"
        + bytes(
            channel
            for column in range(width)
            for channel in (
                40 + 180 * column // width,
                70 + 120 * row // height,
                200 - 90 * column // width,
            )
        )
        for row in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
