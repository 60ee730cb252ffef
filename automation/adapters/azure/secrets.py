"""Key Vault as a store of credentials: ``azure-kv:VAULT/SECRET[#key]``."""

from __future__ import annotations

from azure.keyvault.secrets import SecretClient

from automation.adapters.azure.session import Azure, Caller
from automation.adapters.secrets import pick
from automation.ports.errors import NotFound, Refused

_HOSTS = "vault.azure.net"


def reader(caller: Caller, reference: str) -> str:
    """Return the secret's text, or one value of it when it is a JSON object and a key is given.

    Args:
        caller: who asks.
        reference: ``VAULT/SECRET[#key]``; VAULT is a vault's name, or its whole address with ``https://``.

    Raises:
        NotFound: there is no such secret, no text in it, or no such key.
        Refused: the reference names no vault.
    """
    place, _, key = reference.partition("#")
    vault, _, name = place.rpartition("/")
    if not vault or not name:
        raise Refused("secret_store", f"azure-kv:{place} names no secret: write azure-kv:VAULT/SECRET")
    with caller.translated(f"key vault {vault}"), client(caller.azure, vault) as secrets:
        text = secrets.get_secret(name, **caller.counting()).value
    if not text:
        raise NotFound(f"the secret {name} in {vault} holds no text")
    return pick(text, key or None, f"azure-kv:{place}")


def client(azure: Azure, vault: str) -> SecretClient:
    """Return a client of a vault's secrets; close it after use."""
    public = "://" not in vault
    url = f"https://{vault}.{_HOSTS}" if public else vault
    # A vault of one's own stands under another name than the resource that its tokens are made for.
    own = url.rstrip("/").endswith(_HOSTS)
    return SecretClient(url, azure.credential, verify_challenge_resource=own, **azure.options())
