"""Examines an environment: its files, its image, and a container of it from inside."""

import asyncio
import sys
from collections.abc import Sequence

from services.errors import EnvironmentUnavailableError
from services.runner.domain import verification
from services.runner.domain.environments import Definition
from services.runner.domain.images import Image
from services.runner.domain.verification import Finding, Verification, error, ok, warning
from services.runner.domain.workplaces import WorkplaceInfo
from services.runner.environments import pins, recipe
from services.runner.ports import Backend, ImageStore
from services.runner.sessions.session import SessionBrokenError
from services.runner.workplaces.conformance import TOP_RUNG, LooseContainerError

_TIGHT = (
    "no network, no writable root, no rights beyond those that the harness gives up, and its limits"
    " bite"
)
_LINUX = "linux"


async def examine(definition: Definition, backend: Backend, *, digest: str) -> Verification:
    """Looks at everything; what is wrong is in the answer.

    Args:
        definition: Of an environment that is ready.
        backend: That runs checks in it.
        digest: Of the environment as it is ready.

    Raises UnavailableError for an engine that does not answer.
    """
    in_image = backend.images is not None
    wanted = await asyncio.to_thread(pins, definition, process=not in_image)
    findings = await asyncio.to_thread(_of_files, definition, wanted, in_image=in_image)
    if backend.images is not None:
        version, *remarks = backend.reason.split("; ")
        findings.append(ok("engine", f"Docker {backend.engine_version}: {version}"))
        findings += [warning("engine", remark) for remark in remarks]
        findings += await _of_image(definition, backend.images)
    else:
        findings.append(ok("engine", f"none; checks run as processes here ({backend.reason})"))
    try:
        workplace = await backend.open(definition, digest=digest)
    except LooseContainerError as loose:
        findings += [
            error("isolation", f"a container of it is not fit: {one}") for one in loose.found
        ]
        return Verification(findings=tuple(findings), digest=digest)
    except (EnvironmentUnavailableError, SessionBrokenError) as failure:
        findings.append(error("start", str(failure)))
        return Verification(findings=tuple(findings), digest=digest)
    info = workplace.info
    await workplace.close()
    findings += _of_inside(info, wanted, definition=definition, in_container=in_image)
    return Verification(
        findings=tuple(findings),
        digest=info.environment_digest,
        confinement=info.confinement,
        python=info.python,
        packages=info.packages,
        start_seconds=info.start_seconds,
    )


def _of_files(definition: Definition, wanted: Sequence[str], *, in_image: bool) -> list[Finding]:
    file = definition.requirements if in_image else definition.process_requirements
    findings = [ok("definition", f"{definition.name}.toml in {definition.folder}")]
    for name, usual in (
        (definition.dockerfile, f"Dockerfile_{definition.name}"),
        (definition.requirements, f"requirements_{definition.name}.txt"),
    ):
        if name != usual:
            findings.append(warning("definition", f"{name} would be {usual} by the naming rule"))
    findings += verification.of_pins(file, wanted)
    text = (definition.folder / definition.dockerfile).read_text("utf-8")
    return findings + verification.of_dockerfile(definition.dockerfile, text)


async def _of_image(definition: Definition, images: ImageStore) -> list[Finding]:
    image: Image | None = await images.current(definition)
    if image is None:
        return [error("image", f"there is no image of {definition.identity}")]
    place = images.repository(definition)
    published = bool(place and image.manifests_in(place))
    current = await asyncio.to_thread(recipe, definition)
    return [
        *verification.of_labels(image.labels, recipe=current, published=published),
        *verification.of_config(await images.config(image)),
    ]


def _of_inside(
    info: WorkplaceInfo, wanted: Sequence[str], *, definition: Definition, in_container: bool
) -> list[Finding]:
    findings = []
    if in_container:
        findings.append(ok("isolation", _TIGHT))
    degraded = [one for one in info.remarks if one not in info.preload_failures]
    if info.confinement.removeprefix("container+") == TOP_RUNG and not degraded:
        findings.append(ok("confinement", info.confinement))
    else:
        reasons = degraded or ["less than the best"]
        findings += [warning("confinement", f"{info.confinement}: {one}") for one in reasons]
    findings += verification.of_python(info.python, wanted=definition.python)
    findings += verification.of_packages(
        info.packages,
        wanted,
        python=info.python,
        machine=info.machine,
        system=_LINUX if in_container else sys.platform,
        dropped=definition.build_only if in_container else (),
    )
    findings += [warning("preload", one) for one in info.preload_failures]
    if definition.preload and not info.preload_failures:
        findings.append(ok("preload", f"{len(definition.preload)} modules are imported ahead"))
    findings.append(ok("start", f"ready for checks after {info.start_seconds:.1f} s"))
    return findings
