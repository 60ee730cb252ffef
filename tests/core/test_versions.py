import pytest
from hypothesis import given
from hypothesis import strategies as st

from automation.core.versions import Version, VersionRefusal, explain_refusal, refuse_upgrade, same_version

numbers = st.integers(0, 99)
versions = st.builds("{}.{}.{}".format, numbers, numbers, numbers)


@pytest.mark.parametrize(
    ("current", "target", "refusal"),
    [
        ("7.9.0", "7.9.4", None),
        ("7.9", "7.9.4", None),
        ("7.9.0", "7.10.0", VersionRefusal.FEATURE_UPGRADE),
        ("7.9.0", "8.0.0", VersionRefusal.PLATFORM_UPGRADE),
        ("7.9.4", "7.9.0", VersionRefusal.LOWER_VERSION),
        ("7.9.4", "6.10.9", VersionRefusal.LOWER_VERSION),
        ("7.9.4", "7.9.4", VersionRefusal.SAME_VERSION),
        ("7.9.0", "7.9", VersionRefusal.SAME_VERSION),
        ("7.9.0", "latest", VersionRefusal.UNKNOWN_VERSION),
        ("7.9.0", "", VersionRefusal.UNKNOWN_VERSION),
        ("7.9.0", "7.9.4.1", VersionRefusal.UNKNOWN_VERSION),
        ("8.0.0-m24", "8.0.0", None),
    ],
)
def test_only_higher_bug_fix_versions_of_the_same_line_are_reached(current, target, refusal):
    assert refuse_upgrade(current, target) == refusal


@pytest.mark.parametrize("refusal", list(VersionRefusal))
def test_every_refusal_explains_itself_with_both_versions_or_the_way_out(refusal):
    text = explain_refusal(refusal, "7.9.0", "9.9.9")
    assert "7.9" in text or "9.9.9" in text
    assert "{" not in text


@given(versions, versions)
def test_there_is_never_a_way_forth_and_back(one, other):
    assert refuse_upgrade(one, other) or refuse_upgrade(other, one)


@given(versions, versions, versions)
def test_bug_fix_upgrades_are_transitive(one, two, three):
    if refuse_upgrade(one, two) is None and refuse_upgrade(two, three) is None:
        assert refuse_upgrade(one, three) is None


@given(versions)
def test_a_version_reads_back_what_it_writes(text):
    assert Version.parse(str(Version.parse(text))) == Version.parse(text)


def test_nothing_is_not_the_same_as_nothing():
    assert not same_version(None, None)
    assert same_version("nightly", "nightly")
