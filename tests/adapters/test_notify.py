"""Notifications over a real socket; and that no URL is ever shown."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from automation.adapters.notify import notify
from automation.ports.errors import Unavailable

pytestmark = pytest.mark.lab


class Chat(HTTPServer):
    """Takes messages; says no to paths with ``closed``."""

    def __init__(self) -> None:
        self.heard: list[dict] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"json://user:hunter22@127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "closed" not in self.path:
            self.server.heard.append({"path": self.path, "title": body["title"], "text": body["message"]})
        self.send_response(403 if "closed" in self.path else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    server = Chat()
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_everybody_hears_it_once(chat, monkeypatch):
    chat.heard.clear()
    monkeypatch.setenv("CHAT_URL", chat.url("two"))
    notify([chat.url("one"), "env:CHAT_URL"], "git: backup complete", "set 1 is complete")
    told = [(one["path"].strip("/"), one["title"], one["text"]) for one in chat.heard]
    assert told == [(path, "git: backup complete", "set 1 is complete") for path in ("one", "two")]


def test_one_that_fails_keeps_nobody_else_from_hearing_and_is_named_without_its_url(chat, monkeypatch, caplog):
    chat.heard.clear()
    monkeypatch.delenv("NOT_THERE", raising=False)
    urls = [chat.url("closed"), "nonsense-hunter22", "env:NOT_THERE", chat.url("open")]
    with pytest.raises(Unavailable) as caught:
        notify(urls, "title", "body")
    said = str(caught.value)
    assert [one["path"].strip("/") for one in chat.heard] == ["open"]
    assert "URL 1 (JSON) did not take it" in said
    assert "URL 2 is none that apprise knows" in said
    assert "NOT_THERE" in said
    assert "hunter22" not in said + caplog.text


WITHOUT = """
import sys
sys.modules["apprise"] = None
from automation.adapters.notify import notify
from automation.ports.errors import Refused
try:
    notify(["json://h"], "t", "b")
except Refused as error:
    print(error)
"""


def test_the_extra_that_brings_it_is_named():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert "pip install 'bitbucket-dc[notify]'" in done.stdout
