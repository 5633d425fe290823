"""Files that a check needed and its metadata does not lead to. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from services.runner.sessions.outcome import Outcome, Verdict


def undeclared(
    outcome: Outcome, *, repository: Iterable[str], closure: Sequence[str]
) -> tuple[str, ...]:
    """Files of the repository outside the closure for want of which a check failed.

    Args:
        outcome: How the check ended with its closure alone.
        repository: Paths of all files of the revision.
        closure: Folders that the check saw.
    """
    if outcome.verdict is not Verdict.SCRIPT_ERROR:
        return ()
    missing = {path.strip("/") for path in outcome.files_missing}
    module = outcome.missing_module.replace(".", "/")
    endings = (f"/{module}.py", f"/{module}/__init__.py") if module else ()
    found = []
    for path in repository:
        if any(path.startswith(f"{folder}/") for folder in closure):
            continue
        wanted = any(path == name or path.startswith(f"{name}/") for name in missing)
        if wanted or f"/{path}".endswith(endings or ("\0",)):
            found.append(path)
    return tuple(found)


def might_be_undeclared(outcome: Outcome) -> bool:
    """Whether it is worth a look at the whole repository."""
    return outcome.verdict is Verdict.SCRIPT_ERROR and bool(
        outcome.files_missing or outcome.missing_module
    )


def declaration(files: Sequence[str], *, keys: Mapping[str, str]) -> str:
    """The remark on files that a check needed and its metadata does not lead to.

    Args:
        files: Paths in the repository.
        keys: Path of a file to the key of the entity it belongs to, where there is one.
    """
    entities = sorted({keys[path] for path in files if path in keys})
    what = ", ".join(entities) if entities else ", ".join(sorted(files)[:5])
    return f"undeclared dependency: declare {what} in metadata.yml (needed: {min(files)})"
