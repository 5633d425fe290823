"""The scheduler's process: builds the adapters, serves, stops in reverse order."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import grpc

from ackrep.scheduler.v1 import (
    access_pb2_grpc,
    activity_pb2_grpc,
    bisection_pb2_grpc,
    comparison_pb2_grpc,
    dispatch_pb2_grpc,
    explanation_pb2_grpc,
    history_pb2_grpc,
    maintenance_pb2_grpc,
    notification_pb2_grpc,
    promotion_pb2_grpc,
    queue_pb2_grpc,
    record_pb2_grpc,
    schedule_pb2_grpc,
    scheduler_pb2_grpc,
)
from services import lifetime, logs, rpc
from services.scheduler.access.audit import Auditing
from services.scheduler.access.tokens import Access
from services.scheduler.app import Scheduler
from services.scheduler.artefacts.files import FileArtefacts
from services.scheduler.artefacts.retention import ExplainedArtefacts, Sweeper
from services.scheduler.backup.creation import Backup
from services.scheduler.backup.snapshots import snapshot_of
from services.scheduler.bisections.bisecting import Bisecting
from services.scheduler.catalog.changes import GrpcChanges
from services.scheduler.catalog.inputs import GrpcCatalog
from services.scheduler.catalog.past import GrpcPast
from services.scheduler.checks.activity import WatchActivity
from services.scheduler.checks.creating import Creating
from services.scheduler.checks.dispatch import Dispatch
from services.scheduler.checks.explaining import Explaining
from services.scheduler.checks.placing import Placing
from services.scheduler.checks.registry import Runners
from services.scheduler.checks.selecting import Selecting
from services.scheduler.checks.watch import Watch
from services.scheduler.environments.in_use import ImagesInUse
from services.scheduler.environments.promotions import Promotions
from services.scheduler.environments.trials import Trials
from services.scheduler.history.comparing import Comparing
from services.scheduler.history.retrospect import Retrospect
from services.scheduler.messages import announce
from services.scheduler.notifications.changes import Changes
from services.scheduler.notifications.delivering import Deliveries
from services.scheduler.notifications.hooks import Hooks
from services.scheduler.notifications.sending import HttpSender
from services.scheduler.queue.bells import Bells
from services.scheduler.queue.jobs import NatsBroker
from services.scheduler.queue.leases import Leases
from services.scheduler.queue.loops import Dispatcher, Reconciler, Relay, forever, running
from services.scheduler.queue.pauses import Pauses
from services.scheduler.queue.queueing import Queueing
from services.scheduler.records.keys import SigningKey
from services.scheduler.schedules.scheduling import Firing, Scheduling
from services.scheduler.servicer.access import AccessServicer
from services.scheduler.servicer.activity import ActivityServicer
from services.scheduler.servicer.bisections import BisectionServicer
from services.scheduler.servicer.comparison import ComparisonServicer
from services.scheduler.servicer.dispatch import DispatchServicer
from services.scheduler.servicer.explanation import ExplanationServicer
from services.scheduler.servicer.history import HistoryServicer
from services.scheduler.servicer.maintenance import MaintenanceServicer
from services.scheduler.servicer.notifications import NotificationServicer
from services.scheduler.servicer.promotion import PromotionServicer
from services.scheduler.servicer.queue import QueueServicer
from services.scheduler.servicer.records import RecordServicer
from services.scheduler.servicer.scheduler import SchedulerServicer
from services.scheduler.servicer.schedules import ScheduleServicer
from services.scheduler.settings import Settings
from services.scheduler.sql import Database, sql_store
from services.scheduler.sql.access import SqlTokens
from services.scheduler.sql.access_log import SqlAuditLog
from services.scheduler.sql.activity import SqlChanges
from services.scheduler.sql.change_lists import SqlVerdictChanges
from services.scheduler.sql.history import SqlHistory
from services.scheduler.sql.webhooks import SqlWebhooks
from services.settings import load

log = logging.getLogger(__name__)

_SERVICES = (
    "ackrep.scheduler.v1.SchedulerService",
    "ackrep.scheduler.v1.QueueService",
    "ackrep.scheduler.v1.ScheduleService",
    "ackrep.scheduler.v1.BisectionService",
    "ackrep.scheduler.v1.ComparisonService",
    "ackrep.scheduler.v1.PromotionService",
    "ackrep.scheduler.v1.MaintenanceService",
    "ackrep.scheduler.v1.ExplanationService",
    "ackrep.scheduler.v1.RecordService",
    "ackrep.scheduler.v1.DispatchService",
    "ackrep.scheduler.v1.HistoryService",
    "ackrep.scheduler.v1.ActivityService",
    "ackrep.scheduler.v1.AccessService",
    "ackrep.scheduler.v1.NotificationService",
)


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Runs the scheduler until `stop` is set."""
    lease_for = timedelta(seconds=settings.lease_seconds)
    runner_memory = timedelta(seconds=settings.runner_memory_seconds)
    bells = Bells()
    async with contextlib.AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        await database.prepare()
        store = sql_store(database, announce=announce)
        files = FileArtefacts(settings.artefacts)
        artefacts = ExplainedArtefacts(files, retention=store.retention)
        backup = Backup(
            snapshot=snapshot_of(settings.database),
            artefacts=files,
            clock=_now,
            version=version("ackrep"),
        )
        sweeper = Sweeper(
            retention=store.retention, files=files, clock=_now, policy=settings.retention
        )
        retrospect = Retrospect(store=store, history=SqlHistory(database), artefacts=artefacts)
        if told := await retrospect.catch_up():
            log.info(f"{told} results of an earlier version were looked at for history")
        channel = await stack.enter_async_context(rpc.dial(settings.catalog, token=settings.token))
        broker = NatsBroker(
            settings.nats,
            token=settings.token,
            pools=(settings.pool,),
            on_connected=bells.connected,
        )
        catalog = GrpcCatalog(channel)
        changes = GrpcChanges(channel)
        in_use = ImagesInUse(promotions=store.promotions, clock=_now)
        scheduler = Scheduler(
            store=store,
            creating=Creating(
                store=store,
                catalog=catalog,
                in_use=in_use.image,
                bells=bells,
                clock=_now,
                limits=settings.limits,
                untrusted_limits=settings.untrusted_limits,
                pool=settings.pool,
                runner_memory=runner_memory,
            ),
            selecting=Selecting(store=store, catalog=catalog, changes=changes),
            placing=Placing(store=store, pool=settings.pool, limit=settings.waiting_limit),
            catalog=catalog,
            bells=bells,
            clock=_now,
        )
        firing = Firing(
            schedules=store.schedules, changes=changes, store=store, running=scheduler, clock=_now
        )
        bisecting = Bisecting(
            store=store,
            past=GrpcPast(channel),
            checking=scheduler,
            changes=bells.changes,
            clock=_now,
        )
        pauses = Pauses(store=store, clock=_now)
        runners = Runners(store=store, bells=bells, clock=_now, memory=runner_memory)
        queueing = Queueing(
            store=store,
            scheduler=scheduler,
            pauses=pauses,
            bells=bells,
            clock=_now,
            limit=settings.waiting_limit,
        )
        dispatch = Dispatch(
            store=store,
            pauses=pauses,
            runners=runners,
            artefacts=artefacts,
            bells=bells,
            clock=_now,
            retries=settings.retries,
            lease_for=lease_for,
        )
        comparing = Comparing(store=store)
        trials = Trials(
            store=store, subjects=catalog, scheduler=scheduler, comparing=comparing, clock=_now
        )
        promotions = Promotions(store=store, trials=trials, in_use=in_use, clock=_now)
        access = Access(
            tokens=SqlTokens(database),
            clock=_now,
            idle=timedelta(seconds=settings.session_idle_seconds),
            longest=timedelta(seconds=settings.session_seconds),
        )
        auditing = Auditing(entries=SqlAuditLog(database), clock=_now, age=settings.audit_age)
        webhooks = SqlWebhooks(database)
        allowed_hosts = frozenset(host.lower() for host in settings.webhook_hosts)
        webhook_timeout = timedelta(seconds=settings.webhook_timeout_seconds)
        hooks = Hooks(
            webhooks=webhooks,
            clock=_now,
            due=bells.webhooks,
            allowed=allowed_hosts,
            age=timedelta(seconds=settings.webhook_log_seconds),
        )
        deliveries = Deliveries(
            webhooks=webhooks,
            sender=HttpSender(
                clock=_now,
                timeout=webhook_timeout,
                allowed=allowed_hosts,
                version=version("ackrep"),
            ),
            clock=_now,
            due=bells.webhooks,
            changes=bells.changes,
            policy=settings.webhook_retries,
            timeout=webhook_timeout,
        )
        verdict_changes = Changes(changes=SqlVerdictChanges(database), bell=bells.changes)
        watch = Watch(store=store, broker=broker, artefacts=artefacts, bells=bells)
        activity = WatchActivity(changes=SqlChanges(database), bells=bells, clock=_now)
        relay = Relay(store=store, broker=broker)
        dispatcher = Dispatcher(
            store=store,
            broker=broker,
            clock=_now,
            minimum=settings.window,
            runner_memory=runner_memory,
            pauses=pauses,
        )

        async def pools() -> list[str]:
            known = await store.runners.list_all(since=_now() - runner_memory)
            return sorted({settings.pool, *(pool for runner in known for pool in runner.pools)})

        reconciler = Reconciler(
            store=store,
            broker=broker,
            clock=_now,
            bells=bells,
            pools=pools,
        )
        leases = Leases(
            store=store,
            clock=_now,
            bells=bells,
            lease_for=lease_for,
            retries=settings.retries,
            every=timedelta(seconds=settings.reconcile_seconds),
        )
        # Runners could not reach us while we were away: nobody loses a lease for that.
        graced = await store.queue.extend_leases(until=_now() + lease_for)
        if graced:
            log.info(f"{graced} checks are held by runners; they get {lease_for} to be heard of")

        def register(server: grpc.aio.Server) -> None:
            scheduler_pb2_grpc.add_SchedulerServiceServicer_to_server(
                SchedulerServicer(
                    scheduler=scheduler,
                    runners=runners,
                    watch=watch,
                    store=store,
                    artefacts=artefacts,
                ),
                server,
            )
            queue_pb2_grpc.add_QueueServiceServicer_to_server(
                QueueServicer(queueing=queueing, pool=settings.pool), server
            )
            schedule_pb2_grpc.add_ScheduleServiceServicer_to_server(
                ScheduleServicer(
                    scheduling=Scheduling(
                        schedules=store.schedules, changes=changes, clock=_now, added=firing.look
                    )
                ),
                server,
            )
            bisection_pb2_grpc.add_BisectionServiceServicer_to_server(
                BisectionServicer(bisecting=bisecting), server
            )
            history_pb2_grpc.add_HistoryServiceServicer_to_server(
                HistoryServicer(retrospect), server
            )
            comparison_pb2_grpc.add_ComparisonServiceServicer_to_server(
                ComparisonServicer(comparing=comparing), server
            )
            promotion_pb2_grpc.add_PromotionServiceServicer_to_server(
                PromotionServicer(trials=trials, promotions=promotions), server
            )
            activity_pb2_grpc.add_ActivityServiceServicer_to_server(
                ActivityServicer(activity), server
            )
            maintenance_pb2_grpc.add_MaintenanceServiceServicer_to_server(
                MaintenanceServicer(backup=backup), server
            )
            explaining = Explaining(store=store)
            explanation_pb2_grpc.add_ExplanationServiceServicer_to_server(
                ExplanationServicer(explaining=explaining), server
            )
            record_pb2_grpc.add_RecordServiceServicer_to_server(
                RecordServicer(explaining=explaining, key=SigningKey(settings.key_file)), server
            )
            access_pb2_grpc.add_AccessServiceServicer_to_server(
                AccessServicer(access=access, auditing=auditing, clock=_now), server
            )
            notification_pb2_grpc.add_NotificationServiceServicer_to_server(
                NotificationServicer(changes=verdict_changes, hooks=hooks), server
            )
            dispatch_pb2_grpc.add_DispatchServiceServicer_to_server(
                DispatchServicer(
                    dispatch=dispatch, runners=runners, promotions=promotions, settings=settings
                ),
                server,
            )

        await stack.enter_async_context(
            running(
                broker.run(asyncio.Event()),
                forever(relay.run_once, bell=bells.outbox, name="outbox relay"),
                forever(dispatcher.run_once, bell=bells.queue, name="dispatcher"),
                reconciler.run(every=settings.reconcile_seconds),
                leases.run(every=settings.reconcile_seconds),
                sweeper.run(every=settings.retention_every_seconds),
                firing.run(),
                bisecting.run(),
                access.run(every=settings.retention_every_seconds),
                auditing.run(every=settings.retention_every_seconds),
                deliveries.run(),
                hooks.run(every=settings.retention_every_seconds),
            )
        )
        await stack.enter_async_context(
            rpc.serving(
                address=settings.address,
                token=settings.token,
                register=register,
                services=_SERVICES,
                grace=1.0,
            )
        )
        await stop.wait()


def main() -> None:
    """Runs the scheduler with the settings of the environment."""

    async def run(stop: asyncio.Event) -> None:
        settings = load(Settings, service="scheduler")
        logs.configure(service="scheduler", style=settings.log_format)
        await serve(settings, stop)

    lifetime.run(run)


if __name__ == "__main__":
    main()
