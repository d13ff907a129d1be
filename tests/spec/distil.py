"""Distil what the published API says of the operations that the local workspace serves, into facts.json.

`python tests/spec/distil.py FOLDER` reads an unpacked wheel of azure-ai-ml 1.30.0: the last that carries, under
azure/ai/ml/_restclient, one client for each api-version, each made by AutoRest from that version's Swagger. Nothing of
it is run. Kept are the paths, statuses and headers of operations, and of each definition that their answers reach the
properties with type, whether required and whether read-only, the words of its enumerations, and its discriminator. No
descriptions.

A type is str, int, float, bool, iso-8601, duration, object, the name of a definition, =NAME for an enumeration, [TYPE]
for a list, {TYPE} for a map, or an object without a name. `in` are the positions, in `versions`, of the api-versions
for which a variant holds.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SOURCE = "azure-ai-ml 1.30.0 (PyPI, MIT), azure/ai/ml/_restclient: AutoRest clients of Azure/azure-rest-api-specs"
# Those that the SDK sends where the local workspace answers, of the clients that there are.
CLIENTS = (
    "v2022_02_01_preview",
    "v2023_04_01",
    "v2023_04_01_preview",
    "v2023_08_01_preview",
    "v2024_01_01_preview",
    "v2024_10_01_preview",
    "v2025_01_01_preview",
    "runhistory",
    "dataset_dataplane",
)
SERVED = re.compile(
    r".*/workspaces/\{\}(|/(datastores|computes|jobs)(/\{\}(/listSecrets|/cancel)?)?"
    r"|/(codes|environments|data|models)(/\{\}(/versions(/\{\}(/startPendingUpload)?)?)?)?"
    r"|/onlineEndpoints(/\{\}(/listKeys|/regenerateKeys|/token|/deployments(/\{\}(/getLogs)?)?)?)?"
    r"|(/experiments/\{\})?/runs/\{\}(/details|/children)?|/rundata|/dataversion/batchGetResolvedUris)"
    r"|.*/locations/\{\}/(vmSizes|usages)|.*/providers/Microsoft.MachineLearningServices/workspaces"
)
# What the local workspace answers 501 for: their definitions would be most of the file.
UNSERVED = {"JobBase": {"Command"}, "JobBaseProperties": {"Command"}, "Compute": {"AmlCompute"}}


class Client:
    """One AutoRest client: its definitions, enumerations and operations, as they are written."""

    def __init__(self, folder: Path) -> None:
        self.classes: dict[str, ast.ClassDef] = {}
        self.words: dict[str, list[str]] = {}
        for each in ast.parse((folder / "models/_models_py3.py").read_text()).body:
            if isinstance(each, ast.ClassDef):
                self.classes[each.name] = each
        for path in (folder / "models").glob("*_enums.py"):
            for each in ast.parse(path.read_text()).body:
                if isinstance(each, ast.ClassDef):
                    found = [ast.literal_eval(line.value) for line in each.body if isinstance(line, ast.Assign)]
                    self.words[each.name] = sorted(found)
        self.files = sorted((folder / "operations").glob("_*_operations.py"))

    def definition(self, name: str) -> dict[str, Any]:
        """Return the facts of a definition, and of what it is when its discriminator says so."""
        parts: dict[str, Any] = {}
        for line in self.classes[name].body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                parts[line.targets[0].id] = line.value
        mapped = ast.literal_eval(parts["_attribute_map"])
        rules = ast.literal_eval(parts["_validation"]) if "_validation" in parts else {}
        told = ast.get_docstring(self.classes[name]) or ""
        enums = dict(re.findall(r":vartype (\w+):\s+str\s+or\s+~\S+\.(\w+)", told))
        made = _shape({
            tuple(part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", facts["key"])): (
                f"={enums[each]}" if enums.get(each) in self.words else facts["type"],
                {word for word, is_so in rules.get(each, {}).items() if is_so is True},
            )
            for each, facts in mapped.items()
        })  # fmt: skip
        if "_subtype_map" in parts:
            [(attribute, kinds)] = ast.literal_eval(parts["_subtype_map"]).items()
            kept = {word: kind for word, kind in kinds.items() if word in UNSERVED.get(name, kinds)}
            made["discriminator"] = mapped[attribute]["key"]
            made["kinds"] = kept
        return made

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give each served operation as `METHOD path` with {} for what varies, and its facts."""
        for path in self.files:
            tree = ast.parse(path.read_text())
            asked: dict[str, str] = {}
            for each in tree.body:
                if isinstance(each, ast.FunctionDef) and each.name.startswith("build_"):
                    text = ast.unparse(each)
                    address = re.search(r"'template_url', '([^']+)'", text)
                    method = re.search(r"method='(\w+)'", text)
                    if address and method:
                        asked[each.name] = f"{method[1]} {re.sub(r'{[^}]+}', '{}', address[1])}"
            for each in ast.walk(tree):
                if not isinstance(each, ast.FunctionDef) or each.name.startswith(("build_", "begin_", "prepare")):
                    continue
                text = ast.unparse(each)
                builder = re.search(r"(build_\w+)\(", text)
                if builder and "status_code not in" in text and SERVED.fullmatch(asked[builder[1]].partition(" ")[2]):
                    yield asked[builder[1]], _facts(text, each.name.endswith("_initial"))


def _shape(flat: dict[tuple[str, ...], tuple[str, set[str]]]) -> dict[str, Any]:
    """Return an object's facts; what AutoRest flattened stands in an object of its own again, as the type itself."""
    made: dict[str, Any] = {"properties": {}, "required": [], "readOnly": []}
    for path, (kind, rules) in sorted(flat.items()):
        if len(path) == 1:
            made["properties"][path[0]] = kind
            made["required"] += [path[0]] if "required" in rules else []
            made["readOnly"] += [path[0]] if "readonly" in rules else []
        elif path[0] not in made["properties"]:
            below = {rest[1:]: facts for rest, facts in flat.items() if rest[0] == path[0]}
            made["properties"][path[0]] = _shape(below)
    return {key: found for key, found in made.items() if found or key == "properties"}


def _facts(text: str, long_running: bool) -> dict[str, Any]:
    allowed = re.search(r"status_code not in \[([\d, ]+)\]", text)
    assert allowed
    answers: dict[str, Any] = {status.strip(): {} for status in allowed[1].split(",")}
    status: str | None = None
    for line in text.splitlines():
        if match := re.search(r"status_code == (\d+)", line):
            status = match[1]
        if match := re.search(r"response_headers\['([\w-]+)'\]", line):
            answers[str(status)].setdefault("headers", []).append(match[1])
        elif match := re.search(r"_deserialize\('([^']+)', pipeline_response\)", line):
            for each in [status] if status else answers:
                answers[each]["body"] = match[1]
    return answers | ({"longRunning": True} if long_running else {})


def _named(facts: dict[str, Any]) -> Iterator[str]:
    """Give the names that a definition's properties speak of."""
    for kind in facts["properties"].values():
        if isinstance(kind, dict):
            yield from _named(kind)
        else:
            yield kind.strip("[]{}=")


def distil(folder: Path) -> dict[str, Any]:
    """Return the table of facts of an unpacked wheel."""
    versions: list[str] = []
    found: dict[str, dict[str, list[dict[str, Any]]]] = {"operations": {}, "definitions": {}, "enums": {}}

    def add(group: str, name: str, facts: dict[str, Any]) -> None:
        variants = found[group].setdefault(name, [])
        same = [each for each in variants if {key: each[key] for key in each if key != "in"} == facts]
        if not same:
            variants.append(facts | {"in": []})
            same = variants[-1:]
        same[0]["in"].append(len(versions) - 1)

    for name in CLIENTS:
        client = Client(folder / "azure/ai/ml/_restclient" / name)
        versions.append(name.removeprefix("v").replace("_", "-") if name.startswith("v20") else name)
        wanted, done = {"ErrorResponse"}, set[str]()
        for operation, facts in client.operations():
            add("operations", operation, facts)
            wanted |= {each["body"] for each in facts.values() if isinstance(each, dict) and "body" in each}
        while wanted - done:
            each = min(wanted - done)
            done.add(each)
            if each in client.words:
                add("enums", each, {"words": client.words[each]})
            elif each in client.classes:
                facts = client.definition(each)
                add("definitions", each, facts)
                wanted |= set(_named(facts)) | set(facts.get("kinds", {}).values())
    return {"source": SOURCE, "versions": versions} | found


def main(folder: str) -> None:
    """Write facts.json beside this file, a line for each fact."""
    table = distil(Path(folder))
    lines = [f'"source": {json.dumps(table["source"])},', f'"versions": {json.dumps(table["versions"])},']
    for group in ("operations", "definitions", "enums"):
        found = sorted(table[group].items())
        rows = [f"{json.dumps(name)}: {json.dumps(variants, sort_keys=True)}" for name, variants in found]
        lines.append(f'"{group}": {{\n' + ",\n".join(rows) + ("\n}," if group != "enums" else "\n}"))
    Path(__file__).with_name("facts.json").write_text("{\n" + "\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
