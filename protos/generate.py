"""Generates the Python stubs and the descriptor image of `protos/`.

The stubs stand beside their `.proto` files and are committed; the image (with comments, for buf
and the OpenAPI document) is written to `gateway/ackrep.binpb` too, so that an installed gateway
has it. `--check` generates into a scratch folder and fails if what is committed differs.
"""

import argparse
import filecmp
import os
import shutil
import sys
import tempfile
from pathlib import Path

import google.api.http_pb2
from grpc_tools import protoc

GATEWAY_IMAGE = Path("gateway/ackrep.binpb")


def run_protoc(arguments: list[str]) -> None:
    """Runs protoc with the googleapis protos on its path. Exits where it fails."""
    # protoc looks for the mypy plugin on PATH; it stands beside this interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    googleapis = Path(google.api.http_pb2.__file__).parents[2]
    well_known = Path(protoc.__file__).parent / "_proto"
    code = protoc.main(["protoc", f"-I{googleapis}", f"-I{well_known}", *arguments])
    if code != 0:
        sys.exit(code)


def write_image(root: Path, image: Path) -> None:
    """Writes the descriptor image, with source information, of all protos below `root`."""
    image.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(str(file) for file in root.rglob("*.proto"))
    run_protoc(
        [f"-I{root}", "--include_imports", "--include_source_info", "-o", str(image), *files]
    )


def write_stubs(root: Path, out: Path) -> None:
    """Writes messages, stubs and their types for all protos below `root` into `out`."""
    files = sorted(str(file) for file in root.rglob("*.proto"))
    run_protoc(
        [
            f"-I{root}",
            f"--python_out={out}",
            f"--mypy_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_grpc_out=only_async:{out}",
            *files,
        ]
    )
    for package in {file.parent for file in out.rglob("*_pb2.py")}:
        marker = package
        while marker != out:
            (marker / "__init__.py").touch()
            marker = marker.parent
    # mypy-protobuf types every service file; grpc writes one for each proto, services or not.
    for file in out.rglob("*_pb2_grpc.py"):
        if "class " not in file.read_text():
            file.unlink()
            file.with_suffix(".pyi").unlink(missing_ok=True)


def differences(fresh: Path, committed: Path) -> list[str]:
    """Names generated files that differ from, or are missing in, what is committed."""
    found = []
    for file in sorted(fresh.rglob("*_pb2*")):
        there = committed / file.relative_to(fresh)
        if not there.exists() or not filecmp.cmp(file, there, shallow=False):
            found.append(str(there))
    fresh_names = {file.relative_to(fresh) for file in fresh.rglob("*_pb2*")}
    found += [
        f"{file} (left over)"
        for file in sorted(committed.rglob("*_pb2*.py*"))
        if file.suffix in {".py", ".pyi"} and file.relative_to(committed) not in fresh_names
    ]
    return found


def main() -> None:
    """Parses the command line and generates or compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--image-only", action="store_true")
    options = parser.parse_args()
    write_image(options.root, options.image)
    if options.image_only:
        return
    if not options.check:
        write_stubs(options.root, options.root)
        shutil.copyfile(options.image, GATEWAY_IMAGE)
        return
    with tempfile.TemporaryDirectory() as scratch:
        write_stubs(options.root, Path(scratch))
        stale = differences(Path(scratch), options.root)
    if not filecmp.cmp(options.image, GATEWAY_IMAGE, shallow=False):
        stale.append(str(GATEWAY_IMAGE))
    if stale:
        sys.exit("stale generated files, run `make protos`:\n  " + "\n  ".join(stale))


if __name__ == "__main__":
    main()
