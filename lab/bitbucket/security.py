"""Who is asking, by what means, and whether that may be: log-in, access tokens, sessions, forged requests.

Since 8.9.22, 8.19.12 and 9.3.2 an access token is good under /rest and /scm only; elsewhere it counts as nobody.
Sessions are signed with a key in the shared home, so that a user stays logged in when another node takes over
(``hazelcast.http.sessions=replicated``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import time
from pathlib import Path

from aiohttp import web

from lab.bitbucket.here import HERE, USER, Here, user_of
from lab.bitbucket.refusals import AUTHORISATION, WRONG_PASSWORD, Refusal
from lab.bitbucket.secured import made_once
from lab.bitbucket.store import User

COOKIE = "BITBUCKETSESSIONID"
_SESSION_SECONDS = 8 * 3600.0
_REMEMBERED_SECONDS = 10.0
"""How long a checked credential is believed without asking the database again."""
_FORMS = ("", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_CHANGING = ("POST", "PUT", "DELETE")
_KEY_BYTES = 32

_remembered: dict[bytes, tuple[float, User]] = {}


def session_key(shared: Path) -> bytes:
    """Return the cluster's signing key, made by the first node that asks."""
    return made_once(shared / "secured" / "session.key", lambda: os.urandom(_KEY_BYTES))


def identify(request: web.Request) -> User | None:
    """Find out who is asking; None for nobody.

    Raises:
        Refusal: 401 for credentials that are wrong; nobody at all is no error here.
    """
    here = request.app[HERE]
    sent = request.headers.get("Authorization", "")
    scheme, _, value = sent.partition(" ")
    if scheme.lower() == "bearer":
        return _by_token(here, request.path, value.strip())
    if scheme.lower() == "basic":
        return _by_password(here, request.path, value.strip())
    cookie = request.cookies.get(COOKIE)
    return _by_session(here, cookie) if cookie else None


def need_user(request: web.Request) -> User:
    """Return who is asking.

    Raises:
        Refusal: 401 for nobody.
    """
    user = user_of(request)
    if user is None:
        message = "You are not permitted to access this resource"
        raise Refusal.of(401, message, AUTHORISATION, headers=challenge(request))
    return user


def need_sysadmin(request: web.Request, *, refused: int = 401) -> User:
    """Return who is asking, a system administrator.

    Raises:
        Refusal: 401 for nobody; ``refused`` (401 or 403, endpoints differ) for anyone else.
    """
    user = need_user(request)
    if not user.sysadmin:
        raise Refusal.of(refused, "You are not permitted to access this resource", AUTHORISATION)
    return user


def challenge(request: web.Request) -> dict[str, str]:
    """Return the header that makes Git ask for a password; REST does not send it to programs."""
    return {"WWW-Authenticate": 'Basic realm="Atlassian Bitbucket"'} if request.path.startswith("/scm/") else {}


def refuse_forgery(request: web.Request) -> None:
    """Refuse a change that a foreign page could have made a browser send (XSRF).

    Raises:
        Refusal: 403.
    """
    if request.method not in _CHANGING or request.path.startswith("/scm/"):
        return
    said = request.headers.get("X-Atlassian-Token", "").lower() in ("no-check", "nocheck")
    is_form = request.headers.get("Content-Type", "").split(";")[0].strip().lower() in _FORMS
    browser = "Mozilla" in request.headers.get("User-Agent", "")
    origin = request.headers.get("Origin") or request.headers.get("Referer")
    foreign = browser and (origin is None or f"//{request.host}" not in origin)
    if (is_form and not said) or foreign:
        raise Refusal.of(403, "XSRF check failed", "com.atlassian.bitbucket.XsrfException")


def log_in(here: Here, name: str, password: str) -> str | None:
    """Return a new session's cookie when the password is right; this is what a CAPTCHA unlocks, too."""
    user = here.store.check_password(name, password)
    if user is None:
        return None
    here.store.forgive(name)
    return _signed(here.session_key, f"{user.name}|{int(time.time() + _SESSION_SECONDS)}")


def _by_token(here: Here, path: str, token: str) -> User | None:
    if not path.startswith(("/rest/", "/scm/")):
        return None
    user = _recall(here, "token", token) or here.store.user_of_token(token)
    if user is None:
        raise Refusal.of(401, "Authentication failed. Please check your credentials and try again.", WRONG_PASSWORD)
    return _remember(here, "token", token, user)


def _by_password(here: Here, path: str, encoded: str) -> User | None:
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as problem:
        raise Refusal.of(400, "The Authorization header is not understood.") from problem
    if known := _recall(here, "password", encoded):
        return known
    if path.startswith(("/rest/", "/scm/")) and (user := here.store.user_of_token(password)) and user.name == name:
        return user
    if here.store.needs_captcha(name):
        message = "CAPTCHA required. Your Bitbucket account has been marked as requiring a CAPTCHA to be solved."
        reason = {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=/login"}
        raise Refusal.of(403, message, "com.atlassian.bitbucket.auth.CaptchaRequiredException", headers=reason)
    user = here.store.check_password(name, password)
    if user is None:
        raise Refusal.of(
            401,
            "Authentication failed. Please check your credentials and try again.",
            WRONG_PASSWORD,
            headers={"WWW-Authenticate": 'Basic realm="Atlassian Bitbucket"'},
        )
    here.store.forgive(name)
    return _remember(here, "password", encoded, user)


def _by_session(here: Here, cookie: str) -> User | None:
    text, _, _ = cookie.partition(".")
    try:
        name, _, ends = base64.urlsafe_b64decode(text).decode().partition("|")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not hmac.compare_digest(_signed(here.session_key, f"{name}|{ends}"), cookie) or float(ends) < time.time():
        return None
    user = _recall(here, "session", name) or here.store.user(name)
    return _remember(here, "session", name, user) if user else None


def _signed(key: bytes, text: str) -> str:
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"{base64.urlsafe_b64encode(text.encode()).decode()}.{signature}"


def _recall(here: Here, kind: str, secret: str) -> User | None:
    found = _remembered.get(_blind(here, kind, secret))
    return found[1] if found and found[0] > time.monotonic() else None


def _remember(here: Here, kind: str, secret: str, user: User) -> User:
    if len(_remembered) > 1000:
        _remembered.clear()
    _remembered.setdefault(_blind(here, kind, secret), (0.0, user))
    if not _recall(here, kind, secret):
        _remembered[_blind(here, kind, secret)] = (time.monotonic() + _REMEMBERED_SECONDS, user)
    return user


def _blind(here: Here, kind: str, secret: str) -> bytes:
    return hmac.digest(here.session_key, f"{kind}:{secret}".encode(), "sha256")


def attach(request: web.Request, user: User | None) -> None:
    """Note on the request who is asking."""
    if user is not None:
        request[USER] = user
        request.app[HERE].saw(user)
