"""Write docs/local-workspace.md: which operations of the SDK the local workspace does, and the test that shows each.

`python docs/local_workspace.py` writes the page anew. An operation is done when a test of tests/local calls it through
the unmodified SDK; nothing here is filled in by hand but the page's words.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import azure.ai.ml
from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/local-workspace.md"
# The groups that the flow is made of. All the others are answered with 501, which names the operation.
GROUPS = (
    "jobs",
    "models",
    "environments",
    "data",
    "datastores",
    "compute",
    "online_endpoints",
    "online_deployments",
    "workspaces",
)
_CALL = re.compile(r"(\w+)\.(\w+)$")
WORDS = """\
# The local workspace

`inv workspace.start` opens a workspace on this machine that the Azure ML SDK, unmodified, takes for a real one. It
runs jobs, keeps models and serves deployments for real. What it does not do: pipelines, sweeps, AutoML, batch
endpoints, schedules, registries, feature stores, Kubernetes, compute instances, roles. Each of these is answered with
501 and the operation's name, and so is an output of mode `direct`. What it takes, keeps, and does in its own way:

- An environment: no image is built or started, everything runs in the project's own interpreter.
- `instance_count` above 1 and `distribution` of a job: it runs as one process, without ranks, and its log begins by
  saying so.
- Networks: what a resource says of public access is not acted on, nothing is closed off.
- Deleting a job: its files go too, but for those that a model or data asset is made of. Azure leaves them all in the
  storage account.

## For other programs

`inv workspace.status --json`, in the checkout, gives what a client needs. A plain `MLClient`:

```python
import json, subprocess, time
from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken

found = json.loads(subprocess.check_output(["inv", "workspace.status", "--json"]))


class Token:
    def get_token(self, *scopes, **options):
        return AccessToken(open(found["token_file"]).read().strip(), int(time.time()) + 3600)


# REQUESTS_CA_BUNDLE must name the file found["ca_bundle"] before this process starts.
client = MLClient(
    Token(),
    found["subscription_id"],
    found["resource_group"],
    found["workspace_name"],
    cloud="local",
    cloud_metadata=found["cloud_metadata"],
)
print(client.workspaces.get(found["workspace_name"]).name)
```

The same by hand, with nothing but curl:

```bash
status() { inv workspace.status --json | python -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
workspace="/subscriptions/$(status subscription_id)/resourceGroups/$(status resource_group)"
workspace="$workspace/providers/Microsoft.MachineLearningServices/workspaces/$(status workspace_name)"
curl --silent --cacert "$(status ca_bundle)" --header "Authorization: Bearer $(cat "$(status token_file)")" \\
  "$(status arm)$workspace/jobs?api-version=2024-01-01-preview"
```

Metrics of an endpoint are read as from Azure Monitor, through `azure-mgmt-monitor` (with the workspace's address as
`base_url`) or `azure-monitor-querymetrics` (as `endpoint`): RequestsPerMinute by deployment, statusCode,
statusCodeClass and modelStatusCode; RequestLatency and its P50, P90, P95 and P99 by deployment.

To see what is said, make a file `exchanges.jsonl` in the state folder before the server starts: each control call and
its answer become a line of it. Answers hold secrets, such as an endpoint's keys.

## Other people's code

Scoring scripts, jobs and YAML run unmodified when this project's Python has what they import, for no environment is
built. Models of type `mlflow_model` deploy without a scoring script. Of the public
[azureml-examples](https://github.com/Azure/azureml-examples), as of July 2026, with one pickle of a tree made anew for
the installed scikit-learn (the linear models and the SVC load as they are):

- `cli/endpoints/online/managed`: all of sample (6), inference-schema (3), openapi (2), binary-payloads (2) and minimal
  (1) run. keyvault and managed-identities need Azure. Of vnet, `sample` runs, though nothing is closed off: what is
  said of public access is kept and not acted on.
- `cli/endpoints/online/ncd`: scikit-learn without a script runs. With its script it does not, for that imports what
  MLflow 3 no longer has; LightGBM is not installed here.
- `cli/endpoints/online/deploy-with-packages`: the custom model's deployment without a package runs, once the underscore
  in its name, which the SDK refuses, is a hyphen. The MLflow model needs XGBoost; packages are a 501.
- Containers of one's own, Triton and data collectors: none.
- `cli/jobs/basics`: 18 of the 20 command jobs run: ten as they are, four once the data is there that they name (two
  data assets, a file in `workspaceblobstore`), two with a way to the web, two with a way to a package index (their
  `pip install` goes into this project's own Python). One reads a whole container of Azure's, one imports TensorFlow.
- `cli/jobs/single-step`: none without the web. With their inputs at hand scikit-learn's `iris` (both) and `diabetes`
  run; of the others most need R, Julia, Java, PyTorch, TensorFlow, LightGBM, Dask or Spark.

MLflow 3 keeps models under an address that Azure ML's tracking does not have, and this one neither: `log_model` fails,
`log_params`, `log_metrics` and `log_artifact` work. Save the model as an output of the job, as `src/train` does.

Of the end-to-end tests that azure-ai-ml 1.35.2 brings for online endpoints and deployments, models and command jobs, 17
pass, 13 are skipped by the SDK itself, 4 need a registry, and one needs a file that the SDK's source archive lacks. Of
those for environments, data, datastores and code 23 pass, 8 are skipped by the SDK itself, 6 need a registry, and two
download code, which the SDK does from `blob.core.windows.net` only.
Files in a user's own datastore lie in Azure: the datastore is kept, a job that reads from it is refused. A file of the
web is an input as on Azure (`type: uri_file` with an `https://`, `http://` or `wasbs://` address, or a data asset of
one): it is fetched when a job that names it starts, without credentials, at most 1 GiB and ten minutes. A folder of the
web is refused.

## What it is checked against

Every answer of the tests and of the whole flow is judged twice: by the SDK's own models, and by what the API as
published says of the operation and the api-version that was asked. Those facts are in
[tests/spec/facts.json](../tests/spec/facts.json): paths, statuses, headers, and each property's type, whether it is
required, and the words of its enumeration. `python tests/spec/distil.py FOLDER` makes them anew from the AutoRest
clients in the wheel of azure-ai-ml 1.30.0, the last that has one for each api-version.

## Its clock

A machine's clock is set now and then. Under a running server that breaks nothing: a job's duration is how long it
ran, no change is shown before the making of what was changed, lists keep the order in which things came, a blob's
signature and a scoring token last as long as they were given for, work that goes on ends. Times are shown by the clock
as it is; the metrics of a minute are those that were counted while the clock said so. After a restart the clock counts
as it is then: a signature that would end later than a new one opens nothing.

## What is done

Made by `python docs/local_workspace.py` from azure-ai-ml {version} and from the tests: an operation is done when a test
calls it.
"""


def operations(group: str) -> list[str]:
    """Return the public operations of one group of MLClient."""
    kind = inspect.signature(getattr(MLClient, group).fget).return_annotation
    found = getattr(azure.ai.ml.operations, kind) if isinstance(kind, str) else kind
    return sorted(
        name
        for name in dir(found)
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(getattr(found, name)))
    )


def shown() -> dict[tuple[str, str], str]:
    """Return the first test that calls each (group, operation)."""
    found: dict[tuple[str, str], str] = {}
    for file in sorted((ROOT / "tests/local").rglob("test_*.py")):
        tree = ast.parse(file.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        # A test itself is a better witness than a fixture or a method that tests use.
        for function in sorted(functions, key=lambda node: not node.name.startswith("test_")):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and (match := _CALL.search(ast.unparse(node.func))):
                    where = f"{file.relative_to(ROOT).as_posix()}::{function.name}"
                    found.setdefault((match[1], match[2]), where)
    return found


def page() -> str:
    """Return the text of the page."""
    lines = [WORDS.replace("{version}", azure.ai.ml.__version__)]
    tests = shown()
    for group in GROUPS:
        lines += [f"### {group}", "", "| operation | done | test |", "|---|---|---|"]
        for name in operations(group):
            test = tests.get((group, name))
            lines.append(f"| `{name}` | {'yes' if test else 'no'} | {f'`{test}`' if test else ''} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
