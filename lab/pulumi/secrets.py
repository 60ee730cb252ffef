"""Pulumi's passphrase secrets manager.

AES-256-GCM with a key from PBKDF2-SHA256 (one million rounds, 8 bytes of salt), as the genuine command line does it, so
that each opens the other's files. Deriving the key takes a third of a second, hence it happens at the first real use.
"""

import base64
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.pulumi.errors import PassphraseError
from lab.pulumi.values import SECRET, SIGNATURE, PropertyValue, plain, replace_secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROUNDS = 1_000_000
CHECK_TEXT = "pulumi"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@functools.lru_cache(maxsize=64)
def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)


def read_passphrase(env: Mapping[str, str]) -> str:
    """The passphrase of the environment.

    Raises:
        PassphraseError: neither variable is set.
    """
    if "PULUMI_CONFIG_PASSPHRASE" in env:
        return env["PULUMI_CONFIG_PASSPHRASE"]
    if env.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        return Path(env["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text(encoding="utf-8").strip()
    raise PassphraseError(
        "passphrase must be set with PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE environment variables"
    )


def _decrypt(cipher: "AESGCM", sealed: str) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - costs 60 ms at start

    _, nonce, data = sealed.split(":", 2)
    try:
        return cipher.decrypt(base64.b64decode(nonce), base64.b64decode(data), None).decode()
    except InvalidTag:
        raise PassphraseError("incorrect passphrase") from None


class Crypter:
    """Encrypts and decrypts for one stack.

    Attributes:
        state: `v1:SALT:CHECK`, the stack's `encryptionsalt`; enough, with the passphrase, to open its secrets.
    """

    def __init__(self, passphrase: Callable[[], str], state: str | None = None) -> None:
        """Keep the means; derive the key only when needed.

        Args:
            passphrase: asked at first use.
            state: the stack's salt; None makes a new one at once.
        """
        self._passphrase = passphrase
        self._cipher: AESGCM | None = None
        self._sealed: dict[str, str] = {}
        if state is None:
            salt = os.urandom(8)
            self._cipher = self._open(salt)
            state = f"v1:{_text(salt)}:{self.encrypt(CHECK_TEXT)}"
        self.state = state

    def _open(self, salt: bytes) -> "AESGCM":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - costs 60 ms at start

        return AESGCM(_derive(self._passphrase(), salt))

    def _ready(self) -> "AESGCM":
        if self._cipher is None:
            _, salt, check = self.state.split(":", 2)
            cipher = self._open(base64.b64decode(salt))
            if _decrypt(cipher, check) != CHECK_TEXT:
                raise PassphraseError("incorrect passphrase")
            self._cipher = cipher
        return self._cipher

    def encrypt(self, text: str) -> str:
        """Encrypt one text as `v1:NONCE:CIPHERTEXT`."""
        cipher, nonce = self._ready(), os.urandom(12)
        return f"v1:{_text(nonce)}:{_text(cipher.encrypt(nonce, text.encode(), None))}"

    def decrypt(self, sealed: str) -> str:
        """Decrypt one text.

        Raises:
            PassphraseError: the passphrase is not the one it was encrypted with.
        """
        return _decrypt(self._ready(), sealed)

    def seal(self, value: PropertyValue) -> PropertyValue:
        """Replace each secret by its ciphertext; equal secrets keep the ciphertext they had."""

        def close(part: PropertyValue) -> PropertyValue:
            if "ciphertext" in part:
                return part
            text = json.dumps(plain(part["value"]), separators=(",", ":"))
            if text not in self._sealed:
                self._sealed[text] = self.encrypt(text)
            return {SIGNATURE: SECRET, "ciphertext": self._sealed[text]}

        return replace_secrets(value, close)

    def unseal(self, value: PropertyValue) -> PropertyValue:
        """Replace each ciphertext (or exported plain text) by a readable secret."""

        def open_(part: PropertyValue) -> PropertyValue:
            if "value" in part:
                return part
            text = part["plaintext"] if "plaintext" in part else self.decrypt(part["ciphertext"])
            if "ciphertext" in part:
                self._sealed[text] = part["ciphertext"]
            return {SIGNATURE: SECRET, "value": json.loads(text)}

        return replace_secrets(value, open_)


def show_plaintext(value: PropertyValue) -> PropertyValue:
    """Secrets as `stack export --show-secrets` prints them: JSON text beside the signature."""

    def show(part: PropertyValue) -> Any:
        return {SIGNATURE: SECRET, "plaintext": json.dumps(plain(part["value"]), separators=(",", ":"))}

    return replace_secrets(value, show)
