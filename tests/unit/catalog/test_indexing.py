"""What is wrong is said exactly; what is right is not complained of."""

from collections.abc import Mapping

import pytest

from services.catalog.domain.diagnostics import SEVERITIES, Severity
from services.catalog.domain.indexing.index import Index
from tests.unit.catalog.repositories import entity_files, environment, index_of

Found = list[tuple[str, str, int, int, str]]

METADATA = "problem_solutions/sssss/metadata.yml"


def found(index: Index) -> Found:
    """Code, path, line, column and field of each diagnostic."""
    return [(one.code, one.path, one.line, one.column, one.field) for one in index.diagnostics]


def solution(**fields: str) -> dict[str, str]:
    return entity_files("SSSSS", "problem_solution", **fields) | environment()


def test_a_right_repository_has_no_diagnostics() -> None:
    """All nine types, as real repositories write them: empty texts, blank items, loose spaces."""
    blank = {
        "predecessor_key": "''",
        "short_description": "",
        "tag_list": "\n    - ''",
        "editor_list": "",
        "merge_request": "''",
        "creation_date": "2022-05-17 14:27:00",
        "external_references": "",
    }
    files = (
        environment()
        | entity_files(
            "MMMMM", "system_model", **blank | {"key": " MMMMM ", "compatible_environment": ""}
        )
        | entity_files("CCCCC", "problem_class", **blank)
        | entity_files(
            "PPPPP",
            "problem_specification",
            **blank,
            problemclass_list="[CCCCC]",
            related_system_models_list="['MMMMM', '']",
            problem_file="problem.py",
        )
        | entity_files("METHO", "method_package", **blank, compatible_environment_list="['']")
        | entity_files(
            "SSSSS",
            "problem_solution",
            **blank,
            solved_problem_list="\n    - PPPPP",
            method_package_list="\n    - METHO\n    - ''",
            compatible_environment="'ENVIR'",
            postprocessing_file="''",
        )
        | entity_files("NNNNN", "notebook", **blank)
        | entity_files("DDDDD", "documentation", **blank)
        | entity_files("28500", "comment", **blank)
        | {"models/_template/metadata.yml": "key: None\n", "README.md": "x"}
        | {"models/_other_template/metadata.yml": "key: None\n"}
    )
    index = index_of(files)
    assert [] == found(index)
    assert ["28500", "CCCCC", "DDDDD", "ENVIR", "METHO", "MMMMM", "NNNNN", "PPPPP", "SSSSS"] == [
        placed.entity.key for placed in index.entities
    ]
    environments = {placed.entity.key: placed.environment for placed in index.entities}
    assert {"MMMMM", "SSSSS", "NNNNN"} == {key for key, name in environments.items() if name}
    model = next(placed.entity for placed in index.entities if placed.entity.key == "MMMMM")
    assert ("", (), "2022-05-17T14:27:00") == (
        model.short_description,
        model.tags,
        model.creation_date,
    )
    assert [] == model.metadata["tag_list"] == model.metadata["editor_list"]


@pytest.mark.parametrize(
    ("files", "expected", "words"),
    [
        (
            {"a/metadata.yml": "key: [\n"},
            [("yaml-syntax", "a/metadata.yml", 2, 1, "")],
            "YAML",
        ),
        (
            {"a/metadata.yml": "- x\n"},
            [("yaml-not-a-mapping", "a/metadata.yml", 1, 1, "")],
            "field",
        ),
        (
            {"a/metadata.yml": "type: comment\nname: x\n"},
            [("missing-key", "a/metadata.yml", 0, 0, "key")],
            "ackrep key",
        ),
        (
            {"a/metadata.yml": "key: abcde\ntype: comment\nname: x\n"},
            [("invalid-key", "a/metadata.yml", 1, 6, "key")],
            "ABCDE",
        ),
        (
            {"a/metadata.yml": "key: TOOLONG\ntype: comment\nname: x\n"},
            [("invalid-key", "a/metadata.yml", 1, 6, "key")],
            "'TOOLONG'",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\nname: x\n"},
            [("missing-type", "a/metadata.yml", 0, 0, "type")],
            "system_model",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\ntype: modell\nname: x\n"},
            [("unknown-type", "a/metadata.yml", 2, 7, "type")],
            "'modell'",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\ntype: comment\nname: ''\n"},
            [("missing-name", "a/metadata.yml", 3, 7, "name")],
            "no name",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\ntype: comment\nname: x\nnotes: {a: b}\n"},
            [("wrong-field-type", "a/metadata.yml", 4, 8, "notes")],
            "mapping",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\ntype: comment\nname: x\ntag_list: alone\n"},
            [("wrong-field-type", "a/metadata.yml", 4, 11, "tag_list")],
            "- alone",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\ntype: comment\nname: x\ntag_list:\n- a\n- [b]\n"},
            [("wrong-field-type", "a/metadata.yml", 6, 3, "tag_list")],
            "left out",
        ),
        (
            {"a/metadata.yml": f"key: AAAAA\ntype: comment\nname: {'x' * 301}\n"},
            [("too-long", "a/metadata.yml", 3, 7, "name")],
            "301",
        ),
        (
            {"a/metadata.yml": "key: AAAAA\nkey: BBBBB\ntype: comment\nname: x\n"},
            [("duplicate-field", "a/metadata.yml", 2, 1, "key")],
            "line 1",
        ),
        (
            {"metadata.yml": "key: AAAAA\ntype: comment\nname: x\n"},
            [("entity-at-root", "metadata.yml", 0, 0, "")],
            "folder of its own",
        ),
        (
            {"caf\udce9/metadata.yml": "key: AAAAA\ntype: comment\nname: x\n"},
            [
                ("odd-entity-path", "caf\\xe9/metadata.yml", 0, 0, ""),
                ("odd-name", "caf\\xe9/metadata.yml", 0, 0, ""),
            ],
            "UTF-8",
        ),
        (
            entity_files("AAAAA", "comment") | {"comments/aaaaa/caf\udce9": ""},
            [("odd-name", "comments/aaaaa/caf\\xe9", 0, 0, "")],
            "rename",
        ),
        (
            solution(solved_problem_list="[PPPPQ]")
            | entity_files("PPPPP", "problem_specification"),
            [("dangling-reference", METADATA, 4, 23, "solved_problem_list")],
            "did you mean PPPPP (Name of PPPPP)?",
        ),
        (
            solution(method_package_list="\n- ''\n- XXXXX"),
            [("dangling-reference", METADATA, 6, 3, "method_package_list")],
            "XXXXX",
        ),
        (
            solution(solved_problem_list="[MMMMM]") | entity_files("MMMMM", "system_model"),
            [("wrong-reference-type", METADATA, 4, 23, "solved_problem_list")],
            "is a system_model, not a problem_specification",
        ),
        (
            solution(compatible_environment="ENVIS"),
            [("unknown-environment", METADATA, 4, 25, "compatible_environment")],
            "did you mean ENVIR",
        ),
        (
            solution(compatible_environment="default_environment"),
            [("unknown-environment", METADATA, 4, 25, "compatible_environment")],
            "did you mean ENVIR",
        ),
        (
            solution(compatible_environment="SSSSS"),
            [("wrong-reference-type", METADATA, 4, 25, "compatible_environment")],
            "environment_specification",
        ),
        (
            entity_files("NNNNN", "notebook"),
            [("no-environment", "notebooks/nnnnn/metadata.yml", 0, 0, "compatible_environment")],
            "default_environment",
        ),
        (
            solution(solution_file="other.py"),
            [("missing-file", METADATA, 4, 16, "solution_file")],
            "problem_solutions/sssss/other.py",
        ),
        (
            solution(solution_file="../../etc/passwd"),
            [("missing-file", METADATA, 4, 16, "solution_file")],
            "there is no",
        ),
    ],
)
def test_what_is_wrong(files: Mapping[str, str], expected: Found, words: str) -> None:
    """Each mistake gives one diagnostic at its place, with words that help."""
    index = index_of({**files, **entity_files("GOODE", "documentation")})
    assert expected == found(index)
    assert all(one.message and one.remedy for one in index.diagnostics)
    assert any(words in f"{one.message} {one.remedy}" for one in index.diagnostics)
    assert "GOODE" in {placed.entity.key for placed in index.entities}


@pytest.mark.parametrize(
    ("type_", "missing"),
    [
        ("system_model", "system_model.py"),
        ("system_model", "simulation.py"),
        ("problem_specification", "problem.py"),
        ("problem_solution", "solution.py"),
        ("notebook", "notebook.ipynb"),
    ],
)
def test_missing_files(type_: str, missing: str) -> None:
    """An entity without a file that its type needs is told so, and is listed nevertheless."""
    files = entity_files("AAAAA", type_) | environment()
    del files[f"{type_}s/aaaaa/{missing}"]
    index = index_of(files)
    assert [("missing-file", "AAAAA")] == [(one.code, one.key) for one in index.diagnostics]
    assert 2 == len(index.entities)


@pytest.mark.parametrize(
    ("names", "codes"),
    [(["a.ipynb"], []), ([], ["missing-file"]), (["a.ipynb", "b.ipynb"], ["missing-file"])],
)
def test_the_file_of_a_notebook(names: list[str], codes: list[str]) -> None:
    """It is the only one in the folder, unless the metadata names it."""
    files = entity_files("NNNNN", "notebook") | environment()
    del files["notebooks/nnnnn/notebook.ipynb"]
    files |= {f"notebooks/nnnnn/{name}": "" for name in names}
    files |= {"notebooks/nnnnn/.ipynb_checkpoints/c.ipynb": ""}
    assert codes == [one.code for one in index_of(files).diagnostics]


def test_duplicate_keys_name_both_places() -> None:
    """Each of two entities with one key is told of the other; the first path is used."""
    text = "# x\nkey: AAAAA\ntype: comment\nname: {}\n"
    index = index_of(
        {"b/metadata.yml": text.format("b"), "a/metadata.yml": text.format("a")}
        | entity_files("GOODE", "documentation")
    )
    assert [
        ("duplicate-key", "a/metadata.yml", 2, 6, "key"),
        ("duplicate-key", "b/metadata.yml", 2, 6, "key"),
    ] == found(index)
    first, second = index.diagnostics
    assert "b/metadata.yml:2" in first.message
    assert "a/metadata.yml:2" in second.message
    assert ["a", "documentations/goode"] == [placed.entity.path for placed in index.entities]


def test_missing_content() -> None:
    """A file that the object store lacks is a defect of its entity; its metadata hides nobody."""
    files: dict[str, str | bytes] = {
        **entity_files("MMMMM", "system_model"),
        **environment(),
        **entity_files("AAAAA", "comment"),
        "loose": "y",
        "system_models/mmmmm/deep/er/parameters.py": "x",
    }
    lost = {"system_models/mmmmm/deep/er/parameters.py", "comments/aaaaa/metadata.yml", "loose"}
    index = index_of(files, missing=lost)
    assert [
        ("missing-content", "comments/aaaaa/metadata.yml", ""),
        ("missing-content", "system_models/mmmmm/deep/er/parameters.py", "MMMMM"),
    ] == [(one.code, one.path, one.key) for one in index.diagnostics]
    assert ["ENVIR", "MMMMM"] == [placed.entity.key for placed in index.entities]


def test_links() -> None:
    """Links are told of, those that leave the repository as a warning; none is followed."""
    index = index_of(
        entity_files("AAAAA", "comment"),
        links={
            "comments/aaaaa/inside": "metadata.yml",
            "comments/aaaaa/up": "../../../etc/passwd",
            "comments/aaaaa/abs": "/etc/passwd",
            "comments/other/metadata.yml": "../aaaaa/metadata.yml",
        },
    )
    assert [
        ("symlink-outside", "comments/aaaaa/abs"),
        ("symlink", "comments/aaaaa/inside"),
        ("symlink-outside", "comments/aaaaa/up"),
        ("metadata-not-a-file", "comments/other/metadata.yml"),
        ("symlink", "comments/other/metadata.yml"),
    ] == [(one.code, one.path) for one in index.diagnostics]
    assert 1 == len(index.entities)


@pytest.mark.parametrize(
    ("specifications", "named", "name"),
    [
        ({"AAAAA": "other_environment", "ENVIR": "default_environment"}, "", "default_environment"),
        (
            {"AAAAA": "other_environment", "CDAMA": "default_conda_environment"},
            "",
            "default_conda_environment",
        ),
        (
            {
                "AAAAA": "other_environment",
                "CDAMA": "x_environment",
                "ENVIR": "default_environment",
            },
            "",
            "default_environment",
        ),
        ({"AAAAA": "the_only_one_environment"}, "", "the_only_one_environment"),
        ({"AAAAA": "other_environment", "BBBBB": "another_environment"}, "", ""),
        (
            {"AAAAA": "other_environment", "BBBBB": "another_environment"},
            "BBBBB",
            "another_environment",
        ),
        ({"ENVIR": "default_environment"}, "NOSUC", ""),
        ({}, "", ""),
    ],
)
def test_environments(specifications: Mapping[str, str], named: str, name: str) -> None:
    """An entity's environment: the one it names, else the default, 2022's, or the only one."""
    files = entity_files("MMMMM", "system_model", compatible_environment=f"'{named}'")
    for key, title in specifications.items():
        files |= environment(key, title)
    index = index_of(files)
    model = next(placed for placed in index.entities if placed.entity.key == "MMMMM")
    assert name == model.environment
    assert (0 if name else 1) == len(index.diagnostics)


def test_every_code_has_a_severity() -> None:
    """Codes are lower-case words, and counted by severity."""
    assert all(code == code.lower() and " " not in code for code in SEVERITIES)
    index = index_of({"a/metadata.yml": "key: [\n", "metadata.yml": "x: y\n"})
    assert (1, 1, 0) == tuple(index.count(severity) for severity in Severity)
