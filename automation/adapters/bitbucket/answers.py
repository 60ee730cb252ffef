"""What Bitbucket's answers mean: a JSON value, or one error of the tree. No I/O.

Bitbucket has three error bodies: ``{"errors": [{"message": ...}]}``, ``{"message": ..., "status-code": ...}``, and
none at all (every 409 of the rolling-upgrade API). A load balancer or a login page in between answers in HTML.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

from automation.adapters.http import Answer
from automation.adapters.logs import Redactor
from automation.ports.errors import (
    BbdcError,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Throttled,
    Unavailable,
    Unexpected,
)

RIGHT = "Bitbucket system administrator"
_LOGIN = re.compile(r"login|saml|sso|oauth|/auth", re.IGNORECASE)
_LONGEST = 300


def value(answer: Answer, doing: str, *, now: float, redactor: Redactor) -> object:
    """Return the JSON value of a successful answer; None for an empty one.

    Args:
        answer: as it came.
        doing: what was being done, for the message, such as ``GET https://.../rest/zdu/cluster``.
        now: seconds since the epoch, to read a ``Retry-After`` date.
        redactor: takes credentials out of whatever the other side says.

    Raises:
        BbdcError: as the status, and the body where there is one, say.
    """
    if not HTTPStatus(200) <= answer.status < HTTPStatus(300):
        raise error(answer, doing, now=now, redactor=redactor)
    if not answer.text.strip():
        return None
    parsed = parse(answer.text)
    if parsed is None and answer.text.strip() != "null":
        raise _not_json(answer, doing, redactor)
    return parsed


def parse(text: str) -> object:
    """Return the JSON value of ``text``; None when it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def error(answer: Answer, doing: str, *, now: float, redactor: Redactor) -> BbdcError:
    """Return the error that an unsuccessful answer stands for."""
    status = answer.status
    said = redactor.text(_said(answer))
    message = f"{doing}: HTTP {status}" + (f": {said}" if said else "")
    if HTTPStatus(300) <= status < HTTPStatus(400):
        return _redirected(answer, message, redactor)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(message, after=answer.retry_after(now))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(message, after=answer.retry_after(now))
    return _refused(answer, message, said)


def _refused(answer: Answer, message: str, said: str) -> BbdcError:
    match answer.status:
        case HTTPStatus.UNAUTHORIZED:
            return NotAuthenticated(message, hint=_LOGIN_HINT)
        case HTTPStatus.FORBIDDEN:
            return _forbidden(answer, message, said.lower())
        case HTTPStatus.NOT_FOUND:
            return NotFound(message, hint="check BITBUCKET_URL, its context path included, and Bitbucket's version")
        case HTTPStatus.CONFLICT:
            return Conflict(message, hint="the cluster's state does not allow this now; read it again: bbdc status")
        case HTTPStatus.REQUEST_TIMEOUT:
            return Unavailable(message)
    return Unexpected(message)


def _forbidden(answer: Answer, message: str, said: str) -> BbdcError:
    if "captcha" in said or "DENIED" in answer.headers.get("x-seraph-loginreason", "").upper():
        return NotAuthenticated(message, hint="the account is locked: log in with a browser and solve the CAPTCHA")
    if "clustered" in said:
        hint = "rolling upgrades need a Data Center licence and clustering that is configured and in use"
        return Forbidden(message, right="clustered Data Center installation", hint=hint)
    return Forbidden(message, right=RIGHT, hint=f"this takes the permission '{RIGHT}'")


_LOGIN_HINT = "check BITBUCKET_TOKEN, or BITBUCKET_USER and BITBUCKET_PASSWORD; repeated failures lock the account"


def _redirected(answer: Answer, message: str, redactor: Redactor) -> BbdcError:
    where = redactor.text(answer.headers.get("location", "").partition("?")[0]) or "nowhere"
    if _LOGIN.search(where):
        return NotAuthenticated(f"{message}: sent to the login page {where}", hint=_LOGIN_HINT)
    return Unexpected(f"{message}: sent to {where}", hint="set BITBUCKET_URL to the address that answers by itself")


def _not_json(answer: Answer, doing: str, redactor: Redactor) -> Unexpected:
    kind = answer.content_type or "no content type"
    said = redactor.text(_words(answer.text))
    return Unexpected(
        f"{doing}: HTTP {answer.status} with {kind} instead of JSON: '{said}'",
        hint="something between here and Bitbucket answered: check BITBUCKET_URL, proxies and the login page",
    )


def _said(answer: Answer) -> str:
    """Return what the other side says is wrong; empty when it says nothing."""
    body = parse(answer.text)
    if isinstance(body, dict):
        errors = body.get("errors")
        items = errors if isinstance(errors, list) else [body]
        said = [str(item["message"]) for item in items if isinstance(item, dict) and item.get("message")]
        return _short(" ".join(said))
    return "" if body is not None else _words(answer.text)


def _words(text: str) -> str:
    """Return the title of a page, or its first words."""
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    if title and title[1].strip():
        return _short(title[1], 80)
    without_code = re.sub(r"<(script|style)\b.*?(</\1>|$)", " ", text, flags=re.IGNORECASE | re.DOTALL)
    return _short(re.sub(r"<[^>]*>", " ", without_code), 80)


def _short(text: str, longest: int = _LONGEST) -> str:
    words = " ".join(text.split())
    return words if len(words) <= longest else words[: longest - 3] + "..."
