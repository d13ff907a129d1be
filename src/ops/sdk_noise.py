"""What the SDK prints and loads beside the matter, kept away from the user: our own lines say what is happening."""

from __future__ import annotations

import logging
import os
import sys


def silence() -> None:
    """Silence experimental-class notes, upload bars and every log line of the SDK's, for this process.

    Each of its modules sets its own logger's level and handler when imported, so no parent logger can hold them. The
    bars are drawn with tqdm, which has this switch; uploading with show_progress=False would hang on an error.
    """
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.disable(logging.WARNING)
    from azure.ai.ml._artifacts import _blob_storage_helper, _gen2_storage_helper
    from azure.ai.ml._utils import _azureml_polling

    # A dot at each poll, from a thread of its own; a colour code after each upload. A name in the module goes before
    # the builtin.
    for module in (_azureml_polling, _blob_storage_helper, _gen2_storage_helper):
        vars(module)["print"] = lambda *words, **options: None


def without_mlflow() -> None:
    """Keep MLflow, and pandas with it, out of this process: a second and more, for what no task uses.

    Whenever the SDK reads the workspace, it asks azureml-mlflow for an address; where that is not installed it takes
    the workspace's own, and so it does here. Jobs track in processes of their own.
    """
    sys.modules.setdefault("azureml.mlflow", None)  # type: ignore[arg-type]  # how Python spells "not to be found"
