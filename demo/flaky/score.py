"""A bad release: it names the visibility for its log, and has no name for fog, so it fails on foggy hours."""

import json

import good_score
from good_score import run

__all__ = ["init", "run"]
VISIBILITY = {2: "poor", 3: "poor", 4: "fair", 5: "fair", 6: "good", 7: "good", 8: "good", 9: "good", 10: "clear"}


class VisibilityLog(good_score.Scorer):
    """Scores as before, and then logs the visibility of each row, in miles."""

    def answer(self, body: bytes) -> bytes:
        """Answer one body; a row with less than two miles, or with none measured, gets no further than the log."""
        answer = super().answer(body)
        table = json.loads(body)["input_data"]
        if isinstance(table, dict) and "visib" in table["columns"]:
            miles = table["columns"].index("visib")
            print("visibility:", [VISIBILITY[int(row[miles] or 0)] for row in table["data"]])
        return answer


def init() -> None:
    """Load the model with the log in front of it."""
    good_score.Scorer = VisibilityLog
    good_score.init()
