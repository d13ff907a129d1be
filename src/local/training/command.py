"""A job's command line: what stands for an input or an output, put in so that no shell reads it as code. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from local.errors import Invalid

_PLACE = re.compile(r"\$\{\{\s*(inputs|outputs|search_space|parent)\.([^}\s]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.S)
# What ends each thing that can be open in a command line; a # is a comment.
_ENDS = {"'": "'", '"': '"', "#": "\n", "(": ")", "`": "`"}


def _quote(value: str, context: str) -> str:
    if context == "'":
        return value.replace("'", "'\\''")
    if context == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    if context == "#":
        return " ".join(value.splitlines())
    return shlex.quote(value)


class _Shell:
    """Reads a command as bash does, as far as to know where a value stands: in quotes, in a comment, in $( ) or ` `."""

    def __init__(self) -> None:
        self._open: list[str] = []  # what is open, the innermost last
        self._escaped = False
        self._last = "\n"

    @property
    def context(self) -> str:
        """What a value would stand in: ' or ", # for a comment, "" for none of them."""
        inner = self._open[-1] if self._open else ""
        return inner if inner in "'\"#" else ""

    @property
    def is_unsure(self) -> bool:
        """Whether no escape is sure here: after a backslash, or in backticks, which take backslashes away."""
        return self._escaped or "`" in self._open

    def read(self, text: str) -> None:
        """Go on."""
        for letter in text:
            self._read(letter)
            self._last = letter

    def _read(self, letter: str) -> None:
        inner = self._open[-1] if self._open else ""
        if self._escaped:
            self._escaped = False
        elif inner in _ENDS and (inner in "'#" or letter == _ENDS[inner]):
            if letter == _ENDS[inner]:
                self._open.pop()
        elif letter == "\\":
            self._escaped = True
        elif self._opens(letter, inner):
            self._open.append(letter)

    def _opens(self, letter: str, inner: str) -> bool:
        if inner == '"':
            return letter == "`" or (letter == "(" and self._last == "$")
        return letter in "'\"(`" or (letter == "#" and self._last in " \t\n;&|(")


def referenced(command: str) -> set[tuple[str, str]]:
    """Return the (inputs or outputs, name) pairs that a command speaks of outside $[[ ]]."""
    return {(kind, name) for kind, name in _PLACE.findall(_OPTIONAL.sub("", command))}


def fill(command: str, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    """Return the command with every ${{inputs.x}} and ${{outputs.x}} replaced.

    A value arrives in the program as it is, in quotes or not: it is escaped for the quotes it stands in. A part
    in $[[ ]] is left out when an input in it has no value, as Azure does for optional inputs.

    Raises:
        Invalid: a name is not declared, or has no value, or stands where no escape is sure.
    """
    known: Mapping[str, Mapping[str, str | None]] = {"inputs": inputs, "outputs": outputs}

    def optional(match: re.Match[str]) -> str:
        parts = _PLACE.findall(match[1])
        return match[1] if all(known.get(kind, {}).get(name) is not None for kind, name in parts) else ""

    text = _OPTIONAL.sub(optional, command)
    filled: list[str] = []
    shell = _Shell()
    end = 0
    for match in _PLACE.finditer(text):
        before = text[end : match.start()]
        shell.read(before)
        value = known.get(match[1], {}).get(match[2])
        if value is None:
            raise Invalid(f"The command speaks of {match[1]}.{match[2]}, which the job does not declare")
        if shell.is_unsure:
            raise Invalid(
                f"The command has {match[0]} in backticks, or after a backslash: write $(...) and no backslash"
            )
        filled += [before, _quote(value, shell.context)]
        # A value is part of a word.
        shell.read("x")
        end = match.end()
    filled.append(text[end:])
    return "".join(filled)
