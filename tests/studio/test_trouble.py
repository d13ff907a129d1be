"""The studio when something is long, has to be ended, or is gone for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from browsing import go, until
from house import House

from local import launch
from ops.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
AT_END = """() => {
    const log = document.querySelector('pre.log');
    return log.scrollHeight - log.scrollTop - log.clientHeight < 40;
}"""


def submitted(project: Project, script: str) -> Any:
    """Start a job that runs these words in a shell."""
    from azure.ai.ml import command

    job = command(command=script, environment="azureml:AzureML-sklearn:1", display_name="long")
    return project.client.jobs.create_or_update(job)


def test_a_job_is_cancelled(page: Page, project: Project) -> None:
    """Asked first; Canceled on the page without a reload, and so says the SDK."""
    job = submitted(project, "echo begun; sleep 600")
    go(page, "jobs")
    page.click(f"ul.jobs a[data-key={job.name}]")
    page.wait_for_selector("h1 .badge.run:has-text('Running')")
    until(page, "() => document.querySelector('pre.log').textContent.includes('begun')")
    page.click("button[data-key=cancel]")
    page.wait_for_selector("dialog[open]:has-text('which is Running')")
    page.click("dialog #keep")
    assert project.client.jobs.get(job.name).status == "Running"
    page.click("button[data-key=cancel]")
    page.click("dialog #confirm:has-text('Cancel the job')")
    page.wait_for_selector("h1 .badge:has-text('Canceled')")
    assert project.client.jobs.get(job.name).status == "Canceled"
    assert page.locator("button[data-key=cancel]").count() == 0


def test_a_log_without_end_is_followed(page: Page, project: Project) -> None:
    """100,000 lines: the page holds the last of them, says so, stays at the end as more come, and still answers."""
    job = submitted(
        project, 'seq -f "line %.0f of very many, each as long as lines of a log are" 100000; sleep 1; echo THE END'
    )
    go(page, f"jobs/{job.name}")
    page.wait_for_selector("h1 .badge:has-text('Completed')")
    until(page, "() => document.querySelector('pre.log').textContent.trim().endsWith('THE END')")
    until(page, AT_END)
    log = page.locator("pre.log").text_content() or ""
    assert "line 100000 of" in log
    assert len(log) <= 400_000
    assert "only its end" in page.inner_text("section[aria-label=Log]")
    go(page, "jobs")
    assert page.locator("ul.jobs").count() == 1


def test_a_workspace_that_goes_and_comes_back(page: Page, house: House, project: Project) -> None:
    """The page says that nobody answers and of when its figures are; it goes on by itself, signed in as before."""
    go(page, "jobs")
    launch.stop(house.root / ".workspace")
    page.wait_for_selector("#lost:has-text('does not answer')")
    assert page.inner_text("#live") == "no answer"
    assert page.locator("ul.jobs").count() == 1
    launch.ensure(house.root / ".workspace")
    page.wait_for_selector("#live[data-state=on]")
    page.wait_for_selector("#lost", state="hidden")
    job = submitted(project, "true")
    page.wait_for_selector(f"ul.jobs a[data-key={job.name}]:has-text('Completed')")
