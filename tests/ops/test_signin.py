"""Sign-in against an issuer and a token endpoint on loopback, whose clock the tests move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from authority import ACCESS_SECONDS, SUBJECT, TENANT, Authority
from authority import authority as fake_authority
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, DefaultAzureCredential
from house import ROOT

from ops import settings, signin, workspace
from ops.errors import Unreachable


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """An issuer and a token endpoint whose certificate is trusted."""
    with fake_authority(tmp_path) as there:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", there.ca)
        yield there


@pytest.fixture
def job(authority: Authority) -> dict[str, str]:
    """The variables of a job that may ask for a token."""
    return authority.variables()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that moves everybody's clock on by some seconds."""
    shift = [0.0]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])

    def move(seconds: float) -> None:
        shift[0] += seconds

    return move


def test_a_training_of_six_hours_keeps_its_sign_in(job: dict[str, str], authority: Authority, later: Any) -> None:
    """Each time the access token has run out, another assertion is fetched and is still alive when it is used."""
    credential = signin.credential(job, **authority.options())
    tokens = set()
    for _ in range(8):
        tokens.add(credential.get_token(signin.SCOPE).token)
        later(ACCESS_SECONDS)
    assert len(tokens) == 8
    assert len(set(authority.issued)) == 8
    assert authority.exchanged == authority.issued


def test_an_assertion_that_is_kept_dies(job: dict[str, str], authority: Authority, later: Any) -> None:
    """What the test above would miss if the endpoint took anything: the usual way fails after ten minutes."""
    kept = signin.assertions(job)()
    credential = ClientAssertionCredential(TENANT, job["AZURE_CLIENT_ID"], lambda: kept, **authority.options())
    assert credential.get_token(signin.SCOPE).token == "access-1"
    later(ACCESS_SECONDS)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700024"):
        credential.get_token(signin.SCOPE)


def test_a_token_is_not_asked_for_twice_in_its_time(job: dict[str, str], authority: Authority) -> None:
    """Polling every half second does not ask GitHub every half second."""
    credential = signin.credential(job, **authority.options())
    assert {credential.get_token(signin.SCOPE).token for _ in range(5)} == {"access-1"}
    assert len(authority.issued) == 1


def test_a_short_fault_of_github_is_survived(job: dict[str, str], authority: Authority) -> None:
    """Two answers of 503, then a token."""
    authority.faults = 2
    assert signin.subject(signin.assertions(job)()) == SUBJECT


def test_a_refusal_of_github_is_told_without_the_token(job: dict[str, str]) -> None:
    """The status is in the message, the job's own token is not."""
    with pytest.raises(Unreachable, match="GitHub gave no token for this job: 401") as caught:
        signin.assertions({**job, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "not-the-jobs"})()
    assert "not-the-jobs" not in str(caught.value)


def test_an_assertion_is_masked(
    job: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before anything could print it, and where a script that reads the output does not see it."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    token = signin.assertions(job)()
    assert capfd.readouterr() == ("", f"::add-mask::{token}\n")


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("AZURE_CLIENT_ID", "AZURE_CLIENT_ID not set: make them variables of the GitHub environment"),
        ("AZURE_TENANT_ID", "AZURE_TENANT_ID not set"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "give it permissions: id-token: write"),
    ],
)
def test_a_job_set_up_by_half_is_told_what_it_lacks(job: dict[str, str], without: str, said: str) -> None:
    """Rather than an error of Azure's after minutes of trying."""
    with pytest.raises(Unreachable, match=said):
        signin.credential({**job, without: ""})


@pytest.mark.parametrize("variables", [{}, {"GITHUB_ACTIONS": "true"}])
def test_elsewhere_the_machines_own_sign_in_is_used(variables: dict[str, str]) -> None:
    """Outside Actions, and in a job on a machine that is signed in already."""
    assert isinstance(signin.credential(variables), DefaultAzureCredential)


def test_the_client_signs_in_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place that builds the client asks here: a job set up by half is told so before anything is sent."""
    values = yaml.safe_load((ROOT / "invoke.yaml").read_text())
    azure = {"workspace": "ws", "resource_group": "rg", "subscription": "33333333-3333-3333-3333-333333333333"}
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222")
    monkeypatch.setenv("AZURE_TENANT_ID", "")
    with pytest.raises(Unreachable, match="AZURE_TENANT_ID not set"):
        workspace.connect(settings.load({**values, **azure}))
