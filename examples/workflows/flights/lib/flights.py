"""Flights and their delays: the functions that flights.yaml calls.

Python 3.8 and its standard library suffice. Files that tasks share are written to
$FLOW_DIR, the run's own folder; what a function returns is its task's result.
"""

import csv
import datetime
import hashlib
import json
import os
import re
import shutil
import tarfile
from collections import defaultdict
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any, Dict, Iterator, List, Optional, Tuple

COLUMNS = ("date", "delay", "distance", "origin", "destination")

# "2001/01/14 21:55", or "01142155" in the file that leaves the year out.
DATE = re.compile(r"(?:(\d{4})/)?(\d\d)/?(\d\d) ?(\d\d):?(\d\d)", re.ASCII)


def shared(name: str) -> Path:
    """A file of the run's folder."""
    return Path(os.environ["FLOW_DIR"], name)


# The package.


def unpack(archive: str, sha1: str, flights: str, airports: str) -> Dict[str, str]:
    """Takes two files out of an archive of the run's folder that has this SHA-1.

    Returns where they are now.
    """
    got = hashlib.sha1(shared(archive).read_bytes()).hexdigest()
    if got != sha1:
        raise ValueError(f"{archive} is not what was expected: its SHA-1 is {got}, it should be {sha1}")
    with tarfile.open(shared(archive)) as tar:
        return {"flights": take(tar, flights), "airports": take(tar, airports)}


def take(tar: tarfile.TarFile, name: str) -> str:
    """Writes one file of an archive to the run's folder."""
    source = tar.extractfile(name)
    if source is None:
        raise ValueError(f"{name} is no file")
    to = shared(Path(name).name)
    with source, open(to, "wb") as out:
        shutil.copyfileobj(source, out)
    return str(to)


# A file per month.


def split(file: str, year: int) -> Dict[str, Any]:
    """Writes a CSV file of raw flights for each month that there is.

    Returns the months in order, each with its file, and how many flights had no date.
    A date without a year is one of the given year.
    """
    months: Dict[str, Any] = {}
    undated = 0
    with ExitStack() as stack:
        for row in read(file):
            date = parse(row[0], year)
            if date is None:
                undated += 1
                continue
            month = date[:7]
            if month not in months:
                out = open(shared(f"{month}.raw.csv"), "w", encoding="utf-8", newline="")
                months[month] = csv.writer(stack.enter_context(out))
            months[month].writerow((date, *row[1:]))
    if not months:
        raise ValueError(f"{file} has no flight with a date")
    return {
        "undated": undated,
        "months": [{"month": m, "file": str(shared(f"{m}.raw.csv"))} for m in sorted(months)],
    }


def read(file: str) -> Iterator[Tuple[Any, ...]]:
    """The rows of a JSON or a CSV file, with COLUMNS in their order.

    What a row does not have is None.
    """
    with open(file, encoding="utf-8", newline="") as f:
        rows = json.load(f) if file.endswith(".json") else csv.DictReader(f)
        for row in rows:
            yield tuple(map(row.get, COLUMNS))


def parse(text: Any, year: int) -> Optional[str]:
    """The date and time as 2001-01-14 21:55, None where there is none."""
    found = DATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    y, *rest = found.groups()
    try:
        moment = datetime.datetime(int(y or year), *map(int, rest))
    except ValueError:  # the 31st of February
        return None
    return moment.isoformat(" ", "minutes")


# Clean months.


@lru_cache(maxsize=1)
def read_airports(file: str) -> Dict[str, Dict[str, str]]:
    """The airports by code. A worker reads them once: it stays for many calls."""
    with open(file, encoding="utf-8", newline="") as f:
        return {row["iata"]: row for row in csv.DictReader(f)}


def clean(month: str, file: str, airports: str, late: float) -> Dict[str, Any]:
    """Writes the flights of a month that can be used.

    Returns the file's name, the month's figures, and why flights were dropped.
    """
    known = read_airports(airports)
    dropped = {"no_delay": 0, "unknown_airport": 0}
    delays: List[int] = []
    to = shared(f"{month}.csv")
    with open(file, encoding="utf-8", newline="") as f, open(to, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for row in csv.reader(f):
            _, delay, _, origin, destination = row
            if not re.fullmatch(r"-?[0-9]+", delay):
                dropped["no_delay"] += 1
            elif origin not in known or destination not in known:
                dropped["unknown_airport"] += 1
            else:
                delays.append(int(delay))
                writer.writerow(row)
    print(f"{month}: {len(delays)} flights, {sum(dropped.values())} dropped")
    return {"month": month, "file": str(to), "dropped": dropped, **figures(delays, late)}


def figures(delays: List[int], late: float) -> Dict[str, Any]:
    """What is known of some flights by their delays in minutes; late is a percentage."""
    if not delays:
        return {"flights": 0, "mean": None, "median": None, "late": None}
    return {
        "flights": len(delays),
        "mean": round(mean(delays), 2),
        "median": median(delays),
        "late": round(100 * sum(d > late for d in delays) / len(delays), 2),
    }


def mean(delays: List[int]) -> float:
    return sum(delays) / len(delays)


# Figures of airports.


def delays(files: List[str], airports: str, by: str, late: float, min_flights: int) -> Dict[str, Any]:
    """The figures of each airport, the greatest mean delay first.

    Airports with fewer than min_flights flights are counted, not ranked.
    """
    found: Dict[str, List[int]] = defaultdict(list)
    column = COLUMNS.index(by)
    for file in files:
        with open(file, encoding="utf-8", newline="") as f:
            for row in csv.reader(f):
                found[row[column]].append(int(row[1]))
    ranked = sorted(
        (code for code in found if len(found[code]) >= min_flights),
        key=lambda code: (-mean(found[code]), code),
    )
    if not ranked:
        raise ValueError(f"no airport has min_flights={min_flights} flights")
    known = read_airports(airports)
    return {
        "unranked": len(found) - len(ranked),
        "ranked": [{**place(known[code]), **figures(found[code], late)} for code in ranked],
    }


def place(airport: Dict[str, str]) -> Dict[str, str]:
    """What the report says of an airport."""
    return {"airport": airport["iata"], "name": airport["name"], "city": airport["city"], "state": airport["state"]}
