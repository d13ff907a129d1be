"""What the SDK prints beside the matter, kept away from the user: our own lines say what is happening."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator


def silence() -> None:
    """Silence experimental-class notes, upload bars and every log line of the SDK's, for this process.

    Each of its modules sets its own logger's level and handler when imported, so no parent logger can hold them. The
    bars are drawn with tqdm, which has this switch; uploading with show_progress=False would hang on an error.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.disable(logging.WARNING)
    from azure.ai.ml._utils import _azureml_polling

    # It prints a dot at each poll, from a thread of its own; a name in the module goes before the builtin.
    vars(_azureml_polling)["print"] = lambda *words, **options: None


@contextlib.contextmanager
def quiet_upload() -> Iterator[None]:
    """Drop the colour codes that the SDK prints on standard error after each upload."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
