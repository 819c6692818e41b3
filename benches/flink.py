#!/usr/bin/env python3
"""Measures skep on a Flink cluster against Flink's own clients and a client that only pages, in one run:

    python3 benches/flink.py --gateway HOST:PORT --rest HOST:PORT [--skep FILE] [--sql-client COMMAND] [--flink COMMAND] [SECTION…]

The cluster and its SQL Gateway must run already. `--sql-client` is a command that runs Flink's SQL client on that gateway
and takes `-f FILE`; `--flink` one that runs Flink's `flink` command (`flink list`). Peers that are not given are left out.
The sides take turns; wall time, CPU time and peak memory are those of the whole process. Sections: rows, catalogs, jobs.
"""

import argparse
import http.client
import json
import pathlib
import re
import shlex
import sys
import tempfile

import compare

ROWS = 1_000_000
TABLE = (
    "CREATE TABLE g (id BIGINT, name STRING, d DOUBLE) WITH ('connector' = 'datagen', "
    f"'number-of-rows' = '{ROWS}', 'rows-per-second' = '100000000', 'fields.name.length' = '10')"
)


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
    parser.add_argument("--page", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("sections", nargs="*", default=["rows", "catalogs", "jobs"])
    options = parser.parse_args()
    if options.page:
        page(options.gateway, ROWS)
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


if __name__ == "__main__":
    main()
