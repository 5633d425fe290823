"""Everything that was tried to upset the catalog: the table of bad input in docs/diagnostics.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.catalog.domain.diagnostics import Diagnostic
from tests.unit.catalog.repositories import entity_files, environment, index_of

_HEAD: Final = "key: AAAAA\ntype: comment\nname: x\n"
_BOMB: Final = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
GOOD: Final = entity_files("GOODE", "documentation")
"""An entity that nothing may hide."""


@dataclass(frozen=True)
class Case:
    """One thing that was tried, and what is to be said of it."""

    tried: str
    codes: Sequence[str]
    """Of all diagnostics, in order; none where it is fine."""
    files: Mapping[str, str | bytes]
    links: Mapping[str, str] = field(default_factory=dict)


def _with(lines: str | bytes) -> dict[str, str | bytes]:
    """An entity with these lines added."""
    more = lines if isinstance(lines, bytes) else lines.encode()
    return {"comments/a/metadata.yml": _HEAD.encode() + more}


def _only(text: str | bytes) -> dict[str, str | bytes]:
    """A file that holds this alone."""
    return {"comments/a/metadata.yml": text}


def _solution(**fields: str) -> dict[str, str]:
    return entity_files("SSSSS", "problem_solution", **fields) | environment()


YAML: Final = (
    Case("a bracket that nobody closes", ["yaml-syntax"], _only("key: [\n")),
    Case("`: ` in text without quotes", ["yaml-syntax"], _only("key: AAAAA\nname: a: b\n")),
    Case("a tab for indentation", ["yaml-syntax"], _only("key: AAAAA\n\tname: b\n")),
    Case("two documents in one file", ["yaml-syntax"], _with("---\nkey: BBBBB\n")),
    Case("an alias of nothing", ["yaml-syntax"], _only("key: *nowhere\n")),
    Case("a control character as it is", ["yaml-syntax"], _with("notes: a\x01b\n")),
    Case("half of a character pair", ["yaml-syntax"], _with('notes: "\\ud800"\n')),
    Case("an empty file", ["yaml-not-a-mapping"], _only("")),
    Case("a list", ["yaml-not-a-mapping"], _only("- a\n- b\n")),
    Case("Latin-1", ["yaml-not-utf8"], _only("key: AAAAA\nname: café\n".encode("latin-1"))),
    Case("UTF-16", ["yaml-not-utf8"], _only(_HEAD.encode("utf-16"))),
    Case("random bytes", ["yaml-not-utf8"], _only(bytes(range(256)))),
    Case(
        "a tag that runs a command",
        ["yaml-tag-refused"],
        _with("notes: !!python/object/apply:os.system [id]\n"),
    ),
    Case("a tag of one's own", ["yaml-tag-refused"], _only("key: !secret AAAAA\n")),
    Case("a bomb of aliases (a billion values)", ["yaml-too-large"], _only(_BOMB)),
    Case("a list that holds itself", ["yaml-too-large"], _with("notes: &a [*a]\n")),
    Case("50 brackets in each other", ["yaml-too-large"], _with(f"x: {'[' * 50}{']' * 50}\n")),
    Case("100,000 opening brackets", ["yaml-too-large"], _only("a: " + "[" * 100_000)),
    Case("20,000 values", ["yaml-too-large"], _with("tag_list:\n" + "- a\n" * 20_000)),
    Case("a file of 1 MiB", ["yaml-too-large"], _with(f"notes: {'x' * 2**20}\n")),
    Case("NUL", ["control-character"], _with('notes: "a\\0b"\n')),
    Case("a sequence that colours terminals", ["control-character"], _with('notes: "\\e[31m"\n')),
    Case("text from right to left", ["control-character"], _with("notes: 'a\u202eb'\n")),
    Case(
        "a quoted text that goes on in the first column",
        ["unindented-text"],
        _with("notes: 'it goes\non'\n"),
    ),
    Case("one alias, as YAML has them", [], _with("tag_list: &a [b]\neditor_list: *a\n")),
    Case(
        "a byte order mark, Windows line ends",
        [],
        _only(b"\xef\xbb\xbf" + _HEAD.replace("\n", "\r\n").encode()),
    ),
)
FIELDS: Final = (
    Case("no key", ["missing-key"], _only("type: comment\nname: x\n")),
    Case("the key `null`", ["missing-key"], _only("key: null\ntype: comment\nname: x\n")),
    Case("a key in small letters", ["invalid-key"], _only("key: abcde\ntype: comment\nname: x\n")),
    Case("a key of 7 letters", ["invalid-key"], _only("key: TOOLONG\ntype: comment\nname: x\n")),
    Case(
        "a key that leads elsewhere", ["invalid-key"], _only("key: ../..\ntype: comment\nname: x\n")
    ),
    Case("a key that YAML takes for a number", [], _only("key: 28500\ntype: comment\nname: x\n")),
    Case("… or for 9.3 · 10⁷³", [], _only("key: 93E72\ntype: comment\nname: x\n")),
    Case("spaces around the key", [], _only("key:  'AAAAA '\ntype: comment\nname: x\n")),
    Case("no type", ["missing-type"], _only("key: AAAAA\nname: x\n")),
    Case(
        "a type written differently",
        ["unknown-type"],
        _only("key: AAAAA\ntype: Note-Book\nname: x\n"),
    ),
    Case("no name", ["missing-name"], _only("key: AAAAA\ntype: comment\nname: ''\n")),
    Case("a field twice", ["duplicate-field"], _with("name: y\n")),
    Case("a field nearly as it should be", ["misspelled-field"], _with("tag_lst: [a]\n")),
    Case("a field by an older name", ["misspelled-field"], _with("author: A. Student\n")),
    Case("a field of one's own", ["unknown-field"], _with("reviewed: yes\n")),
    Case("a field of one's own with `_`", [], _with("_reviewed: yes\n")),
    Case("a field of another type", ["foreign-field"], _with("solution_file: a.py\n")),
    Case("a mapping for a text", ["wrong-field-type"], _with("notes: {a: b}\n")),
    Case("a text for a list", ["wrong-field-type"], _with("tag_list: control\n")),
    Case("a list in a list", ["wrong-field-type"], _with("tag_list: [a, [b]]\n")),
    Case(
        "a name of 400 characters",
        ["too-long"],
        _only(f"key: AAAAA\ntype: comment\nname: {'x' * 400}\n"),
    ),
    Case("600 tags", ["too-long"], _with(f"tag_list: [{'a, ' * 600}]\n")),
    Case("a date in words", ["not-a-date"], _with("creation_date: 17 May 2022\n")),
    Case("the 31st of June", ["not-a-date"], _with("creation_date: 2022-06-31\n")),
    Case("a date with time, without quotes", [], _with("creation_date: 2022-05-17 14:27:00\n")),
    Case("a German date", [], _with("creation_date: 17.5.2022\n")),
    Case(
        "a run time in words",
        ["not-a-duration"],
        entity_files("AAAAA", "system_model", estimated_runtime="quick") | environment(),
    ),
    Case(
        "a run time of 1:30 without quotes",
        [],
        entity_files("AAAAA", "system_model", estimated_runtime="00:01:30") | environment(),
    ),
    Case("a version in words", ["odd-version"], _with("version: the newest\n")),
    Case(
        "an address without end",
        ["unmatched-bracket"],
        _with("creator: A. Student <a@example.org\n"),
    ),
    Case("a creator left empty", ["empty-field"], _with("creator: ''\n")),
    Case(
        "a date among references",
        ["date-in-references"],
        _with("external_references: '2022-04-24'\n"),
    ),
    Case("empty texts and items", [], _with("notes: ''\ntag_list:\n    - ''\neditor_list:\n")),
)
RELATIONS: Final = (
    Case(
        "one key in two places",
        ["duplicate-key", "duplicate-key"],
        {"a/metadata.yml": _HEAD, "b/metadata.yml": f"# other\n{_HEAD}"},
    ),
    Case(
        "a reference with a slip of the finger",
        ["dangling-reference"],
        _solution(solved_problem_list="[PPPPQ]") | entity_files("PPPPP", "problem_specification"),
    ),
    Case(
        "a reference by nothing like a key",
        ["dangling-reference"],
        _solution(method_package_list="['../..']"),
    ),
    Case(
        "a reference to another type",
        ["wrong-reference-type"],
        _solution(solved_problem_list="[MMMMM]") | entity_files("MMMMM", "system_model"),
    ),
    Case(
        "an entity that is its own predecessor",
        ["reference-cycle"],
        entity_files("AAAAA", "comment", predecessor_key="AAAAA"),
    ),
    Case(
        "predecessors in a circle",
        ["reference-cycle", "reference-cycle"],
        entity_files("AAAAA", "comment", predecessor_key="BBBBB")
        | entity_files("BBBBB", "comment", predecessor_key="AAAAA"),
    ),
    Case(
        "an environment by a wrong key",
        ["unknown-environment"],
        _solution(compatible_environment="ENVIS"),
    ),
    Case(
        "an environment by its name",
        ["unknown-environment"],
        _solution(compatible_environment="default_environment"),
    ),
    Case("no environment anywhere", ["no-environment"], entity_files("NNNNN", "notebook")),
    Case(
        "an environment with a free name",
        ["invalid-environment-name"],
        environment(name="My Environment"),
    ),
    Case(
        "an environment with a name of 200 letters",
        ["invalid-environment-name"],
        environment(name=f"{'x' * 188}_environment"),
    ),
    Case(
        "Dockerfiles, but not for this environment",
        ["missing-dockerfile"],
        {**environment(), "images/Dockerfile_other_environment": ""},
    ),
)
FOLDERS: Final = (
    Case(
        "no solution.py",
        ["missing-file"],
        {path: text for path, text in _solution().items() if not path.endswith(".py")},
    ),
    Case("a file that is not there", ["missing-file"], _solution(postprocessing_file="draw.py")),
    Case("a file outside", ["missing-file"], _solution(solution_file="../../etc/passwd")),
    Case(
        "a notebook entity without notebook",
        ["missing-file"],
        {
            **environment(),
            "notebooks/n/metadata.yml": "key: NNNNN\ntype: notebook\nname: x\n",
        },
    ),
    Case(
        "an entity in the folder of another type",
        ["misplaced-entity"],
        {"notebooks/a/metadata.yml": _HEAD},
    ),
    Case("an entity in a layout of one's own", [], {"course/first/metadata.yml": _HEAD}),
    Case(
        "an entity in an entity",
        ["nested-entity"],
        {
            "comments/a/metadata.yml": _HEAD,
            "comments/a/b/metadata.yml": _HEAD.replace("AAAAA", "BBBBB"),
        },
    ),
    Case("metadata at the root", ["entity-at-root"], {"metadata.yml": _HEAD}),
    Case("metadata.yaml", ["misnamed-metadata"], {"comments/a/metadata.yaml": _HEAD}),
    Case("a template", [], {"system_models/_template/metadata.yml": "key: None\n"}),
    Case(
        "a link out of the repository",
        ["symlink-outside"],
        _with(""),
        {"comments/a/b": "/etc/passwd"},
    ),
    Case(
        "a link out of it in steps", ["symlink-outside"], _with(""), {"comments/a/b": "../../../x"}
    ),
    Case("a link within", ["symlink"], _with(""), {"comments/a/b": "metadata.yml"}),
    Case(
        "metadata that is a link",
        ["metadata-not-a-file", "symlink"],
        {"x": ""},
        {"a/metadata.yml": "../x"},
    ),
    Case("a file name that is no UTF-8", ["odd-name"], {**_with(""), "comments/a/caf\udce9": ""}),
    Case(
        "a folder name that is no UTF-8",
        ["odd-entity-path", "odd-name"],
        {"caf\udce9/metadata.yml": _HEAD},
    ),
    Case(
        "a folder 600 characters deep",
        ["odd-entity-path"],
        {f"{'deep/' * 120}metadata.yml": _HEAD},
    ),
    Case(
        "two names that differ in case",
        ["case-clash", "case-clash"],
        {
            **_with(""),
            "comments/a/Model.py": "",
            "comments/a/model.py": "",
        },
    ),
    Case(
        "`é` in two ways",
        ["case-clash", "case-clash"],
        {
            **_with(""),
            "comments/a/\xe9.py": "",
            "comments/a/e\u0301.py": "",
        },
    ),
    Case(
        "two folders that differ in case",
        ["case-clash", "case-clash"],
        {
            "comments/a/metadata.yml": _HEAD,
            "comments/A/metadata.yml": _HEAD.replace("AAAAA", "BBBBB"),
        },
    ),
    Case(
        "a name that is a device on Windows",
        ["unportable-name"],
        {**_with(""), "comments/a/aux.py": ""},
    ),
    Case("a name with a colon", ["unportable-name"], {**_with(""), "comments/a/12:30.csv": ""}),
    Case("a name with a line feed", ["unportable-name"], {**_with(""), "comments/a/b\nc": ""}),
)
SECTIONS: Final = {
    "YAML": YAML,
    "Fields": FIELDS,
    "Relations and environments": RELATIONS,
    "Files and folders": FOLDERS,
}


def said(case: Case) -> tuple[list[Diagnostic], bool]:
    """The diagnostics of a case, and whether the good entity beside it is found."""
    index = index_of({**case.files, **GOOD}, links=case.links)
    return list(index.diagnostics), any(one.entity.key == "GOODE" for one in index.entities)
