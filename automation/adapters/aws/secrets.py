"""Secrets Manager as a store of credentials: ``aws-sm:<arn or name>[#key]``."""

from __future__ import annotations

from automation.adapters.aws.session import Caller
from automation.adapters.secrets import pick
from automation.ports.errors import NotFound


def reader(caller: Caller, reference: str) -> str:
    """Return the secret's text, or one value of it when it is a JSON object and a key is given.

    Raises:
        NotFound: there is no such secret, no text in it, or no such key.
    """
    name, _, key = reference.partition("#")
    text = caller.call("secretsmanager", "get_secret_value", SecretId=name).get("SecretString")
    if not isinstance(text, str):
        raise NotFound(f"the secret {name} holds no text")
    return pick(text, key or None, f"aws-sm:{name}")
