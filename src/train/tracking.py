"""Params and metrics to MLflow, when the job provides a tracking address, as Azure ML does.

Never the model: newer `log_model` calls a route that Azure ML does not have, and the model is an output of
the job anyway. A tracking fault costs a warning, never the training.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def track(params: Mapping[str, object], metrics: Mapping[str, float]) -> str | None:
    """Log to the address in MLFLOW_TRACKING_URI, in the run MLFLOW_RUN_ID if set; return a warning or None."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    # MLflow's own defaults keep a job alive for many minutes when the server is gone.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # The link would lead to a page of MLflow's own server, which neither Azure ML nor the local workspace has there.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        import mlflow

        with mlflow.start_run():
            mlflow.log_params({name: str(value) for name, value in params.items()})
            mlflow.log_metrics(dict(metrics))
    except Exception as error:  # MLflow and its plug-ins raise what their transport raises
        return f"metrics were not tracked: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return None
