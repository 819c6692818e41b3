#!/usr/bin/env python3
"""Measures skep on a Flink cluster against Flink's own clients and a client that only pages, in one run:

    python3 benches/flink.py --gateway HOST:PORT --rest HOST:PORT [--skep FILE] [--sql-client COMMAND] [--flink COMMAND]
        [--savepoints URI] [SECTION…]

The cluster and its SQL Gateway must run already, with two slots free; `--savepoints` is a directory of theirs. `--sql-client` is a command that runs Flink's SQL client on that gateway
and takes `-f FILE`; `--flink` one that runs Flink's `flink` command (`flink list`). Peers that are not given are left out.
The sides take turns; wall time, CPU time and peak memory are those of the whole process. Sections: rows, catalogs, jobs, interrupt,
savepoint.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import re
import shlex
import sys
import tempfile
import time

import compare
import interrupt

ROWS = 1_000_000
# Between two looks of the bare loop at a savepoint that is being taken.
PACE = 0.01
TABLE = (
    "CREATE TABLE g (id BIGINT, name STRING, d DOUBLE) WITH ('connector' = 'datagen', "
    f"'number-of-rows' = '{ROWS}', 'rows-per-second' = '100000000', 'fields.name.length' = '10')"
)


def rest(address, method, path, body=None):
    """One request to the JobManager, on a connection of its own."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port))
    text = json.dumps(body) if body is not None else None
    connection.request(method, path, text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status}: {content[:500]!r}")
    return json.loads(content or b"{}")


def loop(address, job, directory):
    """The null client of a savepoint: one request to trigger it, and then nothing but looks at it."""
    trigger = rest(address, "POST", f"/jobs/{job}/savepoints", {"target-directory": directory})["request-id"]
    while (answer := rest(address, "GET", f"/jobs/{job}/savepoints/{trigger}"))["status"]["id"] != "COMPLETED":
        time.sleep(PACE)
    if "location" not in answer["operation"]:
        sys.exit(f"the savepoint failed: {answer}")


def cancel_queries(options, environment, times):
    """From Ctrl-C on an endless query to CANCELED and the prompt; the cluster must agree at that moment."""
    terminal = interrupt.Terminal([options.skep, "-u", f"flink://{options.gateway}", "-o", "csv"], environment)
    prompt = (b"\x1b[?2004h", b"> ")
    terminal.read_until(*prompt)
    terminal.type("CREATE TABLE t (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');\r")
    terminal.read_until(*prompt)
    measured = []
    for _ in range(times):
        terminal.type("SELECT n, 'row' AS word, n AS again FROM t;\r")
        terminal.read_until(b"n,word,again\r\n", b",row,")
        terminal.drain(random.uniform(0.05, 0.5))
        began = time.perf_counter()
        terminal.type("\x03")
        terminal.read_until(b"is CANCELED", *prompt)
        measured.append(time.perf_counter() - began)
        states = [job["state"] for job in rest(options.rest, "GET", "/jobs/overview")["jobs"]]
        if running := [state for state in states if state not in ("CANCELED", "FINISHED", "FAILED")]:
            sys.exit(f"a job is {running[0]} after skep had said that it is CANCELED")
    measured.sort()
    at = [measured[min(len(measured) - 1, int(len(measured) * share))] for share in (0.5, 0.9, 1)]
    print(f"\nCtrl-C on an endless SELECT to CANCELED and the prompt, {times} times:\n")
    compare.table(["", "p50", "p90", "max", "CPU of the session"])
    compare.line(["skep", *(f"{time * 1000:.0f} ms" for time in at), f"{terminal.close():.1f} s"])


def take_savepoints(options, environment, directory):
    """The round trip of a savepoint of a job with some state, whole process, against the bare loop."""
    script = directory / "job.sql"
    script.write_text(
        "CREATE TABLE s (n BIGINT, k BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', "
        "'fields.k.min' = '0', 'fields.k.max' = '999');\n"
        "CREATE TABLE d (k BIGINT, c BIGINT) WITH ('connector' = 'blackhole');\n"
        "INSERT INTO d SELECT k, count(*) FROM s GROUP BY k;\n!wait --until running\n"
    )
    skep = [options.skep, "-u", f"flink://{options.gateway}"]
    compare.run(compare.Side("skep", [*skep, "-f", str(script)], environment), directory, [])
    overview = rest(options.rest, "GET", "/jobs/overview")["jobs"]
    job = next(job["jid"] for job in overview if job["state"] == "RUNNING")
    taken = ["--savepoints", options.savepoints]
    bare = [sys.executable, __file__, "--gateway", options.gateway, "--rest", options.rest, *taken, "--loop", job]
    cluster = [options.skep, "-u", f"flink-rest://{options.rest}"]
    sides = [
        compare.Side("skep savepoint", [*cluster, "savepoint", job, "--dir", options.savepoints], environment),
        compare.Side("a bare loop (Python)", bare, {}),
    ]
    compare.compare("A savepoint of 1000 keys, the whole process", sides, options.rounds, directory)
    rest(options.rest, "PATCH", f"/jobs/{job}")


def page(gateway, rows):
    """The null client: fetches every page of the same query and looks at nothing but the next token."""
    host, _, port = gateway.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port))

    def ask(method, path, body=None):
        text = json.dumps(body) if body is not None else None
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            sys.exit(f"{answer.status}: {content[:500]!r}")
        return content

    session = json.loads(ask("POST", "/v3/sessions", {"properties": {"execution.runtime-mode": "batch"}}))["sessionHandle"]
    path = None
    for statement in (TABLE, "SELECT * FROM g"):
        body = {"statement": statement}
        operation = json.loads(ask("POST", f"/v3/sessions/{session}/statements", body))["operationHandle"]
        path = f"/v3/sessions/{session}/operations/{operation}/result/0?rowFormat=JSON"
        if statement == TABLE:
            while b'"NOT_READY"' in ask("GET", path)[:200]:
                pass
    size = 0
    while path:
        content = ask("GET", path)
        size += len(content)
        following = re.search(rb'"nextResultUri":"([^"]+)"', content)
        path = following.group(1).decode() if following else None
    ask("DELETE", f"/v3/sessions/{session}")
    if size < rows:
        sys.exit(f"only {size} bytes came")


def main():
    """Runs the sections that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--rest", required=True)
    parser.add_argument("--skep", default="target/dist/skep")
    parser.add_argument("--sql-client")
    parser.add_argument("--flink")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--savepoints")
    parser.add_argument("--page", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    parser.add_argument("sections", nargs="*", default=["rows", "catalogs", "jobs", "interrupt", "savepoint"])
    options = parser.parse_args()
    if options.page:
        page(options.gateway, ROWS)
        return
    if options.loop:
        loop(options.rest, options.loop, options.savepoints)
        return
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        home = {"SKEP_DATA_DIR": str(directory / "data")}
        skep = [options.skep, "-u", f"flink://{options.gateway}"]
        if "rows" in options.sections:
            script = directory / "rows.sql"
            script.write_text(f"SET 'execution.runtime-mode' = 'batch';\n{TABLE};\nSELECT * FROM g;\n")
            sides = [compare.Side("skep -o csv", [*skep, "-o", "csv", "-f", str(script)], home)]
            null = [sys.executable, __file__, "--page", "--gateway", options.gateway, "--rest", options.rest]
            sides.append(compare.Side("a client that only pages (Python)", null, {}))
            if options.sql_client:
                client = directory / "client.sql"
                mode = "SET 'sql-client.execution.result-mode' = 'TABLEAU';\n"
                client.write_text(mode + script.read_text())
                sides.append(compare.Side("SQL client", [*shlex.split(options.sql_client), "-f", str(client)], {}))
            compare.compare(f"{ROWS:,} × 3 rows through the gateway", sides, options.rounds, directory, lambda _: ROWS)
        if "catalogs" in options.sections:
            script = directory / "catalogs.sql"
            script.write_text("SHOW CATALOGS;\n")
            sides = [compare.Side("skep", [*skep, "-f", str(script)], home)]
            if options.sql_client:
                sides.append(compare.Side("SQL client", [*shlex.split(options.sql_client), "-f", str(script)], {}))
            compare.compare("SHOW CATALOGS, the whole process", sides, options.rounds, directory)
        if "jobs" in options.sections:
            argv = [options.skep, "-u", f"flink-rest://{options.rest}", "jobs", "--all"]
            sides = [compare.Side("skep jobs --all", argv, home)]
            if options.flink:
                sides.append(compare.Side("flink list", shlex.split(options.flink), {}))
            compare.compare("The list of jobs, the whole process", sides, options.rounds, directory)
        if "interrupt" in options.sections:
            terminal = {**os.environ, **home, "TERM": "xterm-256color", "NO_COLOR": "1"}
            cancel_queries(options, terminal, 3 * options.rounds)
        if "savepoint" in options.sections and options.savepoints:
            take_savepoints(options, home, directory)


if __name__ == "__main__":
    main()
