"""Property values, paths, aliases, secrets, state: pure parts, with properties where they have some."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.pulumi import config, paths, state, values
from lab.pulumi.aliases import former_urns
from lab.pulumi.backend import Backend, backend_root
from lab.pulumi.checkpoint import Checkpoint, PendingOperation, Writer, export, parse
from lab.pulumi.errors import EngineError, PassphraseError, StepFailed
from lab.pulumi.goals import Alias, Goal, seconds
from lab.pulumi.plugins import parse_debug_providers
from lab.pulumi.project import Project, load_project
from lab.pulumi.secrets import Crypter, show_plaintext
from lab.pulumi.snapshot import Edit, Snapshot
from lab.pulumi.state import State
from lab.pulumi.targets import Targets
from lab.pulumi.urns import is_default_provider, make_urn, name_of, type_of
from lab.pulumi.wire import from_struct, to_struct

CRYPTER = Crypter(lambda: "x")
scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | st.text(max_size=8)
keys = st.text("abcxyz", min_size=1, max_size=3)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3) | inner.map(values.make_secret)
    ),
    max_leaves=8,
)
maps = st.dictionaries(keys, documents, max_size=4)
thrifty = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def as_wire(value: Any) -> Any:
    """Whole floats come back as whole numbers."""
    return json.loads(
        json.dumps(value), parse_float=lambda text: int(float(text)) if float(text).is_integer() else float(text)
    )


@thrifty
@given(maps)
def test_the_wire_carries_every_value(value: dict[str, Any]) -> None:
    assert from_struct(to_struct(value)) == as_wire(value)


@thrifty
@given(maps)
def test_sealed_values_hide_and_open_again(value: dict[str, Any]) -> None:
    sealed = CRYPTER.seal(value)
    assert not values.contains(sealed, lambda part: values.is_secret(part) and "value" in part)
    assert values.plain(CRYPTER.unseal(sealed)) == values.plain(value)
    assert CRYPTER.seal(value) == sealed, "equal secrets keep their ciphertext"
    assert values.plain(CRYPTER.unseal(show_plaintext(value))) == values.plain(value)


@thrifty
@given(maps)
def test_masked_and_hidden_values_contain_no_secret(value: dict[str, Any]) -> None:
    assert not values.contains(values.masked(value), lambda part: values.is_secret(part) and "value" in part)
    assert not values.has_secret(values.hidden(value))


@thrifty
@given(maps)
def test_what_went_in_secret_does_not_come_out_readable(value: dict[str, Any]) -> None:
    assert values.masked(values.mirror_secrets(values.plain(value), value)) == values.masked(value)


def test_first_class_outputs_are_flattened() -> None:
    known = {values.SIGNATURE: values.OUTPUT, "value": 1, "secret": True}
    unknown = {values.SIGNATURE: values.OUTPUT}
    assert from_struct(to_struct({"a": known, "b": unknown})) == {"a": values.make_secret(1), "b": values.UNKNOWN}


def test_a_wrong_passphrase_is_refused_for_reading_and_for_writing() -> None:
    other = Crypter(lambda: "y", CRYPTER.state)
    for attempt in (lambda: other.decrypt(CRYPTER.encrypt("a")), lambda: other.encrypt("a")):
        for _ in range(2):
            with pytest.raises(PassphraseError):
                attempt()


def test_a_ciphertext_of_the_genuine_command_line_opens() -> None:
    salt = "v1:iUPYWjlxo9M=:v1:UESRdjXb+PDhbAsc:afKWZP6R/z/BF+h85bGeZqdMVSPm9Q=="
    with pytest.raises(PassphraseError):
        Crypter(lambda: "wrong", salt).encrypt("a")
    assert Crypter(lambda: "x", salt).encrypt("a").startswith("v1:")


@pytest.mark.parametrize(
    ("ignored", "expected"),
    [
        ("tags.x", {"tags": {"x": 1, "y": 20}, "list": [10, 20]}),
        ("tags", {"tags": {"x": 1, "y": 2}, "list": [10, 20]}),
        ("tags.*", {"tags": {"x": 1, "y": 2}, "list": [10, 20]}),
        ("list[0]", {"tags": {"x": 10, "y": 20}, "list": [1, 20]}),
        ("absent", {"tags": {"x": 10, "y": 20}, "list": [10, 20]}),
    ],
)
def test_ignored_paths_keep_the_old_value(ignored: str, expected: dict[str, Any]) -> None:
    old = {"tags": {"x": 1, "y": 2}, "list": [1, 2]}
    new = {"tags": {"x": 10, "y": 20}, "list": [10, 20]}
    assert paths.keep_old(new, old, (ignored,)) == expected
    assert new["tags"] == {"x": 10, "y": 20}, "the argument is left alone"


def test_an_ignored_property_that_is_new_vanishes() -> None:
    assert paths.keep_old({"a": 1, "b": 2}, {"b": 2}, ("a",)) == {"b": 2}


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [("a", "a", True), ("a", "a.b[0]", True), ("a.b", "a", False), ("a.*", "a.c", True), ("*", "z", True)],
)
def test_patterns_cover_paths(pattern: str, path: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert paths.covers(pattern, path) is expected


@given(st.lists(st.sampled_from(["a", "b", 0, 1]), min_size=1, max_size=4), scalars)
def test_config_paths_set_and_get(parts: list[str | int], value: Any) -> None:
    raw: dict[str, Any] = {}
    try:
        config.put(raw, ["k", *parts], value)
    except EngineError:
        assert 1 in parts, "only an index past the end is refused"
        return
    assert config.get(raw, ["k", *parts]) == value
    config.remove(raw, ["k", *parts])
    config.remove(raw, ["k", *parts, "nothing"])


def test_the_schema_gives_defaults_and_refuses() -> None:
    project = Project(
        "demo",
        root=None,  # type: ignore[arg-type]  # not used here
        config={
            "demo:nodes": {"type": "integer", "default": 3},
            "demo:version": {"type": "string"},
            "demo:password": {"type": "string", "secret": True, "default": "none"},
            "aws:region": "eu-west-1",
        },
    )
    with pytest.raises(EngineError, match="Stack 's' is missing configuration value 'version'"):
        config.validate(project, "s", {})
    with pytest.raises(EngineError, match="key 'nodes' must be of type 'integer'"):
        config.validate(project, "s", {"demo:version": "1", "demo:nodes": "many"})
    with pytest.raises(EngineError, match="key 'password' must be encrypted as it's secret"):
        config.validate(project, "s", {"demo:version": "1", "demo:password": "open"})
    given_values = {"demo:version": "1", "demo:password": {"secure": CRYPTER.encrypt("p")}}
    config.validate(project, "s", given_values)
    loaded = config.load(project, given_values, CRYPTER)
    assert {key: value.text for key, value in loaded.items()} == {
        "demo:nodes": "3",
        "aws:region": "eu-west-1",
        "demo:version": "1",
        "demo:password": "p",
    }
    assert [key for key, value in loaded.items() if value.secret] == ["demo:password"]


def test_a_project_is_found_above(tmp_path: Any) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: p\nruntime: {name: python, options: {virtualenv: .venv}}\nstackConfigDir: stacks\n"
        "options: {refresh: always}\nconfig: {k: {type: string}}\n",
        encoding="utf-8",
    )
    (tmp_path / "a" / "b").mkdir(parents=True)
    project = load_project(tmp_path / "a" / "b")
    assert (project.root, project.virtualenv, project.stack_config_dir) == (tmp_path, ".venv", "stacks")
    assert project.refresh_always
    assert project.config == {"p:k": {"type": "string"}}


def test_urns() -> None:
    root = make_urn("s", "p", "", "pulumi:pulumi:Stack", "p-s")
    group = make_urn("s", "p", root, "lab:x:C", "c")
    child = make_urn("s", "p", group, "aws:s3/bucket:Bucket", "b::odd")
    assert group == "urn:pulumi:s::p::lab:x:C::c"
    assert child == "urn:pulumi:s::p::lab:x:C$aws:s3/bucket:Bucket::b::odd"
    assert (type_of(child), name_of(child)) == ("aws:s3/bucket:Bucket", "b::odd")
    assert is_default_provider(make_urn("s", "p", "", "pulumi:providers:aws", "default_7_51_1"))
    assert not is_default_provider(make_urn("s", "p", "", "pulumi:providers:aws", "defaults"))


def test_a_child_is_found_under_its_parents_former_name() -> None:
    group, former = make_urn("s", "p", "", "x:y:C", "new"), make_urn("s", "p", "", "x:y:C", "old")
    goal = Goal("x:y:R", "new-part", True, {}, parent=group, aliases=(Alias(name="spare"),))
    found = list(former_urns(goal, "s", "p", {group: former}))
    assert "urn:pulumi:s::p::x:y:C$x:y:R::old-part" in found
    assert "urn:pulumi:s::p::x:y:C$x:y:R::spare" in found


@pytest.mark.parametrize(("text", "expected"), [("", 0.0), ("10m", 600.0), ("1h30m", 5400.0), ("500ms", 0.5)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


def test_a_wrong_duration_is_refused() -> None:
    with pytest.raises(StepFailed):
        seconds("soon")


def test_debug_providers() -> None:
    assert parse_debug_providers("aws:5000, other:1") == {"aws": "127.0.0.1:5000", "other": "127.0.0.1:1"}
    with pytest.raises(EngineError):
        parse_debug_providers("aws")


def test_targets() -> None:
    a, b, c = (State(urn, "t", dependencies=needs) for urn, needs in (("a", ()), ("b", ("a",)), ("c", ())))
    assert Targets().widened([a, b, c]) == Targets()
    wide = Targets(("a",), dependents=True).widened([a, b, c])
    assert [state.urn for state in (a, b, c) if state.urn in wide] == ["a", "b"]
    assert "xyz" in Targets(("x*",))
    assert "xyz" not in Targets(excluded=("x*",))


def test_backend_urls(tmp_path: Any) -> None:
    assert backend_root("file://~", tmp_path) == tmp_path / ".pulumi"
    assert backend_root("file://~/a", tmp_path) == tmp_path / "a" / ".pulumi"
    assert backend_root(f"file://{tmp_path}/b", tmp_path) == tmp_path / "b" / ".pulumi"


def sample(urn: str, **fields: Any) -> State:
    return State(urn, "t", custom=True, **fields)


def test_a_checkpoint_survives_writing_and_reading(tmp_path: Any) -> None:
    backend = Backend(tmp_path / ".pulumi", "p")
    backend.create("s")
    kept = sample("a", inputs={"p": values.make_secret("x")}, extra={"viewOf": "z"}, custom_timeouts={"create": 60.0})
    backend.write("s", Writer(CRYPTER).text([kept], [PendingOperation(sample("b"), "creating")]))
    read = parse(backend.read("s"), CRYPTER)
    assert [state.to_json(item) for item in read.resources] == [state.to_json(kept)]
    assert [(item.resource.urn, item.type) for item in read.pending] == [("b", "creating")]
    assert "viewOf" in json.dumps(export(read, CRYPTER, show_secrets=False))
    assert '"plaintext": "\\"x\\""' in json.dumps(export(read, CRYPTER, show_secrets=True))
    assert (backend.path("s").stat().st_mode & 0o777) == 0o600


def test_a_snapshot_holds_new_states_before_old_ones() -> None:
    written: list[tuple[list[str], list[str]]] = []
    old = [sample("a"), sample("b", dependencies=("a",))]
    snapshot = Snapshot(
        Checkpoint(tuple(old), (PendingOperation(sample("c"), "creating"), PendingOperation(sample("a"), "updating"))),
        lambda states, pending: written.append(([s.urn for s in states], [p.type for p in pending])),
    )
    operation = PendingOperation(old[0], "updating")
    snapshot.begin(operation)
    assert written[-1] == (["a", "b"], ["creating", "updating"]), "an interrupted create stays, an update does not"
    snapshot.end(operation, Edit(sample("a"), (old[0],)))
    assert written[-1] == (["a", "b"], ["creating"])
    snapshot.rename("b", "z")
    assert written[-1][0] == ["a", "z"]
    snapshot.rebase([sample("a")], confirmed=True)
    assert written[-1][1] == []


def test_renaming_follows_every_reference() -> None:
    child = sample("k", parent="p", provider="p::id", dependencies=("p",), property_dependencies={"x": ("p", "q")})
    snapshot = Snapshot(Checkpoint((sample("p"), child)), lambda *_: None)
    snapshot.rename("p", "n")
    renamed = next(item for item in snapshot.all() if item.urn == "k")
    assert (renamed.parent, renamed.provider, renamed.dependencies) == ("n", "n::id", ("n",))
    assert renamed.property_dependencies == {"x": ("n", "q")}
