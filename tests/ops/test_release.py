"""Release: a pipeline is not served with other versions than it was made with."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ops import release
from ops.errors import Refused

ENVIRONMENT = """dependencies:
  - python=3.11
  - pip:
      - scikit-learn==1.9.1
      - onnxruntime==1.32.0
"""


@dataclass
class Registered:
    """As much of the SDK's model as the rule looks at."""

    tags: dict[str, str]
    name: str = "m"
    version: str = "1"


def check(served: str, **libraries: str) -> None:
    tags = {f"library.{name.replace('_', '-')}": version for name, version in libraries.items()}
    release.check_libraries(Registered({"served": served, **tags}), ENVIRONMENT)  # type: ignore[arg-type]


def test_a_pipeline_of_another_version_is_refused_by_name() -> None:
    """The versions are in the message, and what to do."""
    with pytest.raises(Refused, match=r"scikit-learn 1\.7\.2, not 1\.9\.1"):
        check("model.skops", scikit_learn="1.7.2")


def test_a_pipeline_of_the_same_version_is_served() -> None:
    """What the environment does not pin is not compared."""
    check("model.skops", scikit_learn="1.9.1", pandas="9.9")


def test_a_graph_needs_none_of_the_libraries() -> None:
    """It is a graph, not code: made with any version, it is served."""
    check("model.onnx", scikit_learn="1.0")
