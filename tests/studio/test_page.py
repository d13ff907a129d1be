"""The studio in a real browser: the whole flow watched, the Test tab used, a rollback pressed, nothing hostile run.

The tests share one checkout, one workspace and one open page, and go through the story in order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from browsing import VIEWS, go, until
from house import House, environment

from local import launch
from ops import deployments, endpoints, lineage, models, traffic
from ops.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
# A slash would be another path; the workspace refuses such a name, and a page must not rely on that.
HOSTILE_NAME = "<img src=x onerror=alert(3)>"


# Notes, while the page says that a rollout is running, how many points the curves of `error` have.
SEEN = """() => {
    window.seen = [];
    new MutationObserver(() => {
        const points = Number(document.querySelector('.metric[data-metric=error]')?.dataset.points ?? 0);
        if (document.querySelector('h1 .badge.run')) window.seen.push(points);
    }).observe(document.querySelector('main'), { childList: true, subtree: true });
}"""


def ok(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def begin(house: House, *words: str) -> subprocess.Popen[str]:
    """Start `inv` with these words, and let it go on."""
    command = [sys.executable, "-m", "invoke", *words]
    return subprocess.Popen(
        command, cwd=house.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def end(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=170)
    assert process.returncode == 0, said


def test_the_link_is_used_up_and_gone_from_the_address(page: Page, house: House) -> None:
    """What the history keeps signs nobody in; an empty workspace says what to do first."""
    assert "link" not in page.url
    assert "inv deploy" in page.inner_text("main")


def test_a_job_is_watched_from_its_start_to_its_plots(page: Page, house: House) -> None:
    """Without a reload: the line appears, its log grows, it completes, and its pictures are drawn."""
    go(page, "jobs")
    running = begin(house, "train-dev")
    page.click("ul.jobs a")
    until(page, "() => document.querySelector('pre.log').textContent.length > 0")
    page.wait_for_selector("h1 .badge.good:has-text('Completed')")
    until(page, "() => document.querySelectorAll('.plots img').length >= 3")
    until(page, "() => [...document.querySelectorAll('.plots img')].every((each) => each.naturalWidth > 100)")
    assert "AUC" in page.inner_text(".facts")
    end(running)


def test_versions_stand_side_by_side(page: Page, house: House) -> None:
    """Each with its metrics and the job that made it."""
    go(page, "models")
    ok(house.inv("train-prod", "--yes"))
    ok(house.inv("train-prod", "--yes", "--force"))
    ok(house.inv("register", "--force"))
    page.wait_for_selector("table.compare")
    text = page.inner_text("table.compare")
    assert "log loss" in text
    assert page.locator("table.compare a[href^='#/jobs/']").count() >= 1


def test_a_rollout_is_watched_while_it_runs(page: Page, house: House) -> None:
    """Its steps, the curves of both tests, and its end; then the endpoint with all its traffic on the new colour."""
    go(page, "endpoint")
    ok(house.inv("deploy"))
    page.wait_for_selector(".split .bar:has-text('blue 100 %')")
    go(page, "rollout")
    ok(house.inv("deploy", "--slot", "green", "--force"))
    page.evaluate(SEEN)
    rolling = begin(house, "rollout")
    page.wait_for_selector("h1 .badge.run:has-text('running')")
    page.wait_for_selector(".metric canvas")
    page.wait_for_selector("h1 .badge.good:has-text('done')")
    end(rolling)
    # Both curves of a metric come from the same points, of which there were more and more while it ran.
    grown = page.evaluate("window.seen")
    assert grown == sorted(grown)
    assert len(set(grown)) >= 3, grown
    assert re.findall(r"\d+ %", page.inner_text("ol.steps")) == ["10 %", "25 %", "50 %", "100 %"]
    assert "of 125" in page.inner_text(".metric:has-text('error')") or "harm, E" in page.inner_text("main")
    page.wait_for_selector("ul.history li:has-text('complete')")
    go(page, "endpoint")
    page.wait_for_selector(".split .bar:has-text('green 100 %')")
    assert page.locator(".card .health i.up").count() == 2


def test_the_test_tab_sends_and_shows(page: Page, project: Project) -> None:
    """As routed, and pinned; a bad request is shown as what it is."""
    go(page, "test")
    until(page, "() => document.querySelector('#body').value.includes('input_data')")
    page.click("#send")
    page.wait_for_selector(".answer .badge.good:has-text('200')")
    assert "predictions" in page.inner_text(".answer .body")
    assert "green" in page.inner_text(".answer .verdict")
    page.check("input[name=slot][value=blue]")
    page.fill("#body", "{}")
    page.click("#send")
    page.wait_for_selector(".answer .badge.bad:has-text('424')")
    assert "blue" in page.inner_text(".answer .verdict")


def test_an_answer_outlives_a_change_of_theme(page: Page) -> None:
    """Only what is drawn on a canvas is made anew."""
    before = page.inner_text(".answer")
    page.emulate_media(color_scheme="dark")
    until(page, "() => getComputedStyle(document.body).backgroundColor === 'rgb(13, 17, 23)'")
    assert page.inner_text(".answer") == before
    page.emulate_media(color_scheme="light")


@pytest.mark.parametrize(("button", "run"), [("cURL", ["bash", "-euc"]), ("Python", [sys.executable, "-c"])])
def test_what_is_copied_works_and_holds_no_key(page: Page, project: Project, button: str, run: list[str]) -> None:
    """With the key in a variable, as inv key puts it there."""
    go(page, "endpoint")
    go(page, "test")
    page.click("text=Put the sample back")
    until(page, "() => document.querySelector('#body').value.includes('input_data')")
    page.click(f"button:has-text('{button}')")
    text = page.evaluate("navigator.clipboard.readText()")
    address = project.address
    assert address.uri in text
    assert address.key not in text
    assert "ENDPOINT_KEY" in text
    surroundings = {**os.environ, "ENDPOINT_KEY": address.key}
    done = subprocess.run([*run, text], env=surroundings, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "predictions" in done.stdout


def test_a_question_that_is_not_answered_changes_nothing(page: Page, project: Project) -> None:
    """By keyboard: the dialog opens, shows what would be, and Escape leaves all as it was."""
    before = traffic.read(project.client, project.endpoint)
    go(page, "endpoint")
    page.focus("button[data-key=shift]")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] input[type=range]:focus")
    page.keyboard.press("ArrowLeft")
    page.click("dialog button.primary")
    page.wait_for_selector("dialog #confirm:focus")
    assert "goes from" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    assert traffic.read(project.client, project.endpoint) == before


def test_traffic_is_shifted_by_hand(page: Page, project: Project) -> None:
    """25 % chosen, shown, confirmed; the SDK reads it back."""
    page.click("button[data-key=shift]")
    page.click("dialog .quick button:has-text('25 %')")
    page.click("dialog button.primary")
    page.click("dialog #confirm:has-text('Shift')")
    page.wait_for_selector(".split .bar:has-text('green 25 %')")
    assert dict(traffic.read(project.client, project.endpoint).live) == {"green": 25, "blue": 75}


def test_a_rollback_is_pressed(page: Page, project: Project) -> None:
    """All traffic back on the older colour; endpoint and model remember it, as after inv rollback."""
    page.click("button[data-key=back]")
    page.wait_for_selector("dialog[open]")
    page.click("dialog #confirm:has-text('Roll back')")
    page.wait_for_selector(".split .bar:has-text('blue 100 %')")
    endpoint = endpoints.get(project.client, project.endpoint)
    assert dict(traffic.split_of(endpoint).live) == {"blue": 100}
    assert endpoint.tags[lineage.ROLLED_BACK].startswith("green of ")
    page.wait_for_selector(".card[data-slot=green] .badge:has-text('rolled back')")
    assert page.is_disabled("button[data-key=back]")
    said = "rolled back at 25 %: by hand, in the studio"
    go(page, "rollout")
    page.wait_for_selector(f"ul.history li:first-child .told:has-text('{said}')")
    assert page.inner_text("ul.history li:first-child .slot") == "green"
    newest = deployments.model_of(deployments.listed(project.client, project.endpoint)["green"])
    name, _, version = newest.partition(":")
    assert next(iter(models.outcomes(models.get(project.client, name, version)).values())) == f"green: {said}"
    go(page, "endpoint")


def test_a_confirmation_is_for_what_was_seen(page: Page, project: Project, house: House) -> None:
    """Somebody else shifts while the question is open: nothing is done, and it says why."""
    page.click("button[data-key=shift]")
    page.click("dialog .quick button:has-text('50 %')")
    page.click("dialog button.primary")
    page.wait_for_selector("dialog #confirm")
    ok(house.inv("shift", "--green", "10"))
    page.click("dialog #confirm")
    page.wait_for_selector("dialog .fault:has-text('changed')")
    assert dict(traffic.read(project.client, project.endpoint).live) == {"green": 10, "blue": 90}
    page.keyboard.press("Escape")


def test_hostile_names_and_logs_are_text(page: Page, project: Project, house: House) -> None:
    """What a model says of itself, a job and a log line that are markup: shown letter by letter, no script runs."""
    from azure.ai.ml import command

    script = f"print({HOSTILE!r}); raise SystemExit(3)"
    job = project.client.jobs.create_or_update(
        command(
            command=f'python -c "{script}"',
            environment="azureml:AzureML-sklearn:1",
            display_name=HOSTILE,
            tags={"note": HOSTILE},
        )
    )
    uri = f"azureml://jobs/{job.name}/outputs/default"
    assert register(house, HOSTILE_NAME, uri, {}) == 400
    assert register(house, "hostile", uri, {"algorithm": HOSTILE, f"metric.{HOSTILE_NAME}": "1"}) in (200, 201)
    go(page, "jobs")
    page.wait_for_selector(f"ul.jobs a:has-text({HOSTILE!r})")
    page.click("ul.jobs a >> nth=0")
    page.wait_for_selector("h1 .badge:has-text('Failed')")
    until(page, "text => document.querySelector('pre.log').textContent.includes(text)", HOSTILE)
    assert HOSTILE in page.inner_text("h1")
    go(page, "models")
    page.wait_for_selector(f"table.compare td:has-text({HOSTILE!r})")
    page.wait_for_selector(f"table.compare th:has-text({HOSTILE_NAME!r})")
    for view in VIEWS:
        go(page, view)
        assert page.locator("main img[src=x], main script").count() == 0


def register(house: House, name: str, uri: str, tags: dict[str, str]) -> int:
    """Register a model as the SDK itself would not, and return the answer's status."""
    found = launch.find(house.root / ".workspace")
    assert found is not None
    base = f"{found.arm}/subscriptions/{found.subscription_id}/resourceGroups/{found.resource_group}"
    base += f"/providers/Microsoft.MachineLearningServices/workspaces/{found.workspace_name}"
    path = f"{base}/models/{quote(name, safe='')}/versions/1"
    properties: dict[str, Any] = {"modelUri": uri, "modelType": "custom_model", "tags": tags}
    answer = requests.put(
        path,
        json={"properties": properties},
        headers={"Authorization": f"Bearer {found.token()}"},
        verify=found.ca_bundle,
        timeout=30,
    )
    return answer.status_code


def test_signing_out_ends_the_session(chromium: Any, house: House) -> None:
    """The button in the corner: the page shows nothing any more, and the session opens nothing."""
    context = chromium.new_context()
    other = context.new_page()
    other.goto(house.inv("studio", "--no-open").stdout.splitlines()[-1])
    other.wait_for_selector("#out:not([hidden])")
    other.click("#out")
    other.wait_for_selector("h1:has-text('Not signed in')")
    assert other.is_hidden("#out")
    other.reload()
    other.wait_for_selector("h1:has-text('Not signed in')")
    context.close()


def test_who_has_no_link_sees_nothing(page: Page, chromium: Any) -> None:
    """Another browser gets the page without anything of the workspace, and what to do."""
    context = chromium.new_context()
    other = context.new_page()
    other.goto(page.url)
    other.wait_for_selector("h1:has-text('Not signed in')")
    assert "inv studio" in other.inner_text("main")
    assert "flight" not in other.inner_text("body")
    context.close()
