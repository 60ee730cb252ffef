"""Errors as Bitbucket answers them: JSON under /rest and /mvc, a page elsewhere."""

from __future__ import annotations

import html

from aiohttp import web

from lab.bitbucket.records import Reply, errors

AUTHORISATION = "com.atlassian.bitbucket.AuthorisationException"
WRONG_PASSWORD = "com.atlassian.bitbucket.auth.IncorrectPasswordAuthenticationException"  # noqa: S105 -- a class's name
NO_PROJECT = "com.atlassian.bitbucket.project.NoSuchProjectException"
NO_REPOSITORY = "com.atlassian.bitbucket.repository.NoSuchRepositoryException"
NO_USER = "com.atlassian.bitbucket.user.NoSuchUserException"
NO_COMMIT = "com.atlassian.bitbucket.commit.NoSuchCommitException"
INVALID = "com.atlassian.bitbucket.validation.ArgumentValidationException"
TAKEN = "com.atlassian.bitbucket.IntegrityException"
LOCKED = "com.atlassian.bitbucket.maintenance.MaintenanceModeException"
UNDER_MAINTENANCE = "Bitbucket is currently under maintenance."
"""What users are told while the cluster is locked, in whichever form; the exception's name is inferred."""


class Refusal(Exception):
    """An answer that is not a success, raised from wherever it is found out."""

    def __init__(self, reply: Reply, headers: dict[str, str] | None = None) -> None:
        super().__init__(reply.status)
        self.reply = reply
        self.headers = headers or {}

    @classmethod
    def of(
        cls,
        status: int,
        message: str,
        exception: str | None = None,
        *,
        context: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Refusal:
        """Make a refusal with Bitbucket's error body."""
        return cls(errors(status, message, exception, context), headers)

    def response(self, *, as_page: bool) -> web.Response:
        """Return the answer, for a browser or for a program."""
        if not as_page:
            return answer(self.reply, self.headers)
        listed = (self.reply.body or {}).get("errors", [])
        message = str(listed[0]["message"]) if listed else ""
        return web.Response(
            status=self.reply.status,
            headers=self.headers,
            content_type="text/html",
            text=f"<!doctype html><title>Bitbucket</title><h1>{self.reply.status}</h1><p>{html.escape(message)}</p>",
        )


def locked(path: str) -> web.Response:
    """Return what users get while the cluster is locked: JSON for programs, a line for Git, a page for people."""
    if path.startswith(("/rest/", "/mvc/")):
        return answer(errors(503, UNDER_MAINTENANCE, LOCKED))
    if path.startswith("/scm/"):
        return web.Response(status=503, text=f"{UNDER_MAINTENANCE}\n")
    page = (
        '<!doctype html><html lang="en"><head><title>Maintenance - Bitbucket</title></head><body class="maintenance">'
        f"<h1>Maintenance</h1><p>{UNDER_MAINTENANCE} Please try again later.</p></body></html>"
    )
    return web.Response(status=503, content_type="text/html", text=page)


def answer(reply: Reply, headers: dict[str, str] | None = None) -> web.Response:
    """Turn a reply of the model into an HTTP answer; without a body it is empty."""
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    return web.json_response(reply.body, status=reply.status, headers=headers)
