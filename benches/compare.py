#!/usr/bin/env python3
"""Measures skep against its peers, in one run: `python3 benches/compare.py [SECTION…]`.

Builds the `dist` profile first, unless `--skep` names an executable, and gets duckdb (the Python package `duckdb-cli`)
into `target/peers`, unless there is one in PATH; a peer that can't be had is left out. The sides take turns (A B A B …),
so that whatever else the machine does falls on both. Wall time, CPU time (user and system) and peak memory are those of
the whole process, from the kernel's own accounting of the child. What it prints are the tables of docs/benchmarks.md.
Needs Python 3.9 and nothing else.
"""

import argparse
import collections
import datetime
import os
import pathlib
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

import interrupt

ROWS = 10_000_000
EVENTS = 8_000_000
COLUMNS = (
    "i, i * 7 % 1000 AS k, concat('user-', CAST(i % 100000 AS VARCHAR)) AS name, "
    "CAST(i AS DOUBLE) * 0.37 AS amount, i % 2 = 0 AS even"
)
FORMATS = ("csv", "tsv", "dsv", "json", "jsonl", "table", "vertical", "markdown", "xmlattr", "xmlelements")
FORMAT_ROWS = (10_000, 2_000_000)
MIB = 1 << 20

Usage = collections.namedtuple("Usage", "wall cpu peak output")
Side = collections.namedtuple("Side", "name argv env")


def run(side, directory, log):
    """Runs one command to its end: seconds of wall time and of CPU, bytes of memory at most, and what it printed."""
    environment = {**os.environ, **side.env}
    with open(directory / "out", "wb") as out, open(directory / "err", "wb") as err:
        began = time.perf_counter()
        child = subprocess.Popen(side.argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{side.name} ended with {child.returncode}: {(directory / 'err').read_text()[-2000:]}")
    unit = 1 if platform.system() == "Darwin" else 1024
    usage = Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit, (directory / "out").stat().st_size)
    log.append((side.name, usage))
    return usage


def compare(title, sides, rounds, directory, rows=None, check=None):
    """Runs the sides in turn and prints a table of them. `rows` tells how many each one computes. Gives what each took."""
    log = []
    for _ in range(rounds):
        for side in sides:
            run(side, directory, log)
            if check:
                check(side)
    print(f"\n{title} ({rounds} rounds, the sides in turn):\n")
    head = ["", "wall, median", "min – max", "CPU, median"]
    head += ["M rows/s", "M rows per CPU-s"] if rows else []
    table(head + ["peak memory"])
    for side in sides:
        usages = [usage for name, usage in log if name == side.name]
        wall = statistics.median(usage.wall for usage in usages)
        cpu = statistics.median(usage.cpu for usage in usages)
        spread = f"{min(u.wall for u in usages):.3f} – {max(u.wall for u in usages):.3f}"
        cells = [side.name, f"{wall:.3f} s", spread, f"{cpu:.3f} s"]
        if rows:
            cells += [f"{rows(side) / wall / 1e6:.2f}", f"{rows(side) / cpu / 1e6:.2f}"]
        line(cells + [f"{max(usage.peak for usage in usages) / MIB:.0f} MiB"])
    return log


def line(cells):
    """A line of a table in Markdown."""
    print(f"| {' | '.join(cells)} |", flush=True)


def table(head):
    """The head of one."""
    line(head)
    print("|---" * len(head) + "|")


def startup(setting):
    """The whole process for one small statement."""
    sides = [Side("skep", [setting.skep, "-e", "SELECT 1"], setting.env)]
    if setting.duckdb:
        sides.append(Side("duckdb", [setting.duckdb, "-c", "SELECT 1"], setting.env))
    if setting.sqlite3:
        sides.append(Side("sqlite3", [setting.sqlite3, ":memory:", "SELECT 1"], setting.env))
    # The first one makes the data directory.
    run(sides[0], setting.directory, [])
    compare("SELECT 1, whole process", sides, setting.rounds or 40, setting.directory)


def export(setting):
    """Ten million computed rows to a CSV file."""
    query = f"SELECT {COLUMNS} FROM generate_series(1, {ROWS}) AS t(i)"
    copied = setting.directory / "copy.csv"
    sides = [Side("skep -o csv", [setting.skep, "-o", "csv", "-e", query], setting.env)]
    if setting.duckdb:
        copy = f"COPY ({query}) TO '{copied}' (HEADER)"
        sides.append(Side("duckdb COPY", [setting.duckdb, "-c", copy], setting.env))
        sides.append(Side("duckdb COPY, 1 thread", [setting.duckdb, "-c", f"SET threads=1; {copy}"], setting.env))
        sides.append(Side("duckdb -csv", [setting.duckdb, "-csv", "-c", query], setting.env))
    small = query.replace(str(ROWS), str(ROWS // 1000))
    sides.insert(1, Side("skep -o csv, 10 000 rows", [setting.skep, "-o", "csv", "-e", small], setting.env))

    def rows(side):
        return ROWS // 1000 if "000 rows" in side.name else ROWS

    def check(side):
        path = copied if "COPY" in side.name else setting.directory / "out"
        lines = count_lines(path)
        if lines != rows(side) + 1:
            sys.exit(f"{side.name} wrote {lines} lines instead of {rows(side) + 1}")
        copied.unlink(missing_ok=True)

    compare(f"{ROWS:,} × 5 to a CSV file", sides, setting.rounds or 3, setting.directory, rows, check)


def formats(setting):
    """The peak memory of every format, for few rows and for two hundred times as many."""
    few, many = FORMAT_ROWS
    print(f"\nPeak memory by format, {few:,} and {many:,} rows × 5:\n")
    table(["", f"{few:,} rows", f"{many:,} rows", "CPU"])
    for name in FORMATS:
        usages = []
        for rows in FORMAT_ROWS:
            query = f"SELECT {COLUMNS} FROM generate_series(1, {rows}) AS t(i)"
            side = Side(name, [setting.skep, "-o", name, "-e", query], setting.env)
            usages.append(run(side, setting.directory, []))
            lines = count_lines(setting.directory / "out")
            if name != "json" and lines < rows:
                sys.exit(f"{name} wrote {lines} lines for {rows} rows")
        line([name, *(f"{usage.peak / MIB:.0f} MiB" for usage in usages), f"{usages[1].cpu:.2f} s"])


def count_lines(path):
    lines = 0
    with open(path, "rb") as file:
        while block := file.read(MIB):
            lines += block.count(b"\n")
    return lines


def write_events(path):
    """Rows of (BIGINT, BIGINT, DOUBLE, TIMESTAMP(3)) in the order of time: 1000 keys, 1000 rows a second."""
    start = datetime.datetime(2024, 1, 1)
    with open(path, "w", encoding="ascii") as file:
        for second in range(EVENTS // 1000):
            stamp = (start + datetime.timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S")
            base = second * 1000
            file.write(
                "".join(
                    f"{base + n},{(base + n) * 7919 % 1000},{(base + n) * 31 % 100000 / 100},{stamp}.{n:03}\n"
                    for n in range(1000)
                )
            )


def streams(setting):
    """Stateless, windowed and grouped INSERTs over a CSV file."""
    events = setting.directory / "events" / "events.csv"
    events.parent.mkdir()
    write_events(events)
    print(f"\n{EVENTS:,} rows (BIGINT, BIGINT, DOUBLE, TIMESTAMP(3)) of CSV, {events.stat().st_size / 1e6:.0f} MB")
    ddl = f"""
        CREATE TABLE events (id BIGINT, k BIGINT, v DOUBLE, ts TIMESTAMP(3),
            WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
          WITH ('connector' = 'filesystem', 'path' = '{events.parent}', 'format' = 'csv');
        CREATE TABLE narrow (id BIGINT, v DOUBLE) WITH ('connector' = 'blackhole');
        CREATE TABLE sums (k BIGINT, n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole');
        CREATE TABLE windows (k BIGINT, until TIMESTAMP(3), n BIGINT, total DOUBLE) WITH ('connector' = 'blackhole');
        CREATE TABLE files (k BIGINT, until TIMESTAMP(3), n BIGINT, total DOUBLE)
          WITH ('connector' = 'filesystem', 'path' = '{setting.directory}/files', 'format' = 'csv');
        CREATE TABLE copy (id BIGINT, k BIGINT, v DOUBLE, ts TIMESTAMP(3))
          WITH ('connector' = 'filesystem', 'path' = '{setting.directory}/copy', 'format' = 'csv');
    """
    tumble = (
        "SELECT k, window_end, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
        "GROUP BY k, window_start, window_end"
    )
    jobs = {
        "filter, projection → blackhole": "INSERT INTO narrow SELECT id, v * 2 FROM events WHERE k < 500",
        "TUMBLE 10 s, 1000 keys → blackhole": f"INSERT INTO windows {tumble}",
        "TUMBLE 10 s, 1000 keys → CSV": f"INSERT INTO files {tumble}",
        "GROUP BY 1000 keys → blackhole": "INSERT INTO sums SELECT k, COUNT(*), SUM(v) FROM events GROUP BY k",
        "all rows → CSV": "INSERT INTO copy SELECT * FROM events",
    }
    sides = []
    for name, insert in jobs.items():
        script = setting.directory / (re.sub(r"\W+", "-", name) + ".sql")
        script.write_text(f"SET 'execution.runtime-mode' = 'streaming';\n{ddl}\n{insert};\n")
        state = f"local:{setting.directory}/state"
        sides.append(Side(name, [setting.skep, "-u", state, "-f", str(script)], setting.env))
    if setting.duckdb:
        query = (
            "SELECT k, time_bucket(INTERVAL 10 SECOND, ts) AS w, COUNT(*), SUM(v) "
            f"FROM read_csv('{events}', header = false, columns = "
            "{'id': 'BIGINT', 'k': 'BIGINT', 'v': 'DOUBLE', 'ts': 'TIMESTAMP'}) GROUP BY k, w"
        )
        once = f"SET threads=1; CREATE TABLE r AS {query}"
        sides.append(Side("duckdb, batch, 1 thread, same", [setting.duckdb, "-c", once], setting.env))

    def check(_):
        for made in ("files", "copy", "state"):
            shutil.rmtree(setting.directory / made, ignore_errors=True)

    compare("Jobs on local:, whole process", sides, setting.rounds or 3, setting.directory, lambda _: EVENTS, check)


def interrupts(setting):
    """From Ctrl-C to the prompt, the job's end included."""
    rounds = setting.rounds or 100
    print(f"\nCtrl-C to the prompt, the job's end included, {rounds} times each:\n")
    table(["endless SELECT over datagen", "p50", "p90", "p99", "max", "CPU of the session"])
    for name, rate in (("100 rows a second", 100), ("as fast as it goes", 100_000_000)):
        times, processor = interrupt.measure(setting.skep, {**os.environ, **setting.env}, rate, rounds)
        times.sort()
        at = [times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.9, 0.99, 1)]
        line([name, *(f"{time * 1000:.1f} ms" for time in at), f"{processor:.1f} s"])


def in_process(setting):
    """The splitter and the renderers, without a process around them."""
    cargo = ["cargo", "bench", "--quiet", "--profile", "dist"]
    print("\nSplitter and renderers", flush=True)
    subprocess.run([*cargo, "--bench", "splitter"], check=True)
    subprocess.run([*cargo, "--bench", "render", "--", "csv", "tsv", "json", "jsonl", "markdown", "table"], check=True)


def version(argv):
    answer = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return (answer.stdout or answer.stderr).strip().splitlines()[0]


def real_duckdb(path):
    """The executable itself: what a Python package puts into PATH is a script that starts Python first."""
    if path is None:
        return None
    with open(path, "rb") as file:
        if file.read(2) != b"#!":
            return path
    found = sorted(pathlib.Path(path).resolve().parent.parent.glob("lib/python3*/site-packages/duckdb_cli/duckdb"))
    return str(found[0]) if found else path


def build():
    """The executable that is released."""
    subprocess.run(["cargo", "build", "--profile", "dist"], check=True)
    return "target/dist/skep"


def installed_duckdb():
    """The one of PATH, or a package of our own."""
    if found := shutil.which("duckdb"):
        return found
    peers = pathlib.Path("target/peers")
    if not (peers / "bin/duckdb").exists():
        try:
            venv.create(peers, with_pip=True)
            subprocess.run([peers / "bin/pip", "install", "--quiet", "duckdb-cli"], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"without duckdb: {error}", file=sys.stderr)
            return None
    return str(peers / "bin/duckdb")


def main():
    sections = {
        "startup": startup,
        "interrupt": interrupts,
        "export": export,
        "formats": formats,
        "streams": streams,
        "in-process": in_process,
    }
    parser = argparse.ArgumentParser(description="skep against its peers, in one run")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(sections)}; all by default")
    parser.add_argument("--skep", help="the executable to measure, instead of the one that is built")
    parser.add_argument("--duckdb", help="duckdb's, instead of that of PATH")
    parser.add_argument("--rounds", type=int, help="instead of each section's own number")
    setting = parser.parse_args()
    unknown = set(setting.sections) - set(sections)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(sections)}")
    setting.skep = setting.skep and os.path.abspath(setting.skep)
    setting.duckdb = setting.duckdb and os.path.abspath(setting.duckdb)
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    setting.skep = setting.skep or os.path.abspath(build())
    setting.duckdb = real_duckdb(setting.duckdb or installed_duckdb())
    setting.sqlite3 = shutil.which("sqlite3")
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}", end="")
    print(f", load before the run {os.getloadavg()[0]:.1f}")
    print(version([setting.skep, "--version"]), end="")
    for peer in (setting.duckdb, setting.sqlite3):
        if peer:
            print(f" · {os.path.basename(peer)} {version([peer, '--version'])}", end="")
    print(flush=True)
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as directory:
        setting.directory = pathlib.Path(directory)
        setting.env = {"HOME": directory, "SKEP_DATA_DIR": f"{directory}/data", "NO_COLOR": "1"}
        for name in setting.sections or sections:
            sections[name](setting)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\nload after the run {os.getloadavg()[0]:.1f}; all children: {used.ru_utime + used.ru_stime:.0f} s of CPU")


if __name__ == "__main__":
    main()
