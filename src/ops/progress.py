"""One line that stays in place while a person waits: what is waited for, how long already, and what was said last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ops import console, wait

Update = Callable[[str], None]
"""Puts something new behind what is waited for."""

_PER_SECOND = 8


@contextmanager
def spinner(what: str) -> Iterator[Update | None]:
    """Show `what` with a spinner and the time it takes until the block ends, and take the line away then.

    Gives the function that puts something new behind it, or None where nobody watches: then nothing is shown.
    """
    if not console.watched():
        yield None
        return
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    start, said, screen = wait.clock(), [""], console.screen()
    dots = Spinner("dots", style="cyan")

    def drawn() -> Spinner:
        line = Text.assemble(f"{what}  ", (wait.duration(wait.clock() - start), "bold"), no_wrap=True)
        line.append(f"  {said[0]}", style="dim")
        # A log's last line may be longer than the terminal is wide; a second row would make the display jump.
        line.truncate(max(screen.width - 3, 10), overflow="ellipsis")
        dots.update(text=line)
        return dots

    def update(text: str) -> None:
        said[0] = " ".join(text.split())

    with Live(get_renderable=drawn, console=screen, refresh_per_second=_PER_SECOND, transient=True):
        yield update
