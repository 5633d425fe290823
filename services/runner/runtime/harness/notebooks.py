"""Executing a notebook and rendering it, with the environment's own nbclient and nbconvert."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from .rules import Running

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""The colours in a cell's traceback."""
RENDERED = "_data"
"""The folder beside the notebook into which it is rendered."""


class CellError(Exception):
    """A cell raised; `ackrep_report` says what."""

    def __init__(self, report: Dict[str, Any]) -> None:
        super().__init__(report["message"])
        self.ackrep_report = report


def run(running: "Running") -> Dict[str, Any]:
    """Execute all cells in a kernel of this environment; render it, whatever came out."""
    import nbclient
    import nbclient.exceptions
    import nbformat
    import traitlets.config

    folder = os.path.join(running.data_root, *running.plan["entity_path"].split("/"))
    source = os.path.join(folder, running.plan["notebook"])
    with running.phase("import"):
        book = nbformat.read(source, as_version=4)
    # It asks for a port of the loopback as well, and says so when there is none.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:Couldn't bind IOPub Pipe:UserWarning")
    # No network in here: sockets in the check's own temporary folder.
    connection = {"transport": "ipc", "ip": os.path.join(os.environ["TMPDIR"], "k")}
    client = nbclient.NotebookClient(
        book,
        config=traitlets.config.Config({"ConnectionFileMixin": connection}),
        shutdown_kernel="immediate",
        # The check's own time limit is the only one: a busy machine must not lose output.
        timeout=None,
        startup_timeout=86400,
        iopub_timeout=86400,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
        extra_arguments=_seeding(running.request["seed"]),
        on_cell_executed=_print_outputs,
    )
    try:
        with running.phase("execute"):
            client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        raise CellError(_report(error)) from None
    finally:
        with running.phase("render"):
            warning = _render(book, folder, running.plan["notebook"])
    return {"success": True, "score": None, "warnings": [warning] if warning else []}


def _seeding(seed: int) -> List[str]:
    """Arguments that make the kernel seed its generators before the first cell."""
    # From the folder of the runtime that is on PYTHONPATH.
    code = "import ackrep_seeds; ackrep_seeds.keep_in_kernel(get_ipython(), %d)" % seed
    return ["--IPKernelApp.exec_lines=%s; del ackrep_seeds" % code]


def _print_outputs(cell: Any, cell_index: int, **_: Any) -> None:
    """What a cell printed goes to the log as soon as the cell is done."""
    for output in cell.get("outputs", ()):
        if output.get("output_type") == "stream":
            target = sys.stderr if output.get("name") == "stderr" else sys.stdout
            target.write(output.get("text", ""))
            target.flush()


def _report(error: Any) -> Dict[str, Any]:
    text = ESCAPES.sub("", getattr(error, "traceback", "") or str(error))
    message = "%s: %s" % (getattr(error, "ename", "Error"), getattr(error, "evalue", ""))
    report = {"traceback": text, "message": ESCAPES.sub("", message).split("\n", 1)[0]}
    found = re.match(r"No module named '([^']+)'", getattr(error, "evalue", "") or "")
    if found and getattr(error, "ename", "") == "ModuleNotFoundError":
        report["missing_module"] = found.group(1)
    return report


def _render(book: Any, folder: str, name: str) -> str:
    """Write the notebook as HTML; a warning when that is not possible."""
    try:
        import nbconvert
    except ImportError:
        return "the notebook is not rendered: nbconvert is not installed"
    try:
        html, _ = nbconvert.HTMLExporter().from_notebook_node(book)
        os.makedirs(os.path.join(folder, RENDERED), exist_ok=True)
        stem = os.path.splitext(os.path.basename(name))[0]
        with open(os.path.join(folder, RENDERED, stem + ".html"), "w", encoding="utf-8") as file:
            file.write(html)
    except Exception as error:
        return "the notebook is not rendered: %s" % str(error)[:500]
    return ""
