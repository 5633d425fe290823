"""Settings of the catalog."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Read from `ACKREP_CATALOG_*`."""

    token: str
    """Shared secret that every call carries (`ACKREP_TOKEN`)."""
    source: str
    """Data repository: a folder, a git directory, or an https, ssh, git or file URL."""
    state: Path
    """Folder for the object store and, by default, the database. Made if missing."""
    ref: str = ""
    """Branch, tag or commit to read; empty means the working tree, or HEAD where there is none."""
    address: str = "127.0.0.1:5001"
    """Where to serve gRPC, `host:port`."""
    database: str = ""
    """SQLAlchemy URL (sqlite+aiosqlite or postgresql+asyncpg); empty means SQLite in `state`."""
    fetch_timeout: float = 120.0
    """Seconds that reading a remote source may take."""
    fetch_bytes: int = 4 * 1024**3
    """Bytes that reading a remote source may bring at a time."""
    file_bytes: int = 64 * 1024**2
    """Largest file of an entity that is handed out by itself, in bytes."""
    archive_bytes: int = 1024**3
    """Content of the largest archive of an entity that is handed out, in bytes."""
    upload_files: int = 500_000
    """Most files of an uploaded tree."""
    upload_blob_bytes: int = 256 * 1024**2
    """Largest file that an upload sends, in bytes."""
    upload_bytes: int = 4 * 1024**3
    """Most content that an upload sends, in bytes; what the catalog has already is not sent."""
    proposals: int = 200
    """Proposals that may be open at once."""
    proposal_local: bool = False
    """Whether paths of the catalog's machine may be proposed, besides https addresses."""
    proposal_hosts: str = ""
    """Hosts that forks are fetched from, separated by commas; none means all with public addresses.
    A host that is named may have private ones."""
    proposal_seconds: float = 120.0
    """Seconds that fetching the branch of a proposal may take."""
    proposal_bytes: int = 1024**3
    """Bytes that fetching the branch of a proposal may bring."""
    proposal_files: int = 100_000
    """Most files of a proposal's branch."""
    query_seconds: float = 10.0
    """Time that a SPARQL query may take, in seconds; then it is ended."""
    query_memory: int = 512
    """Memory that a SPARQL query may take beyond the graph itself, in MiB."""
    query_slots: int = 2
    """SPARQL queries that run at a time; further ones wait."""
    watch: bool = False
    """Whether a local source is read again by itself when it changes."""
    poll: float = 0.0
    """Seconds after which the source is read again by itself; 0 means never."""
    log_format: str = "pretty"
    """`pretty` or `json` (`ACKREP_LOG_FORMAT`)."""

    @property
    def database_url(self) -> str:
        """Where the index is kept."""
        return self.database or f"sqlite+aiosqlite:///{self.state / 'catalog.sqlite'}"
