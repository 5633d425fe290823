"""The key that an installation signs with: a file that only the scheduler reads."""

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from services import attestations
from services.errors import PreconditionError


class SigningKey:
    """An Ed25519 key in a file, made when it is first needed.

    Args:
        path: PEM file (PKCS #8, not encrypted). Whoever has it can sign in our name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: Ed25519PrivateKey | None = None

    def sign(self, data: bytes) -> bytes:
        """The signature of bytes.

        Raises:
            PreconditionError: The file holds no Ed25519 key.
        """
        return self._private.sign(data)

    @property
    def key_id(self) -> str:
        """Name of the key."""
        return attestations.key_id(self._private.public_key())

    @property
    def public_pem(self) -> str:
        """The public half, as PEM."""
        public = self._private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def _private(self) -> Ed25519PrivateKey:
        if self._key is None:
            self._key = self._read() if self._path.exists() else self._made()
        return self._key

    def _read(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(self._path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise PreconditionError(
                f"the signing key {self._path} cannot be read: {error}; bring back a copy, or "
                "remove it so that a new one is made (old records stay signed with the old one)"
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise PreconditionError(f"the signing key {self._path} is no Ed25519 key")
        return key

    def _made(self) -> Ed25519PrivateKey:
        """Makes a key; of several processes that do so at once, one wins."""
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(handle)
            with contextlib.suppress(FileExistsError):
                os.link(partial, self._path)
        finally:
            partial.unlink()
        return self._read()
