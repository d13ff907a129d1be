"""Command lines: values arrive as they are, whatever quotes they stand in and whatever is in them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.errors import Invalid
from local.training.command import fill, referenced

PRINT = f"{sys.executable} -I -S -c 'import os, sys; os.write(1, os.fsencode(sys.argv[1]))'"
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(
    value=values,
    quote=st.sampled_from(["", '"', "'"]),
    before=st.sampled_from(
        ["", '# it\'s the "data"\n', "true \\' it\\\"s # isn't it\n", "true $# a#'b' \"$(true '\"')\" ${#x}\n"]
    ),
)
def test_a_value_arrives_as_it_is(value: str, quote: str, before: str) -> None:
    """Through a real shell, unquoted or in either quote, after comments and quotes, the program gets the very value."""
    line = fill(f"{before}{PRINT} {quote}${{{{inputs.x}}}}{quote}", {"x": value}, {})
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode() == value


@given(value=values.filter(lambda text: "\n" not in text), quote=st.sampled_from(["", '"', "'"]))
@settings(max_examples=20, deadline=None)
def test_a_value_arrives_in_a_command_of_the_command(value: str, quote: str) -> None:
    """In $( ), which may stand in quotes of its own."""
    line = fill(f'printf %s "$({PRINT} {quote}${{{{inputs.x}}}}{quote})"', {"x": value}, {})
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode() == value


@given(value=values)
@settings(max_examples=20, deadline=None)
def test_a_value_in_a_comment_stays_there(value: str) -> None:
    """Its line breaks too, of any kind."""
    line = fill("# it's of ${{inputs.x}}\nprintf done", {"x": value}, {})
    assert subprocess.run(["/bin/bash", "-c", line], capture_output=True, check=True).stdout == b"done"


@pytest.mark.parametrize("line", ["echo `cat ${{inputs.x}}`", 'echo "`cat ${{inputs.x}}`"', "echo \\${{inputs.x}}"])
def test_where_no_escape_is_sure_the_command_is_refused(line: str) -> None:
    """It says what to write instead."""
    with pytest.raises(Invalid, match="in backticks, or after a backslash"):
        fill(line, {"x": "1"}, {})


def test_outputs_and_spaces_in_the_braces() -> None:
    """Outputs are filled as inputs are, and spaces in the braces don't matter."""
    assert fill("a ${{ inputs.x }} ${{outputs.y}}", {"x": "1"}, {"y": "/o"}) == "a 1 /o"


@pytest.mark.parametrize(("value", "line"), [("5", "run --x 5 end"), (None, "run  end")])
def test_an_optional_part_goes_with_its_input(value: str | None, line: str) -> None:
    """$[[ ]] stays when its input has a value and goes when it has none."""
    assert fill("run $[[--x ${{inputs.x}}]] end", {"x": value}, {}) == line


@pytest.mark.parametrize("line", ["${{inputs.absent}}", "${{outputs.absent}}", "${{parent.inputs.x}}"])
def test_an_undeclared_name_is_refused(line: str) -> None:
    """What the job does not declare is an error that names it."""
    with pytest.raises(Invalid, match="does not declare"):
        fill(line, {"x": "1"}, {})


def test_referenced_names_leave_out_the_optional_ones() -> None:
    """Names in $[[ ]] may be missing, so they don't count as spoken of."""
    assert referenced("${{inputs.a}} $[[${{inputs.b}}]] ${{outputs.c}}") == {("inputs", "a"), ("outputs", "c")}
