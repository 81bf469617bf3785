"""Reads tables of rollups with DuckDB and with deltalake, and compares them with what PromQL answered.

The argument is a file that the test `tables.rs` wrote: where the tables are, the queries of the document, and for each
series and hour what is expected. Prints what was compared; whatever differs ends it with exit code 1.
"""

import datetime
import json
import math
import pathlib
import sys
from collections import defaultdict

import deltalake
import duckdb

TOLERANCE = 1e-12
# Columns that are no labels.
FIELDS = {
    "metric", "labels", "series_id", "ts", "count", "sum", "min", "max", "first", "last", "first_off", "last_off",
    "corr", "resets", "changes", "stale", "histograms", "src", "day", "month",
}  # fmt: skip
# A row is one window for windows of an hour, and a twelfth of one for those of five minutes.
HOUR_S = 3600

problems = []


def check(what, ok, *details):
    if not ok:
        problems.append(f"{what}: " + ", ".join(map(str, details)))


def close(a, b):
    return a == b or abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def live_files(table):
    """The files and the number of rows that the log names, read as the protocol says."""
    commits = sorted((table / "_delta_log").glob("*.json"))
    check(table, [int(path.stem) for path in commits] == list(range(len(commits))), "commits are missing")
    files = {}
    for path in commits:
        for line in path.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                files[action["add"]["path"]] = json.loads(action["add"]["stats"])["numRecords"]
            elif "remove" in action:
                files.pop(action["remove"]["path"], None)
    return files, len(commits) - 1


def read_by_deltalake(table, files, version):
    """The independent reader has the same files, rows, and counts of samples."""
    delta = deltalake.DeltaTable(str(table))
    check(table, delta.version() == version, "deltalake is at version", delta.version(), version)
    uris = {uri.split(f"/{table.name}/", 1)[1] for uri in delta.file_uris()}
    check(table, uris == set(files), "deltalake names other files", uris ^ set(files))
    arrow = delta.to_pyarrow_table()
    check(table, arrow.num_rows == sum(files.values()), "deltalake has rows", arrow.num_rows)
    check(table, FIELDS - {"day", "month"} <= set(arrow.column_names), "columns", arrow.column_names)
    return arrow.num_rows, sum(arrow.column("count").to_pylist())


def rows_of(connection, query):
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]


def labels_of(connection, table):
    """The labels of each series, as JSON with sorted keys and without spaces."""
    columns = [row["column_name"] for row in rows_of(connection, f"describe {table}")]
    own = [name for name in columns if name not in FIELDS]
    quoted = "".join(f', "{name}"' for name in own)
    labels = {}
    for row in rows_of(connection, f"select distinct series_id, metric, labels{quoted} from {table}"):
        found = {name: row[name] for name in own if row[name] is not None} | dict(row["labels"])
        found["__name__"] = row["metric"]
        text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        check(table, labels.setdefault(row["series_id"], text) == text, "one number of two series", text)
    return labels, own


def epoch(time):
    return str(int(time.astimezone(datetime.timezone.utc).timestamp()))


def extrapolated(row):
    """`increase(...[1h])` of Prometheus, from a row of an hour."""
    if row["count"] < 2:
        return None
    grown = row["last"] - row["first"] + (row["corr"] or 0.0)
    first_off, last_off = row["first_off"] / 1e3, row["last_off"] / 1e3
    sampled = first_off - last_off
    average = sampled / (row["count"] - 1)
    to_start, to_end = HOUR_S - first_off, last_off
    if to_start >= 1.1 * average:
        to_start = average / 2
    if grown > 0 and row["first"] >= 0:
        to_start = min(to_start, sampled * (row["first"] / grown))
    if to_end >= 1.1 * average:
        to_end = average / 2
    return grown * ((sampled + to_start + to_end) / sampled)


def compare_hours(connection, table, labels, expected, queries):
    """The documented queries, hour by hour."""
    compared = 0
    for name, facts in {
        "increase by hour": {"increase": "increase"},
        "sums and averages by hour": {"samples": "count", "sum": "sum"},
        "other facts by hour": {
            "min": "min", "max": "max", "first": "first", "last": "last",
        },
    }.items():  # fmt: skip
        seen = set()
        for row in rows_of(connection, queries[name].replace("rollup_5m", table)):
            key, hour = labels[row["series_id"]], epoch(row["hour"])
            want = expected[key]["hours"].get(hour)
            if want is None:
                continue
            seen.add((key, hour))
            for column, fact in facts.items():
                compared += 1
                check(f"{table}, {name}", close(row[column], want[fact]), key, hour, column, row[column], want[fact])
            if "average" in row:
                average = want["sum"] / want["count"]
                check(f"{table}, {name}", close(row["average"], average), key, hour, row["average"], average)
        hours = {(key, hour) for key, one in expected.items() for hour, want in one["hours"].items() if "count" in want}
        if name == "sums and averages by hour":
            # Counters that were not reset have no sums.
            hours = {it for it in hours if "_total" not in it[0]}
            check(f"{table}, {name}", hours <= seen, "missing", sorted(hours - seen)[:3])
        else:
            check(f"{table}, {name}", hours == seen, "other hours", sorted(hours ^ seen)[:3])
    return compared


def compare_rows(connection, labels, expected):
    """Rows of an hour are what PromQL's functions over an hour are."""
    compared = 0
    for row in rows_of(connection, "select * from rollup_1h where count > 0"):
        key, hour = labels[row["series_id"]], epoch(row["ts"])
        want = expected[key]["hours"].get(hour)
        if want is None:
            continue
        compared += 1
        facts = dict(row, extrapolated=extrapolated(row))
        # Of counters that were not reset the ends are the extremes.
        facts["min"] = row["first"] if row["min"] is None else row["min"]
        facts["max"] = row["last"] if row["max"] is None else row["max"]
        for fact in ["count", "min", "max", "first", "last", "resets", "changes"]:
            check("rows of rollup_1h", facts[fact] == want[fact], key, hour, fact, facts[fact], want[fact])
        if facts["extrapolated"] is None:
            check("rows of rollup_1h", "extrapolated" not in want, key, hour, want)
        else:
            ok = close(facts["extrapolated"], want["extrapolated"])
            check("rows of rollup_1h", ok, key, hour, facts["extrapolated"], want["extrapolated"])
    hours = sum("count" in want for one in expected.values() for want in one["hours"].values())
    check("rows of rollup_1h", compared == hours, compared, "rows of", hours)
    return compared


def main():
    given = json.loads(pathlib.Path(sys.argv[1]).read_text())
    expected = {
        json.dumps(json.loads(key), sort_keys=True, separators=(",", ":"), ensure_ascii=False): value
        for key, value in given["series"].items()
    }
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    compared = defaultdict(int)
    for tier in given["tiers"]:
        name = tier["table"]
        table = pathlib.Path(given["folder"]) / name
        files, version = live_files(table)
        rows, samples = read_by_deltalake(table, files, version)
        check(name, rows == tier["rows"], "Kymo says", tier["rows"], "rows, there are", rows)
        paths = [str(table / file) for file in files]
        connection.execute(
            f"create view {name} as select * from read_parquet({paths!r}, hive_partitioning = true, union_by_name = true)"
        )
        counts = rows_of(
            connection,
            f"select count(*) as rows, sum(count) as samples, count(distinct (series_id, ts)) as keys from {name}",
        )[0]
        check(name, counts == {"rows": rows, "samples": samples, "keys": rows}, "DuckDB has", counts, rows, samples)
        labels, own = labels_of(connection, name)
        check(name, set(labels.values()) == set(expected), "other series", set(labels.values()) ^ set(expected))
        check(name, "job" in own and not {"Job", "JOB", "src", "Count"} & set(own), "columns of labels", own)
        compared["files"] += len(files)
        compared["rows"] += rows
        compared["facts by hour"] += compare_hours(connection, name, labels, expected, given["sql"])
    labels, _ = labels_of(connection, "rollup_1h")
    compared["whole rows"] = compare_rows(connection, labels, expected)
    for row in rows_of(connection, given["sql"]["increase"]):
        want = expected[labels[row["series_id"]]]["total"]
        compared["totals"] += 1
        check("increase", close(row["increase"], want), labels[row["series_id"]], row["increase"], want)
    check("increase", compared["totals"] == len(expected), compared["totals"])
    print(f"DuckDB {duckdb.__version__}, deltalake {deltalake.__version__}: " + ", ".join(f"{n} {k}" for k, n in compared.items()))
    for problem in problems[:20]:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
