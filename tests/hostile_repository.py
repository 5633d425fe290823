"""A data repository whose entities carry hostile values wherever strangers can write.

Entities hold eight values each, in every field; a few more hold all values at once, in files, in
the ontology, and in what their checks print, raise, return and write.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.command_projects import Project
from tests.git_repositories import user_git
from tests.unit.gateway.hostile import CANARY, CORPUS, Hostile

BATCHES: Final = tuple(CORPUS[start : start + 8] for start in range(0, len(CORPUS), 8))
"""The values by entity: a browser takes its time for every page."""
ODD: Final = "<img/src=x/onerror=self.__xss=1>"
"""Git lets branches and files be called so."""
BRANCH: Final = "hostile"
FILES: Final = "FILES"
"""Key of the entity whose files are called after the values, and hold them."""
CHECKED: Final = ("PRINT", "RAISE", "TELLS")
"""Keys of entities whose checks put the values into all they say."""
_SCALARS: Final = (
    "name", "short_description", "version", "creator", "creation_date", "notes", "merge_request",
    "external_references", "estimated_runtime", "compatible_environment", "predecessor_key",
    "system_model_file", "simulation_file", "problem_file", "unknown_field",
)  # fmt: skip
_LISTS: Final = ("tag_list", "editor_list", "referenced_entity_list", "method_package_list")

_SHAPES: Final = {
    "page.html": f"<title>x</title><script>self.__xss=1</script><img src=//{CANARY}/p.png "
    "onerror=self.__xss=1><body onload=self.__xss=1><iframe src=javascript:top.__xss=1></iframe>"
    f"<meta http-equiv=refresh content='1;url=//{CANARY}/'><form action=//{CANARY}/><button "
    "autofocus onfocus=self.__xss=1>x</button></form>",
    "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg' onload='self.__xss=1'><script>"
    "self.__xss=1</script><foreignObject><body xmlns='http://www.w3.org/1999/xhtml'><img src='x' "
    "onerror='self.__xss=1'/></body></foreignObject></svg>",
    "page.xhtml": "<html xmlns='http://www.w3.org/1999/xhtml'><script>self.__xss=1</script></html>",
    "sheet.xml": f"<?xml-stylesheet href='//{CANARY}/x.xsl' type='text/xsl'?><x/>",
    "script.js": "self.__xss=1",
    "picture.png": "<script>self.__xss=1</script>",
    "table.csv": "=HYPERLINK(1)\n<script>self.__xss=1</script>\n",
}
"""Contents that would run if they were shown as what they are called."""

_ALL: Final = "import json, os\nVALUES = json.load(open(os.path.join(HERE, 'values.json')))\n"
_HERE: Final = "import os\nHERE = os.path.dirname(os.path.abspath(__file__))\n"
_PRINT: Final = """
import sys
from ackrep_core import ResultContainer

def simulate():
    for value in VALUES:
        print(value)
        print(value, file=sys.stderr)
    folder = os.path.join(HERE, "_data")
    os.makedirs(folder)
    for name, content in SHAPES.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(content)
    for number, value in enumerate(VALUES):
        name = value.replace("/", "|").replace("\\0", "")[:60].strip(". ")
        if number % 25 == 0 and name:
            with open(os.path.join(folder, name + (".svg", ".html")[number % 2]), "w") as file:
                file.write(SHAPES[("picture.svg", "page.html")[number % 2]] + value)

def evaluate_simulation(data):
    result = ResultContainer(success=True, score=1.0)
    for number, value in enumerate(VALUES):
        setattr(result, value, float(number))
    return result
"""
_RAISE: Final = """
class Hostile(Exception):
    pass

def simulate():
    raise Hostile("\\n".join(VALUES))

def evaluate_simulation(data):
    return data
"""
_TELLS: Final = """
from ackrep_core import ResultContainer

class Model:
    has_params = False
    xx_symb = VALUES
    uu_symb = VALUES
    def get_rhs_symbolic(self):
        return VALUES

def simulate():
    print("fine")

def evaluate_simulation(data):
    return ResultContainer(success=True, score=1.0, text=VALUES)
"""


def in_yaml(value: object) -> str:
    """A value as YAML, exactly; whatever is no plain character as an escape."""
    if isinstance(value, list):
        return f"[{', '.join(map(in_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{in_yaml(k)}: {in_yaml(v)}' for k, v in value.items())}}}"
    shown = (
        f"\\{character}" if character in '"\\'
        else character if " " <= character <= "~"
        else f"\\U{ord(character):08x}"
        for character in str(value)
    )  # fmt: skip
    return f'"{"".join(shown)}"'


def key_of(number: int) -> str:
    """Of the entity that holds a batch in every field."""
    return f"H{number:04}"


def _texts() -> list[str]:
    return [one.text for one in CORPUS]


class HostileProject(Project):
    """Commits it all: the values on `main`, and a branch that changes some of it."""

    def __init__(self, folder: Path, *, state: Path) -> None:
        super().__init__(folder, state=state)
        for number, batch in enumerate(BATCHES):
            self._entity_of(number, batch)
        self._files()
        for key, code in zip(CHECKED, (_PRINT, _RAISE, _TELLS), strict=True):
            self._checked(key, code)
        self._ontology(_texts())
        user_git(self.root, "init", "-q", "-b", "main")
        user_git(self.root, "add", ".")
        user_git(self.root, "commit", "-qm", "<script>self.__xss=1</script>\n\n$\\href{x}{y}$")
        user_git(self.root, "checkout", "-qb", BRANCH)
        notes = self.root / "system_models/files/README.md"
        notes.write_text("\n".join(reversed(_texts())).replace("\0", ""))
        metadata = self.root / "system_models/h0003/metadata.yml"
        metadata.write_text(metadata.read_text().replace("__xss", "__xss=__xss"))
        user_git(self.root, "commit", "-qam", "</pre><img src=x onerror=self.__xss=1>")
        user_git(self.root, "checkout", "-q", "main")

    def _entity_of(self, number: int, batch: Sequence[Hostile]) -> None:
        folder = self.root / f"system_models/{key_of(number).lower()}"
        texts = [one.text for one in batch]
        fields: dict[str, object] = dict.fromkeys(_SCALARS, "\n\n".join(texts))
        fields |= {name: [*texts, *(f"ocse:{text}" for text in texts)] for name in _LISTS}
        fields |= {text or "empty": {text: [text]} for text in texts if len(text) < 100}
        fields |= {"key": key_of(number), "type": "system_model"}
        _write(
            folder,
            {
                "metadata.yml": "".join(f"{in_yaml(k)}: {in_yaml(v)}\n" for k, v in fields.items()),
                "README.md": "\n\n".join(texts),
            },
        )

    def _files(self) -> None:
        folder = self._model(FILES, "name: files\n")
        texts = _texts()
        notebook = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"title": texts},
            "cells": [
                {"cell_type": "markdown", "metadata": {}, "source": texts},
                {
                    "cell_type": "code",
                    "metadata": {},
                    "execution_count": 1,
                    "source": texts,
                    "outputs": [
                        {
                            "output_type": "display_data",
                            "metadata": {},
                            "data": {
                                "text/html": texts,
                                "image/svg+xml": texts,
                                "application/javascript": ["self.__xss=1"],
                            },
                        }
                    ],
                },
            ],
        }
        together = "\n".join(texts)
        suffixes = ("py", "md", "html", "js", "svg", "tex", "css", "yml", "toml", "xml", "rst")
        _write(
            folder,
            {
                "README.md": "\n\n".join(texts),
                "notebook.ipynb": json.dumps(notebook),
                **{f"all.{suffix}": together for suffix in suffixes},
                **_SHAPES,
                **{f"{name}.py": one.text for one in CORPUS if (name := file_name(one.text))},
                **{f"{ODD.replace('/', ' ')}.{end}": "x" for end in ("png", "pdf", "svg")},
            },
        )

    def _model(self, key: str, more: str) -> Path:
        extra = "compatible_environment: TINYE\n"
        folder = self.entity(f"system_models/{key.lower()}", key, "system_model", extra)
        metadata = folder / "metadata.yml"
        metadata.write_text(metadata.read_text().replace(f"name: entity {key}\n", more))
        return folder

    def _checked(self, key: str, code: str) -> None:
        folder = self._model(key, f"name: {in_yaml(f'<b>{key}</b>')}\n")
        values = json.dumps(_texts())
        fake = "def latex(value, **options):\n    return value\n"
        simulation = f"{_HERE}{_ALL}SHAPES = {_SHAPES!r}\n{code}"
        _write(
            folder,
            {
                "values.json": values,
                "sympy.py": fake,
                "simulation.py": simulation,
                "system_model.py": f"{_HERE}{_ALL}{code}",
            },
        )

    def _ontology(self, texts: Iterable[str]) -> None:
        lines = ['- iri: "https://hostile.example/ontology#"\n', "- multiple_owl_classes:\n"]
        for number, text in enumerate(texts):
            parent = "owl:Thing" if number == 0 else "C0"
            lines.append(
                f"    - C{number}:\n        SubClassOf: {parent!r}\n"
                f"        annotations: {in_yaml(text)}\n"
                + ("        __create_proxy_individual: recursive\n" if number == 0 else "")
            )
        _write(self.root / "ontology", {"hostile.owl.yml": "".join(lines)})


def file_name(value: str) -> str:
    """A value as the name of a file, as far as Linux and git allow it; else empty."""
    name = value.replace("/", "\u2215").replace("\0", "")
    return name if len(f"{name}.py".encode()) <= 255 and name.strip(". ") else ""


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
