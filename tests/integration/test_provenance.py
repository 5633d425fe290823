"""Signed records and exports: made by a real system, proved and run without it."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.command_projects import Project, up

pytestmark = pytest.mark.timeout(300)

DEMO = Path(__file__).parents[2] / "examples" / "demo_data"
VALIDATOR = Path(__file__).parents[1] / "crate_validator.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, state_folder: Path) -> Iterator[Project]:
    """The demo, of which one solution was checked."""
    made = Project(tmp_path_factory.mktemp("provenance"), state=state_folder)
    shutil.rmtree(made.root)
    shutil.copytree(DEMO, made.root)
    del made.variables["ACKREP_RUNNER_ENVIRONMENTS"]
    with up(made):
        assert 0 == made.run("check", "CPLQ1").returncode
        yield made


@pytest.fixture(scope="module")
def exported(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of it, in a folder."""
    folder = tmp_path_factory.mktemp("exports") / "CPLQ1"
    done = project.run("export", "CPLQ1", "--output", str(folder))
    assert 0 == done.returncode, done.stderr
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(exported, tmp_path / "copy", symlinks=True))


def verify(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `ackrep verify` where there is no system and no data repository."""
    return subprocess.run(
        [sys.executable, "-m", "cli", "verify", str(path), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "200"},
    )


def test_a_record_is_proved_by_the_key_alone(project: Project, tmp_path: Path) -> None:
    """The record names inputs, environment, numbers and files; one changed letter is seen."""
    key, record = tmp_path / "key.pem", tmp_path / "record.json"
    key.write_text(project.run("record", "--public-key").stdout)
    assert 0 == project.run("record", "CPLQ1", "--output", str(record)).returncode

    done = verify(record, "--key", str(key), "--json")
    found = json.loads(done.stdout)
    predicate = found["statement"]["predicate"]
    assert (0, True) == (done.returncode, found["genuine"])
    assert "VERDICT_SUCCESS" == predicate["check"]["verdict"]
    assert {"CPLQ1", "CPST1", "LQRD1", "CRTP3", "DEMOE"} == {
        folder["entity"].removeprefix("entities/") for folder in predicate["inputs"]["folders"]
    }
    assert predicate["check"]["result"]["provenance"]["limits"]
    assert 4 <= len(found["statement"]["subject"])  # the folder, two plots, the log

    text = record.read_text()
    record.write_text(text.replace('"payload": "e', '"payload": "f', 1))
    assert 1 == verify(record, "--key", str(key)).returncode
    record.write_text(text)
    assert 64 == verify(record).returncode  # no key: nothing could be proved


def test_an_export_runs_without_us(copy: Path) -> None:
    """With its packages and plain Python, isolated from this installation."""
    done = subprocess.run(
        [sys.executable, "-I", copy / "run.py"], capture_output=True, text=True, check=False
    )
    assert (0, "success") == (done.returncode, done.stdout.splitlines()[-1]), done.stderr
    assert "numpy==" in (copy / "requirements.txt").read_text()


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_archives_are_proved_as_they_are(project: Project, tmp_path: Path, suffix: str) -> None:
    """Nothing has to be unpacked."""
    archive = tmp_path / f"export{suffix}"
    assert 0 == project.run("export", "CPLQ1", "--output", str(archive)).returncode
    done = verify(archive)

    assert (0, "Genuine.") == (done.returncode, done.stdout.splitlines()[0]), done.stderr
    assert "the key came with the export" in done.stderr


def _change(folder: Path) -> str:
    path = folder / "data/method_packages/lqr_design/src/lqr_design.py"
    path.write_text(path.read_text() + "\n# changed\n")
    return "lqr_design.py was changed"


def _change_with_sums(folder: Path) -> str:
    """Whoever changes a file can change the list too; the record tells it still."""
    _change(folder)
    lines = []
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        name = line.partition("  ")[2]
        digest = subprocess.run(
            ["sha256sum", name], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.split()[0]
        lines.append(f"{digest}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))
    return "data/method_packages/lqr_design is not what was checked"


def _add(folder: Path) -> str:
    (folder / "data/sitecustomize.py").write_text("evil = True\n")
    return "data/sitecustomize.py was added"


def _remove(folder: Path) -> str:
    next(folder.glob("results/**/*.png")).unlink()
    return "is missing"


def _other_key(folder: Path) -> str:
    other = Ed25519PrivateKey.generate().public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public_key.pem").write_bytes(pem)
    return "no signature in the record is of the key"


@pytest.mark.parametrize(
    "tamper", [_change, _change_with_sums, _add, _remove, _other_key], ids=lambda one: one.__name__
)
def test_what_was_tampered_with_is_told(copy: Path, tamper: Callable[[Path], str]) -> None:
    """Every change is named, and the exit code says it."""
    expected = tamper(copy)
    done = verify(copy)

    assert 1 == done.returncode
    assert expected in done.stdout
    assert "Not genuine." == done.stdout.splitlines()[-1]


def test_the_independent_validator_accepts_the_crate(exported: Path, copy: Path) -> None:
    """`rocrate-validator` finds all that RO-Crate 1.1 requires, and finds what is broken."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv
    command = [uv, "run", "--no-project", "--quiet", "--python", sys.executable]
    command += ["--with", "roc-validator==0.13.0", "--with", "rocrate==0.16.0"]

    def validated(folder: Path) -> subprocess.CompletedProcess[str]:
        line = [*command, "python", str(VALIDATOR), str(folder)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    good = validated(exported)
    assert (0, "") == (good.returncode, good.stdout), good.stderr
    metadata = copy / "ro-crate-metadata.json"
    metadata.write_text(metadata.read_text().replace('"conformsTo"', '"about2"'))
    assert "conformsTo" in validated(copy).stdout


def test_what_is_there_is_kept(project: Project, exported: Path, tmp_path: Path) -> None:
    """An export overwrites nothing; an entity that was never checked has none."""
    again = project.run("export", "CPLQ1", "--output", str(exported))
    assert (64, True) == (again.returncode, "is there already" in again.stderr)
    never = project.run("export", "LRHZX", "--output", str(tmp_path / "x"))
    assert (64, True) == (never.returncode, "was never checked here" in never.stderr)
    assert not (tmp_path / "x").exists()


def test_tar_members_have_no_surprises(project: Project, tmp_path: Path) -> None:
    """Everything is below one folder, named by the key."""
    archive = tmp_path / "export.tar.gz"
    assert 0 == project.run("export", "CPLQ1", "--output", str(archive)).returncode
    with tarfile.open(archive) as file:
        assert {"CPLQ1"} == {name.partition("/")[0] for name in file.getnames()}
