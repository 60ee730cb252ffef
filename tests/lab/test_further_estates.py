"""Further estates beside the lab's own, such as staging copies: clusters and fronts of their own."""

from dataclasses import replace
from typing import Any

import pytest

from lab.balancer.published import FURTHER, Published, further
from lab.bitbucket.fabric import LAB_SETTINGS, Fabric
from lab.bitbucket.records import NodeSpec
from lab.daemon.clusters import Clusters

pytestmark = pytest.mark.lab
TOKEN = "x" * 16


def test_nodes_join_the_cluster_that_their_script_names_and_no_other() -> None:
    made: list[tuple[str, str]] = []

    def make(url: str, ssh_url: str) -> Fabric:
        made.append((url, ssh_url))
        return Fabric(replace(LAB_SETTINGS, base_url=url, ssh_base_url=ssh_url), token=TOKEN)

    own = Fabric(token=TOKEN)
    clusters = Clusters("alpha", own, make)
    try:
        urls = [clusters.url(name, "http://copy", "ssh://copy") for name in ("alpha", "", "copy", "copy", "other")]
        assert urls[0] == urls[1]
        assert urls[2] == urls[3]
        assert len(set(urls)) == 3
        assert made == [("http://copy", "ssh://copy")] * 2
        own.boot(NodeSpec("i-1", "127.0.0.1", "7.9.0"))
        assert [node["id"] for node in clusters.nodes()] == ["i-1"]
        clusters.kill("i-1")
        assert [node["crashed"] for node in clusters.nodes()] == [True]
    finally:
        clusters.close()
        own.close()


class Fronts(Published[Any]):
    """Publishes nothing."""

    def rules(self) -> tuple[list[Any], list[Any]]:
        """Return no listener and no group."""
        return [], []


def test_each_estate_has_fronts_of_its_own_and_keeps_them() -> None:
    fronts = Fronts(None, 20100, 20101, 1.0)
    assert fronts.front("http", "alpha") == {"name": "http", "address": "127.0.0.1", "port": 20100}
    assert fronts.front("ssh", "alpha") == {"name": "ssh", "address": "127.0.0.1", "port": 20101}
    copies = [f"copy-{number}" for number in range(1, FURTHER + 1)]
    ports = [(fronts.front(kind, copy) or {})["port"] for copy in copies for kind in ("http", "ssh")]
    assert ports == list(range(20102, 20102 + 2 * FURTHER))
    assert fronts.front("http", "copy-1") == {
        "name": "http-1",
        "address": "127.0.0.1",
        "port": further(20100, "http", 1),
    }
    assert fronts.front("http", "one too many") is None
