"""Every unsuccessful answer becomes one error of the tree, with what the other side said and what to do now."""

from __future__ import annotations

import httpx
import pytest

from automation.ports.errors import (
    BbdcError,
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Throttled,
    Unavailable,
    Unexpected,
)

TOKEN = "NjE2-very-secret-token"
ERRORS = {"errors": [{"context": None, "message": "It cannot be.", "exceptionName": "x.Y"}]}
LOGIN_PAGE = "<html><head><title>Log in - Bitbucket</title></head><body>secret form</body></html>"


def answers(*given):
    """Answer with each response once, then with the last one for ever."""
    rest = list(given)

    def handler(_request):
        return rest.pop(0) if len(rest) > 1 else rest[0]

    return handler


@pytest.mark.parametrize(
    ("response", "expected", "said"),
    [
        (httpx.Response(401, json=ERRORS), NotAuthenticated, "It cannot be."),
        (httpx.Response(401), NotAuthenticated, "BITBUCKET_TOKEN"),
        (httpx.Response(403, json={"message": "Not you.", "status-code": 403}), Forbidden, "Not you."),
        (httpx.Response(404, json=ERRORS), NotFound, "It cannot be."),
        (httpx.Response(404, html="<h1>no such app</h1>"), NotFound, "no such app"),
        (httpx.Response(409), Conflict, "HTTP 409"),
        (httpx.Response(409, json=ERRORS), Conflict, "It cannot be."),
        (httpx.Response(429), Throttled, "HTTP 429"),
        (httpx.Response(500, json=ERRORS), Unavailable, "It cannot be."),
        (httpx.Response(503, html="<title>503 Service Temporarily Unavailable</title>"), Unavailable, "Temporarily"),
        (httpx.Response(418, json={"message": "tea"}), Unexpected, "tea"),
        (httpx.Response(200, html=LOGIN_PAGE), Unexpected, "text/html instead of JSON: 'Log in - Bitbucket'"),
        (httpx.Response(200, text="{broken"), Unexpected, "{broken"),
        (httpx.Response(200, json=[1, 2]), Unexpected, "JSON list"),
        (httpx.Response(200, json={"hello": "world"}), Unexpected, "without state or nodes"),
        (httpx.Response(200), Unexpected, "empty answer"),
        (httpx.Response(302, headers={"Location": "https://h/login?next=%2Frest"}), NotAuthenticated, "login page"),
        (httpx.Response(302, headers={"Location": "https://h/plugins/servlet/saml"}), NotAuthenticated, "saml"),
        (httpx.Response(301, headers={"Location": "https://elsewhere/"}), Unexpected, "sent to https://elsewhere/"),
    ],
)
def test_an_unsuccessful_answer_becomes_its_error(over, response, expected, said):
    with pytest.raises(BbdcError) as caught:
        over(answers(response)).cluster()
    assert type(caught.value) is expected
    assert said in str(caught.value)


def test_a_cluster_that_is_not_clustered_is_explained(over):
    message = "Rolling upgrades feature requires a clustered installation."
    response = httpx.Response(403, json={"errors": [{"context": None, "message": message}]})
    with pytest.raises(Forbidden) as caught:
        over(answers(response)).start_upgrade()
    assert message in str(caught.value)
    assert "Data Center licence" in caught.value.hint


def test_a_missing_right_is_named(over):
    with pytest.raises(Forbidden) as caught:
        over(answers(httpx.Response(403))).approve_upgrade()
    assert caught.value.right == "Bitbucket system administrator"


def test_a_locked_account_says_how_to_unlock_it(over):
    response = httpx.Response(403, headers={"X-Seraph-LoginReason": "AUTHENTICATION_DENIED"})
    with pytest.raises(NotAuthenticated, match="CAPTCHA"):
        over(answers(response)).cluster()


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120.0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), ("soon", None), ("", None)]
)
def test_retry_after_is_passed_on_in_both_forms(over, header, seconds):
    with pytest.raises(Throttled) as caught:
        over(answers(httpx.Response(429, headers={"Retry-After": header}))).start_upgrade()
    assert caught.value.after == seconds


def test_what_the_other_side_echoes_of_the_credentials_is_hidden(over):
    response = httpx.Response(400, text=f"bad header Authorization: Bearer {TOKEN}")
    with pytest.raises(Unexpected) as caught:
        over(answers(response)).cluster()
    assert TOKEN not in str(caught.value)
    assert "bad header" in str(caught.value)


def test_a_long_story_is_cut(over):
    with pytest.raises(Unavailable) as caught:
        over(answers(httpx.Response(500, json={"message": "word " * 5000}))).start_upgrade()
    assert len(str(caught.value)) < 500


# Retries -------------------------------------------------------------------------------------------------------------


def test_a_read_is_tried_three_times_with_growing_waits(over, clock):
    bitbucket = over(answers(httpx.Response(503)))
    with pytest.raises(Unavailable):
        bitbucket.cluster()
    assert (bitbucket.calls, clock.slept) == (3, [0.5, 2.0])


def test_a_read_goes_through_at_the_second_try(over):
    good = httpx.Response(200, json={"state": "STABLE", "nodes": []})
    assert over(answers(httpx.Response(502), good)).cluster().state == "STABLE"


def test_a_short_retry_after_is_obeyed_and_a_long_one_left_to_the_caller(over, clock):
    bitbucket = over(
        answers(httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(503, headers={"Retry-After": "90"}))
    )
    with pytest.raises(Unavailable) as caught:
        bitbucket.cluster()
    assert (clock.slept, caught.value.after) == ([3.0], 90.0)


@pytest.mark.parametrize("act", ["start_upgrade", "cancel_upgrade", "approve_upgrade"])
def test_an_act_is_never_sent_twice(over, clock, act):
    def lost(_request):
        message = "no answer"
        raise httpx.ReadTimeout(message)

    bitbucket = over(lost)
    with pytest.raises(Unavailable):
        getattr(bitbucket, act)()
    assert (bitbucket.calls, clock.slept) == (1, [])


def test_refused_credentials_are_never_tried_again(over):
    bitbucket = over(answers(httpx.Response(401)))
    with pytest.raises(NotAuthenticated):
        bitbucket.cluster()
    assert bitbucket.calls == 1
