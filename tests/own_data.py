"""A made-up data set of quite another shape than the flights: members of a club, and whether they left.

    python tests/own_data.py FOLDER

Texts are the answer (yes or no), booleans and text columns with missing cells are among the features, an
identifier has to be dropped, and no column tells the time. `SETTINGS` is all that a user would have to set.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SETTINGS = {"target": "left_club", "positive": "yes", "drop": "member", "time_column": "none"}
ROWS = {"dev": 400, "prod": 3000, "live": 800}


def make(rows: int, seed: int) -> pd.DataFrame:
    """Make `rows` members, the same for the same seed."""
    dice = np.random.default_rng(seed)
    age = dice.integers(16, 90, rows)
    visits = dice.poisson(6, rows).astype(float)
    plan = dice.choice(["basic", "plus", "family", "été"], rows, p=[0.5, 0.3, 0.15, 0.05])
    trainer = dice.random(rows) < 0.3
    fee = np.round(dice.gamma(4, 9, rows), 2)
    town = np.array([f"town {number}" for number in dice.zipf(1.7, rows) % 500])
    drive = 0.05 * fee - 0.25 * visits - 1.1 * trainer + 0.9 * (plan == "basic") - 0.01 * age - 0.3
    left = dice.random(rows) < 1 / (1 + np.exp(-drive))
    frame = pd.DataFrame(
        {
            "member": [f"M{seed}-{number:06}" for number in range(rows)],
            "age": age,
            "visits per month": visits,
            "plan": plan,
            "town": town,
            "has_trainer": trainer,
            "newsletter": dice.random(rows) < 0.6,
            "fee": fee,
            "left_club": np.where(left, "yes", "no"),
        }
    )
    frame["visits per month"] = frame["visits per month"].mask(dice.random(rows) < 0.1)
    frame["plan"] = frame["plan"].mask(dice.random(rows) < 0.05)
    frame["newsletter"] = frame["newsletter"].astype(object).mask(dice.random(rows) < 0.2)
    return frame


def write(folder: Path) -> None:
    """Write dev, prod (in two files) and live below a folder."""
    for seed, (name, rows) in enumerate(ROWS.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        frame = make(rows, seed)
        half = len(frame) // 2
        frame[:half].to_csv(folder / name / "part-1.csv", index=False)
        frame[half:].to_csv(folder / name / "part-2.csv.gz", index=False)


def sample() -> dict[str, Any]:
    """Give a request of three rows, of which one has null where this data may."""
    frame = make(50, 99)
    features = frame.drop(columns=["member", "left_club"]).astype(object)
    lacking = features[features["newsletter"].isna()].head(1)
    rows = pd.concat([features.dropna().head(2), lacking])
    cells = [[None if pd.isna(cell) else cell for cell in row] for row in rows.to_numpy().tolist()]
    return {"input_data": {"columns": list(rows.columns), "data": cells}}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
