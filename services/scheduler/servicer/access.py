"""Tokens, sessions and the audit log: messages in, use cases, messages out."""

from datetime import UTC, datetime
from typing import Any

from ackrep.scheduler.v1 import access_pb2, access_pb2_grpc
from services.errors import InvalidArgumentError
from services.scheduler.access.audit import Auditing
from services.scheduler.access.tokens import Access
from services.scheduler.domain.access import AuditEntry, AuditFilter, Scope, Token
from services.scheduler.domain.names import token_id
from services.scheduler.messages import timestamp
from services.scheduler.ports.store import Clock

_NEVER = datetime.fromtimestamp(0, UTC)


class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    """`ackrep.scheduler.v1.AccessService`."""

    def __init__(self, *, access: Access, auditing: Auditing, clock: Clock) -> None:
        self._access = access
        self._auditing = auditing
        self._clock = clock

    async def CreateToken(
        self, request: access_pb2.CreateTokenRequest, context: Any
    ) -> access_pb2.CreateTokenResponse:
        token, secret = await self._access.create_token(
            display_name=request.display_name,
            scope=_scope(request.scope),
            expire_time=_time(request, "expire_time"),
            lifetime=request.lifetime.ToTimedelta() if request.HasField("lifetime") else None,
            creator=request.creator,
        )
        return access_pb2.CreateTokenResponse(token=self._message(token), secret=secret)

    async def ListTokens(
        self, request: access_pb2.ListTokensRequest, context: Any
    ) -> access_pb2.ListTokensResponse:
        found, following = await self._access.list_tokens(
            size=request.page_size, token=request.page_token
        )
        return access_pb2.ListTokensResponse(
            tokens=map(self._message, found), next_page_token=following
        )

    async def RevokeToken(
        self, request: access_pb2.RevokeTokenRequest, context: Any
    ) -> access_pb2.Token:
        return self._message(await self._access.revoke(token_id(request.name)))

    async def Authenticate(
        self, request: access_pb2.AuthenticateRequest, context: Any
    ) -> access_pb2.AuthenticateResponse:
        match request.WhichOneof("credential"):
            case "token_secret":
                token = await self._access.token_of(request.token_secret)
            case "session_secret":
                token = await self._access.token_of_session(request.session_secret)
            case _:
                raise InvalidArgumentError("there is no credential", field="credential")
        return access_pb2.AuthenticateResponse(token=self._message(token))

    async def CreateSession(
        self, request: access_pb2.CreateSessionRequest, context: Any
    ) -> access_pb2.CreateSessionResponse:
        secret, token, ends = await self._access.start_session(
            request.token_secret, previous=request.previous_session_secret
        )
        return access_pb2.CreateSessionResponse(
            session_secret=secret, token=self._message(token), expire_time=timestamp(ends)
        )

    async def EndSession(
        self, request: access_pb2.EndSessionRequest, context: Any
    ) -> access_pb2.EndSessionResponse:
        await self._access.end_session(request.session_secret)
        return access_pb2.EndSessionResponse()

    async def RecordAuditEntry(
        self, request: access_pb2.RecordAuditEntryRequest, context: Any
    ) -> access_pb2.AuditEntry:
        said = request.entry
        entry = AuditEntry(
            id="",
            create_time=_NEVER,
            principal=said.principal,
            token=token_id(said.token) if said.token else "",
            address=said.address,
            scope=said.scope,
            action=said.action,
            resource=said.resource,
            status=said.status,
            request_id=said.request_id,
        )
        return _entry_message(await self._auditing.record(entry))

    async def ListAuditEntries(
        self, request: access_pb2.ListAuditEntriesRequest, context: Any
    ) -> access_pb2.ListAuditEntriesResponse:
        condition = AuditFilter(
            principal=request.principal,
            action=request.action,
            resource=request.resource,
            failed_only=request.failed_only,
            since=_time(request, "since_time"),
        )
        found, following = await self._auditing.list_page(
            condition, size=request.page_size, token=request.page_token
        )
        return access_pb2.ListAuditEntriesResponse(
            entries=map(_entry_message, found), next_page_token=following
        )

    def _message(self, token: Token) -> access_pb2.Token:
        return access_pb2.Token(
            name=f"tokens/{token.id}",
            display_name=token.display_name,
            scope=access_pb2.AccessScope.ValueType(token.scope),
            state=access_pb2.Token.State.ValueType(token.state(self._clock())),
            hint=token.hint,
            creator=token.creator,
            create_time=timestamp(token.create_time),
            expire_time=timestamp(token.expire_time),
            revoke_time=timestamp(token.revoke_time),
            last_used_time=timestamp(token.last_used_time),
        )


def _scope(value: int) -> Scope:
    try:
        return Scope(value)
    except ValueError:
        raise InvalidArgumentError(
            "say what the token allows: ACCESS_SCOPE_READ, _CHECK, _MAINTAIN or _ADMIN",
            field="scope",
        ) from None


def _time(request: Any, field: str) -> datetime | None:
    if not request.HasField(field):
        return None
    try:
        found: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"{field} is no time of this calendar", field=field) from error
    return found


def _entry_message(entry: AuditEntry) -> access_pb2.AuditEntry:
    return access_pb2.AuditEntry(
        name=f"auditEntries/{entry.id}",
        create_time=timestamp(entry.create_time),
        principal=entry.principal,
        token=f"tokens/{entry.token}" if entry.token else "",
        address=entry.address,
        scope=access_pb2.AccessScope.ValueType(entry.scope),
        action=entry.action,
        resource=entry.resource,
        status=entry.status,
        request_id=entry.request_id,
    )
