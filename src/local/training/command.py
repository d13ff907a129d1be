"""A job's command line: what stands for an input or an output, put in so that no shell reads it as code. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from local.errors import Invalid

_PLACE = re.compile(r"\$\{\{\s*(inputs|outputs|search_space|parent)\.([^}\s]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.S)


def _quote(value: str, context: str) -> str:
    if context == "'":
        return value.replace("'", "'\\''")
    if context == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    return shlex.quote(value)


def _context_after(text: str, context: str) -> str:
    """Return the quote that is open after `text`, given the one open before it; "" for none."""
    escaped = False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and context != "'":
            escaped = True
        elif context == "" and letter in "'\"":
            context = letter
        elif letter == context:
            context = ""
    return context


def referenced(command: str) -> set[tuple[str, str]]:
    """Return the (inputs or outputs, name) pairs that a command speaks of outside $[[ ]]."""
    return {(kind, name) for kind, name in _PLACE.findall(_OPTIONAL.sub("", command))}


def fill(command: str, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    """Return the command with every ${{inputs.x}} and ${{outputs.x}} replaced.

    A value arrives in the program as it is, in quotes or not: it is escaped for the quotes it stands in. A part
    in $[[ ]] is left out when an input in it has no value, as Azure does for optional inputs.

    Raises:
        Invalid: a name is not declared, or has no value.
    """
    known: Mapping[str, Mapping[str, str | None]] = {"inputs": inputs, "outputs": outputs}

    def optional(match: re.Match[str]) -> str:
        parts = _PLACE.findall(match[1])
        return match[1] if all(known.get(kind, {}).get(name) is not None for kind, name in parts) else ""

    text = _OPTIONAL.sub(optional, command)
    filled: list[str] = []
    context = ""
    end = 0
    for match in _PLACE.finditer(text):
        before = text[end : match.start()]
        context = _context_after(before, context)
        value = known.get(match[1], {}).get(match[2])
        if value is None:
            raise Invalid(f"The command speaks of {match[1]}.{match[2]}, which the job does not declare")
        filled += [before, _quote(value, context)]
        end = match.end()
    filled.append(text[end:])
    return "".join(filled)
