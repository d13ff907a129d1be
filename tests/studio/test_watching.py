"""What is watched without a reload: live figures, copies of requests, and a rollout that has steps to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browsing import go, until
from house import House

from ops import scoring
from ops.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("both")]
FIGURE = "([slot, name]) => document.querySelector(`.card[data-slot=${slot}] [data-figure=${name}]`).textContent"


def test_what_a_colour_answers_is_counted_as_it_comes(page: Page, project: Project) -> None:
    """Requests a second and latency on its card, all three charts, and its answers by status."""
    go(page, "endpoint")
    sample = scoring.read_request(project.sample)
    for _ in range(20):
        assert scoring.call(project.address, sample, "green").status_code == 200
    until(page, f"(of) => ({FIGURE})([of, 'rate']) !== '0'", "green")
    until(page, f"(of) => ({FIGURE})([of, 'p99']).endsWith(' ms')", "green")
    assert page.locator(".chart canvas").count() == 3
    page.wait_for_selector(".answers tr:has-text('200')")


def test_copies_are_no_traffic(page: Page, house: House) -> None:
    """A mirror is told of in words; the split stays as it was."""
    go(page, "endpoint")
    before = page.inner_text(".split .bar")
    done = house.inv("shift", "--green", "0")
    assert done.returncode == 0, done.stderr
    done = house.inv("shift", "--green", "10", "--mirror")
    assert done.returncode == 0, done.stderr
    page.wait_for_selector("section[aria-label=Traffic]:has-text('green gets copies of 10 % of the requests')")
    assert "blue 100 %" in page.inner_text(".split .bar") != before
    done = house.inv("shift", "--green", "0", "--mirror")
    assert done.returncode == 0, done.stderr


def test_a_rollout_that_was_stopped_says_so_and_shows_what_is_to_come(page: Page, house: House) -> None:
    """From the endpoint a link leads to it; nobody is at it, so it does not say that it runs."""
    go(page, "endpoint")
    done = house.inv("rollout", "--step", "10", "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    page.wait_for_selector(".going:has-text('stopped'):has-text('green is at 10 %')")
    page.click(".going a")
    page.wait_for_selector("h1 .badge:has-text('stopped')")
    assert page.locator(".step.ahead b").all_inner_texts() == ["25 %", "50 %", "100 %"]
    assert "rollout       green at 10 %" in house.inv("status").stdout


def test_a_rollout_that_a_person_ended_is_not_said_to_go_on(page: Page, house: House) -> None:
    """Its own memory still says that it runs; the endpoint knows better."""
    done = house.inv("rollback")
    assert done.returncode == 0, done.stdout + done.stderr
    page.wait_for_selector("h1 .badge.bad:has-text('rolled back')")
    assert page.locator(".step.ahead").count() == 0
    page.wait_for_selector(".step.end:has-text('rolled back')")
    go(page, "endpoint")
    page.wait_for_selector(".split .bar:has-text('blue 100 %')")
    assert page.locator(".going").count() == 0
    assert not any(line.startswith("  rollout") for line in house.inv("status").stdout.splitlines())
