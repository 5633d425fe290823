"""The results format of 2022: one YAML file for each run of the whole data repository.

    commit_logs: {ackrep_core: {author, branch, date, message, sha}, ackrep_data: {...}}
    ci_logs: {build_number, build_url}
    UXMFA: {date, env_version, issues, result, runtime}
    ...

`date` is the start of the whole run, whose checks ran one after the other in the order of the file;
`issues` is everything the check printed, where it failed. Fields that are not known are accepted:
the file is kept as it is, so that nothing of it is lost.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from services.errors import InvalidArgumentError
from services.scheduler.domain.check import Verdict
from services.scheduler.domain.reports import Report, read_report

LARGEST_FILE_BYTES = 8 * 1024 * 1024

_FILE_NAME = re.compile(r"ci_results__(\d{4}_\d\d_\d\d__\d\d_\d\d_\d\d)\.yaml")
_FILE_TIME = "%Y_%m_%d__%H_%M_%S"
_DATE = "%Y-%m-%d %H:%M:%S"
_KEY = re.compile(r"[A-Z0-9]{5}")
_VERSION = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]{0,127}):(?P<version>.*)", re.ASCII)
_HEADS = ("commit_logs", "ci_logs")
_LONGEST_ENVIRONMENT = 128
_LONGEST_RUNTIME = 1e7
_DEEPEST = 16
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """One entity in a results file."""

    id: str
    entity: str
    verdict: Verdict
    report: Report
    environment: str
    """Name, e.g. `default_conda_environment`; empty where unknown."""
    environment_version: str
    """The whole `env_version`, e.g. `default_conda_environment:0.1.12`; empty where unknown."""
    start_time: datetime
    """Of the check itself: the run's start, and what the checks before it took."""
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class ResultsFile:
    """A results file that was read."""

    run: str
    """Id of the run: the same for each file of that name."""
    file_name: str
    content: bytes
    digest: str
    """sha256 of the data, however they are written as YAML."""
    time: datetime
    title: str
    commit: str
    """Of the data repository; empty where unknown."""
    core_commit: str
    """Of the system."""
    build_url: str
    checks: tuple[FileCheck, ...]


def file_name_of(time: datetime) -> str:
    """Names the file of a run."""
    return f"ci_results__{time.astimezone(UTC).strftime(_FILE_TIME)}.yaml"


def date_of(time: datetime) -> str:
    """Writes a time as the format does."""
    return time.astimezone(UTC).strftime(_DATE)


def read_file(file_name: str, content: bytes) -> ResultsFile:
    """Reads a results file.

    Raises:
        InvalidArgumentError: It is not of the format; the message says in which line and field.
    """
    match = _FILE_NAME.fullmatch(file_name)
    reader = _Reader(file_name)
    if match is None:
        raise reader.error("the name is not of the form ci_results__YYYY_MM_DD__HH_MM_SS.yaml")
    if len(content) > LARGEST_FILE_BYTES:
        raise reader.error(f"{len(content)} bytes are more than {LARGEST_FILE_BYTES}")
    time = reader.time(match.group(1), _FILE_TIME)
    root = reader.parse(content)
    heads = {name: reader.mapping(root[name], name) for name in _HEADS if name in root}
    commits = {
        name: reader.mapping(node, f"commit_logs.{name}")
        for name, node in heads.get("commit_logs", {}).items()
    }
    data, core = commits.get("ackrep_data", {}), commits.get("ackrep_core", {})
    build = heads.get("ci_logs", {})
    run = _id(time, file_name)
    return ResultsFile(
        run=run,
        file_name=file_name,
        content=content,
        digest=reader.digest,
        time=time,
        title=_title(
            number=reader.text(build, "build_number", of="ci_logs"),
            message=reader.text(data, "message", of="commit_logs.ackrep_data"),
            branch=reader.text(data, "branch", of="commit_logs.ackrep_data"),
        ),
        commit=reader.text(data, "sha", of="commit_logs.ackrep_data", longest=64),
        core_commit=reader.text(core, "sha", of="commit_logs.ackrep_core", longest=64),
        build_url=reader.text(build, "build_url", of="ci_logs"),
        checks=tuple(_checks(reader, root, time=time, run=run)),
    )


def _checks(
    reader: "_Reader", root: dict[str, yaml.Node], *, time: datetime, run: str
) -> Iterator[FileCheck]:
    elapsed = timedelta()
    entries = [(key, node) for key, node in root.items() if key not in _HEADS]
    for place, (key, node) in enumerate(entries):
        if not _KEY.fullmatch(key):
            raise reader.error("is no entity's key (5 of A-Z and 0-9)", node=node, field=key)
        entry = reader.mapping(node, key)
        seconds = reader.number(entry, "runtime", of=key)
        issues = reader.text(entry, "issues", of=key)
        report = read_report(
            reader.integer(entry, "result", of=key, at=node), issues, seconds=seconds
        )
        version = reader.text(entry, "env_version", of=key, longest=_LONGEST_ENVIRONMENT)
        named = _VERSION.fullmatch(version)
        if "date" in entry:
            reader.time(reader.text(entry, "date", of=key), _DATE, node=entry["date"], field=key)
        yield FileCheck(
            id=_id(time, f"{run} {key}", place=place),
            entity=key,
            verdict=report.verdict,
            report=report,
            environment=named["name"] if named else "",
            environment_version=version,
            start_time=time + elapsed,
            seconds=seconds,
        )
        elapsed += timedelta(seconds=seconds or 0.0)


def _title(*, number: str, message: str, branch: str) -> str:
    parts = [f"build {number}" if number else "", " ".join(message.split())]
    title = ": ".join(part for part in parts if part)
    return (f"{title} ({branch})" if branch else title)[:500]


def _id(time: datetime, text: str, *, place: int = 0) -> str:
    """An id as `names.new_id` makes them, that follows from its arguments: by time, then place."""
    milliseconds = int(time.timestamp() * 1000)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{milliseconds:012x}7{min(place, 0xFFF):03x}8{digest[:15]}"


class _Reader:
    """Nodes of one file as values, with errors that name file, line and field."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self.digest = ""

    def error(
        self, problem: str, *, node: yaml.Node | None = None, field: str = "", line: int = 0
    ) -> InvalidArgumentError:
        """Makes the error for a place of the file."""
        line = node.start_mark.line + 1 if node is not None else line
        place = ":".join([self._file_name, *([str(line)] if line else [])])
        text = f"{place}: {field + ' ' if field else ''}{problem}"
        return InvalidArgumentError(text, field=field or "content")

    def parse(self, content: bytes) -> dict[str, yaml.Node]:
        """Parses the file into the nodes of its top level."""
        try:
            text = content.decode()
            self._require_plain(text)
            root = yaml.compose(text, Loader=_Loader)
        except UnicodeDecodeError:
            raise self.error("is no UTF-8") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 0
            raise self.error(f"is no YAML: {error.problem}", line=line) from None
        except yaml.YAMLError as error:
            raise self.error(f"is no YAML: {' '.join(str(error).split())}") from None
        if root is None:
            raise self.error("is empty")
        data = json.dumps(self._plain(root, "the file"), ensure_ascii=True)
        self.digest = hashlib.sha256(data.encode()).hexdigest()
        return self.mapping(root, "the file")

    def mapping(self, node: yaml.Node, field: str) -> dict[str, yaml.Node]:
        """Reads a mapping."""
        if not isinstance(node, yaml.MappingNode):
            raise self.error("is no mapping", node=node, field=field)
        return {key.value: value for key, value in node.value}

    def text(
        self, fields: dict[str, yaml.Node], name: str, *, of: str, longest: int | None = None
    ) -> str:
        """Reads a text; empty where it is missing or null."""
        node = fields.get(name)
        if node is None or node.tag.endswith(":null"):
            return ""
        if not isinstance(node, yaml.ScalarNode):
            raise self.error("is no text", node=node, field=f"{of}.{name}")
        if longest is not None and len(node.value) > longest:
            problem = f"has more than {longest} characters"
            raise self.error(problem, node=node, field=f"{of}.{name}")
        return str(node.value).replace("\0", "\N{REPLACEMENT CHARACTER}")  # no database takes it

    def integer(self, fields: dict[str, yaml.Node], name: str, *, of: str, at: yaml.Node) -> int:
        """Reads an integer, which has to be there."""
        node = fields.get(name)
        if node is None:
            raise self.error(f"has no field {name}", node=at, field=of)
        if not (node.tag.endswith(":int") and re.fullmatch(r"[-+]?\d{1,9}", str(node.value))):
            raise self.error(f"is no integer: {node.value!r}", node=node, field=f"{of}.{name}")
        return int(node.value)

    def number(self, fields: dict[str, yaml.Node], name: str, *, of: str) -> float | None:
        """Reads a number of seconds; none where it is missing or null."""
        node = fields.get(name)
        if node is None or node.tag.endswith(":null"):
            return None
        try:
            value = float(node.value)
        except (TypeError, ValueError):
            value = -1.0
        if not 0.0 <= value < _LONGEST_RUNTIME:
            problem = f"is no number of seconds: {node.value!r}"
            raise self.error(problem, node=node, field=f"{of}.{name}")
        return value

    def time(
        self, text: str, pattern: str, *, node: yaml.Node | None = None, field: str = ""
    ) -> datetime:
        """Reads a time; the 2022 system had no time zones, its machines ran in UTC."""
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            where = f"{field}.date" if field else ""
            raise self.error(f"is no time: {text!r}", node=node, field=where) from None

    def _require_plain(self, text: str) -> None:
        """Refuses what would make a small file large or deep; LibYAML's composer overflows."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent):
                raise self.error("has an alias, which the format does not know", line=line)
            if depth > _DEEPEST:
                raise self.error(f"is nested more than {_DEEPEST} levels deep", line=line)

    def _plain(self, node: yaml.Node, field: str) -> list[Any]:
        """The data with their types, in order, to compare files by; refuses what is ambiguous."""
        if isinstance(node, yaml.ScalarNode):
            return [node.tag, node.value]
        if isinstance(node, yaml.SequenceNode):
            return [node.tag, *(self._plain(item, field) for item in node.value)]
        found: dict[str, list[Any]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.error("has a key that is no text", node=key, field=field)
            if key.value in found:
                raise self.error("is there twice", node=key, field=str(key.value))
            found[str(key.value)] = self._plain(value, str(key.value))
        return [node.tag, *([key, *value] for key, value in found.items())]
