"""The doctor: what a run of the flow needs, looked at one by one, and the command that mends what is wrong.

Each check answers a finding and changes nothing. After one that every later check leans on (sign-in, workspace), the
later ones are not made, and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ops import (
    actions,
    console,
    csv_rows,
    deployments,
    endpoints,
    provisioning,
    quota,
    sdk_noise,
    signin,
    training,
    versions,
)
from ops.errors import OpsError, Unreachable, UsageError, first_line

if TYPE_CHECKING:
    from ops.project import Project

OK, WRONG, SKIPPED = "ok", "wrong", "not checked"
ISSUER = "https://token.actions.githubusercontent.com"
_NO_FEDERATION = ("AADSTS700213", "AADSTS700211", "AADSTS70021")  # no credential matches subject, issuer or both
_SHOWN = 300  # characters of what somebody else said


@dataclass(frozen=True)
class Finding:
    """One check: how it stands, what was seen, and what mends it."""

    check: str
    state: str
    seen: str
    mend: str = ""


def run(project: Project) -> dict[str, Any]:
    """Print the findings as they come, then what mends; return them. OpsError when something is wrong."""
    found = []
    for finding in examine(project):
        print(f"{finding.check:<10} {finding.state:<12} {finding.seen}", flush=True)
        found.append(finding)
    wrong = [finding for finding in found if finding.state == WRONG]
    for finding in wrong:
        print(f"{finding.check}: {console.hints(finding.mend)}")
    checks = [asdict(finding) for finding in found]
    actions.summary_rows("doctor", checks)
    if wrong:
        names = ", ".join(finding.check for finding in wrong)
        raise OpsError(f"{len(wrong)} of {len(found)} checks found something wrong: {names}", checks=checks)
    return {"checks": checks}


def examine(project: Project) -> Iterator[Finding]:
    """Make every check, in order."""
    yield from (_versions(project), _data(project))
    ahead: list[tuple[str, Callable[[Project], Finding], bool]] = [
        ("sign-in", sign_in, True),
        ("workspace", _workspace, True),
        ("compute", _compute, False),
        ("endpoint", _endpoint, False),
        ("quota", _quota, False),
    ]
    blocked = ""
    for name, check, needed in ahead:
        if blocked:
            yield Finding(name, SKIPPED, f"{blocked} comes first")
            continue
        finding = _guarded(name, check, project)
        yield finding
        if needed and finding.state == WRONG:
            blocked = name


def _guarded(name: str, check: Callable[[Project], Finding], project: Project) -> Finding:
    """Make a check; that the workspace refuses this sign-in, or cannot be reached, is a finding as well."""
    from azure.core.exceptions import AzureError
    from requests import RequestException

    try:
        return check(project)
    except (AzureError, RequestException) as fault:
        said = first_line(fault)[:_SHOWN]
        status = getattr(fault, "status_code", None)
        if status == 403:
            return Finding(name, WRONG, "this sign-in may not look", _role(project))
        if status is not None and status >= 400:
            return Finding(name, WRONG, f"the workspace answered {status}: {said}", "try again later")
        # Nothing came, or it broke off.
        mend = (
            "inv workspace.status says more" if project.settings.is_local else "your network, or its proxy, says more"
        )
        return Finding(name, WRONG, f"no answer: {said}", mend)


def _versions(project: Project) -> Finding:
    strayed = versions.strayed(project.root)
    if strayed:
        shown = ", ".join(strayed[:4]) + (f" and {len(strayed) - 4} more" if len(strayed) > 4 else "")
        return Finding("versions", WRONG, shown, "pip install -r requirements.txt; nox -s lock moves the pins")
    return Finding("versions", OK, "Python, packages and environment.yml are those of the lock")


def _data(project: Project) -> Finding:
    folders = {stage: getattr(project.settings.data, stage) for stage in ("dev", "prod", "live")}
    empty = [
        f"data.{stage}: {folder}" for stage, folder in folders.items() if not csv_rows.csv_files(project.root / folder)
    ]
    if not project.sample.is_file():
        empty.append(f"data.sample: {project.settings.data.sample}")
    if empty:
        return Finding("data", WRONG, f"nothing there: {', '.join(empty)}", "name them in invoke.yaml, under data")
    try:
        project.training_plan.check_sample(training.DEV)
    except UsageError as fault:
        return Finding("data", WRONG, str(fault), "docs/own-data.md says what a sample request is")
    return Finding("data", OK, ", ".join(str(folder) for folder in folders.values()))


def sign_in(project: Project, credential: Callable[[], Any] = signin.credential) -> Finding:
    """Ask for a token as the tasks would; in GitHub Actions say whom the job speaks for."""
    from azure.core.exceptions import ClientAuthenticationError

    if project.settings.is_local:
        return Finding("sign-in", OK, "the local workspace's own token")
    sdk_noise.silence()  # the credential prints a page on each way in that it has tried
    try:
        credential().get_token(signin.SCOPE)
    except Unreachable as fault:
        return Finding("sign-in", WRONG, str(fault), "docs/azure-setup.md, GitHub")
    except ClientAuthenticationError as fault:
        return _refused(project, first_line(fault))
    return Finding("sign-in", OK, f"as {signin.speaks_for()}" if signin.federated() else "as this machine is signed in")


def _refused(project: Project, said: str) -> Finding:
    if signin.federated() and any(code in said for code in _NO_FEDERATION):
        subject = signin.speaks_for()
        return Finding(
            "sign-in",
            WRONG,
            f"no federated credential for {subject}",
            "az identity federated-credential create --name github --identity-name IDENTITY "
            f"--resource-group {project.settings.resource_group} --issuer {ISSUER} --subject '{subject}' "
            f"--audiences {signin.AUDIENCE}",
        )
    return Finding(
        "sign-in", WRONG, said[:_SHOWN], f"az login, then az account set --subscription {project.settings.subscription}"
    )


def _workspace(project: Project) -> Finding:
    from azure.core.exceptions import ResourceNotFoundError

    chosen = project.settings
    try:
        there = project.client.workspaces.get(project.client.workspace_name)
    except Unreachable as fault:
        return Finding("workspace", WRONG, str(fault), "inv workspace.logs says more; inv workspace.reset starts anew")
    except ResourceNotFoundError:
        made = f"az ml workspace create --name {chosen.workspace} --resource-group {chosen.resource_group}"
        return Finding("workspace", WRONG, f"{chosen.workspace} is not in {chosen.resource_group or 'it'}", made)
    return Finding("workspace", OK, f"{there.name} in {there.location}")


def _compute(project: Project) -> Finding:
    from azure.core.exceptions import ResourceNotFoundError

    wanted = {_declared(project, f"job-{stage}.yml")["compute"].removeprefix("azureml:") for stage in ("dev", "prod")}
    for name in sorted(wanted - {"serverless"}):
        try:
            there = project.client.compute.get(name)
        except ResourceNotFoundError:
            made = f"az ml compute create --name {name} --type AmlCompute --min-instances 0 --max-instances 2"
            return Finding(
                "compute", WRONG, f"{name}, which azureml/job-*.yml name, does not exist", _placed(project, made)
            )
        if there.provisioning_state != provisioning.SUCCEEDED:
            looked = f"az ml compute show --name {name}"
            return Finding("compute", WRONG, f"{name}: {there.provisioning_state}", _placed(project, looked))
    return Finding("compute", OK, ", ".join(sorted(wanted)))


def _endpoint(project: Project) -> Finding:
    name = project.endpoint
    there = endpoints.find(project.client, name)
    if there is None:
        return Finding("endpoint", OK, f"{name}: not yet; inv deploy creates it, if the name is free in its region")
    failed = [
        slot
        for slot, found in deployments.listed(project.client, name).items()
        if provisioning.state(found) == provisioning.FAILED
    ]
    if provisioning.state(there) == provisioning.FAILED:
        return Finding(
            "endpoint", WRONG, f"{name}: Failed", _placed(project, f"az ml online-endpoint delete --name {name}")
        )
    if failed:
        return Finding(
            "endpoint", WRONG, f"{name}: {failed[0]} failed", f"inv logs --slot {failed[0]}, mend, inv deploy"
        )
    return Finding("endpoint", OK, f"{name}: {provisioning.state(there)}")


def _quota(project: Project) -> Finding:
    from azure.core.exceptions import HttpResponseError

    declared = _declared(project, "deployment.yml")
    if project.settings.is_local:
        return Finding("quota", SKIPPED, "the local workspace has none")
    try:
        size, usage = quota.read(project.client, declared["instance_type"])
    except HttpResponseError as fault:
        if fault.status_code != 403:
            raise
        # It belongs to the subscription, where the identities of the workflows have no role.
        return Finding("quota", SKIPPED, "this sign-in may not read it; a Reader of the subscription may")
    if size is None or usage is None:
        seen = f"{declared['instance_type']} is not offered in the workspace's region"
        return Finding("quota", WRONG, seen, "az ml compute list-sizes; then instance_type in azureml/deployment.yml")
    instances = int(declared["instance_count"])
    up = len(deployments.listed(project.client, project.endpoint))
    missing = quota.short(size, instances, usage, up)
    each = quota.cores(size, instances)
    seen = f"{size.family}: {usage.used} of {usage.limit} cores used; each colour takes {each}"
    if missing:
        more = f"ask for a limit of {usage.limit + missing} cores (ml.azure.com, Quota), or a smaller instance_type"
        return Finding("quota", WRONG, f"{seen}: {missing} too few for two", f"{more} in azureml/deployment.yml")
    return Finding("quota", OK, seen)


def _declared(project: Project, file: str) -> dict[str, Any]:
    declared: dict[str, Any] = yaml.safe_load((project.root / "azureml" / file).read_text())
    return declared


def _placed(project: Project, command: str) -> str:
    chosen = project.settings
    return f"{command} --workspace-name {chosen.workspace} --resource-group {chosen.resource_group}"


def _role(project: Project) -> str:
    chosen = project.settings
    scope = (
        f"/subscriptions/{chosen.subscription}/resourceGroups/{chosen.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{chosen.workspace}"
    )
    return f'az role assignment create --assignee CLIENT_ID --role "AzureML Data Scientist" --scope {scope}'
