"""The file server's start-up script, really run in a sandbox."""

import os

import pytest

from tests.components.sandbox import Sandbox

VOLUME = "vol-0abc"
VALUES = {
    "BBDC_CLUSTER": "bitbucket-lab",
    "BITBUCKET_UID": str(os.getuid()),
    "SHARED_HOME_EXPORT": "/srv/bitbucket-dc/shared",
    "NETWORK": "10.0.0.0/16",
    "DATA_VOLUME": VOLUME,
}


@pytest.fixture
def server(tmp_path):
    sandbox = Sandbox(tmp_path)
    sandbox.values = VALUES
    device = sandbox.root / "dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc"
    device.parent.mkdir(parents=True)
    device.touch()
    return sandbox


def test_a_blank_volume_is_formatted_mounted_and_exported_to_the_network_only(server):
    server.succeed("file_server")
    assert [call[:2] for call in server.calls("mkfs.xfs")] == [["-L", "BB-Shared"]]
    assert server.calls("mount") == [[str(server.root / "srv/bitbucket-dc")]]
    exports = (server.root / "etc/exports.d/bitbucket-dc.exports").read_text()
    uid = os.getuid()
    options = f"rw,sync,no_subtree_check,root_squash,anonuid={uid},anongid={uid},mp=/srv/bitbucket-dc"
    assert exports == f"/srv/bitbucket-dc/shared 10.0.0.0/16({options})\n"
    assert server.calls("exportfs") == [["-ra"]]


def test_a_volume_with_data_is_never_formatted(server):
    server.answer("filesystem", "xfs")
    server.succeed("file_server")
    assert server.calls("mkfs.xfs") == []


@pytest.mark.parametrize("found", ["ext4", "LVM2_member"])
def test_a_volume_with_something_else_is_refused(server, found):
    server.answer("filesystem", found)
    done = server.run("file_server")
    assert done.returncode == 1
    assert f"holds '{found}'" in done.stderr
    assert server.calls("mkfs.xfs") == []
    assert server.calls("exportfs") == []


def test_a_volume_that_cannot_be_read_is_not_taken_for_blank(server):
    server.answer("fail-blkid", "1")
    done = server.run("file_server")
    assert done.returncode == 1
    assert server.calls("mkfs.xfs") == []


def test_the_server_waits_for_its_volume_and_gives_up_in_the_end(server):
    for device in (server.root / "dev/disk/by-id").iterdir():
        device.unlink()
    done = server.run("file_server")
    assert done.returncode == 1
    assert f"wait for volume {VOLUME}: given up" in done.stderr
    assert server.calls("mkfs.xfs") == []


def test_the_ports_of_nfs_are_those_of_the_firewall(server):
    server.succeed("file_server")
    nfs = (server.root / "etc/nfs.conf.d/bitbucket-dc.conf").read_text()
    for section in ("[mountd]\nport=32767", "[statd]\nport=32765\noutgoing-port=32766", "[lockd]\nport=32768"):
        assert section in nfs


def test_a_second_run_changes_nothing(server):
    server.succeed("file_server")
    server.answer("filesystem", "xfs")
    before = {p: p.read_bytes() for p in server.root.rglob("*") if p.is_file()}
    server.forget_calls()
    server.succeed("file_server")
    assert {p: p.read_bytes() for p in server.root.rglob("*") if p.is_file()} == before
    assert server.calls("mount") == []
    assert server.calls("mkfs.xfs") == []
