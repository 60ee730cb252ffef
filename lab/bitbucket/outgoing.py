"""What a Bitbucket tells the world by itself, as the database keeps it: its mail server and its webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lab.bitbucket.database import Database

Scope = Literal["PROJECT", "REPOSITORY"]
_MAIL = "mail."
"""Prefix of the mail server's rows in ``app_property``."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that is told of events."""

    id: int
    scope: Scope
    scope_id: int
    name: str
    url: str
    events: tuple[str, ...]
    active: bool


class Outgoing:
    """Reads and changes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mail_server(self) -> dict[str, Any] | None:
        """Return the settings by name; None when there are none."""
        rows = self._database.all("SELECT prop_key, prop_value FROM app_property WHERE prop_key LIKE ?", f"{_MAIL}%")
        return {key.removeprefix(_MAIL): json.loads(value) for key, value in rows} or None

    def set_mail_server(self, settings: Mapping[str, Any]) -> None:
        """Replace the settings."""
        rows = [(f"{_MAIL}{key}", json.dumps(value)) for key, value in settings.items()]
        with self._database.write() as db:
            db.execute("DELETE FROM app_property WHERE prop_key LIKE ?", (f"{_MAIL}%",))
            db.executemany("INSERT INTO app_property (prop_key, prop_value) VALUES (?, ?)", rows)

    def remove_mail_server(self) -> None:
        """Forget the settings: no mail is sent."""
        self.set_mail_server({})

    def webhooks(self, scope: Scope, scope_id: int) -> list[Webhook]:
        """Return the webhooks of one project or repository, oldest first."""
        query = "SELECT id, scope_type, scope_id, name, url, events, active FROM webhook"
        rows = self._database.all(f"{query} WHERE scope_type = ? AND scope_id = ? ORDER BY id", scope, scope_id)
        return [_webhook(row) for row in rows]

    def create_webhook(self, scope: Scope, scope_id: int, name: str, url: str, events: Sequence[str]) -> Webhook:
        """Add an active webhook."""
        columns = "INSERT INTO webhook (scope_type, scope_id, name, url, events) VALUES (?, ?, ?, ?, ?)"
        with self._database.write() as db:
            cursor = db.execute(columns, (scope, scope_id, name, url, json.dumps(list(events))))
        return Webhook(int(cursor.lastrowid or 0), scope, scope_id, name, url, tuple(events), active=True)

    def put_webhook(self, changed: Webhook) -> None:
        """Write name, URL, events and whether it is active."""
        values = (changed.name, changed.url, json.dumps(list(changed.events)), changed.active, changed.id)
        with self._database.write() as db:
            db.execute("UPDATE webhook SET name = ?, url = ?, events = ?, active = ? WHERE id = ?", values)

    def remove_webhook(self, webhook: Webhook) -> None:
        """Forget a webhook."""
        with self._database.write() as db:
            db.execute("DELETE FROM webhook WHERE id = ?", (webhook.id,))


def _webhook(row: tuple[Any, ...]) -> Webhook:
    return Webhook(row[0], row[1], row[2], row[3], row[4], tuple(json.loads(row[5])), bool(row[6]))
