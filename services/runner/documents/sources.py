"""Where an entity has its documentation, and its TeX sources with ours added. Pure."""

import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

FOLDERS: Final = ("_system_model_data", "_data")
"""Where models keep what belongs to their documentation, the older name first."""
PARAMETERS: Final = "parameters.tex"
NOTICE: Final = "notice.tex"
SIMULATION: Final = "ackrep_simulation.tex"
PREAMBLE: Final = "ackrep_preamble.tex"

_NAMES: Final = ("documentation.tex", "dokumentation.tex")
_OUTPUTS: Final = (".aux", ".log", ".out", ".pdf", ".toc", ".lof", ".lot")
_NO_TABLE: Final = b"\\emph{(no parameter table)}\n"
_BEGIN: Final = re.compile(rb"^([^%\n]*?)(\\begin\{document\})", re.MULTILINE)
_BIBLIOGRAPHY: Final = re.compile(rb"^([^%\n]*?)(\\begin\{thebibliography\})", re.MULTILINE)
_END: Final = re.compile(rb"^([^%\n]*?)(\\end\{document\})", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """The TeX documentation in an entity's folder."""

    folder: str
    """Below the entity's folder."""
    name: str
    """Of its main file, e.g. `documentation.tex`."""

    @property
    def main(self) -> str:
        """The main file's name without its ending."""
        return self.name.removesuffix(".tex")


def documentation_of(files: Iterable[str]) -> Documentation | None:
    """The documentation among an entity's files, or None."""
    there = frozenset(files)
    for folder in FOLDERS:
        for name in _NAMES:
            if f"{folder}/{name}" in there:
                return Documentation(folder=folder, name=name)
    return None


def folder_of_parameters(files: Iterable[str]) -> str:
    """Where an entity's `parameters.tex` belongs: with its documentation, else with its data."""
    there = frozenset(files)
    found = documentation_of(there)
    if found is not None:
        return found.folder
    for folder in FOLDERS:
        if any(file.startswith(f"{folder}/") for file in there):
            return folder
    return FOLDERS[0]


def contents(tar: bytes, folder: str) -> dict[str, bytes]:
    """The plain files below a folder of an archive, by their path there; links are left out."""
    found: dict[str, bytes] = {}
    prefix = f"{folder}/" if folder else ""
    with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
        for member in archive:
            if member.isreg() and member.name.startswith(prefix):
                file = archive.extractfile(member)
                found[member.name.removeprefix(prefix)] = file.read() if file is not None else b""
    return found


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            made.addfile(member, io.BytesIO(files[name]))
    return out.getvalue()


def composed(
    files: Mapping[str, bytes],
    documentation: Documentation,
    *,
    plots: Mapping[str, bytes],
    notice: str,
    parameters: bytes | None,
    first_page: int = 1,
) -> dict[str, bytes]:
    """The sources of one documentation, ready to be set.

    Ours comes in on lines that exist, so that what TeX says of lines holds for the entity's file.
    `parameters` replaces the committed table; None leaves it, or a line in its place.
    """
    name = documentation.name
    stale = {documentation.main + ending for ending in _OUTPUTS}
    made = {path: content for path, content in files.items() if path not in stale}
    if parameters is not None:
        made[PARAMETERS] = parameters
    made.setdefault(PARAMETERS, _NO_TABLE)
    made[NOTICE] = notice.encode()
    made[PREAMBLE] = _preamble(first_page=first_page, plots=bool(plots)).encode()
    source = _insert(_BEGIN, files[name], b"\\input{%s}" % PREAMBLE.encode())
    if plots:
        shown = pictures(plots)
        made |= shown
        made[SIMULATION] = simulation(shown).encode()
        place = _BIBLIOGRAPHY if _BIBLIOGRAPHY.search(source) else _END
        source = _insert(place, source, b"\\input{%s}" % SIMULATION.encode())
    made[name] = source
    return made


def simulation(names: Iterable[str]) -> str:
    """The section that shows a model's plots."""
    shown = "".join(
        "\\begin{center}\\includegraphics"
        f"[width=\\linewidth,height=0.8\\textheight,keepaspectratio]{{{name}}}\\end{{center}}\n"
        for name in names
    )
    return f"\n\\section{{Simulation}}\n{shown}"


def _preamble(*, first_page: int, plots: bool) -> str:
    lines = ["\\usepackage{graphicx}"] if plots else []
    if first_page != 1:
        lines.append(f"\\AtBeginDocument{{\\setcounter{{page}}{{{first_page}}}}}")
    return "\n".join([*lines, "\\endinput", ""])


def _insert(place: re.Pattern[bytes], source: bytes, text: bytes) -> bytes:
    """The source with a text before the first such place; as it is where there is none."""
    return place.sub(lambda match: match[1] + text + match[2], source, count=1)


def pictures(plots: Mapping[str, bytes]) -> dict[str, bytes]:
    """The plots under names that TeX takes, whatever they were called."""
    return {
        f"ackrep_plot_{number}.{path.rpartition('.')[2].lower()}": content
        for number, (path, content) in enumerate(plots.items(), 1)
    }
