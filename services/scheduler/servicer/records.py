"""Signed records: messages in, statements out."""

import asyncio
from typing import Any

from ackrep.scheduler.v1 import check_pb2, record_pb2_grpc
from ackrep.scheduler.v1 import record_pb2 as pb
from services import attestations
from services.errors import PreconditionError
from services.scheduler.checks.explaining import Explaining
from services.scheduler.domain.names import check_id
from services.scheduler.messages import check_message
from services.scheduler.records.keys import SigningKey
from services.scheduler.records.statements import statement
from services.scheduler.servicer.explanation import inputs_message


class RecordServicer(record_pb2_grpc.RecordServiceServicer):
    """`ackrep.scheduler.v1.RecordService`."""

    def __init__(self, *, explaining: Explaining, key: SigningKey) -> None:
        self._explaining = explaining
        self._key = key

    async def GetRecord(self, request: pb.GetRecordRequest, context: Any) -> pb.Record:
        found = await self._explaining.subject(check_id(request.name))
        message = check_message(found.check)
        if message.state != check_pb2.Check.STATE_FINISHED:
            raise PreconditionError(f"{message.name} has no verdict yet; ask when it has ended")
        told = statement(
            message, inputs_message(found), images=await self._explaining.packages(found)
        )
        # The first one makes the key, which waits for the disk.
        envelope = await asyncio.to_thread(
            lambda: attestations.envelope(told, sign=self._key.sign, signer=self._key.key_id)
        )
        return pb.Record(check=message.name, envelope=envelope, key_id=self._key.key_id)

    async def GetSigningKey(self, request: pb.GetSigningKeyRequest, context: Any) -> pb.SigningKey:
        return await asyncio.to_thread(
            lambda: pb.SigningKey(key_id=self._key.key_id, public_key=self._key.public_pem)
        )
