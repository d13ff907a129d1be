"""The workflows as they run: under act, on this machine, against a local workspace; what they did is read back from it.

The tests share one checkout and one workspace, and go through the story in order.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from house import ROOT, build
from hub import Hub, Run

from local import launch

pytestmark = pytest.mark.slow

TRAIN_PROD = "Train on the production data and register"
APPROVAL = "Say what is to be approved"
DEPLOY = "Deploy and test"
STATUS = "Show how things stand"
BACK = "Put the traffic back after a failure"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A committed checkout and a running workspace."""
    place = tmp_path_factory.mktemp("hub")
    made = Hub(build(place / "checkout"), place / "outside")
    # From the checkout that stays: a runner's own goes with the job.
    made.inv("workspace.start")
    try:
        yield made
    finally:
        launch.stop(made.state)


def began(run: Run, job: str) -> None:
    """Follow the run until `job` is at its first step."""
    assert run.read_until(lambda record: record.get("jobID") == job and record.get("stage") == "Main"), run.said


def prod_jobs(hub: Hub) -> list[str]:
    return [job["status"] for job in hub.status()["jobs"] if job["stage"] == "prod"]


def test_row_1_row_6_production_waits_for_the_reviewer_and_then_registers(hub: Hub) -> None:
    """FLOW 1, FLOW 6, FLOW 9: held with nothing submitted until the yes; then trained, registered, and told so."""
    with hub.push() as run:
        began(run, "gate-production")
        assert run.jobs["dev"] == "success", run.said
        assert prod_jobs(hub) == []
        hub.approve()
        run.finish()
    assert run.jobs == {"dev": "success", "gate-production": "success", "production": "success"}, run.said
    assert prod_jobs(hub) == ["Completed"]
    assert hub.status()["model"]["latest"] == "1"
    assert run.outputs(TRAIN_PROD)["model_version"] == "1"


def test_a_dry_run_changes_nothing(hub: Hub) -> None:
    """It says where the model would go, and there is no endpoint afterwards."""
    run = hub.dispatch(action="deploy", dry_run="true")
    assert run.jobs == {"endpoint": "success"}, run.said
    assert "flight-delays:1 goes to blue (dry run: nothing is changed)" in run.said
    assert hub.status()["endpoint"]["state"] == "not created"


def test_row_10_a_deployment_by_hand(hub: Hub) -> None:
    """FLOW 10, FLOW 16: tested, live, handed to the next steps, and the endpoint's key stands in no log."""
    run = hub.dispatch(action="deploy", dry_run="false")
    assert run.steps("endpoint")[DEPLOY] == "success", run.said
    assert BACK not in run.steps("endpoint")
    assert hub.traffic() == {"blue": 100}
    handed = run.outputs(DEPLOY)
    assert handed["slot"] == "blue"
    assert handed["model_version"] == "1"
    assert handed["scoring_uri"].endswith("/score")
    assert "| blue | 100 | 0 | Succeeded | flight-delays:1 |" in run.summary(STATUS)
    key = hub.inv("key", "--export").strip().partition("=")[2]
    assert key
    assert key not in "".join(str(record) for record in run.records if record.get("command") != "add-mask")


@pytest.fixture(scope="module")
def rejected(hub: Hub) -> Run:
    """A push whose reviewer says no."""
    hub.commit("Learn from another month")
    with hub.push() as run:
        began(run, "gate-production")
        hub.reject()
        return run.finish()


def test_the_reviewer_sees_what_is_to_be_approved(hub: Hub, rejected: Run) -> None:
    """The dev job's page has the commit, the data of both stages, and the metrics beside the live model's."""
    page = rejected.summary(APPROVAL)
    assert "Learn from another month (A. Person)" in page
    assert "data/prod: 9 files" in page
    assert "flight-delays:1 on blue" in page
    assert "| metric | dev | live | better |" in page
    assert "| auc | 0." in page


def test_row_6_a_rejection_leaves_production_alone(hub: Hub, rejected: Run) -> None:
    """FLOW 6: the job behind the gate never begins, not even its steps for failures; no job, no version."""
    assert rejected.jobs["dev"] == "success", rejected.said
    assert rejected.jobs["gate-production"] == "failure"
    assert rejected.steps("production") == {}
    assert prod_jobs(hub) == ["Completed"]
    assert hub.status()["model"]["latest"] == "1"


def test_row_5_a_dev_failure_ends_the_run(hub: Hub) -> None:
    """FLOW 5: nobody is asked, nothing follows, and the annotation says why."""
    with hub.push(INVOKE_TRAIN_TARGET="no_such_column") as run:
        hub.approve()
        run.finish()
    assert run.jobs["dev"] == "failure", run.said
    assert run.steps("dev")["Train on the dev data"] == "failure"
    assert APPROVAL not in run.steps("dev")
    assert run.steps("production") == {}
    assert "::error title=job-failed::" in run.said
    assert "no_such_column" in run.said
    assert prod_jobs(hub) == ["Completed"]


def release(hub: Hub, source: str, message: str) -> Run:
    """Commit a scoring script, with the good one beside it as `good_score`, and deploy it."""
    folder = hub.house.root / "src/score"
    if not (folder / "good_score.py").exists():
        (folder / "score.py").rename(folder / "good_score.py")
    (folder / "score.py").write_text(source)
    hub.commit(message)
    return hub.dispatch(action="deploy", dry_run="false")


def test_row_17_a_release_that_fails_its_test_gets_no_traffic(hub: Hub) -> None:
    """FLOW 17: the job fails, and nothing is put back, since nothing was moved: blue keeps everything."""
    run = release(hub, (ROOT / "demo/broken/score.py").read_text(), "A broken release")
    steps = run.steps("endpoint")
    assert run.jobs == {"endpoint": "failure"}
    assert steps[DEPLOY] == "failure"
    assert run.outputs(DEPLOY)["result"] == "test-failed"
    assert "::error title=test-failed::" in run.said
    assert BACK not in steps
    assert hub.traffic() == {"blue": 100, "green": 0}


def test_row_23_a_shift_to_what_fails_its_test_moves_nothing(hub: Hub) -> None:
    """FLOW 23: the test comes before the shift, so that no client meets what fails."""
    run = hub.dispatch(action="shift", slot="green", percentage="10", dry_run="false")
    steps = run.steps("endpoint")
    assert steps["Test what is to be shifted to"] == "failure", run.said
    assert "Shift" not in steps
    assert BACK not in steps
    assert hub.traffic() == {"blue": 100, "green": 0}


def test_row_20_a_mended_release_waits_at_nothing(hub: Hub) -> None:
    """FLOW 20: the next one takes the idle colour, and no traffic."""
    run = release(hub, "from good_score import init, run\n\n__all__ = ['init', 'run']\n", "A mended release")
    assert run.jobs == {"endpoint": "success"}, run.said
    assert hub.traffic() == {"blue": 100, "green": 0}


def test_row_21_a_shift_by_hand(hub: Hub) -> None:
    """FLOW 21: a quarter for green, which is then tested; a dry run before it moves nothing."""
    hub.dispatch(action="shift", slot="green", percentage="25", dry_run="true")
    assert hub.traffic() == {"blue": 100, "green": 0}
    run = hub.dispatch(action="shift", slot="green", percentage="25", dry_run="false")
    assert run.jobs == {"endpoint": "success"}, run.said
    assert hub.traffic() == {"blue": 75, "green": 25}


def test_a_shift_to_no_colour_is_refused_at_once(hub: Hub) -> None:
    """The idle colour is for a deploy to find; a shift says which, before anything is tested."""
    run = hub.dispatch(action="shift", slot="idle", percentage="50", dry_run="false")
    steps = run.steps("endpoint")
    assert steps["Test what is to be shifted to"] == "failure", run.said
    assert '"idle" is not a slot: there are blue and green' in run.said
    assert "Shift" not in steps
    assert hub.traffic() == {"blue": 75, "green": 25}


@pytest.mark.parametrize(
    ("inputs", "result"),
    [
        pytest.param({"action": "deploy"}, "refused", id="a rollout is under way"),
        pytest.param({"action": "shift", "slot": "green", "percentage": "101"}, "usage-error", id="101 percent"),
    ],
)
def test_a_refusal_puts_nothing_back(hub: Hub, inputs: dict[str, str], result: str) -> None:
    """What was asked for wrongly says nothing against green: it keeps its share."""
    run = hub.dispatch(**inputs, dry_run="false")
    assert run.jobs == {"endpoint": "failure"}
    assert f"::error title={result}::" in run.said
    assert BACK not in run.steps("endpoint")
    assert hub.traffic() == {"blue": 75, "green": 25}


def test_row_23_a_rollout_by_hand(hub: Hub) -> None:
    """FLOW 23: taken up where the shift left it, to the end; the step for failures has nothing to do."""
    run = hub.dispatch(action="rollout", dry_run="false")
    assert run.jobs == {"endpoint": "success"}, run.said
    assert run.outputs("Roll out")["result"] == "done"
    assert hub.traffic() == {"blue": 0, "green": 100}


def test_row_24_a_rollback_by_hand(hub: Hub) -> None:
    """FLOW 24: everything back on blue, which is still there."""
    run = hub.dispatch(action="rollback", dry_run="false")
    assert run.jobs == {"endpoint": "success"}, run.said
    assert hub.traffic() == {"blue": 100, "green": 0}


def test_a_deploy_that_could_not_begin_puts_nothing_back(hub: Hub) -> None:
    """Green, the newest, is live again, and the workspace refuses the next deployment: green keeps its traffic."""
    hub.dispatch(action="shift", slot="green", percentage="100", dry_run="false")
    assert hub.traffic() == {"blue": 0, "green": 100}
    hub.break_next("PUT", "deployments/blue$", status=400)
    run = release(hub, "from good_score import init, run\n\n__all__ = ['init', 'run']\n# blue\n", "Not to be had")
    assert run.outputs(DEPLOY)["result"] == "deployment-failed", run.said
    assert BACK not in run.steps("endpoint")
    assert hub.traffic() == {"blue": 0, "green": 100}
    hub.dispatch(action="rollback", dry_run="false")


def test_row_26_a_cleanup_by_hand(hub: Hub) -> None:
    """FLOW 26: the colour without traffic is gone."""
    run = hub.dispatch(action="cleanup", dry_run="false")
    assert run.jobs == {"endpoint": "success"}, run.said
    assert hub.traffic() == {"blue": 100}


def test_row_24_the_way_back_does_not_wait_for_a_rollout(hub: Hub) -> None:
    """FLOW 24: a rollback beside a rollout that runs: it takes effect at once, and the rollout gives way, paused."""
    release(hub, "from good_score import init, run\n\n__all__ = ['init', 'run']\n# again\n", "One more release")
    slowly = {"INVOKE_LOCAL_BAKE_SECONDS": "600.0", "INVOKE_ROLLOUT_CHECKPOINT_SECONDS": "1.0"}
    with hub.dispatched(slowly, action="rollout", dry_run="false") as rollout:
        assert rollout.read_until(lambda record: "green 10 %" in str(record.get("msg"))), rollout.said
        back = hub.dispatch(action="rollback", dry_run="false")
        rollout.finish()
    assert back.jobs == {"endpoint": "success"}, back.said
    assert rollout.jobs == {"endpoint": "failure"}, rollout.said
    assert rollout.outputs("Roll out")["result"] == "paused"
    assert BACK not in rollout.steps("endpoint")
    assert hub.traffic() == {"blue": 100, "green": 0}


def test_row_24_a_rollout_that_breaks_off_is_put_back(hub: Hub) -> None:
    """FLOW 24: the workspace refuses a write in the midst of it; the step for failures rolls back."""
    release(hub, "from good_score import init, run\n\n__all__ = ['init', 'run']\n# once more\n", "And one more")
    slowly = {"INVOKE_LOCAL_BAKE_SECONDS": "600.0", "INVOKE_LOCAL_CHECKPOINT_SECONDS": "1.0"}
    with hub.dispatched(slowly, action="rollout", dry_run="false") as rollout:
        assert rollout.read_until(lambda record: "green 10 %" in str(record.get("msg"))), rollout.said
        hub.break_next("PUT", "onlineEndpoints/flight-delays$", status=400)
        rollout.finish()
    assert rollout.outputs("Roll out")["result"] == "error", rollout.said
    assert rollout.steps("endpoint")[BACK] == "success", rollout.said
    assert hub.traffic() == {"blue": 100, "green": 0}


def test_row_24_a_rollout_that_goes_wrong_is_put_back_once(hub: Hub) -> None:
    """FLOW 24: the task rolls back by itself; the step for failures stays away, so that the evidence stays."""
    release(hub, (ROOT / "demo/flaky/score.py").read_text(), "A flaky release")
    run = hub.dispatch(action="rollout", dry_run="false")
    assert run.jobs == {"endpoint": "failure"}, run.said
    assert run.outputs("Roll out")["result"] == "rolled-back"
    assert BACK not in run.steps("endpoint")
    assert hub.traffic() == {"blue": 100, "green": 0}
    assert "by hand" not in hub.status()["rolled_back"]


def test_every_job_installed_the_lock_with_hashes(hub: Hub) -> None:
    """The one thing that set-up does by itself."""
    assert set(hub.pip_calls.read_text().splitlines()) == {"install --require-hashes -r requirements.txt"}
