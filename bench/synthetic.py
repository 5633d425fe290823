"""Synthetic data repositories of any size, as commits of a bare git repository.

The same seed gives the same repository. Texts follow a vocabulary of some thousand words with the
frequencies of natural language (Zipf), so that searching in them is neither easier nor harder than
it is in real ones.
"""

import itertools
import random
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_STEMS: Final = tuple(
    """
    acro aero ampl angul bilinear bound capac chao circuit cluster condens conver coupl damp delay
    detect diffus digit discret disturb dynam elast electr energ equi estim excit expon feed
    filter flat flex flux force frequen gain gener gradi gyro harmon heat hydraul hyster impuls
    induct inert input integr inver iter joint kinet lagrang latency linear load lorenz lyapun
    magnet mass matr measur mechan method mobil mod motor nois nonlin norm numer observ optim
    orbit oscill output param part passiv pendul period perturb phase plan plasm pneum point pol
    popul posit potent power predict press process propag quad quantum random rank react recurs
    reduc regul relax resid reson rigid robot robust rotor sampl satur scal sensor sequ signal
    simul sliding solv spars spectr spring stab state stoch switch symmetr system tank temper
    tensor thermo toler torque track traject transf transmit turb under unif valv variab vector
    vehicl veloc vibrat visc volt vort wave wheel width zero
    """.split()  # noqa: SIM905  # easier to read than a list
)
_ENDINGS: Final = tuple(
    """
    ance ant ation ative ator ed ence er ic ical ically ing ion ism ist ity ium ization ized less
    ly ment ness oid or ous ship ular ure
    """.split()  # noqa: SIM905  # easier to read than a list
)
_FIRST_NAMES: Final = tuple(
    """
    Ada Anna Ben Carla Chen Dario Elif Emma Felix Greta Hugo Ines Ivan Jana Jonas Karl Lea Lin
    Marc Maria Nadia Nils Olga Omar Paul Petra Rita Sven Tara Yusuf
    """.split()  # noqa: SIM905  # easier to read than a list
)
_LAST_NAMES: Final = tuple(
    """
    Adler Bauer Costa Demir Ernst Fischer Gruber Haas Ito Jansen Keller Lang Moreau Novak Otto
    Peters Quist Richter Silva Thaler Ulrich Vogel Weiss Xu Young Zeller Müller Sørensen García
    """.split()  # noqa: SIM905  # easier to read than a list
)

CLASSES: Final = 300
"""Classes of the synthetic ontology."""
ENVIRONMENT_KEY: Final = "0ENV0"
ONTOLOGY_FILE: Final = "ontology/synthetic.owl.yml"

SHARES: Final = (
    ("system_model", "system_models", 30),
    ("problem_specification", "problem_specifications", 25),
    ("problem_solution", "problem_solutions", 30),
    ("method_package", "method_packages", 8),
    ("notebook", "notebooks", 4),
    ("documentation", "documentations", 3),
)
"""Type, folder and percentage of entities."""
_FILES: Final = {
    "system_model": ("system_model.py", "simulation.py"),
    "problem_specification": ("problem.py",),
    "problem_solution": ("solution.py",),
    "method_package": ("src/package.py",),
    "notebook": ("notebook.ipynb",),
    "documentation": ("README.md",),
}


def vocabulary() -> list[str]:
    """Some thousand distinct words, most frequent first."""
    words = [stem + ending for stem in _STEMS for ending in _ENDINGS]
    random.Random(7).shuffle(words)  # noqa: S311  # reproducible on purpose
    return words


def class_name(number: int) -> str:
    """Name of a class of the ontology, e.g. `Kinetic_17`."""
    return f"{_STEMS[number % len(_STEMS)].capitalize()}_Concept_{number}"


def ontology() -> str:
    """A tree of classes below `OCSE_Entity`, in the yamlpyowl dialect."""
    lines = [
        "- iri: https://ackrep.org/draft/synthetic#",
        "- multiple_owl_classes:",
        "    - OCSE_Entity:",
        '        SubClassOf: "owl:Thing"',
        "        __create_proxy_individual: recursive",
    ]
    for number in range(CLASSES):
        above = "OCSE_Entity" if number < 5 else class_name((number - 5) // 4)
        lines += [f"    - {class_name(number)}:", f"        SubClassOf: {above}"]
    return "\n".join(lines) + "\n"


@dataclass
class Synthetic:
    """A repository of so many entities, besides its one environment specification.

    Args:
        count: Number of entities.
        seed: Another one gives another repository.
    """

    count: int
    seed: int = 1
    folders: list[str] = field(default_factory=list)
    """Folder of each entity."""
    keys: list[str] = field(default_factory=list)
    """Key of each entity."""
    types: list[str] = field(default_factory=list)
    """Type of each entity."""

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)  # noqa: S311  # reproducible on purpose
        seen = {ENVIRONMENT_KEY}
        kinds = [(type_, folder) for type_, folder, share in SHARES for _ in range(share)]
        for number in range(self.count):
            key = ENVIRONMENT_KEY
            while key in seen:
                key = "".join(chance.choices(_ALPHABET, k=5))
            seen.add(key)
            type_, folder = kinds[number * 37 % 100]
            self.keys.append(key)
            self.types.append(type_)
            self.folders.append(f"{folder}/{type_}_{number:06d}")
        self._by_type: dict[str, list[str]] = {}
        for key, type_ in zip(self.keys, self.types, strict=True):
            self._by_type.setdefault(type_, []).append(key)
        self._words = vocabulary()
        self._weights = list(
            itertools.accumulate(1 / (rank + 2.7) for rank in range(len(self._words)))
        )

    def files(self, number: int, *, edition: int = 0) -> Iterator[tuple[str, str]]:
        """Paths and contents of the files of one entity; another edition has another text."""
        folder, type_ = self.folders[number], self.types[number]
        yield f"{folder}/metadata.yml", self.metadata(number, edition=edition)
        for name in _FILES[type_]:
            yield f"{folder}/{name}", f"# {name} of {self.keys[number]}\n"

    def metadata(self, number: int, *, edition: int = 0) -> str:
        """The `metadata.yml` of one entity."""
        chance = random.Random(f"{self.seed} {number} {edition}")  # noqa: S311  # as above
        key, type_ = self.keys[number], self.types[number]
        year, month, day = chance.randint(2015, 2026), chance.randint(1, 12), chance.randint(1, 28)
        lines = [
            f"key: {key}",
            "predecessor_key: ''",
            f"type: {type_}",
            f"name: {self._text(chance, 2, 6)}",
            f"short_description: {self._text(chance, 6, 18)}",
            "version: 0.1.0",
            *self._list("tag_list", self._tags(chance)),
            f"creator: {creator(chance)}",
            *self._list("editor_list", [""]),
            f"creation_date: '{year}-{month:02d}-{day:02d} 12:00:00'",
            "external_references: ''",
            f"notes: {self._text(chance, 0, 40)}",
            *self._references(chance, type_),
        ]
        return "\n".join(lines) + "\n"

    def _references(self, chance: random.Random, type_: str) -> Iterator[str]:
        if type_ == "problem_specification":
            yield from self._list("related_system_models_list", self._some(chance, "system_model"))
        if type_ == "problem_solution":
            solved = self._some(chance, "problem_specification")
            yield from self._list("solved_problem_list", solved)
            yield from self._list("method_package_list", self._some(chance, "method_package"))
        if type_ in {"system_model", "problem_solution", "notebook"}:
            yield f"compatible_environment: {chance.choice([ENVIRONMENT_KEY, chr(39) * 2])}"
            yield "estimated_runtime: '10s'"

    def _some(self, chance: random.Random, type_: str) -> list[str]:
        keys = self._by_type.get(type_, [])
        # The first ones are the popular ones.
        return [keys[int(len(keys) * chance.random() ** 3)]] if keys else [""]

    @staticmethod
    def _list(name: str, items: Sequence[str]) -> list[str]:
        return [f"{name}:", *(f"    - '{item}'" for item in items)]

    @staticmethod
    def _tags(chance: random.Random) -> list[str]:
        picked = {int(CLASSES * chance.random() ** 2) for _ in range(chance.randint(0, 4))}
        return [f"ocse:{class_name(number)}" for number in sorted(picked)] or [""]

    def _text(self, chance: random.Random, least: int, most: int) -> str:
        size = chance.randint(least, most)
        words = chance.choices(self._words, cum_weights=self._weights, k=size)
        return " ".join(words) or "''"


def creator(chance: random.Random) -> str:
    """One of some hundred people."""
    return f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}"


class SyntheticRepository:
    """A bare git repository with synthetic commits, written by `git fast-import`.

    Args:
        folder: Where to make it; must not exist.
        entities: What its first commit holds.
    """

    def __init__(self, folder: Path, entities: Synthetic) -> None:
        self.folder = folder
        self.entities = entities
        _git("init", "--quiet", "--bare", "--initial-branch=main", str(folder))
        self._import(self._everything(), message="everything", first=True)

    def change(self, numbers: Sequence[int], *, edition: int) -> None:
        """Commits another edition of some entities."""
        files = (
            file for number in numbers for file in self.entities.files(number, edition=edition)
        )
        self._import(files, message=f"edition {edition}")

    def _everything(self) -> Iterator[tuple[str, str]]:
        yield ONTOLOGY_FILE, ontology()
        yield (
            "environment_specifications/default_environment/metadata.yml",
            f"key: {ENVIRONMENT_KEY}\ntype: environment_specification\nname: default_environment\n",
        )
        for number in range(self.entities.count):
            yield from self.entities.files(number)

    def _import(
        self, files: Iterator[tuple[str, str]], *, message: str, first: bool = False
    ) -> None:
        process = subprocess.Popen(
            ["git", "fast-import", "--quiet"], cwd=self.folder, stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        with process.stdin as stream:
            stream.write(
                b"commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\n"
                + _data(message)
                + (b"" if first else b"from refs/heads/main^0\n")
            )
            for path, content in files:
                stream.write(f"M 100644 inline {path}\n".encode() + _data(content))
        if process.wait() != 0:
            raise RuntimeError("git fast-import failed")


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%s\n" % (len(content), content)


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)
