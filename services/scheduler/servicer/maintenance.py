"""`ackrep.scheduler.v1.MaintenanceService`."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from ackrep.scheduler.v1 import maintenance_pb2, maintenance_pb2_grpc
from services.scheduler.backup.archive import length
from services.scheduler.backup.creation import Backup
from services.scheduler.backup.manifest import Manifest


class MaintenanceServicer(maintenance_pb2_grpc.MaintenanceServiceServicer):
    """`ackrep.scheduler.v1.MaintenanceService`."""

    def __init__(self, *, backup: Backup) -> None:
        self._backup = backup

    async def CreateBackup(
        self, request: maintenance_pb2.CreateBackupRequest, context: Any
    ) -> AsyncIterator[maintenance_pb2.CreateBackupResponse]:
        parts = self._backup.create()
        async with contextlib.aclosing(parts):  # who goes away lets artefacts be removed again
            async for part in parts:
                if isinstance(part, Manifest):
                    yield maintenance_pb2.CreateBackupResponse(summary=_summary(part))
                elif part:
                    yield maintenance_pb2.CreateBackupResponse(data=part)


def _summary(manifest: Manifest) -> maintenance_pb2.BackupSummary:
    return maintenance_pb2.BackupSummary(
        size=length(manifest),
        check_count=manifest.tables["checks"].rows,
        run_count=manifest.tables["runs"].rows,
        artefact_count=len(manifest.members) - 1,
        missing_artefacts=[f"artefacts/{digest}" for digest in manifest.missing],
        schema=manifest.schema,
    )
