"""What a stranger's first calls get from a node process: paging, log-in, errors."""

from __future__ import annotations

import httpx
import pytest

from tests.lab.bitbucket.rig import PASSWORD, TOKEN, Rig

pytestmark = pytest.mark.lab


class TestPages:
    @pytest.mark.parametrize("api", ["latest", "1.0"])
    def test_walking_pages_finds_everything_once(self, rig: Rig, api: str) -> None:
        found, start = [], 0
        with rig.client(1) as client:
            while True:
                page = client.get(f"/rest/api/{api}/projects", params={"limit": 3, "start": start}).json()
                assert page["size"] == len(page["values"])
                assert (page["limit"], page["start"]) == (3, start)
                found += [project["key"] for project in page["values"]]
                if page["isLastPage"]:
                    assert page["nextPageStart"] is None
                    break
                start = page["nextPageStart"]
        assert sorted(found) == ["DATA", "OPS", "PAY", "SHOP"]

    @pytest.mark.parametrize("query", ["start=-1", "start=x", "limit=0", "limit=%C2%B2"])
    def test_nonsense_is_400_and_names_the_parameter(self, rig: Rig, query: str) -> None:
        with rig.client(1) as client:
            answer = client.get(f"/rest/api/latest/projects?{query}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["context"] == query.split("=", maxsplit=1)[0]

    def test_past_the_end_is_an_empty_last_page(self, rig: Rig) -> None:
        with rig.client(1) as client:
            page = client.get("/rest/api/latest/projects?start=100").json()
        assert (page["size"], page["isLastPage"], page["values"]) == (0, True, [])


class TestProjectsAndRepositories:
    def test_shapes(self, rig: Rig) -> None:
        with rig.client(1) as client:
            repository = client.get("/rest/api/latest/repos").json()["values"][0]
            key, slug = repository["project"]["key"], repository["slug"]
            again = client.get(f"/rest/api/1.0/projects/{key.lower()}/repos/{slug.upper()}").json()
        assert again == repository
        clone = {link["name"]: link["href"] for link in repository["links"]["clone"]}
        assert clone["http"] == f"http://{rig.address(1)}:7990/scm/{key.lower()}/{slug}.git"
        assert repository["scmId"] == "git"
        assert repository["project"]["type"] == "NORMAL"

    def test_branches_tags_and_commits(self, rig: Rig) -> None:
        root = "/rest/api/latest/projects/PAY/repos/gateway-service"
        with rig.client(1) as client:
            branches = client.get(f"{root}/branches").json()["values"]
            tags = client.get(f"{root}/tags").json()["values"]
            first = client.get(f"{root}/commits?limit=5").json()
            rest = client.get(f"{root}/commits?start=5&limit=1000").json()
            one = client.get(f"{root}/commits/{branches[0]['latestCommit']}").json()
        assert {b["displayId"]: b["isDefault"] for b in branches}["main"] is True
        assert [t["id"] for t in tags] == ["refs/tags/1.0"]
        assert (first["size"], first["isLastPage"], first["nextPageStart"]) == (5, False, 5)
        assert rest["size"] + 5 == 30
        assert one["id"] == branches[0]["latestCommit"]

    def test_what_is_missing_is_404_in_bitbuckets_words(self, rig: Rig) -> None:
        with rig.client(1) as client:
            project = client.get("/rest/api/latest/projects/NONE")
            repository = client.get("/rest/api/latest/projects/PAY/repos/none")
            commit = client.get("/rest/api/latest/projects/PAY/repos/gateway-service/commits/--output=x")
        assert [r.status_code for r in (project, repository, commit)] == [404, 404, 404]
        error = project.json()["errors"][0]
        assert error == {
            "context": None,
            "message": "Project NONE does not exist.",
            "exceptionName": "com.atlassian.bitbucket.project.NoSuchProjectException",
        }
        assert repository.json()["errors"][0]["exceptionName"].endswith("NoSuchRepositoryException")

    def test_created_on_one_node_and_seen_on_the_other(self, rig: Rig) -> None:
        with rig.client(1) as one, rig.client(2) as two:
            made = one.post("/rest/api/latest/projects", json={"key": "NEW", "name": "New things"})
            assert made.status_code == 201
            made = one.post("/rest/api/latest/projects/NEW/repos", json={"name": "My Repo!".rstrip("!")})
            assert (made.status_code, made.json()["slug"]) == (201, "my-repo")
            assert two.get("/rest/api/latest/projects/new/repos/my-repo").json() == {
                **made.json(),
                "links": two.get("/rest/api/latest/projects/NEW/repos/my-repo").json()["links"],
                "project": two.get("/rest/api/latest/projects/NEW").json(),
            }
            assert two.get("/rest/api/latest/projects/NEW/repos/my-repo/commits").json()["values"] == []
            assert one.post("/rest/api/latest/projects", json={"key": "NEW"}).status_code == 409
            assert one.post("/rest/api/latest/projects", json={"key": "no key"}).status_code == 400
            assert one.post("/rest/api/latest/projects", content=b"{", headers=_json()).status_code == 400
            assert one.post("/rest/api/latest/projects/NEW/repos", json={"name": "my repo"}).status_code == 409

    def test_pages_for_people_show_what_is_there(self, rig: Rig) -> None:
        with httpx.Client(base_url=f"http://{rig.address(1)}:7990", auth=("developer", PASSWORD)) as client:
            assert "gateway service" in client.get("/dashboard").text
            page = client.get("/projects/PAY/repos/gateway-service/browse").text
            assert client.get("/projects/PAY/repos/gateway-service").headers["Location"].endswith("/browse")
        for shown in ("release/1.0", "Dana Developer", "/scm/pay/gateway-service.git", "Bitbucket 7.9.0", "i-1"):
            assert shown in page


def _json() -> dict[str, str]:
    return {"Content-Type": "application/json"}


class TestWhoIsAsking:
    def url(self, rig: Rig, path: str) -> str:
        return f"http://{rig.address(1)}:7990{path}"

    def test_nobody_may_ask_for_status_and_version(self, rig: Rig) -> None:
        assert httpx.get(self.url(rig, "/status")).json() == {"state": "RUNNING"}
        properties = httpx.get(self.url(rig, "/rest/api/latest/application-properties")).json()
        assert (properties["version"], properties["buildNumber"]) == ("7.9.0", "7009000")
        assert all(isinstance(value, str) for value in properties.values())

    def test_nobody_sees_no_private_project(self, rig: Rig) -> None:
        assert httpx.get(self.url(rig, "/rest/api/latest/projects")).json()["values"] == []
        refused = httpx.get(self.url(rig, "/rest/api/latest/projects/PAY"))
        assert refused.status_code == 401
        assert refused.json()["errors"][0]["exceptionName"] == "com.atlassian.bitbucket.AuthorisationException"

    def test_a_page_leads_nobody_to_the_log_in(self, rig: Rig) -> None:
        answer = httpx.get(self.url(rig, "/dashboard"))
        assert (answer.status_code, answer.headers["Location"]) == (302, "/login?nextUrl=%2Fdashboard")

    def test_wrong_credentials_are_401(self, rig: Rig) -> None:
        path = self.url(rig, "/rest/api/latest/projects")
        assert httpx.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 401
        wrong = httpx.get(path, auth=("admin", "nonsense"))
        assert wrong.status_code == 401
        assert wrong.json()["errors"][0]["exceptionName"].endswith("IncorrectPasswordAuthenticationException")
        assert httpx.get(path, headers={"Authorization": "Basic ###"}).status_code == 400
        assert httpx.get(path, auth=("admin", PASSWORD)).status_code == 200

    def test_a_token_is_good_under_rest_and_nowhere_else(self, rig: Rig) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Atlassian-Token": "no-check"}
        assert httpx.get(self.url(rig, "/rest/api/latest/users"), headers=headers).status_code == 200
        assert httpx.get(self.url(rig, "/dashboard"), headers=headers).status_code == 302
        assert httpx.post(self.url(rig, "/mvc/maintenance/lock"), headers=headers).status_code == 401

    def test_log_in_gives_a_session_that_every_node_knows(self, rig: Rig) -> None:
        form = {"j_username": "developer", "j_password": PASSWORD, "next": "/projects"}
        headers = {"X-Atlassian-Token": "no-check"}
        with httpx.Client(headers=headers) as browser:
            answer = browser.post(self.url(rig, "/j_atl_security_check"), data=form)
            assert (answer.status_code, answer.headers["Location"]) == (302, "/projects")
            cookie = {"BITBUCKETSESSIONID": answer.cookies["BITBUCKETSESSIONID"]}
        there = f"http://{rig.address(2)}:7990/dashboard"
        assert httpx.get(there, cookies=cookie).status_code == 200
        forged = {"BITBUCKETSESSIONID": cookie["BITBUCKETSESSIONID"][:-1] + "x"}
        assert httpx.get(there, cookies=forged).status_code == 302

    def test_log_in_never_leads_to_another_site(self, rig: Rig) -> None:
        form = {"j_username": "developer", "j_password": PASSWORD, "next": "//evil.example.com/"}
        answer = httpx.post(
            self.url(rig, "/j_atl_security_check"), data=form, headers={"X-Atlassian-Token": "no-check"}
        )
        assert answer.headers["Location"] == "/dashboard"

    def test_repeated_failures_lock_the_password_until_a_log_in(self, rig: Rig) -> None:
        path, good = self.url(rig, "/rest/api/latest/users"), ("developer", PASSWORD + " ")
        codes = [httpx.get(path, auth=good).status_code for _ in range(6)]
        assert codes == [401] * 5 + [403]
        locked = httpx.get(path, auth=("developer", PASSWORD))
        if locked.status_code == 403:  # unless this very password was checked a moment ago
            assert locked.headers["X-Authentication-Denied-Reason"].startswith("CAPTCHA_CHALLENGE")
        form = {"j_username": "developer", "j_password": PASSWORD}
        httpx.post(self.url(rig, "/j_atl_security_check"), data=form, headers={"X-Atlassian-Token": "no-check"})
        assert httpx.get(path, auth=("developer", PASSWORD)).status_code == 200


class TestForgedRequests:
    def post(self, rig: Rig, headers: dict[str, str]) -> int:
        url = f"http://{rig.address(1)}:7990/rest/zdu/cancel"
        return httpx.post(url, headers=headers | {"Authorization": f"Bearer {TOKEN}"}).status_code

    def test_a_post_without_type_needs_the_header(self, rig: Rig) -> None:
        assert self.post(rig, {}) == 403
        assert self.post(rig, {"X-Atlassian-Token": "no-check"}) == 409

    def test_json_needs_none(self, rig: Rig) -> None:
        assert self.post(rig, _json()) == 409

    def test_a_browser_of_another_origin_is_refused_even_so(self, rig: Rig) -> None:
        browser = {"User-Agent": "Mozilla/5.0", "X-Atlassian-Token": "no-check", **_json()}
        assert self.post(rig, browser) == 403
        assert self.post(rig, browser | {"Origin": f"http://{rig.address(1)}:7990"}) == 409


class TestAdministratorsOnly:
    def test_the_upgrade_api_is_403_for_others(self, rig: Rig) -> None:
        root = f"http://{rig.address(1)}:7990"
        assert httpx.get(f"{root}/rest/zdu/cluster").status_code == 401
        assert httpx.get(f"{root}/rest/zdu/cluster", auth=("developer", PASSWORD)).status_code == 403
        assert httpx.get(f"{root}/rest/api/latest/admin/cluster", auth=("developer", PASSWORD)).status_code == 401

    def test_surroundings(self, rig: Rig) -> None:
        with rig.client(1) as client:
            members = client.get("/rest/api/latest/admin/cluster").json()
            licence = client.get("/rest/api/latest/admin/license").json()
            updates = client.get("/rest/plugins/1.0/product-updates/").json()["versions"]
            build = updates[3]["links"]["compatibility"]
            apps = client.get(build).json()
            checks = client.get("/rest/troubleshooting/1.0/check/").json()["statuses"]
            mesh = client.get("/rest/api/latest/admin/git/mesh/nodes").json()
        assert len(members["nodes"]) == 2
        assert members["localNode"]["address"]["hostName"] == rig.address(1)
        assert licence["maximumNumberOfUsers"] == 500
        assert licence["status"]["currentNumberOfUsers"] == 2
        assert updates[3]["version"] == "7.9.4"
        assert set(apps) == {
            "compatible",
            "updateRequired",
            "updateRequiredAfterProductUpdate",
            "incompatible",
            "unknown",
        }
        assert all(check["isHealthy"] for check in checks)
        assert mesh == []

    def test_banner(self, rig: Rig) -> None:
        with rig.client(1) as client:
            put = client.put("/rest/api/latest/admin/banner", json={"message": "Upgrade at noon", "audience": "ALL"})
            assert put.status_code == 204
            assert client.get("/rest/api/latest/admin/banner").json()["message"] == "Upgrade at noon"
            assert client.put("/rest/api/latest/admin/banner", json={"audience": "ALL"}).status_code == 400
            assert client.delete("/rest/api/latest/admin/banner").status_code == 204
