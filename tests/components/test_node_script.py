"""The node's start-up script, really run: in a root of its own, against a fake download site."""

import os
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.components.sandbox import INSTANCE, SECRET_VALUES, TOKEN, VAULT, Sandbox, version_values

pytestmark = pytest.mark.lab
EITHER = pytest.mark.parametrize("machine", ["aws", "azure"], indirect=True)
"""For what asks the cloud for something; everything else is one script for both."""
UNIT = "etc/systemd/system/bitbucket.service"


@pytest.fixture
def machine(tmp_path, request):
    sandbox = Sandbox(tmp_path, cloud=getattr(request, "param", "aws"))
    sandbox.serve("7.9.0")
    return sandbox


def current(machine):
    return str((machine.install / "current").readlink())


@EITHER
def test_a_first_boot_installs_and_starts_bitbucket(machine):
    machine.succeed()
    assert (machine.install / "7.9.0/bin/start-bitbucket.sh").read_text() == "genuine 7.9.0\n"
    assert current(machine) == "7.9.0"
    assert ["start", "bitbucket"] in machine.calls("systemctl")
    assert ["enable", "bitbucket"] in machine.calls("systemctl")


def test_the_installation_belongs_to_root_and_others_may_only_read(machine):
    machine.succeed()
    assert ["-R", "root:root", str(machine.install / ".7.9.0.unpacking")] in machine.calls("chown")
    readme = machine.install / "7.9.0/README"
    assert stat.S_IMODE(readme.stat().st_mode) == 0o644


def test_a_wrong_checksum_refuses_and_leaves_no_half_installation(machine):
    done = machine.run(ARCHIVE_SHA256="0" * 64)
    assert done.returncode == 1
    assert "expected " + "0" * 64 in done.stderr
    assert list(machine.install.glob("*")) + list(machine.install.glob(".*")) == []
    assert list((machine.shared / "bitbucket-dc/archives").iterdir()) == []
    assert ["start", "bitbucket"] not in machine.calls("systemctl")


def test_a_right_checksum_is_accepted(machine):
    machine.succeed(ARCHIVE_SHA256=machine.serve("7.9.0"))
    assert (machine.install / "7.9.0").is_dir()


def test_the_first_checksum_is_recorded_and_binds_every_later_node(machine):
    digest = machine.serve("7.9.0")
    machine.succeed()
    archives = machine.shared / "bitbucket-dc/archives"
    assert (archives / "atlassian-bitbucket-7.9.0.tar.gz.sha256").read_text() == digest
    # Another node: nothing installed, the cached archive gone, and the download site changed its mind.
    subprocess.run(["rm", "-r", str(machine.install), str(archives / "atlassian-bitbucket-7.9.0.tar.gz")], check=True)
    machine.serve("7.9.0", marker="forged")
    done = machine.run()
    assert done.returncode == 1
    assert f"expected {digest}" in done.stderr
    assert not (machine.install / "7.9.0").exists()


def test_the_second_node_takes_the_archive_from_the_shared_home(machine):
    machine.succeed()
    subprocess.run(["rm", "-r", str(machine.install)], check=True)
    machine.forget_calls()
    machine.succeed()
    assert [c for c in machine.calls("curl") if "--output" in c] == []
    assert (machine.install / "7.9.0").is_dir()


def test_a_damaged_archive_in_the_shared_home_is_fetched_again(machine):
    machine.succeed()
    subprocess.run(["rm", "-r", str(machine.install)], check=True)
    (machine.shared / "bitbucket-dc/archives/atlassian-bitbucket-7.9.0.tar.gz").write_bytes(b"half")
    machine.succeed()
    assert (machine.install / "7.9.0/bin/start-bitbucket.sh").exists()


def test_an_archive_that_is_no_bitbucket_is_refused(machine):
    site = machine.fakes / "site/bitbucket-7.9.0.tar.gz"
    (machine.path / "other").mkdir()
    subprocess.run(["tar", "-czf", str(site), "-C", str(machine.path), "other"], check=True)
    done = machine.run()
    assert done.returncode == 1
    assert "no Bitbucket archive" in done.stderr
    assert not (machine.install / "7.9.0").exists()


@EITHER
def test_an_archive_in_a_bucket_is_fetched_with_the_machines_own_role(machine):
    scheme = {"aws": "s3://mirror", "azure": "azblob://account/mirror"}[machine.cloud]
    machine.succeed(ARCHIVE_URL=f"{scheme}/bitbucket-7.9.0.tar.gz")
    fetched = [c for c in machine.calls("aws") if c[:2] == ["s3", "cp"]]
    fetched += [c for c in machine.calls("curl") if c[-1].startswith("https://account.blob.core.windows.net/mirror/")]
    assert len(fetched) == 1
    assert (machine.install / "7.9.0").is_dir()


@EITHER
def test_a_second_run_changes_nothing(machine):
    machine.succeed()
    before = {p: p.read_bytes() for p in machine.root.rglob("*") if p.is_file()}
    machine.forget_calls()
    machine.succeed()
    after = {p: p.read_bytes() for p in machine.root.rglob("*") if p.is_file()}
    assert after == before
    assert machine.calls("mount") == []
    assert [c for c in machine.calls("curl") if "--output" in c] == []


def test_a_new_version_stands_beside_the_old_one_and_current_follows(machine):
    machine.succeed()
    machine.serve("7.9.4")
    machine.succeed(**version_values("7.9.4"))
    assert (machine.install / "7.9.0/bin/start-bitbucket.sh").exists()
    assert (machine.install / "7.9.4/bin/start-bitbucket.sh").exists()
    assert current(machine) == "7.9.4"


def test_going_back_only_turns_the_link(machine):
    machine.succeed()
    machine.serve("7.9.4")
    machine.succeed(**version_values("7.9.4"))
    machine.forget_calls()
    machine.succeed()
    assert current(machine) == "7.9.0"
    assert [c for c in machine.calls("curl") if "--output" in c] == []


def test_hand_edits_of_the_shared_properties_survive_and_win(machine):
    machine.succeed()
    file = machine.shared / "bitbucket.properties"
    file.write_text(file.read_text() + "server.session.timeout=1800\n# END of mine\njdbc.user=somebody\n")
    machine.succeed(DATABASE_HOST="other.example")
    text = file.read_text()
    assert "jdbc:postgresql://other.example:5432/bitbucket" in text
    assert "db.example" not in text
    assert text.count("hazelcast.group.name=") == 1
    assert text.endswith("server.session.timeout=1800\n# END of mine\njdbc.user=somebody\n")


def test_properties_that_were_there_before_us_are_kept(machine):
    machine.shared.mkdir(parents=True)
    (machine.shared / "bitbucket.properties").write_text("feature.public.access=false\n")
    machine.succeed()
    assert machine.properties["feature.public.access"] == "false"
    assert machine.properties["jdbc.user"] == "bitbucket"


DISCOVERY = {
    "aws": {
        "hazelcast.network.aws": "true",
        "hazelcast.network.aws.iam.role": "node-role",
        "hazelcast.network.aws.region": "eu-west-1",
        "hazelcast.network.aws.tag.key": "bitbucket-dc:member",
        "hazelcast.network.aws.tag.value": "bitbucket-lab",
    },
    "azure": {
        "hazelcast.network.azure": "true",
        "hazelcast.network.azure.cluster.id": "bitbucket-dc:member",
        "hazelcast.network.azure.group.name": "bitbucket-group",
        "hazelcast.network.azure.subscription.id": "0000-subscription",
    },
}


@EITHER
def test_the_cluster_finds_itself_by_the_nodes_tag(machine):
    machine.succeed()
    found = {k: v for k, v in machine.properties.items() if k.startswith("hazelcast.")}
    assert found == {
        "hazelcast.port": "5701",
        "hazelcast.network.multicast": "false",
        **DISCOVERY[machine.cloud],
        "hazelcast.group.name": "bitbucket-lab",
        "hazelcast.group.password": SECRET_VALUES["arn:secret:hazelcast"],
    }


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://bitbucket.example.com", ("bitbucket.example.com", "443", "https", "true")),
        ("https://bitbucket.example.com:8443", ("bitbucket.example.com", "8443", "https", "true")),
        ("http://lb.example", ("lb.example", "80", "http", "false")),
    ],
)
def test_bitbucket_knows_the_proxy_before_it(machine, base_url, expected):
    machine.succeed(BASE_URL=base_url)
    keys = ("server.proxy-name", "server.proxy-port", "server.scheme", "server.secure")
    assert tuple(machine.properties[key] for key in keys) == expected
    assert machine.properties["plugin.ssh.baseurl"] == "ssh://git.example.com:7999"


@pytest.mark.parametrize(
    ("version", "prefix"),
    [("7.9.0", "plugin.search.elasticsearch"), ("7.21.0", "plugin.search.config"), ("10.2.9", "plugin.search.config")],
)
def test_search_settings_have_the_names_of_the_version(machine, version, prefix):
    machine.serve(version)
    search = {"SEARCH_URL": "https://search.example", "SEARCH_USER": "bb", "SEARCH_SECRET": "arn:secret:search"}
    machine.succeed(**version_values(version), **search)
    assert machine.properties[f"{prefix}.baseurl"] == "https://search.example"
    assert machine.properties[f"{prefix}.password"] == SECRET_VALUES["arn:secret:search"]


SETUP = {
    "LICENSE_SECRET": "arn:secret:license",
    "ADMIN_SECRET": "arn:secret:admin",
    "ADMIN_USER": "admin",
    "ADMIN_EMAIL": "admin@example.com",
}


@EITHER
def test_an_unattended_set_up_is_written_for_the_first_start_and_gone_after_it(machine):
    machine.answer("status", '{"state":"FIRST_RUN"}')
    machine.succeed(**SETUP)
    assert machine.properties["setup.license"] == "AAAB-l1cence-S3cretsecond-line"
    assert machine.properties["setup.sysadmin.password"] == r"adm1n-S3cret\\with\\backslashes"
    machine.answer("status", '{"state":"RUNNING"}')
    machine.succeed(**SETUP)
    assert [key for key in machine.properties if key.startswith("setup.")] == []


@EITHER
def test_no_secret_appears_in_output_or_in_arguments(machine):
    search = {"SEARCH_URL": "https://search.example", "SEARCH_SECRET": "arn:secret:search"}
    done = machine.succeed(**SETUP, **search)
    seen = done.stdout + done.stderr + (machine.fakes / "calls").read_text()
    name = {"aws": "arn:secret:database", "azure": f"{VAULT}/secrets/database"}[machine.cloud]
    assert name in seen  # the name of a secret may be seen
    assert [
        value for value in (TOKEN, *SECRET_VALUES.values()) if any(part in seen for part in value.split("\n"))
    ] == []


@EITHER
def test_only_one_file_holds_secrets_and_only_its_owner_may_read_it(machine):
    machine.succeed(**SETUP)
    values = [SECRET_VALUES["arn:secret:database"], SECRET_VALUES["arn:secret:hazelcast"]]
    holders = [
        p for p in machine.root.rglob("*") if p.is_file() and any(v in p.read_text(errors="ignore") for v in values)
    ]
    assert holders == [machine.shared / "bitbucket.properties"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600


@EITHER
def test_a_secret_that_cannot_be_read_stops_the_boot_and_keeps_the_old_properties(machine):
    machine.succeed()
    before = (machine.shared / "bitbucket.properties").read_text()
    machine.forget_calls()
    done = machine.run(DATABASE_SECRET="arn:secret:missing")
    assert done.returncode != 0
    assert (machine.shared / "bitbucket.properties").read_text() == before
    assert list(machine.shared.glob("bitbucket.properties.*")) == []
    assert ["start", "bitbucket"] not in machine.calls("systemctl")


def test_the_shared_home_is_mounted_with_the_options_of_the_vendor_and_again_after_a_reboot(machine):
    machine.succeed()
    line = "rw,nfsvers=3,lookupcache=pos,noatime,intr,rsize=32768,wsize=32768,_netdev"
    target = "/var/atlassian/application-data/bitbucket/shared"
    table = (machine.root / "etc/fstab").read_text()
    assert table == f"10.0.0.10:/srv/bitbucket-dc/shared {target} nfs {line} 0 0\n"
    assert machine.calls("mount") == [[str(machine.shared)]]


def test_the_mount_waits_for_a_file_server_that_boots_later(machine):
    machine.answer("fail-mount", "7")
    machine.succeed()
    assert len(machine.calls("mount")) == 8


def test_a_file_server_that_never_comes_ends_the_boot(machine):
    machine.answer("fail-mount", "1000")
    done = machine.run()
    assert done.returncode == 1
    assert "given up after 60 tries" in done.stderr


def test_a_shared_home_of_another_account_is_refused(machine):
    done = machine.run(BITBUCKET_UID="4242")
    assert done.returncode == 1
    assert f"belongs to uid {os.getuid()}" in done.stderr


def test_the_unit_stops_slower_than_bitbucket_itself_and_never_restarts(machine):
    machine.succeed()
    unit = (machine.root / UNIT).read_text().splitlines()
    home = "/var/atlassian/application-data/bitbucket"
    for line in (
        "Type=forking",
        f"PIDFile={home}/log/bitbucket.pid",
        f"RequiresMountsFor={home}/shared",
        "ExecStart=/opt/atlassian/bitbucket/current/bin/start-bitbucket.sh --no-search",
        "KillMode=mixed",
        "TimeoutStopSec=120",
        "Restart=no",
        "LimitNOFILE=65536",
        "UMask=0027",
    ):
        assert line in unit


def test_the_node_is_named_after_its_instance(machine):
    machine.succeed(JVM_ARGUMENTS="-Dmine=1")
    environment = (machine.root / "etc/bitbucket-dc/bitbucket.env").read_text()
    assert f'JVM_SUPPORT_RECOMMENDED_ARGS="-Dcluster.node.name={INSTANCE} -Dmine=1"' in environment
    assert "JVM_MAXIMUM_MEMORY=2g" in environment


def test_a_node_in_error_ends_the_boot_with_a_word_and_frees_the_lock(machine):
    machine.answer("status", '{"state":"ERROR"}')
    done = machine.run()
    assert done.returncode == 1
    assert "Bitbucket reports ERROR" in done.stderr
    assert list((machine.shared / "bitbucket-dc/locks").glob("start")) == []


def test_a_service_that_failed_ends_the_boot(machine):
    machine.answer("status", "")
    machine.answer("service-failed", "")
    done = machine.run()
    assert done.returncode == 1
    assert "bitbucket.service failed" in done.stderr


def test_maintenance_is_not_up(machine):
    machine.answer("status", '{"state":"MAINTENANCE"}')
    done = machine.run()
    assert done.returncode == 1
    assert "not up after 5 checks" in done.stderr


def test_a_node_waits_while_another_one_starts(machine):
    lock = machine.shared / "bitbucket-dc/locks/start"
    lock.mkdir(parents=True)
    (lock / "holder").write_text("i-other\n")
    done = machine.run()
    assert done.returncode == 1
    assert "still held by i-other" in done.stderr
    assert ["start", "bitbucket"] not in machine.calls("systemctl")
    assert lock.is_dir()


def test_the_lock_of_a_dead_machine_is_broken(machine):
    lock = machine.shared / "bitbucket-dc/locks/start"
    lock.mkdir(parents=True)
    (lock / "holder").write_text("i-dead\n")
    long_ago = time.time() - 3600
    os.utime(lock, (long_ago, long_ago))
    done = machine.succeed()
    assert "its holder i-dead is silent" in done.stderr
    assert list(lock.parent.glob("start*")) == []


def test_two_nodes_that_boot_at_once_fetch_once_and_start_one_after_the_other(tmp_path):
    """Both machines share one home, as with NFS; starting takes a while, and must never overlap."""
    machines = [Sandbox(tmp_path / name) for name in ("one", "two")]
    home = machines[0].shared
    home.mkdir(parents=True)
    machines[1].shared.parent.mkdir(parents=True)
    machines[1].shared.symlink_to(home)
    journal = tmp_path / "journal"
    for number, machine in enumerate(machines):
        machine.root.joinpath("var/lib/cloud/data/instance-id").write_text(f"i-{number}\n")
        machine.serve("7.9.0")
        start = f'printf "begin {number}\\n" >>{journal}; sleep 0.5; printf "end {number}\\n" >>{journal}'
        fake = machine.fakes / "bin/systemctl"
        fake.write_text(f'#!/bin/sh\n[ "$1" = is-failed ] && exit 1\n[ "$1" = start ] && {{ {start}; }}\nexit 0\n')
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda machine: machine.run(), machines))
    assert [d.returncode for d in done] == [0, 0], done
    words = journal.read_text().split()
    assert words[0::2] == ["begin", "end", "begin", "end"]
    assert sum("--output" in call for machine in machines for call in machine.calls("curl")) == 1
