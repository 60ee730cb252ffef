"""The file server's start-up script, really run in a sandbox."""

import os

import pytest

from tests.components.sandbox import Sandbox

PROGRAM = "usr/local/sbin/bitbucket-dc-shared-home"
UNIT = "etc/systemd/system/bitbucket-dc-shared-home.service"
VALUES = {
    "BBDC_CLUSTER": "bitbucket-lab",
    "BITBUCKET_UID": str(os.getuid()),
    "SHARED_HOME_EXPORT": "/srv/bitbucket-dc/shared",
    "NETWORK": "10.0.0.0/16",
    "DATA_DEVICE": "/dev/sdf",
}


@pytest.fixture
def server(tmp_path):
    sandbox = Sandbox(tmp_path)
    sandbox.values = VALUES
    attach(sandbox)
    return sandbox


def attach(server, name="sdf"):
    device = server.root / "dev" / name
    device.parent.mkdir(exist_ok=True)
    device.touch()
    return device


def detach(server):
    """Take the volume away, as it is done while the machine is stopped."""
    for device in (server.root / "dev").iterdir():
        device.unlink()
    (server.fakes / "mounted").unlink(missing_ok=True)


def test_a_blank_volume_is_formatted_mounted_and_exported_to_the_network_only(server):
    server.succeed("file_server")
    assert [call[:2] for call in server.calls("mkfs.xfs")] == [["-L", "BB-Shared"]]
    assert server.calls("mount") == [
        ["-t", "xfs", "-o", "noatime", str(server.root / "dev/sdf"), str(server.root / "srv/bitbucket-dc")]
    ]
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
    detach(server)
    done = server.run("file_server")
    assert done.returncode == 1
    assert "wait for a volume at /dev/sdf: given up" in done.stderr
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


# --- Later boots, with whatever is attached then ----------------------------------------------------------------------


@pytest.fixture
def installed(server):
    server.succeed("file_server")
    server.answer("filesystem", "xfs")
    detach(server)
    server.forget_calls()
    return server


def test_every_boot_mounts_the_volume_before_it_is_exported(server):
    server.succeed("file_server")
    unit = (server.root / UNIT).read_text()
    assert f"ExecStart=/{PROGRAM}\n" in unit
    assert "Before=nfs-server.service\n" in unit
    exporter = (server.root / "etc/systemd/system/nfs-server.service.d/bitbucket-dc.conf").read_text()
    assert exporter == "[Unit]\nRequires=bitbucket-dc-shared-home.service\nAfter=bitbucket-dc-shared-home.service\n"
    (enabled,) = [call for call in server.calls("systemctl") if "enable" in call]
    assert "bitbucket-dc-shared-home" in enabled
    assert not (server.root / "etc/fstab").exists()


def test_another_generation_is_mounted_from_the_same_place(installed):
    attach(installed)
    installed.boot(PROGRAM)
    (mounted,) = installed.calls("mount")
    assert mounted[-2:] == [str(installed.root / "dev/sdf"), str(installed.root / "srv/bitbucket-dc")]
    assert installed.calls("mkfs.xfs") == []
    assert installed.calls("xfs_growfs") == [[str(installed.root / "srv/bitbucket-dc")]]


def test_the_older_form_of_the_disks_name_is_found_too(installed):
    device = attach(installed, "xvdf")
    installed.boot(PROGRAM)
    assert installed.calls("mount")[0][-2] == str(device)


@pytest.mark.parametrize("link", ["scsi1/lun0", "data/by-lun/0"])
def test_on_azure_the_disk_is_found_by_its_number(tmp_path, link):
    server = Sandbox(tmp_path, cloud="azure")
    server.values = {**VALUES, "DATA_DEVICE": "/dev/disk/azure/scsi1/lun0"}
    device = server.root / "dev/disk/azure" / link
    device.parent.mkdir(parents=True)
    device.touch()
    server.succeed("file_server")
    assert [call[-2] for call in server.calls("mount")] == [str(device)]
    assert ["disable", "--now", "firewalld"] in server.calls("systemctl")


def test_the_next_boot_waits_for_its_volume_and_mounts_nothing_without_it(installed):
    done = installed.boot(PROGRAM, fails=True)
    assert "wait for a volume at /dev/sdf: given up" in done.stderr
    assert installed.calls("mount") == []


def test_a_volume_of_somebody_else_is_refused_at_a_later_boot_too(installed):
    attach(installed)
    installed.answer("filesystem", "ext4")
    done = installed.boot(PROGRAM, fails=True)
    assert "holds 'ext4'" in done.stderr
    assert installed.calls("mount") == installed.calls("mkfs.xfs") == []


def test_values_reach_the_boot_program_unchanged(server):
    server.succeed("file_server", SHARED_HOME_EXPORT="/srv/two words/$HOME")
    server.answer("filesystem", "xfs")
    detach(server)
    attach(server)
    server.boot(PROGRAM)
    assert (server.root / "srv/two words/$HOME").is_dir()
