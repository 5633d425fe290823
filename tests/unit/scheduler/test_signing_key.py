"""The installation's key."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services import attestations
from services.errors import PreconditionError
from services.scheduler.records.keys import SigningKey


def test_made_once_and_kept(tmp_path: Path) -> None:
    """A key is made where there is none, for its owner alone, and stays the same."""
    path = tmp_path / "state/signing_key.pem"
    first = SigningKey(path)
    signature = first.sign(b"x")

    again = SigningKey(path)
    assert first.key_id == again.key_id
    assert signature == again.sign(b"x")  # Ed25519 is deterministic
    attestations.public_key(again.public_pem.encode()).verify(signature, b"x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path] == [*path.parent.iterdir()]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """However many make it at once, all have the same key."""
    path = tmp_path / "signing_key.pem"
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: SigningKey(path).key_id, range(16)))

    assert 1 == len(ids)


def test_a_broken_file_is_told_and_kept(tmp_path: Path) -> None:
    """Nothing overwrites what might be brought back."""
    path = tmp_path / "signing_key.pem"
    path.write_text("broken")

    with pytest.raises(PreconditionError, match="cannot be read"):
        SigningKey(path).sign(b"x")
    assert "broken" == path.read_text()
