"""Webhooks and their deliveries in SQL."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update

from services.errors import NotFoundError
from services.scheduler.domain.notifications import (
    KEPT_ATTEMPTS,
    TEST,
    Attempt,
    Delivery,
    DeliveryState,
    Webhook,
    WebhookSummary,
)
from services.scheduler.sql.database import Database
from services.scheduler.sql.notices import values_of
from services.scheduler.sql.notification_tables import (
    PENDING,
    webhook_attempts,
    webhook_deliveries,
    webhooks,
)
from services.scheduler.sql.rows import from_micros, present, to_micros

_w = webhooks.c
_d = webhook_deliveries.c
_a = webhook_attempts.c

_ANY = select(_w.id).limit(1)
_COUNTS = select(_d.webhook, _d.state, func.count(), func.max(_d.end_time)).group_by(
    _d.webhook, _d.state
)
_OF_WEBHOOK = select(_d.id).where(_d.webhook == bindparam("of"))
_REMOVE_WEBHOOK = (
    delete(webhook_attempts).where(_a.delivery.in_(_OF_WEBHOOK)),
    delete(webhook_deliveries).where(_d.webhook == bindparam("of")),
    delete(webhooks).where(_w.id == bindparam("of")),
)
_NEXT_DUE = (
    select(func.min(_d.next_time))
    .join_from(webhook_deliveries, webhooks, _w.id == _d.webhook)
    .where(PENDING, or_(~_w.paused, _d.event == TEST))
)


class SqlWebhooks:
    """The port `Webhooks` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, webhook: Webhook, *, most: int) -> bool:
        row = {
            "id": webhook.id,
            "url": webhook.url,
            "events": " ".join(sorted(webhook.events)),
            "secret": webhook.secret,
            "paused": webhook.paused,
            "create_time": to_micros(webhook.create_time),
        }

        def write(connection: Connection) -> bool:
            self._database.take_turn(connection)
            count = select(func.count()).select_from(webhooks)
            if connection.execute(count).scalar_one() >= most:
                return False
            connection.execute(insert(webhooks), row)
            return True

        return await self._database.write(write)

    async def exist(self) -> bool:
        return await self._database.read(
            lambda connection: connection.execute(_ANY).first() is not None
        )

    async def list_all(self) -> list[WebhookSummary]:
        return await self._database.read(_summaries)

    async def get(self, webhook_id: str) -> Webhook:
        return await self._database.read(lambda connection: _webhook(_one(connection, webhook_id)))

    async def pause(self, webhook_id: str, *, paused: bool) -> WebhookSummary:
        change = update(webhooks).where(_w.id == webhook_id).values(paused=paused)

        def write(connection: Connection) -> WebhookSummary:
            _one(connection, webhook_id)
            connection.execute(change)
            return next(one for one in _summaries(connection) if one.webhook.id == webhook_id)

        return await self._database.write(write)

    async def delete(self, webhook_id: str) -> None:
        def write(connection: Connection) -> None:
            self._database.take_turn(connection)  # so that nobody adds a delivery meanwhile
            _one(connection, webhook_id)
            for statement in _REMOVE_WEBHOOK:
                connection.execute(statement, {"of": webhook_id})

        await self._database.write(write)

    async def post(self, delivery: Delivery) -> Delivery:
        def write(connection: Connection) -> Delivery:
            self._database.take_turn(connection)
            _one(connection, delivery.webhook)
            connection.execute(insert(webhook_deliveries), values_of(delivery))
            return delivery

        return await self._database.write(write)

    async def deliveries(self, webhook_id: str, *, limit: int, before: str) -> list[Delivery]:
        query = select(webhook_deliveries).where(_d.webhook == webhook_id)
        if before:
            query = query.where(_d.id < before)

        def read(connection: Connection) -> list[Delivery]:
            _one(connection, webhook_id)
            rows = connection.execute(query.order_by(_d.id.desc()).limit(limit))
            return _deliveries(connection, rows.all())

        return await self._database.read(read)

    async def repeat(self, webhook_id: str, delivery_id: str, *, now: datetime) -> Delivery:
        which = (_d.id == delivery_id, _d.webhook == webhook_id)
        time = to_micros(now)
        change = (
            update(webhook_deliveries)
            .where(*which)
            .values(state=DeliveryState.PENDING.value, since=time, next_time=time, end_time=None)
        )

        def write(connection: Connection) -> Delivery:
            connection.execute(change)
            rows = connection.execute(select(webhook_deliveries).where(*which)).all()
            if not rows:
                name = f"webhooks/{webhook_id}/deliveries/{delivery_id}"
                raise NotFoundError(f"there is no delivery named {name}", name=name)
            return _deliveries(connection, rows)[0]

        return await self._database.write(write)

    async def claim(
        self, *, now: datetime, until: datetime, limit: int, busy: Collection[str]
    ) -> list[tuple[Webhook, Delivery]]:
        due = (
            select(webhook_deliveries.c.id, _d.webhook)
            .join(webhooks, _w.id == _d.webhook)
            .where(PENDING, _d.next_time <= to_micros(now), or_(~_w.paused, _d.event == TEST))
            .where(_d.webhook.not_in(sorted(busy)))
            .order_by(_d.next_time, _d.id)
        )
        taking = (
            update(webhook_deliveries)
            .where(_d.id == bindparam("of"), PENDING)
            .values(next_time=to_micros(until), tried=_d.tried + 1)
        )

        def write(connection: Connection) -> list[tuple[Webhook, Delivery]]:
            self._database.take_turn(connection)
            oldest: dict[str, str] = {}
            for row in connection.execute(due.limit(500)):
                oldest.setdefault(row.webhook, row.id)
            chosen = [*oldest.values()][:limit]
            if not chosen:
                return []
            connection.execute(taking, [{"of": one} for one in chosen])
            rows = connection.execute(select(webhook_deliveries).where(_d.id.in_(chosen))).all()
            return [
                (_webhook(_one(connection, one.webhook)), one)
                for one in _deliveries(connection, rows)
            ]

        return await self._database.write(write)

    async def settle(
        self, delivery: Delivery, attempt: Attempt, *, next_time: datetime | None
    ) -> None:
        ended = next_time is None
        state = DeliveryState.FAILED if attempt.error else DeliveryState.DELIVERED
        # Whoever asked for it again meanwhile gets it once more: `since` is another then.
        change = (
            update(webhook_deliveries)
            .where(_d.id == delivery.id, PENDING, _d.since == to_micros(delivery.since))
            .values(
                state=(state if ended else DeliveryState.PENDING).value,
                next_time=to_micros(next_time or delivery.next_time),
                end_time=to_micros(attempt.start_time) if ended else None,
            )
        )
        row = {
            "delivery": delivery.id,
            "number": attempt.number,
            "start_time": to_micros(attempt.start_time),
            "seconds": attempt.seconds,
            "status": attempt.status,
            "response": attempt.response,
            "error": attempt.error,
        }
        there = select(_d.id).where(_d.id == delivery.id).with_for_update()

        def write(connection: Connection) -> None:
            if connection.execute(there).first() is None:
                return  # the webhook was deleted meanwhile
            connection.execute(change)
            known = self._database.insert(webhook_attempts).on_conflict_do_nothing()
            connection.execute(known, row)

        await self._database.write(write)

    async def next_due(self, *, busy: Collection[str]) -> datetime | None:
        query = _NEXT_DUE.where(_d.webhook.not_in(sorted(busy))) if busy else _NEXT_DUE
        return await self._database.read(
            lambda connection: from_micros(connection.execute(query).scalar_one())
        )

    async def remove(self, *, before: datetime) -> int:
        old = select(_d.id).where(
            _d.state != DeliveryState.PENDING.value, _d.end_time < to_micros(before)
        )

        def write(connection: Connection) -> int:
            self._database.take_turn(connection)
            connection.execute(delete(webhook_attempts).where(_a.delivery.in_(old)))
            gone = connection.execute(delete(webhook_deliveries).where(_d.id.in_(old)))
            return int(gone.rowcount)

        return await self._database.write(write)


def _one(connection: Connection, webhook_id: str) -> Row[Any]:
    row = connection.execute(select(webhooks).where(_w.id == webhook_id)).one_or_none()
    if row is None:
        name = f"webhooks/{webhook_id}"
        raise NotFoundError(f"there is no webhook named {name}", name=name)
    return row


def _summaries(connection: Connection) -> list[WebhookSummary]:
    counts: dict[tuple[str, int], tuple[int, int | None]] = {
        (row[0], row[1]): (row[2], row[3]) for row in connection.execute(_COUNTS)
    }
    return [
        WebhookSummary(
            webhook=_webhook(row),
            pending=counts.get((row.id, DeliveryState.PENDING), (0, None))[0],
            failed=counts.get((row.id, DeliveryState.FAILED), (0, None))[0],
            last_success=from_micros(counts.get((row.id, DeliveryState.DELIVERED), (0, None))[1]),
        )
        for row in connection.execute(select(webhooks).order_by(_w.id.desc()))
    ]


def _deliveries(connection: Connection, rows: Sequence[Row[Any]]) -> list[Delivery]:
    query = select(webhook_attempts).where(_a.delivery.in_([row.id for row in rows]))
    attempts: dict[str, list[Attempt]] = {}
    for row in connection.execute(query.order_by(_a.delivery, _a.number)):
        attempts.setdefault(row.delivery, []).append(
            Attempt(
                number=row.number,
                start_time=present(row.start_time),
                seconds=row.seconds,
                status=row.status,
                response=row.response,
                error=row.error,
            )
        )
    return [
        Delivery(
            id=row.id,
            webhook=row.webhook,
            event=row.event,
            body=row.body,
            create_time=present(row.create_time),
            since=present(row.since),
            next_time=present(row.next_time),
            state=DeliveryState(row.state),
            tried=row.tried,
            attempts=tuple(attempts.get(row.id, ())[-KEPT_ATTEMPTS:]),
        )
        for row in rows
    ]


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        events=frozenset(row.events.split()),
        secret=row.secret,
        create_time=present(row.create_time),
        paused=row.paused,
    )
