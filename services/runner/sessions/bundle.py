"""The runtime as one zip, sent into an environment when it starts.

The zip is built from this installation's own files, byte for byte the same for the same files: its
sha256 is the runtime version that stands in every result and in every inputs digest.

Inside it, `boot/ackrep_harness` is imported by the supervisor alone and `site/ackrep_core` (with
`sitecustomize`, which adds the environment's shims to further Python processes) is what entities
see. It is unpacked into a folder of the environment's tmpfs, so that other processes of a check,
such as a notebook's kernel, can import `ackrep_core` too.
"""

import functools
import hashlib
import io
import struct
import zipfile
from pathlib import Path
from typing import Final

RUN_ROOT: Final = "/run/ackrep"
"""Where a container unpacks the runtime."""

BOOTSTRAP: Final = (
    "import io,os,struct,sys,zipfile\n"
    "def read(n):\n"
    " b=b''\n"
    " while len(b)<n:\n"
    "  d=os.read(0,n-len(b))\n"
    "  if not d:sys.exit(0)\n"
    "  b+=d\n"
    " return b\n"
    "sys.dont_write_bytecode=True\n"
    "z=read(struct.unpack('>I',read(4))[0])\n"
    "os.umask(0o022)\n"
    "zipfile.ZipFile(io.BytesIO(z)).extractall(sys.argv[1])\n"
    "sys.path.insert(0,sys.argv[1]+'/boot')\n"
    "from ackrep_harness.supervisor import main\n"
    "main(sys.argv[1],z)\n"
)
"""The program that the environment's Python starts with: reads the zip from stdin, runs it."""

_FOLDERS: Final = {"harness": "boot/ackrep_harness", "ackrep_core": "site/ackrep_core"}
_ROOT: Final = Path(__file__).parents[1] / "runtime"


@functools.cache
def bundle() -> bytes:
    """The zip: the same bytes for the same sources, whatever their times and the folder's order.

    Stored, not compressed: the bytes would otherwise depend on the host's zlib.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for source, target in _FOLDERS.items():
            for path in sorted((_ROOT / source).rglob("*.py")):
                _add(archive, f"{target}/{path.relative_to(_ROOT / source).as_posix()}", path)
        _add(archive, "site/sitecustomize.py", _ROOT / "sitecustomize.py")
        # Again, for further processes of a check, which cannot import the harness.
        for name in ("shims", "seeds", "readings"):
            _add(archive, f"site/ackrep_{name}.py", _ROOT / "harness" / f"{name}.py")
    return out.getvalue()


def version() -> str:
    """The sha256 of the bundle."""
    return hashlib.sha256(bundle()).hexdigest()


def greeting() -> bytes:
    """What to write to the bootstrap's stdin: the length of the zip and the zip."""
    return struct.pack(">I", len(bundle())) + bundle()


def command(python: str = "python3", run_root: str = RUN_ROOT) -> list[str]:
    """The command that becomes a harness once it has read `greeting()`."""
    return [python, "-I", "-c", BOOTSTRAP, run_root]


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    archive.writestr(info, path.read_bytes())
