"""Replacements, cascades, failures half way, and what the next update makes of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import ResourceOptions, automation

from lab.pulumi.inprocess import InProcessPulumi
from tests.lab.pulumi.programs import AwsProvider, Bucket, Group
from tests.lab.pulumi.rig import SDK_LEAVES_LOOPS_OPEN, Program, Rig, observe, open_rig, ordered_steps

pytestmark = [pytest.mark.lab, SDK_LEAVES_LOOPS_OPEN]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with open_rig(tmp_path / "state", InProcessPulumi()) as rig:
        yield rig


def chain(name: str, **options: Any) -> Program:
    """A bucket, and one whose name comes from it."""

    def program() -> None:
        first = Bucket("first", ResourceOptions(**options), bucket=name)
        Bucket("second", bucket=first.arn.apply(lambda arn: arn.split(":")[-1] + "-second"))

    return program


def steps_of(rig: Rig, program: Program) -> list[tuple[str, str]]:
    events = list[automation.EngineEvent]()
    rig.stack("s").up(program=program, on_event=events.append)
    return ordered_steps(events)


def test_a_replacement_creates_first_and_deletes_last(rig: Rig) -> None:
    steps_of(rig, chain("one"))
    assert steps_of(rig, chain("two")) == [
        ("create-replacement", "first"),
        ("replace", "first"),
        ("create-replacement", "second"),
        ("replace", "second"),
        ("delete-replaced", "second"),
        ("delete-replaced", "first"),
    ]
    assert set(rig.cloud.tags) == {"two", "two-second"}


def test_delete_before_replace_takes_its_dependents_along(rig: Rig) -> None:
    steps_of(rig, chain("one"))
    assert steps_of(rig, chain("two", delete_before_replace=True)) == [
        ("delete-replaced", "second"),
        ("delete-replaced", "first"),
        ("replace", "first"),
        ("create-replacement", "first"),
        ("replace", "second"),
        ("create-replacement", "second"),
    ]
    assert set(rig.cloud.tags) == {"two", "two-second"}


def test_an_unknown_input_is_planned_as_a_replacement(rig: Rig) -> None:
    steps_of(rig, chain("one"))
    seen = observe(rig, "s", chain("two"), "preview")
    assert seen.result == [("replace", 2), ("same", 1)]
    assert set(rig.cloud.tags) == {"one", "one-second"}


def test_a_replacement_that_failed_half_way_goes_on(rig: Rig) -> None:
    steps_of(rig, chain("one"))
    rig.cloud.tags["two"] = {}
    failed = observe(rig, "s", chain("two", delete_before_replace=True))
    assert (failed.result, failed.errors) == ("CommandError", ["BucketAlreadyOwnedByYou: two", "update failed"])
    assert rig.find("s", "first")["pendingReplacement"] is True
    del rig.cloud.tags["two"]
    assert steps_of(rig, chain("two", delete_before_replace=True)) == [
        ("replace", "first"),
        ("create-replacement", "first"),
        ("replace", "second"),
        ("create-replacement", "second"),
    ]
    assert set(rig.cloud.tags) == {"two", "two-second"}
    assert "pendingReplacement" not in rig.find("s", "first")


def test_what_was_replaced_but_not_deleted_is_deleted_by_the_next_update(rig: Rig) -> None:
    steps_of(rig, chain("one"))

    def stops_after_the_replacement() -> None:
        first = Bucket("first", bucket="two")
        Bucket("clash", ResourceOptions(depends_on=[first]), bucket="taken")

    rig.cloud.tags["taken"] = {}
    assert observe(rig, "s", stops_after_the_replacement).result == "CommandError"
    assert {"one", "two"} <= set(rig.cloud.tags)
    steps_of(rig, chain("two"))
    assert set(rig.cloud.tags) == {"taken", "two", "two-second"}


def test_what_dies_with_another_needs_no_call(rig: Rig) -> None:
    def program() -> None:
        first = Bucket("first", bucket="one")
        Bucket("second", ResourceOptions(deleted_with=first), bucket="inside")

    steps_of(rig, program)
    rig.stack("s").destroy()
    assert set(rig.cloud.tags) == {"inside"}, "the provider was never asked to delete it"


def test_an_import_must_match(rig: Rig) -> None:
    rig.cloud.tags["there"] = {"a": "1"}

    def program() -> None:
        Bucket("i", ResourceOptions(import_="there"), bucket="there", tags={"a": "2"})

    seen = observe(rig, "s", program)
    assert seen.result == "CommandError"
    assert seen.errors[0].startswith("inputs to import do not match the existing resource")
    assert rig.cloud.tags["there"] == {"a": "1"}


def test_another_region_replaces_a_providers_buckets(rig: Rig) -> None:
    def program(region: str) -> Program:
        def declare() -> None:
            Bucket("b", ResourceOptions(provider=AwsProvider("p", region=region)), bucket="b")

        return declare

    steps_of(rig, program("us-east-1"))
    # This provider says that a new region needs no replacement: the provider is updated, the bucket is left alone.
    assert steps_of(rig, program("eu-west-1")) == [("update", "p")]


def test_targets_need_what_they_depend_on(rig: Rig) -> None:
    def program() -> None:
        first = Bucket("first", bucket="one")
        Bucket("second", ResourceOptions(depends_on=[first]), bucket="two")

    target = "urn:pulumi:s::edge::aws:s3/bucket:Bucket::second"
    seen = observe(rig, "s", program, target=[target])
    assert seen.result == "CommandError"
    assert seen.errors[0].startswith(f"Resource '{target}' depends on")
    assert rig.cloud.tags == {}


def test_destroying_a_target_spares_no_dependent(rig: Rig) -> None:
    steps_of(rig, chain("one"))
    target = "urn:pulumi:s::edge::aws:s3/bucket:Bucket::first"
    assert observe(rig, "s", None, "destroy", target=[target]).result == "CommandError"
    assert set(rig.cloud.tags) == {"one", "one-second"}
    seen = observe(rig, "s", None, "destroy", target=[target], target_dependents=True)
    assert seen.result == [("delete", 2), ("same", 1)]
    assert rig.cloud.tags == {}


def test_hooks_run_around_a_deletion_while_the_program_waits(rig: Rig) -> None:
    told: list[str] = []

    async def hook(args: pulumi.ResourceHookArgs) -> None:
        told.append(f"{args.name} {sorted(rig.cloud.tags)}")

    def program(*, wanted: bool) -> Program:
        def declare() -> None:
            before = pulumi.ResourceHook("before", hook)
            after = pulumi.ResourceHook("after", hook)
            binding = pulumi.ResourceHookBinding(before_delete=[before], after_delete=[after])
            if wanted:
                Bucket("b", ResourceOptions(hooks=binding), bucket="b")
            else:
                Bucket("c", ResourceOptions(hooks=binding), bucket="c")

        return declare

    steps_of(rig, program(wanted=True))
    steps_of(rig, program(wanted=False))
    assert told == ["b ['b', 'c']", "b ['c']"]


def test_state_can_be_carried_to_another_stack(rig: Rig) -> None:
    def program() -> None:
        chain("one")()
        pulumi.export("secret", pulumi.Output.secret({"a": [1, None]}))

    steps_of(rig, program)
    state = rig.stack("s").export_stack()
    text = json.dumps(state.deployment)
    rig.stack("t").import_stack(automation.Deployment(3, json.loads(text.replace("urn:pulumi:s::", "urn:pulumi:t::"))))
    output = rig.stack("t").outputs()["secret"]
    assert (output.value, output.secret) == ({"a": [1, None]}, True)


def test_history_tells_what_happened(rig: Rig) -> None:
    rig.stack("s").set_config("open", automation.ConfigValue("text"))
    rig.stack("s").set_config("closed", automation.ConfigValue("hidden", secret=True))
    rig.stack("s").up(program=chain("one"), message="the first")
    rig.stack("s").destroy()
    last, first = rig.stack("s").history()
    assert (last.kind, last.version, first.kind, first.version) == ("destroy", 2, "update", 1)
    assert (first.message, first.result, first.resource_changes) == ("the first", "succeeded", {"create": 3})
    closed = first.config["edge:closed"]
    assert (closed.value, closed.secret) == ("hidden", True)
    raw = next((rig.root / ".pulumi/history/edge/s").glob("*.history.json")).read_text(encoding="utf-8")
    assert "hidden" not in raw
    assert json.loads(raw)["config"]["edge:open"] == "text"


def test_a_renamed_stack_keeps_its_resources(rig: Rig) -> None:
    steps_of(rig, chain("one"))
    rig.stack("s").rename("fresh")
    names = {item["urn"].split("::")[0] for item in rig.left("s")}
    assert names == {"urn:pulumi:fresh"}
    assert observe(rig, "s", chain("one")).result == [("same", 3)]


def test_destroy_can_leave_protected_resources_and_what_they_need(rig: Rig) -> None:
    def program() -> None:
        group = Group("group")
        Bucket("kept", ResourceOptions(protect=True, parent=group), bucket="kept")
        Bucket("gone", bucket="gone")

    steps_of(rig, program)
    rig.stack("s").destroy(exclude_protected=True)
    assert set(rig.cloud.tags) == {"kept"}
    assert [item["urn"].split("::")[-1] for item in rig.left("s")] == ["edge-s", "group", "default_7_51_1", "kept"]


def test_events_can_be_written_to_a_file(rig: Rig, tmp_path: Path) -> None:
    rig.stack("s")
    log = tmp_path / "events.jsonl"
    workspace = rig.stack("s").workspace
    rig.command.run(["destroy", "--yes", "-f", "-s", "s", "--event-log", str(log)], workspace.work_dir, rig.env())
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [event["sequence"] for event in events] == list(range(len(events)))
    assert [next(key for key in event if key.endswith("Event")) for event in events] == [
        "preludeEvent",
        "summaryEvent",
        "cancelEvent",
    ]


def test_a_project_can_ask_for_a_refresh_each_time(rig: Rig) -> None:
    def program() -> None:
        Bucket("b", ResourceOptions(ignore_changes=["tags"]), bucket="b", tags={"a": "1"})

    workspace = rig.stack("s").workspace
    steps_of(rig, program)
    rig.cloud.tags["b"] = {"a": "drifted"}
    steps_of(rig, program)
    assert rig.find("s", "b")["inputs"]["tags"] == {"a": "1"}, "nobody looked"
    settings = Path(workspace.work_dir) / "Pulumi.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "options:\n  refresh: always\n", encoding="utf-8")
    assert ("refresh", "b") in steps_of(rig, program)
    assert rig.find("s", "b")["inputs"]["tags"] == {"a": "drifted"}
    assert rig.cloud.tags["b"] == {"a": "drifted"}, "an ignored property keeps what the cloud has"


def test_what_is_not_supported_is_refused_not_left_out(rig: Rig) -> None:
    def program() -> None:
        Bucket("b", ResourceOptions(replacement_trigger="again"), bucket="b")

    seen = observe(rig, "s", program)
    assert seen.result == "CommandError"
    assert seen.errors == [
        "'b' (aws:s3/bucket:Bucket): this engine does not support the option replacement_trigger",
    ]
    assert rig.cloud.tags == {}


def test_a_program_may_handle_a_function_that_fails(rig: Rig) -> None:
    def program() -> None:
        try:
            pulumi.runtime.invoke("aws:index/getNothing:getNothing", {}, pulumi.InvokeOptions(version="7.51.1"))
        except Exception as error:  # noqa: BLE001 - the SDK raises nothing more specific
            pulumi.export("handled", str(error))

    assert observe(rig, "s", program).result == [("create", 1)]
    assert "getNothing" in rig.stack("s").outputs()["handled"].value


def test_a_remote_component_is_refused(rig: Rig) -> None:
    def program() -> None:
        pulumi.ComponentResource("aws:x:Remote", "r", {}, None, True)

    seen = observe(rig, "s", program)
    assert seen.result == "CommandError"
    assert "this engine does not support components of provider plugins" in seen.errors[0]
    assert len(seen.errors) == 1


def test_a_provider_that_nobody_serves_is_named(rig: Rig) -> None:
    def program() -> None:
        pulumi.CustomResource("gcp:storage/bucket:Bucket", "b", {})

    seen = observe(rig, "s", program)
    assert seen.result == "CommandError"
    assert seen.errors[0].startswith("no resource provider for package 'gcp'")
