"""Documents made over a small data repository in memory, in real workplaces."""

import contextlib
import hashlib
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import NotFoundError
from services.runner.checks.trees import TreeCache
from services.runner.documents.models import Models
from services.runner.documents.ports import Member
from services.runner.documents.rendering import Documents
from services.runner.documents.workshop import Workshop
from services.runner.domain.pools import PoolPolicy
from services.runner.environments import Environments
from services.runner.memory import MemoryRepository
from services.runner.ports import Backend, ClosureFolder
from services.runner.workplaces.pool import Pool

ENVIRONMENTS = Path(__file__).parents[1] / "environments"
PARAMETERS = """
import sympy as sp
model_name = "A model"
pp_symb = [a, tau] = sp.symbols("a, tau")
pp_sf = [2, sp.Rational(1, 3)]
pp_subs_list = []
pp_range_list = [[0, 5], None]
latex_names = {tau: r"\\tau_{0}"}
tabular_header = ["Name", "Symbol", "Value", "Range"]
col_alignment = ["left", "center", "left", "left"]
col_1 = ["gain", "time constant"]
start_columns_list = [col_1]
end_columns_list = []
"""
MODEL = """
import sympy as sp
from ackrep_core.system_model_management import GenericModel, import_parameters
params = import_parameters()
class Model(GenericModel):
    def initialize(self):
        self.u_dim, self.sys_dim, self.has_params, self.params = 1, 1, True, params
    def get_rhs_symbolic(self):
        a, tau = self.pp_symb
        return [(a * self.uu_symb[0] - self.xx_symb[0]) / tau]
    def uu_default_func(self):
        return lambda t, xx: [0]
"""
SIMULATION = """
import matplotlib.pyplot as plt
from ackrep_core import ResultContainer
from ackrep_core.system_model_management import save_plot_in_dir
def simulate():
    plt.plot([1, 2])
    save_plot_in_dir()
def evaluate_simulation(data):
    return ResultContainer(success=True, final_state_errors=[])
"""
DOCUMENTATION = r"""\documentclass{article}
\usepackage{amsmath}
\begin{document}
\part*{Hello of TITLE}
\input{parameters.tex}
BODY
\end{document}
"""


def model(title: str = "A model", body: str = "", **files: str) -> dict[str, str]:
    """The files of a documented system model; `files` are further ones or others."""
    text = DOCUMENTATION.replace("TITLE", title).replace("BODY", body)
    return {
        "metadata.yml": "type: system_model\n",
        "parameters.py": PARAMETERS,
        "system_model.py": MODEL,
        "simulation.py": SIMULATION,
        "_data/documentation.tex": text,
        **{name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()},
    }


def tree_of(files: Mapping[str, bytes]) -> bytes:
    """Git tree id of a folder with folders in it, in binary."""
    entries: dict[str, tuple[bytes, bytes]] = {}
    for path, content in files.items():
        head, _, rest = path.partition("/")
        if rest:
            below = {
                name.removeprefix(f"{head}/"): data
                for name, data in files.items()
                if name.startswith(f"{head}/")
            }
            entries[f"{head}/"] = (b"40000", tree_of(below))
        else:
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
            entries[head] = (b"100644", blob.digest())
    body = b"".join(
        mode + b" " + name.rstrip("/").encode() + b"\0" + digest
        for name, (mode, digest) in sorted(entries.items())
    )
    return hashlib.sha1(b"tree %d\0" % len(body) + body, usedforsecurity=False).digest()


class MemoryCatalog:
    """Entities that are given by hand."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members

    async def revision(self, name: str) -> str:
        return name or "revisions/0123456789abcdef"

    async def member(self, entity: str, revision: str) -> Member:
        try:
            return self._members[entity]
        except KeyError:
            raise NotFoundError(f"there is no {entity}") from None

    async def models(self, revision: str) -> Sequence[Member]:
        found = [one for one in self._members.values() if one.type == "system_model"]
        return sorted(found, key=lambda member: member.key)


@dataclass
class Heard:
    """A listener that keeps what it hears."""

    texts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def progress(self, text: str, fraction: float | None = None) -> None:
        self.texts.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@contextlib.asynccontextmanager
async def documents_of(
    folder: Path,
    entities: Mapping[str, Mapping[str, str]],
    *,
    backend: Backend,
    kind: str = "system_model",
) -> AsyncIterator[Documents]:
    """Documents over these entities, by key; closes the backend afterwards."""
    members: dict[str, Member] = {}
    closures: dict[str, list[ClosureFolder]] = {}
    trees: dict[str, dict[str, bytes]] = {}
    for key, texts in entities.items():
        files = {name: text.encode() for name, text in texts.items()}
        tree, path = tree_of(files).hex(), f"system_models/{key.lower()}"
        trees[tree] = files
        members[f"entities/{key}"] = Member(
            key=key,
            type=kind,
            title=f"Model {key}",
            description="50 % of it & more",
            path=path,
            tree=tree,
            environment="environments/demo_environment",
        )
        closures[f"entities/{key}"] = [
            ClosureFolder(key=key, type=kind, path=path, tree=tree, metadata={"key": key})
        ]
    repository = MemoryRepository(closures, trees)
    pool = Pool(backend, policy=PoolPolicy(slots=2))
    workshop = Workshop(pool, Environments([ENVIRONMENTS]))
    cache = TreeCache(folder / "trees", repository=repository, disk_bytes=10**7)
    try:
        yield Documents(
            catalog=MemoryCatalog(members),
            models=Models(repository, cache, workshop),
            workshop=workshop,
        )
    finally:
        await pool.close()


def text_of(pdf: bytes, folder: Path) -> str:
    """What a PDF says, page by page (form feeds between them)."""
    path = folder / "document.pdf"
    path.write_bytes(pdf)
    said = subprocess.run(
        ["pdftotext", "-layout", path, "-"], capture_output=True, check=True, timeout=60
    )
    return said.stdout.decode()
