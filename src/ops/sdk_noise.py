"""What the SDK prints and loads beside the matter, kept away from the user: our own lines say what is happening."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
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


def without_mlflow() -> None:
    """Keep MLflow, and pandas with it, out of this process: a second and more, for what no task uses.

    Whenever the SDK reads the workspace, it asks azureml-mlflow for an address; where that is not installed it takes
    the workspace's own, and so it does here. Jobs track in processes of their own.
    """
    sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]  # how Python spells "not to be found"


@contextlib.contextmanager
def quiet_upload() -> Iterator[None]:
    """Drop the colour codes that the SDK prints on standard error after each upload."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
