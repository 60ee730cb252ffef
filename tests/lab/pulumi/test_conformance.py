"""The engine does what the genuine command line did (3.260): the same steps, results, errors and what is left.

The expectations are a transcript. `BBDC_TEST_PULUMI=genuine` runs the same programs against the `pulumi` on PATH.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import Alias, ResourceOptions
from pulumi.automation import PulumiCommand

from lab.pulumi.inprocess import InProcessPulumi
from lab.pulumi.shim import write_shim
from tests.lab.pulumi.programs import AwsProvider, Broken, Bucket, Group, Machine, get_region
from tests.lab.pulumi.rig import PROJECT, REPOSITORY, SDK_LEAVES_LOOPS_OPEN, Observed, Program, Rig, observe, open_rig

pytestmark = [pytest.mark.lab, SDK_LEAVES_LOOPS_OPEN]
GENUINE = os.environ.get("BBDC_TEST_PULUMI") == "genuine"
AWS_DEFAULT = "default_7_51_1"
_PROTECTED = (
    "as it is currently marked for protection. To unprotect the resource, remove the `protect` flag from the "
    "resource in your Pulumi program"
)


@pytest.fixture(params=["inprocess"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with open_rig(tmp_path / "state", _command(request.param, tmp_path, monkeypatch)) as rig:
        yield rig


def _command(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PulumiCommand:
    if GENUINE:
        return PulumiCommand(skip_version_check=True)
    if kind == "inprocess":
        return InProcessPulumi()
    shim = write_shim(tmp_path / "bin", str(REPOSITORY / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    return PulumiCommand()


both = pytest.mark.parametrize("rig", ["inprocess", "shim"], indirect=True)


def machines(*arguments: tuple[Any, ...], **options: Any) -> Program:
    """A program of machines: (name, zone, size) each."""

    def program() -> None:
        for name, zone, size in arguments:
            Machine(name, zone, size, ResourceOptions(**options) if options else None)

    return program


def nothing() -> None:
    """A program without resources."""


def test_case_count() -> None:
    """The transcript has 43 operations; none was lost in writing it down here."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert source.count("== Observed(") - 1 == 43


@both
def test_provider_error_and_destroy_after_it(rig: Rig) -> None:
    def program() -> None:
        Machine("ok", "a", 1)
        second = Machine("ok2", "a", 1)
        Broken("bad", ResourceOptions(depends_on=[second]))

    assert observe(rig, "s1", program) == Observed(
        "CommandError",
        [("create", "bad"), ("create", "default"), ("create", "edge-s1"), ("create", "ok"), ("create", "ok2")],
        ["Exception: boom quota", "update failed"],
        ["default", "edge-s1", "ok", "ok2"],
    )
    assert observe(rig, "s1", None, "destroy") == Observed(
        [("delete", 3)],
        [("delete", "default"), ("delete", "edge-s1"), ("delete", "ok"), ("delete", "ok2")],
        [],
        [],
    )


@both
def test_program_error(rig: Rig) -> None:
    def program() -> None:
        Machine("ok", "a", 1)
        raise ValueError("user bug")

    assert observe(rig, "s2", program) == Observed(
        "InlineSourceRuntimeError",
        [("create", "default"), ("create", "edge-s2"), ("create", "ok")],
        ["ValueError: user bug", "ValueError: user bug"],
        ["default", "edge-s2", "ok"],
    )


def test_protect(rig: Rig) -> None:
    left = ["default", "edge-s3", "v"]
    unprotect = f"`pulumi state unprotect 'urn:pulumi:s3::{PROJECT}::pulumi-python:dynamic:Resource::v'`"
    assert observe(rig, "s3", machines(("v", "a", 1), protect=True)) == Observed(
        [("create", 2)], [("create", "default"), ("create", "edge-s3"), ("create", "v")], [], left
    )
    assert observe(rig, "s3", machines(("v", "b", 1), protect=True)) == Observed(
        "CommandError",
        [],
        [
            _PROTECTED[:110],
        ],
        left,
    )
    assert observe(rig, "s3", nothing) == Observed(
        "CommandError", [("delete", "v")], [unprotect, "update failed"], left
    )
    assert observe(rig, "s3", None, "destroy") == Observed(
        "CommandError", [("delete", "v")], [unprotect, "update failed"], left
    )
    assert observe(rig, "s3", machines(("v", "a", 1), protect=False)) == Observed([("same", 2)], [], [], left)
    assert observe(rig, "s3", None, "destroy") == Observed(
        [("delete", 2)], [("delete", "default"), ("delete", "edge-s3"), ("delete", "v")], [], []
    )


def test_ignore_changes_keeps_the_states_inputs(rig: Rig) -> None:
    def program(size: int) -> Program:
        def declare() -> None:
            Machine("v", "a", size, ResourceOptions(ignore_changes=["size"]))
            Bucket("b", ResourceOptions(ignore_changes=["tags.x"]), tags={"x": str(size), "y": str(size)})

        return declare

    left = ["b", "default", AWS_DEFAULT, "edge-s4", "v"]
    assert observe(rig, "s4", program(1)) == Observed([("create", 3)], [("create", name) for name in left], [], left)
    assert observe(rig, "s4", program(2)) == Observed([("same", 2), ("update", 1)], [("update", "b")], [], left)
    assert rig.find("s4", "v")["inputs"]["size"] == 1
    assert rig.find("s4", "b")["inputs"]["tags"] == {"x": "1", "y": "2"}


def test_retain_get_import(rig: Rig) -> None:
    def retained() -> None:
        Bucket("r", ResourceOptions(retain_on_delete=True), bucket="keep")

    def looked_up() -> None:
        pulumi.export("arn", Bucket.get("g", "keep").arn)

    def imported() -> None:
        Bucket("i", ResourceOptions(import_="keep"), bucket="keep")

    assert observe(rig, "s5", retained) == Observed(
        [("create", 2)],
        [("create", AWS_DEFAULT), ("create", "edge-s5"), ("create", "r")],
        [],
        [AWS_DEFAULT, "edge-s5", "r"],
    )
    assert observe(rig, "s5", None, "destroy") == Observed(
        [("delete", 2)], [("delete", AWS_DEFAULT), ("delete", "edge-s5"), ("delete", "r")], [], []
    )
    assert "keep" in rig.cloud.tags
    assert observe(rig, "s6", looked_up) == Observed(
        [("create", 1)],
        [("create", AWS_DEFAULT), ("create", "edge-s6"), ("read", "g")],
        [],
        [AWS_DEFAULT, "edge-s6", "g"],
    )
    assert rig.stack("s6").outputs()["arn"].value == "arn:aws:s3:::keep"
    assert observe(rig, "s6", nothing) == Observed(
        [("discard", 1), ("same", 1)], [("delete", AWS_DEFAULT), ("discard", "g")], [], ["edge-s6"]
    )
    assert observe(rig, "s7", imported) == Observed(
        [("create", 1), ("import", 1)],
        [("create", AWS_DEFAULT), ("create", "edge-s7"), ("import", "i")],
        [],
        [AWS_DEFAULT, "edge-s7", "i"],
    )
    assert observe(rig, "s7", imported) == Observed([("same", 2)], [], [], [AWS_DEFAULT, "edge-s7", "i"])


def test_explicit_provider(rig: Rig) -> None:
    def program() -> None:
        provider = AwsProvider("p", region="us-east-1")
        group = Group("c", ResourceOptions(providers=[provider]))
        Bucket("b", ResourceOptions(parent=group))
        Bucket("b2", ResourceOptions(provider=provider))
        pulumi.export("r", get_region(provider))

    left = ["b", "b2", "c", "edge-s8", "p"]
    assert observe(rig, "s8", program) == Observed([("create", 5)], [("create", name) for name in left], [], left)
    providers = {item["provider"].split("::")[-2] for item in rig.left("s8") if item.get("provider")}
    assert providers == {"p"}
    assert observe(rig, "s8", program) == Observed([("same", 5)], [], [], left)
    assert observe(rig, "s8", None, "destroy") == Observed([("delete", 5)], [("delete", name) for name in left], [], [])


def test_aliases(rig: Rig) -> None:
    def renamed() -> None:
        Machine("new", "a", 1, ResourceOptions(aliases=[Alias(name="old")]))

    def below(parent: str) -> Program:
        def declare() -> None:
            group = Group(parent, ResourceOptions(aliases=[Alias(name="c")]))
            Machine("k", "a", 1, ResourceOptions(parent=group))

        return declare

    assert observe(rig, "s9", machines(("old", "a", 1))) == Observed(
        [("create", 2)],
        [("create", "default"), ("create", "edge-s9"), ("create", "old")],
        [],
        ["default", "edge-s9", "old"],
    )
    assert observe(rig, "s9", renamed) == Observed([("same", 2)], [], [], ["default", "edge-s9", "new"])
    assert observe(rig, "s10", below("c")) == Observed(
        [("create", 3)],
        [("create", "c"), ("create", "default"), ("create", "edge-s10"), ("create", "k")],
        [],
        ["c", "default", "edge-s10", "k"],
    )
    assert observe(rig, "s10", below("c2")) == Observed([("same", 3)], [], [], ["c2", "default", "edge-s10", "k"])


@both
def test_stack_reference(rig: Rig) -> None:
    def source() -> None:
        pulumi.export("v", {"a": [1, 2.5, True, None]})
        pulumi.export("s", pulumi.Output.secret("z"))

    def program() -> None:
        reference = pulumi.StackReference(f"organization/{PROJECT}/s8b")
        pulumi.export("got", reference.get_output("v"))
        pulumi.export("sec", reference.get_output("s"))

    assert observe(rig, "s8b", source) == Observed([("create", 1)], [("create", "edge-s8b")], [], ["edge-s8b"])
    name = f"organization/{PROJECT}/s8b"
    assert observe(rig, "s11", program) == Observed(
        [("create", 1)],
        [("create", "default"), ("create", "edge-s11"), ("read", name.split("::", maxsplit=1)[0])],
        [],
        ["default", "edge-s11", name],
    )
    outputs = rig.stack("s11").outputs()
    assert (outputs["got"].value, outputs["got"].secret) == ({"a": [1, 2.5, True, None]}, False)
    assert (outputs["sec"].value, outputs["sec"].secret) == ("z", True)


def test_duplicate_urn(rig: Rig) -> None:
    urn = f"urn:pulumi:s12::{PROJECT}::pulumi-python:dynamic:Resource::d"
    seen = observe(rig, "s12", machines(("d", "a", 1), ("d", "a", 1)))
    # Whether the first of the two is made before the second is refused is a race, in the genuine engine too.
    settled = Observed(
        seen.result,
        [step for step in seen.ops if step != ("create", "d")],
        [message for message in seen.errors if message != "update failed"],
        [name for name in seen.left if name != "d"],
    )
    assert settled == Observed(
        "CommandError",
        [("create", "default"), ("create", "edge-s12")],
        [f"Duplicate resource URN '{urn}'; try giving it a unique name"[:110]],
        ["default", "edge-s12"],
    )


def test_targets(rig: Rig) -> None:
    left, target = ["a", "b", "default", "edge-s13"], f"urn:pulumi:s13::{PROJECT}::pulumi-python:dynamic:Resource::a"
    assert observe(rig, "s13", machines(("a", "a", 1), ("b", "a", 1))) == Observed(
        [("create", 3)], [("create", name) for name in left], [], left
    )
    assert observe(rig, "s13", machines(("a", "a", 2), ("b", "a", 2)), target=[target]) == Observed(
        [("same", 2), ("update", 1)], [("update", "a")], [], left
    )
    assert observe(rig, "s13", machines(("a", "a", 2), ("b", "a", 1)), replace=[target]) == Observed(
        [("replace", 1), ("same", 2)],
        [("create-replacement", "a"), ("delete-replaced", "a"), ("replace", "a")],
        [],
        left,
    )
    assert observe(rig, "s13", machines(("a", "a", 3), ("b", "a", 1)), expect_no_changes=True) == Observed(
        "CommandError", [("update", "a")], [], left
    )
    assert observe(rig, "s13", None, "destroy", target=[target]) == Observed(
        [("delete", 1), ("same", 2)], [("delete", "a")], [], ["b", "default", "edge-s13"]
    )


def test_replace_on_changes_needs_the_provider_to_name_the_change(rig: Rig) -> None:
    left = ["a", "default", "edge-s14"]
    options = {"replace_on_changes": ["size"], "delete_before_replace": True}
    assert observe(rig, "s14", machines(("a", "a", 1))) == Observed(
        [("create", 2)], [("create", "a"), ("create", "default"), ("create", "edge-s14")], [], left
    )
    assert observe(rig, "s14", machines(("a", "a", 2), **options)) == Observed(
        [("same", 1), ("update", 1)], [("update", "a")], [], left
    )


def test_additional_secret_outputs(rig: Rig) -> None:
    assert observe(rig, "s15", machines(("a", "a", 1), additional_secret_outputs=["address"])) == Observed(
        [("create", 2)],
        [("create", "a"), ("create", "default"), ("create", "edge-s15")],
        [],
        ["a", "default", "edge-s15"],
    )
    assert isinstance(rig.find("s15", "a")["outputs"]["address"], dict)


def test_drift(rig: Rig) -> None:
    def program() -> None:
        Bucket("b", bucket="drift", tags={"a": "1"})
        Bucket("c", bucket="drift2")

    left = ["b", "c", AWS_DEFAULT, "edge-s16"]
    assert observe(rig, "s16", program) == Observed([("create", 3)], [("create", name) for name in left], [], left)
    rig.cloud.tags["drift"] = {"a": "9"}
    del rig.cloud.tags["drift2"]
    assert observe(rig, "s16", None, "refresh") == Observed(
        [("delete", 1), ("same", 1), ("update", 1)],
        [("refresh", name) for name in left],
        [],
        ["b", AWS_DEFAULT, "edge-s16"],
    )
    assert observe(rig, "s16", program) == Observed(
        [("create", 1), ("same", 1), ("update", 1)], [("create", "c"), ("update", "b")], [], left
    )
    assert rig.cloud.tags == {"drift": {"a": "1"}, "drift2": {}}


def test_transformations_of_the_sdk_and_of_the_engine(rig: Rig) -> None:
    def transformation(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if "aws" not in args.type_:
            return None
        return pulumi.ResourceTransformationResult({**args.props, "tags": {"t": "1"}}, args.opts)

    def transform(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        if "aws:s3" not in args.type_:
            return None
        return pulumi.ResourceTransformResult({**args.props, "tags": {"t": "2"}}, args.opts)

    def first() -> None:
        pulumi.runtime.register_stack_transformation(transformation)
        Bucket("b", bucket="tr")

    def second() -> None:
        pulumi.runtime.register_resource_transform(transform)
        Bucket("b", bucket="tr")

    left = ["b", AWS_DEFAULT, "edge-s17"]
    assert observe(rig, "s17", first) == Observed([("create", 2)], [("create", name) for name in left], [], left)
    assert rig.find("s17", "b")["inputs"]["tags"] == {"t": "1"}
    assert observe(rig, "s17", second) == Observed([("same", 1), ("update", 1)], [("update", "b")], [], left)
    assert rig.find("s17", "b")["inputs"]["tags"] == {"t": "2"}


def test_assets_of_dynamic_resources(rig: Rig) -> None:
    def program() -> None:
        archive = pulumi.AssetArchive({"f": pulumi.StringAsset("x")})
        Machine("as", "a", 1, src=pulumi.StringAsset("hello"), arch=archive)

    left = ["as", "default", "edge-s18"]
    assert observe(rig, "s18", program) == Observed([("create", 2)], [("create", name) for name in left], [], left)
    # Old assets travel by hash; the SDK's dynamic provider cannot read that. So it is with the genuine engine.
    seen = observe(rig, "s18", program)
    message = "AssertionError: Invalid asset encountered when unmarshalling resource property"
    assert seen == Observed("CommandError", [], [message], left)


def test_resource_hooks(rig: Rig) -> None:
    called: list[str] = []

    async def hook(args: pulumi.ResourceHookArgs) -> None:
        called.append(args.urn)

    def program() -> None:
        binding = pulumi.ResourceHookBinding(after_create=[pulumi.ResourceHook("hk", hook)])
        Machine("h", "a", 1, ResourceOptions(hooks=binding))

    assert observe(rig, "s19", program) == Observed(
        [("create", 2)],
        [("create", "default"), ("create", "edge-s19"), ("create", "h")],
        [],
        ["default", "edge-s19", "h"],
    )
    assert called == [f"urn:pulumi:s19::{PROJECT}::pulumi-python:dynamic:Resource::h"]
