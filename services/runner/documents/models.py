"""One system model for a document: its sources, its parameter table, its formulas, its plots."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.errors import NotCheckableError, PreconditionError
from services.plans import Folder, parameters_plan, plan_of
from services.runner.checks.trees import TreeCache
from services.runner.documents import sources
from services.runner.documents.pages import Facts
from services.runner.documents.ports import Listener, Member
from services.runner.documents.workshop import RUN_LIMITS, Done, Workshop
from services.runner.ports import ClosureFolder, Repository
from services.runner.sessions.outcome import Description
from services.runner.sessions.session import Tree

_TABLE: Final = "_results/parameters.tex"
"""Where the harness puts it (harness: tables)."""
_NONE: Final = "NoParametersError: "
"""In the message of a model that has no parameters (harness: tables)."""
_PICTURES: Final = (".png", ".jpg", ".jpeg", ".pdf")
_MAXIMUM_PICTURES: Final = 40


@dataclass(frozen=True, kw_only=True)
class Closure:
    """What a model is run with."""

    member: Member
    folders: Sequence[Folder]
    trees: Sequence[Tree]

    @property
    def own(self) -> Folder:
        """The model's own folder."""
        return next(folder for folder in self.folders if folder.key == self.member.key)

    @property
    def tar(self) -> bytes:
        """Its content."""
        return next(tree.tar for tree in self.trees if tree.path == self.member.path)

    @property
    def facts(self) -> Facts:
        """What a page says of it."""
        member = self.member
        return Facts(key=member.key, title=member.title, description=member.description)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was found out about a model by running it."""

    table: bytes | None = None
    description: Description | None = None
    plots: dict[str, bytes] = field(default_factory=dict)


class Models:
    """Finds out what a document says of a model."""

    def __init__(self, repository: Repository, trees: TreeCache, workshop: Workshop) -> None:
        self._repository = repository
        self._trees = trees
        self._workshop = workshop

    async def files(self, member: Member) -> frozenset[str]:
        """Paths of a model's files, below its folder."""
        (tree,) = await self._trees.get([member.tree])
        return tree.files

    async def closure(self, member: Member, revision: str) -> Closure:
        """A model with all that it depends on. Raises PreconditionError if it is none."""
        if member.type != "system_model":
            raise PreconditionError(
                f"{member.key} is a {member.type.replace('_', ' ')}, not a system model: only "
                "these have parameter tables and documentations"
            )
        folders = await self._repository.closure(f"entities/{member.key}", revision)
        trees = await self._trees.get([folder.tree for folder in folders])
        return Closure(
            member=member,
            folders=[
                _folder(folder, tree.files) for folder, tree in zip(folders, trees, strict=True)
            ],
            trees=[
                Tree(path=folder.path, tar=tree.tar)
                for folder, tree in zip(folders, trees, strict=True)
            ],
        )

    async def table(self, closure: Closure, listener: Listener) -> bytes:
        """The parameter table as TeX. Raises PreconditionError, which says why there is none."""
        done = await self._parameters(closure, listener, described=False)
        key = closure.member.key
        found = done.files.get(f"{closure.member.path}/{_TABLE}")
        if not done.succeeded or found is None:
            reason = done.outcome.message or "its parameters.py made no table"
            reason = reason.rpartition(_NONE)[2]
            raise PreconditionError(f"{key} has no parameter table: {reason}{_place(done)}")
        return found

    async def findings(
        self, closure: Closure, listener: Listener, *, plots: bool, described: bool
    ) -> Findings:
        """What a document needs. What cannot be had is a warning, and left out."""
        key = closure.member.key
        done = await self._parameters(closure, listener, described=described)
        for warning in done.outcome.warnings:
            listener.warning(f"{key}: {warning}")
        if not done.succeeded and _NONE not in done.outcome.message:
            listener.warning(f"{key}: no parameter table: {done.outcome.message}{_place(done)}")
        pictures: dict[str, bytes] = {}
        if plots:
            listener.progress(f"{key}: running it for its plots")
            pictures = await self._plots(closure, listener)
        return Findings(
            table=done.files.get(f"{closure.member.path}/{_TABLE}"),
            description=done.outcome.description,
            plots=pictures,
        )

    async def _parameters(self, closure: Closure, listener: Listener, *, described: bool) -> Done:
        key = closure.member.key
        return await self._workshop.run(
            self._workshop.environment(closure.member.environment),
            parameters_plan(key, closure.folders, described=described),
            trees=closure.trees,
            limits=RUN_LIMITS,
            progress=listener.progress,
        )

    async def _plots(self, closure: Closure, listener: Listener) -> dict[str, bytes]:
        key = closure.member.key
        try:
            plan = plan_of(key, closure.folders)
        except NotCheckableError as error:
            listener.warning(f"{key}: no plots: {error.message}")
            return {}
        done = await self._workshop.run(
            self._workshop.environment(closure.member.environment),
            plan,
            trees=closure.trees,
            limits=RUN_LIMITS,
            progress=listener.progress,
        )
        found = {
            path: content
            for path, content in sorted(done.files.items())
            if posixpath.splitext(path)[1].lower() in _PICTURES and "/_results/" not in path
        }
        if not done.succeeded:
            listener.warning(f"{key}: no plots of a full run: {done.outcome.message}")
        elif not found:
            listener.warning(f"{key}: its run made no plots")
        return dict(list(found.items())[:_MAXIMUM_PICTURES])


def _folder(folder: ClosureFolder, files: frozenset[str]) -> Folder:
    return Folder(
        key=folder.key,
        type=folder.type,
        path=folder.path,
        metadata=folder.metadata,
        files=files,
    )


def _place(done: Done) -> str:
    """Where a traceback ends, e.g. ` (system_models/x/parameters.py, line 3)`."""
    found = [line for line in done.outcome.traceback.splitlines() if line.startswith('  File "')]
    if not found:
        return ""
    file, _, rest = found[-1].removeprefix('  File "').partition('", line ')
    return f" ({file}, line {rest.partition(',')[0]})"


def path_of_table(closure: Closure) -> str:
    """Where `parameters.tex` belongs in the data repository."""
    folder = sources.folder_of_parameters(closure.own.files)
    return f"{closure.member.path}/{folder}/{sources.PARAMETERS}"
