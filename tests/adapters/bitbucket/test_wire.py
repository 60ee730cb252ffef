"""What a fake transport cannot show: refused connections, silence, broken replies, TLS. All on loopback."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from automation.adapters.bitbucket.client import Client
from automation.adapters.bitbucket.nodes import NodeViews
from automation.adapters.bitbucket.rest import BitbucketRest
from automation.adapters.http import Http, Timeouts
from automation.adapters.logs import Redactor
from automation.core.cluster import OwnView
from automation.ports.errors import Refused, Unavailable, Unreachable

QUICK = Timeouts(connect=1.0, read=0.2)
GOOD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"state":"MIXED"}'


class Server:
    """Accepts connections one after the other and hands each to a function."""

    def __init__(self, talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._talk, self._context = talk, context
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        try:
            if self._context is None:
                self._talk(connection)
            else:
                with self._context.wrap_socket(connection, server_side=True) as secured:
                    self._talk(secured)
        except OSError:
            return  # the client hung up, which is what some of these tests are about

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(talk, context=None):
        servers.append(Server(talk, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answering(reply: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(reply)

    return talk


def bitbucket(clock, url, **options) -> BitbucketRest:
    return BitbucketRest(Client(Http(timeouts=QUICK, through_proxy=False, **options), url, clock, Redactor()))


def test_a_closed_port_is_unreachable_and_says_what_to_check(clock, free_port):
    with pytest.raises(Unreachable, match=r"refused.*load balancer"):
        bitbucket(clock, f"http://127.0.0.1:{free_port}").cluster()


def test_an_unknown_host_is_unreachable(clock):
    with pytest.raises(Unreachable, match="no such host"):
        bitbucket(clock, "http://bitbucket.invalid").cluster()


@pytest.mark.parametrize("url", ["bitbucket.example.com", "ftp://h", "http://"])
def test_an_address_that_is_none_is_unreachable(clock, url):
    with pytest.raises(Unreachable):
        bitbucket(clock, url).cluster()


def test_silence_is_unavailable_after_the_read_timeout(clock, serve):
    server = serve(lambda connection: connection.recv(65536) and connection.recv(65536))
    adapter = bitbucket(clock, f"http://127.0.0.1:{server.port}")
    with pytest.raises(Unavailable, match="no answer in time"):
        adapter.approve_upgrade()
    assert server.connections == 1


@pytest.mark.parametrize("reply", [b"", GOOD[:40], GOOD[:-5]])
def test_a_reply_that_breaks_off_is_unavailable_and_a_post_is_not_repeated(clock, serve, reply):
    server = serve(answering(reply))
    with pytest.raises(Unavailable):
        bitbucket(clock, f"http://127.0.0.1:{server.port}").start_upgrade()
    assert server.connections == 1


def test_something_that_is_no_http_is_unavailable(clock, serve):
    server = serve(answering(b"SSH-2.0-SSHD-UNKNOWN\r\n"))
    with pytest.raises(Unavailable):
        bitbucket(clock, f"http://127.0.0.1:{server.port}").cluster()


def test_a_whole_reply_is_read(clock, serve):
    server = serve(answering(GOOD))
    assert bitbucket(clock, f"http://127.0.0.1:{server.port}").cluster().state == "MIXED"


# TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a PEM file with a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_an_untrusted_certificate_is_unreachable_and_names_the_setting(clock, serve, tls):
    server = serve(answering(GOOD), tls)
    with pytest.raises(Unreachable, match=r"not trusted.*BBDC_CA_BUNDLE"):
        bitbucket(clock, f"https://127.0.0.1:{server.port}").cluster()


def test_a_ca_bundle_makes_it_trusted(clock, serve, tls, certificate):
    server = serve(answering(GOOD), tls)
    assert bitbucket(clock, f"https://127.0.0.1:{server.port}", ca_bundle=certificate).cluster().state == "MIXED"


def test_a_certificate_for_another_name_is_unreachable(clock, serve, tls, certificate):
    server = serve(answering(GOOD), tls)
    with pytest.raises(Unreachable, match="not trusted"):
        bitbucket(clock, f"https://localhost:{server.port}", ca_bundle=certificate).cluster()


def test_https_at_a_plain_port_is_unreachable(clock, serve):
    server = serve(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(Unreachable, match="plain HTTP port"):
        bitbucket(clock, f"https://127.0.0.1:{server.port}").cluster()


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_bundle_that_cannot_be_read_is_refused_by_name(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_bytes(content)
    with pytest.raises(Refused, match="BBDC_CA_BUNDLE"):
        Http(ca_bundle=path)


# Single nodes --------------------------------------------------------------------------------------------------------


def test_a_node_that_refuses_or_is_silent_has_no_view(clock, serve, free_port):
    silent = serve(lambda connection: connection.recv(65536) and connection.recv(65536))
    for port in (free_port, silent.port):
        nodes = NodeViews(Http(timeouts=QUICK), f"http://{{address}}:{port}", clock, Redactor())
        assert nodes.view("127.0.0.1") == OwnView(None, None)
