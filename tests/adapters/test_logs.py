"""No credential reaches a log line, whoever writes it."""

from __future__ import annotations

import base64
import io
import json
import logging

import pytest
import structlog

from automation.adapters import logs
from automation.adapters.logs import HIDDEN, Redactor

SECRET = "hunter22-and-more"


@pytest.fixture
def captured(monkeypatch):
    """Configure logging for real, and return what it writes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure(Redactor([SECRET]), level="debug", as_json=True)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    "event",
    [
        {"event": f"sent {SECRET}"},
        {"url": f"https://admin:{SECRET}@h/"},
        {"deep": {"list": [{"text": f"a {SECRET} b"}]}},
        {"header": "Basic " + base64.b64encode(SECRET.encode()).decode()},
        {"error": ValueError(f"bad {SECRET}")},
    ],
)
def test_a_known_secret_is_hidden_wherever_it_is(event):
    assert SECRET not in str(Redactor([SECRET])(None, "info", event))
    assert base64.b64encode(SECRET.encode()).decode() not in str(Redactor([SECRET])(None, "info", event))


@pytest.mark.parametrize(
    "name", ["token", "BITBUCKET_PASSWORD", "Authorization", "api_key", "Set-Cookie", "aws_secret_access_key"]
)
def test_a_field_named_like_a_secret_is_hidden_though_unknown(name):
    assert Redactor()(None, "info", {"headers": {name: "never-seen-before"}}) == {"headers": {name: HIDDEN}}


@pytest.mark.parametrize(
    "text", ["Authorization: Bearer abc.def-123456", "https://u:p4ssw0rd@host/x", "basic QWxhZGRpbg=="]
)
def test_unknown_credentials_in_known_places_are_hidden(text):
    hidden = Redactor().text(text)
    assert HIDDEN in hidden
    assert not any(part in hidden for part in ("abc.def", "p4ssw0rd", "QWxh"))


def test_ordinary_values_pass_unchanged():
    event = {"event": "waiting", "node": "10.0.0.1", "seconds": 4.5, "ok": True, "none": None, "token": ""}
    assert Redactor(["x", ""])(None, "info", event) == event


def test_one_secret_inside_another_leaves_no_rest():
    assert Redactor(["abcd", "abcd-efgh"]).text("abcd-efgh") == HIDDEN


def test_both_kinds_of_logging_are_redacted(captured):
    structlog.get_logger().info("hello", note=SECRET, token="other")
    logging.getLogger("httpx").info("GET %s", f"https://u:{SECRET}@h")
    try:
        int(SECRET)
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("botocore").exception("failed")
    written = captured.getvalue()
    assert SECRET not in written
    assert "other" not in written
    assert json.loads(written.splitlines()[0])["event"] == "hello"
    assert written.count(f"'{HIDDEN}'") >= 2  # both tracebacks are there, without the value
