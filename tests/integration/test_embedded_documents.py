"""`ackrep tex` and `ackrep pdf` on the demo data repository, by a whole system of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import engine_or_reason
from tests.requirements import need

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

DEMO = Path(__file__).parents[2] / "examples" / "demo_data"
TABLE = "system_models/lorenz_system/_data/parameters.tex"


def test_tables_and_documents_of_a_working_copy(tmp_path: Path) -> None:
    """A table is compared and written there and nowhere else; a document appears where asked."""
    engine, reason = engine_or_reason()
    need(engine, what=f"Docker engine: {reason}")
    root, out = tmp_path / "demo_data", tmp_path / "out"
    shutil.copytree(DEMO, root, ignore=shutil.ignore_patterns("*.png", "parameters.tex"))
    out.mkdir()
    before = {path for path in root.rglob("*") if path.is_file()}
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ACKREP_")},
        "ACKREP_STATE": str(tmp_path / "state"),
    }

    def ackrep(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", "-C", str(root), *words],
            cwd=out,
            env={**variables, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    assert [1, 0, 0] == [
        ackrep("tex", "LRNZ4", option).returncode for option in ("--check", "--write", "--check")
    ]
    assert before | {root / TABLE} == {path for path in root.rglob("*") if path.is_file()}
    assert "Prandtl number" in (root / TABLE).read_text()

    broken = ackrep("tex", "LRHZX")
    assert (1, "") == (broken.returncode, broken.stdout)
    assert "parameters.py, line 10" in broken.stderr

    made = ackrep("pdf", "LRNZ4", "--no-plots", "--json")
    assert 0 == made.returncode, made.stderr
    told = json.loads(made.stdout)
    assert (["LRNZ4"], "LRNZ4.pdf") == (told["entities"], told["path"])
    assert (out / "LRNZ4.pdf").read_bytes().startswith(b"%PDF-")
    assert told["size"] == (out / "LRNZ4.pdf").stat().st_size
