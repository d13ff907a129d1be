"""The graph behind LitServe: PORT MODEL_FOLDER."""

import sys
from pathlib import Path
from typing import Any

import litserve
from graph import Graph


class Api(litserve.LitAPI):  # type: ignore[misc, unused-ignore]
    """One worker, one request at a time."""

    def setup(self, device: str) -> None:
        """Load the graph in the worker."""
        self.graph = Graph(Path(sys.argv[2]))

    def decode_request(self, request: dict[str, Any]) -> Any:
        """Take the table out."""
        return request["input_data"]

    def predict(self, x: Any) -> Any:
        """Score it."""
        return self.graph.rows(x["columns"], x["data"])

    def encode_response(self, output: Any) -> Any:
        """Name the answer."""
        return {"probabilities": output}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
