"""Who gets in, and what every answer carries."""

import httpx
import pytest

from core.config import Web
from core.errors import ConfigError
from tests.pictures import jpeg
from tests.project import Project
from tests.web.conftest import Serve
from web.errors import RequestError
from web.limits import RateLimit
from web.runner import places
from web.security import Keys


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:9", "LOCALHOST.", "pics.lan"])
def test_known_hosts_are_served(serve: Serve, host: str) -> None:
    address = serve(allowed_hosts=["pics.lan"])
    assert httpx.get(address + "/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "a@localhost", "", "::1"]
)
@pytest.mark.parametrize("path", ["/", "/api/status", "/healthz", "/static/app.js", "/nothing"])
def test_unknown_hosts_are_400(client: httpx.Client, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"}


def test_a_key_is_needed_where_one_is_set(serve: Serve) -> None:
    address = serve(Keys(password="pässword", token="token"))
    for path in ("/healthz", "/readyz"):
        assert httpx.get(address + path).status_code == 200
    for path in ("/", "/api/status", "/metrics", "/docs", "/openapi.json", "/static/app.js"):
        refused = httpx.get(address + path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert httpx.get(address + path, auth=("anyone", "pässword")).status_code == 200
        bearer = {"Authorization": "Bearer token"}
        assert httpx.get(address + path, headers=bearer).status_code == 200
    for wrong in (
        "Bearer pässword",
        "Bearer",
        "Basic token",
        "Basic !",
        "token",
    ):
        header = {"Authorization": wrong.encode()}
        assert httpx.get(address + "/", headers=header).status_code == 401, wrong


def test_only_what_is_set_opens() -> None:
    assert not Keys(password="p").fit("Bearer ")
    assert not Keys(token="t").fit("Basic Og==")  # an empty user and an empty password
    assert Keys(token="t").fit("bearer t")
    assert not Keys()


def test_keys_cannot_be_guessed_at_leisure(serve: Serve) -> None:
    address = serve(Keys(token="token"))
    wrong = {"Authorization": "Bearer guess"}
    statuses = [httpx.get(address + "/", headers=wrong).status_code for _ in range(25)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_may_send_nothing(client: httpx.Client, headers: dict[str, str]) -> None:
    for path in ("/", "/api/search"):
        answer = client.post(path, files={"image": jpeg(1)}, headers=headers)
        assert answer.status_code == 403
    ours = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert client.post("/", files={"image": jpeg(1)}, headers=ours).status_code == 200


def test_every_answer_carries_the_headers(client: httpx.Client) -> None:
    for path in ("/", "/docs", "/api/status", "/static/app.js", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_a_client_over_its_rate_is_told_when_to_come_back(serve: Serve) -> None:
    address = serve(searches_per_minute=3)
    picture = {"image": jpeg(1, (1200, 900)) + bytes(3_000_000)}
    answers = [httpx.post(address + "/api/search", files=picture) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert "searches_per_minute" in answers[-1].json()["error"]
    page = httpx.post(address + "/", files=picture)
    assert page.status_code == 429
    assert "searches_per_minute" in page.text
    assert "retry-after" in page.headers
    assert httpx.get(address + "/api/status").status_code == 200, "only searches are counted"


def test_the_rate_is_per_client_and_of_any_minute() -> None:
    now = 0.0
    limit = RateLimit(2, "again in {seconds} s", clock=lambda: now)

    def ask(client: str) -> bool:
        try:
            limit.check(client)
        except RequestError:
            return False
        limit.count(client)
        return True

    assert [ask("1.1.1.1"), ask("1.1.1.1"), ask("1.1.1.1"), ask("1.1.1.2")] == [1, 1, 0, 1]
    now = 59.9
    assert not ask("1.1.1.1")
    now = 60.1
    assert ask("1.1.1.1")
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8::3")] == [1, 1, 0]
    assert ask("2001:db8:0:1::1")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_are_let_in_only_with_a_key(project: Project, host: str) -> None:
    with pytest.raises(ConfigError, match="LOOKALIKE_WEB_PASSWORD"):
        places(Web(host=host, port=0), Keys())
    assert places(Web(host=host, port=0), Keys(token="t"))
    project.configure(web={"host": host, "port": 0})
    if host == "0.0.0.0":
        result = project.process("web")
        assert result.returncode == 78
        assert "LOOKALIKE_WEB_PASSWORD" in result.stderr


def test_loopback_needs_no_key() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        assert places(Web(host=host, port=0), Keys())
