"""Settings of the scheduler, read from `ACKREP_SCHEDULER_<FIELD>`."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from services.scheduler.domain.check import Limits
from services.scheduler.domain.machine import Retries
from services.scheduler.domain.notifications import RetryPolicy
from services.scheduler.domain.retention import RetentionPolicy


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the scheduler."""

    token: str
    """Shared secret of all services and NATS (`ACKREP_TOKEN`)."""
    database: str
    """SQLAlchemy URL, e.g. `sqlite:///state/scheduler.sqlite` or `postgresql://user@host/name`."""
    artefacts: Path
    """Folder of the artefact store; made if it does not exist."""
    signing_key: Path | None = None
    """File of the Ed25519 key that records are signed with, made if it does not exist; by default
    `signing_key.pem` in the artefact folder."""
    address: str = "127.0.0.1:5002"
    """Where to listen, `host:port`; port 0 takes a free one."""
    catalog: str = "127.0.0.1:5001"
    """Address of the catalog, `host:port`."""
    nats: str = "nats://127.0.0.1:4222"
    """NATS server (`ACKREP_NATS`)."""
    log_format: str = "pretty"
    """`pretty` or `json` (`ACKREP_LOG_FORMAT`)."""
    pool: str = "default"
    """Pool of runners that checks go to."""
    lease_seconds: float = 10.0
    """How long a lease lasts without a heartbeat."""
    heartbeat_seconds: float = 1.0
    """How often runners are to send heartbeats."""
    attempts: int = 3
    """Failed attempts after which a check ends as an infrastructure error."""
    window: int = 4
    """Smallest number of queued checks per environment that are handed to NATS ahead."""
    waiting_limit: int = 20_000
    """Checks that may wait at once; what would make them more is refused."""
    reconcile_seconds: float = 1.0
    """How often to look for lost job messages and expired leases."""
    runner_memory_seconds: float = 60.0
    """How long a runner that is not heard of stays listed."""
    retention_age_seconds: float = 0.0
    """Age at which checks lose their artefacts, but for those that retention keeps; 0: never."""
    retention_bytes: int = 0
    """Size of all artefacts above which the oldest go; 0: any size."""
    retention_grace_seconds: float = 86_400.0
    """How long a file stays that no finished check refers to (yet)."""
    retention_every_seconds: float = 3600.0
    """How often retention looks."""
    session_idle_seconds: float = 43_200.0
    """How long a login at the pages lasts without being used."""
    session_seconds: float = 604_800.0
    """How long a login lasts in any case."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts that webhooks may call though they are of this machine or its network."""
    webhook_timeout_seconds: float = 10.0
    """How long a delivery to a webhook may take, from the look-up of its name to the answer."""
    webhook_retry_seconds: float = 10.0
    """After how long a failed delivery is tried again; each time three times as long, up to 6 h."""
    webhook_give_up_seconds: float = 86_400.0
    """After how long a delivery is given up."""
    webhook_log_seconds: float = 2_592_000.0
    """How long deliveries that ended are shown."""
    audit_age_seconds: float = 31_536_000.0
    """Age at which entries of the audit log are removed; 0: never."""
    wall_seconds: float = 300.0
    """Limit of a check: elapsed time, seconds."""
    cpu_seconds: float = 300.0
    """Limit of a check: processor time, seconds."""
    memory_bytes: int = 2 * 1024**3
    """Limit of a check: memory."""
    processes: int = 128
    """Limit of a check: processes and threads."""
    file_bytes: int = 64 * 1024**2
    """Limit of a check: size of one file."""
    output_bytes: int = 8 * 1024**2
    """Limit of a check: standard output and error together."""
    artefact_bytes: int = 256 * 1024**2
    """Limit of a check: all its artefacts together."""

    untrusted_wall_seconds: float = 120.0
    """Limit of a check of a proposal: elapsed time, seconds; never more than that of others."""
    untrusted_cpu_seconds: float = 120.0
    """Limit of a check of a proposal: processor time, seconds; as above."""
    untrusted_memory_bytes: int = 1024**3
    """Limit of a check of a proposal: memory; as above."""
    untrusted_processes: int = 64
    """Limit of a check of a proposal: processes and threads; as above."""
    untrusted_artefact_bytes: int = 64 * 1024**2
    """Limit of a check of a proposal: all its artefacts together; as above."""

    @property
    def key_file(self) -> Path:
        """File of the key that records are signed with."""
        return self.signing_key or self.artefacts / "signing_key.pem"

    @property
    def limits(self) -> Limits:
        """What a check may use."""
        return Limits(
            wall_seconds=self.wall_seconds,
            cpu_seconds=self.cpu_seconds,
            memory_bytes=self.memory_bytes,
            processes=self.processes,
            file_bytes=self.file_bytes,
            output_bytes=self.output_bytes,
            artefact_bytes=self.artefact_bytes,
        )

    @property
    def untrusted_limits(self) -> Limits:
        """What a check of a proposal may use."""
        return Limits(
            wall_seconds=min(self.wall_seconds, self.untrusted_wall_seconds),
            cpu_seconds=min(self.cpu_seconds, self.untrusted_cpu_seconds),
            memory_bytes=min(self.memory_bytes, self.untrusted_memory_bytes),
            processes=min(self.processes, self.untrusted_processes),
            file_bytes=self.file_bytes,
            output_bytes=self.output_bytes,
            artefact_bytes=min(self.artefact_bytes, self.untrusted_artefact_bytes),
        )

    @property
    def retention(self) -> RetentionPolicy:
        """Which artefacts lose their content."""
        age = timedelta(seconds=self.retention_age_seconds) if self.retention_age_seconds else None
        return RetentionPolicy(
            age=age,
            size=self.retention_bytes,
            grace=timedelta(seconds=self.retention_grace_seconds),
        )

    @property
    def audit_age(self) -> timedelta | None:
        """How long the audit log is kept."""
        return timedelta(seconds=self.audit_age_seconds) if self.audit_age_seconds else None

    @property
    def webhook_retries(self) -> RetryPolicy:
        """When deliveries to webhooks are tried again."""
        return RetryPolicy(
            first=timedelta(seconds=self.webhook_retry_seconds),
            give_up=timedelta(seconds=self.webhook_give_up_seconds),
        )

    @property
    def retries(self) -> Retries:
        """How often infrastructure failures are tried again."""
        return Retries(attempts=self.attempts)
