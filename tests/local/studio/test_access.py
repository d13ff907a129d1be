"""Who may look at the studio, and what its page may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from local import launch
from local.storage.store import Store
from local.wire import sessions
from local.wire.sessions import Sessions

CALLS = [
    ("GET", "api/events"),
    ("GET", "api/jobs/any/log"),
    ("GET", "api/jobs/any/plots"),
    ("GET", "api/jobs/any/plots/report/roc.png"),
    ("GET", "api/endpoints/any/sample"),
    ("GET", "api/endpoints/any/logs/blue"),
    ("POST", "api/trial"),
    ("POST", "api/plans"),
    ("POST", "api/plans/guess"),
    ("DELETE", "api/session"),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    made = Store(tmp_path / "state.sqlite")
    yield made
    made.close()


def test_a_link_signs_one_browser_in_and_no_second(stranger: Any, another: Callable[[], Any]) -> None:
    """Its secret is used up by the first."""
    secret = stranger.link()
    assert stranger.call("POST", "api/session", json={"link": secret}).status_code == 200
    again = another().call("POST", "api/session", json={"link": secret})
    assert (again.status_code, "inv studio" in again.json()["error"]) == (401, True)
    assert "set-cookie" not in again.headers


def test_a_link_is_good_for_five_minutes(store: Store) -> None:
    """Then a new one is needed."""
    now = [0.0]
    own = Sessions(store, lambda: now[0])
    young, old = own.link(), own.link()
    now[0] = sessions.LINK_SECONDS - 1
    assert own.open(young) is not None
    now[0] = sessions.LINK_SECONDS + 1
    assert own.open(old) is None


def test_a_session_outlasts_the_server_and_not_its_week(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page goes on after a restart; what the store keeps opens nothing."""
    first = Sessions(store)
    session = first.open(first.link())
    assert session is not None
    assert Sessions(store).find(session.cookie, session.key) == session
    (kept,) = store.find("sessions")
    assert session.cookie not in str(kept)
    assert session.key not in str(kept)
    assert Sessions(store).find(kept.name, kept.name) is None
    monkeypatch.setattr(sessions, "SESSION_LASTS", timedelta(0))
    assert Sessions(store).find(session.cookie, session.key) is None


def test_links_and_sessions_are_few(store: Store) -> None:
    """Whoever asks for links without end pushes out the oldest, not the memory."""
    own = Sessions(store)
    links = [own.link() for _ in range(sessions.MOST_LINKS + 1)]
    assert own.open(links[0]) is None
    assert own.open(links[1]) is not None
    for _ in range(sessions.MOST_SESSIONS + 1):
        own.open(own.link())
    assert len(store.find("sessions")) == sessions.MOST_SESSIONS


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_nothing_is_told_or_done_without_both_halves(
    browser: Any, another: Callable[[], Any], method: str, path: str
) -> None:
    """The cookie alone, which other servers of 127.0.0.1 see, opens nothing; neither does the key alone."""
    key = browser.headers.pop("x-studio-key")
    assert browser.call(method, path, json={}).status_code == 401
    other = another()
    other.headers["x-studio-key"] = key
    assert other.call(method, path, json={}).status_code == 401


def test_the_cookie_is_read_by_no_script_and_sent_to_no_other_site(stranger: Any) -> None:
    """And only with calls of the studio."""
    answer = stranger.call("POST", "api/session", json={"link": stranger.link()})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/api" in cookie
    # Cookies are shared by all ports: another workspace of this machine has another name for its own.
    assert cookie.startswith(f"studio-{stranger.connection.studio.rpartition(':')[2]}=")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "api/events"), ("POST", "api/plans")])
def test_no_other_page_calls_even_with_both_halves(
    browser: Any, method: str, path: str, headers: dict[str, str]
) -> None:
    """Another site, a rebound name, and another port of this machine, which browsers take for the same site."""
    assert browser.call(method, path, json={"do": "cancel"}, headers=headers).status_code == 403


def test_the_scoring_port_is_another_origin(browser: Any, workspace: launch.Connection) -> None:
    """What a model answers can never call the studio."""
    assert browser.call("POST", "api/plans", json={}, headers={"Origin": workspace.scoring}).status_code == 403


def test_an_action_without_an_origin_is_refused(browser: Any) -> None:
    """A browser sends one with every action."""
    del browser.headers["Origin"]
    assert browser.call("POST", "api/plans", json={}).status_code == 403


def test_a_form_of_another_page_is_no_action(browser: Any) -> None:
    """A form cannot say that its body is JSON."""
    answer = browser.call("POST", "api/plans", data='{"do": "cancel"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path", ["", "page/app.js", "page/style.css", "page/vendor/uplot.js", "page/nothing", "api/session"]
)
def test_every_answer_carries_the_policy(stranger: Any, path: str) -> None:
    """Scripts and styles of this origin alone, nothing inline, in no frame, and nothing kept by the browser."""
    answer = stranger.call("POST" if path.startswith("api") else "GET", path, json={})
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ") if " " in part)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["page/../app.py", "page/..%2fapp.py", "page/%2e%2e/%2e%2e/server.py", "page//etc/passwd"]
)
def test_no_file_but_the_pages_own(workspace: launch.Connection, path: str) -> None:
    """A path that leads out is nothing."""
    request = requests.Request("GET", workspace.studio).prepare()
    request.url = f"{workspace.studio}/{path}"
    with requests.Session() as session:
        assert session.send(request, timeout=10).status_code == 404


def test_a_rebound_name_gets_not_even_the_page(stranger: Any) -> None:
    """A Host that is not ours."""
    assert stranger.call("GET", "", headers={"Host": "evil.example"}).status_code == 403


def test_who_signs_out_is_out(browser: Any) -> None:
    """Both halves end."""
    assert browser.call("DELETE", "api/session").status_code == 200
    assert browser.call("GET", "api/jobs/any/log").status_code == 401
