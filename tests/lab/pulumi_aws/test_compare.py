import pytest

from lab.pulumi.aws.compare import Change, Kind, Rules, changes, is_ignored, reconciled, segments
from lab.pulumi.aws.values import UNKNOWN, Properties

RULES = Rules(documents={"policy"}, sets={"groups", "tagList"}, computed={"zone"}, maps={"tags"})


def _found(old: Properties, state: Properties, news: Properties) -> list[Change]:
    return list(changes(RULES, old, state, news))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"size": 8}, {"size": "8"}),
        ({"optimized": "true"}, {"optimized": True}),
        ({"groups": ["a", "b"]}, {"groups": ["b", "a"]}),
        ({"tagList": [{"key": "a"}, {"key": "b"}]}, {"tagList": [{"key": "b"}, {"key": "a"}]}),
        ({"disk": {"size": 8, "volumeId": "vol-1"}}, {"disk": {"size": 8}}),
        ({"policy": '{"a": ["x"], "b": [1, 2]}'}, {"policy": '{"b":[2,1],"a":"x"}'}),
        ({}, {"tags": {}}),
        ({"groups": []}, {}),
    ],
)
def test_means_the_same(before: Properties, after: Properties) -> None:
    assert _found(after, before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({"size": 8}, {"size": 9}, Change("size", Kind.UPDATE)),
        ({"order": ["a", "b"]}, {"order": ["b", "a"]}, Change("order", Kind.UPDATE)),
        ({}, {"size": 8}, Change("size", Kind.ADD)),
        ({"size": 8}, {}, Change("size", Kind.DELETE)),
        ({"disk": {"size": 8}}, {"disk": {"size": 9}}, Change("disk.size", Kind.UPDATE)),
        ({"disk": {"size": 8, "kind": "a"}}, {"disk": {"size": 8}}, Change("disk.kind", Kind.DELETE)),
        ({"tags": {"a": "1"}}, {"tags": {"a": "1", "x.y": "2"}}, Change('tags["x.y"]', Kind.ADD)),
        ({"groups": ["a"]}, {"groups": ["a", "a"]}, Change("groups", Kind.UPDATE)),
        ({"policy": '{"a": 1}'}, {"policy": '{"a": 2}'}, Change("policy", Kind.UPDATE)),
        ({"size": 8}, {"size": UNKNOWN}, Change("size", Kind.UPDATE)),
        ({"disk": {"size": 8}}, {"disk": {"size": UNKNOWN}}, Change("disk.size", Kind.UPDATE)),
        ({"groups": ["a"]}, {"groups": [UNKNOWN]}, Change("groups", Kind.UPDATE)),
    ],
)
def test_differs(before: Properties, after: Properties, change: Change) -> None:
    assert _found(before, before, after) == [change]


def test_what_the_cloud_drifted_to_is_brought_back() -> None:
    assert _found({"size": 8}, {"size": 9}, {"size": 8}) == [Change("size", Kind.UPDATE)]


def test_a_tag_that_only_the_cloud_has_is_taken_away() -> None:
    asked = {"tags": {"a": "1"}}
    assert _found(asked, {"tags": {"a": "1", "b": "2"}}, asked) == [Change("tags.b", Kind.DELETE)]


def test_dropping_what_the_cloud_would_choose_changes_nothing() -> None:
    assert _found({"zone": "a"}, {"zone": "a"}, {}) == []


@pytest.mark.parametrize(
    ("path", "rule", "ignored"),
    [
        ("tags.a", "tags", True),
        ('tags["a.b"]', 'tags["a.b"]', True),
        ("tags.a", "tags.b", False),
        ("launchTemplate.version", "launchTemplate.*", True),
        ("desiredCapacity", "desired", False),
        ("anything", "*", True),
        ("tags", "tags.a", False),
    ],
)
def test_ignoring(path: str, rule: str, ignored: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_ignored(path, [rule]) is ignored


def test_segments() -> None:
    assert segments('a.b["c.d"][0].*') == ("a", "b", "c.d", "0", "*")


def test_the_state_keeps_the_program_s_own_writing_where_it_means_the_same() -> None:
    known = {"policy": '{ "a": ["x"] }', "groups": ["b", "a"], "size": "8", "unread": 1, "gone": "x"}
    read = {"policy": '{"a":"x"}', "groups": ["a", "b"], "size": 8, "gone": None, "new": 2, "none": None}
    assert reconciled(RULES, known, read) == {
        "policy": '{ "a": ["x"] }',
        "groups": ["b", "a"],
        "size": "8",
        "unread": 1,
        "new": 2,
    }
