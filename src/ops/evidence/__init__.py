"""The sequential test: is the new deployment good, bad, or not yet known? Pure, from counts to a verdict."""

from ops.evidence.counts import Counts
from ops.evidence.judgement import Evidence, Metric, Policy
from ops.evidence.nulls import Harm, Safety
from ops.evidence.pace import Slower, Times
from ops.evidence.verdict import Finding, Verdict

__all__ = ["Counts", "Evidence", "Finding", "Harm", "Metric", "Policy", "Safety", "Slower", "Times", "Verdict"]
