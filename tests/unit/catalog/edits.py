"""Random data repositories and random edits of them, for property tests."""

from collections.abc import Mapping

from hypothesis import strategies as st

SLOTS = (
    "system_models/a",
    "system_models/b",
    "problem_specifications/p",
    "problem_solutions/s",
    "method_packages/m",
    "method_packages/M",
    "method_packages/m/inner",
    "environment_specifications/e",
    "environment_specifications/f",
    "notebooks/n",
    "models/_template",
)
KEYS = ("AAAAA", "AAAAB", "AAABA", "BAAAA", "ENVIR", "CDAMA", "ZZZZZ", "1E100")
WRITTEN = (*KEYS, "AAAA", "AAAAAB", "aaaab", "XAAAA", "default_environment", "Title", "?!")
TYPES = (
    "system_model",
    "problem_specification",
    "problem_solution",
    "method_package",
    "environment_specification",
    "notebook",
    "comment",
    "nonsense",
)
TITLES = ("default_environment", "other_environment", "Title", "XAAAA", "''")
FIELDS = (
    "solved_problem_list",
    "method_package_list",
    "related_system_models_list",
    "predecessor_key",
    "compatible_environment",
    "compatible_environment_list",
)
TAGS = ("ocse:Known", "ocse:Knwon", "ocse:Later", "free")
ONTOLOGIES = (
    "",
    "Known: {SubClassOf: 'owl:Thing', __create_proxy_individual: recursive}",
    "Later: {SubClassOf: 'owl:Thing', __create_proxy_individual: recursive}",
)
FILES = ("solution.py", "problem.py", "simulation.py", "a.ipynb", "b.ipynb", "A.ipynb", "con.py")

Entities = Mapping[str, str]
"""Metadata by folder."""


@st.composite
def metadata(draw: st.DrawFn) -> str:
    """A `metadata.yml`, right or wrong."""
    if draw(st.integers(0, 15)) == 0:
        return draw(st.sampled_from(("key: [\n", "- x\n", "", "key: AAAAA\n", "type: comment\n")))
    lines = [
        f"key: {draw(st.sampled_from(KEYS))}",
        f"type: {draw(st.sampled_from(TYPES))}",
        f"name: {draw(st.sampled_from(TITLES))}",
    ]
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=3, unique=True)):
        if field.endswith("_list"):
            texts = draw(st.lists(st.sampled_from(WRITTEN), max_size=3))
            lines += [f"{field}:", *(f"    - '{text}'" for text in texts)]
        else:
            lines.append(f"{field}: '{draw(st.sampled_from(WRITTEN))}'")
    tags = draw(st.lists(st.sampled_from(TAGS), max_size=2))
    lines += ["tag_list:", *(f"    - '{tag}'" for tag in tags)]
    return "\n".join(lines) + "\n"


@st.composite
def edit(draw: st.DrawFn, files: Mapping[str, str]) -> dict[str, str]:
    """The files after one more edit."""
    after = dict(files)
    slot = draw(st.sampled_from(SLOTS))
    kind = draw(st.integers(0, 11))
    if kind <= 5:
        after[f"{slot}/metadata.yml"] = draw(metadata())
    elif kind <= 7:  # deleted, or renamed
        target = draw(st.sampled_from(SLOTS)) if kind == 7 else ""
        for path in list(after):
            if path.startswith(f"{slot}/"):
                content = after.pop(path)
                if target:
                    after[target + path[len(slot) :]] = content
    elif kind <= 9:
        path = f"{slot}/{draw(st.sampled_from(FILES))}"
        if after.pop(path, None) is None:
            after[path] = draw(st.sampled_from(("", "x")))
    elif kind == 10:
        statement = draw(st.sampled_from(ONTOLOGIES))
        after.pop("ontology/o.owl.yml", None)
        if statement:
            head = "- iri: 'https://example.org/o#'\n- multiple_owl_classes:\n"
            after["ontology/o.owl.yml"] = f"{head}    - {statement}\n"
    else:
        path = f"docker/Dockerfile_{draw(st.sampled_from(TITLES[:2]))}"
        if after.pop(path, None) is None:
            after[path] = "FROM x"
    return after


@st.composite
def histories(draw: st.DrawFn, *, longest: int = 8) -> list[dict[str, str]]:
    """States of a data repository that follow each other, each a few edits after the other."""
    states: list[dict[str, str]] = []
    files: dict[str, str] = {}
    for _ in range(draw(st.integers(1, 6))):
        files = draw(edit(files))
    states.append(files)
    for _ in range(draw(st.integers(1, longest))):
        for _ in range(draw(st.integers(1, 3))):
            files = draw(edit(files))
        states.append(files)
    return states
