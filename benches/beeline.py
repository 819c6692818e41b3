#!/usr/bin/env python3
"""Measures skep against beeline on one warm Spark Thrift Server, in one run:

    python3 benches/beeline.py [--skep FILE] [--spark DIR] [--server HOST:PORT] [--rounds N] [SECTION…]

It starts the server itself, on a free port of 127.0.0.1, and ends it, unless `--server` names one that runs (TCP and SASL,
any user). `--spark` is a distribution of Spark, whose jars hold server and beeline; by default the one that the tests keep
(`cargo test --test hive`). Beside the two stands a client that fetches the same pages and throws them away
(nullclient.py). The sides take turns; wall time, CPU time and peak memory are those of the whole process. Sections: startup,
csv, table. Needs a JDK, 17 or newer.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import compare

ROWS = 1_000_000
QUERY = (
    "SELECT id, CAST(id AS STRING) s, id*1.5D d, CAST(id/3 AS DECIMAL(18,4)) de, timestamp_seconds(id) ts "
    f"FROM range({ROWS})"
)
# What Spark's own launcher opens of the JDK.
OPENS = (
    *(f"java.base/java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util", "util.concurrent")),
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    *(f"java.base/sun.{name}" for name in ("nio.ch", "nio.cs", "security.action", "util.calendar")),
)


def java(spark, *arguments):
    """Java with Spark's jars."""
    home = os.environ.get("JAVA_HOME")
    program = os.path.join(home, "bin", "java") if home else "java"
    return [program, *arguments[:1], "-cp", f"{spark}/jars/*", *arguments[1:]]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(spark, directory):
    """Starts a server and waits until it takes connections."""
    port = free_port()
    submit = java(spark, "-Xmx3g", "org.apache.spark.deploy.SparkSubmit", "--master", "local[2]", "--name", "bench")
    submit[1:1] = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENS]
    submit.insert(1, "-Djdk.reflect.useDirectMethodHandle=false")
    for conf in (
        "spark.driver.bindAddress=127.0.0.1",
        "spark.driver.host=127.0.0.1",
        "spark.ui.enabled=false",
        "spark.sql.session.timeZone=UTC",
        "spark.sql.catalogImplementation=hive",
        f"spark.sql.warehouse.dir={directory}/warehouse",
        "spark.hadoop.javax.jdo.option.ConnectionURL=jdbc:derby:memory:metastore;create=true",
    ):
        submit += ["--conf", conf]
    submit += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
    for conf in ("bind.host=127.0.0.1", f"port={port}"):
        submit += ["--hiveconf", f"hive.server2.thrift.{conf}"]
    log = directory / "server.log"
    with open(log, "wb") as out:
        environment = {**os.environ, "SPARK_HOME": str(spark), "SPARK_LOCAL_IP": "127.0.0.1"}
        server = subprocess.Popen(
            submit, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=directory, env=environment
        )
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, f"127.0.0.1:{port}"
        except OSError:
            if server.poll() is not None:
                sys.exit(f"the server did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)


def shares(log, ours, theirs):
    """What skep takes of what another takes, by the rounds: wall time and CPU."""
    pairs = list(zip([used for name, used in log if name == ours], [used for name, used in log if name == theirs]))
    wall = statistics.median(mine.wall / other.wall for mine, other in pairs)
    cpu = statistics.median(mine.cpu / other.cpu for mine, other in pairs)
    print(f"\n{ours} / {theirs}, round by round, median: wall {wall:.3f}, CPU {cpu:.3f}", flush=True)


def main():
    """Runs the sections that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skep", default="target/dist/skep")
    parser.add_argument("--spark")
    parser.add_argument("--server")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    options = parser.parse_args()
    unknown = set(options.sections) - {"startup", "csv", "table"}
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "skep-test"
    spark = options.spark or next(iter(sorted(cache.glob("spark-*"))), None)
    if spark is None:
        parser.error(f"no Spark in {cache}: cargo test --test hive puts it there, --spark DIR names another")
    skep = os.path.abspath(options.skep)
    print(f"load before the run {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as name:
        directory = pathlib.Path(name)
        server, address = (None, options.server) if options.server else start(spark, directory)
        try:
            measure(options, skep, spark, address, directory)
        finally:
            if server:
                server.terminate()
                server.wait()
    print(f"\nload after the run {os.getloadavg()[0]:.1f}")


def measure(options, skep, spark, address, directory):
    """The sections, on a server that answers."""
    home = {"HOME": str(directory), "SKEP_DATA_DIR": str(directory / "data")}
    url = f"jdbc:hive2://{address}/default"
    client = java(spark, "-Xmx2g", "org.apache.hive.beeline.BeeLine", "-u", url, "-n", "bench")
    client.insert(1, f"-Duser.home={directory}")

    def ours(sql, form):
        return compare.Side(f"skep -o {form}", [skep, "-u", url, "-n", "bench", "-o", form, "-e", sql], home)

    def theirs(sql, form):
        argv = [*client, "--silent=true", f"--outputformat={form}", "-e", sql]
        return compare.Side(f"beeline {form}", argv, home)

    def null(sql):
        script = pathlib.Path(__file__).with_name("nullclient.py")
        return compare.Side("null client (Python)", [sys.executable, str(script), address, sql], home)

    def check(side):
        if side.name.startswith("null"):
            return
        lines = compare.count_lines(directory / "out")
        if lines < ROWS:
            sys.exit(f"{side.name} wrote {lines} lines")

    # What a server compiles in its first minutes must not fall on the one that comes first. One that runs already is warm.
    for _ in range(0 if options.server else 3):
        compare.run(null(QUERY), directory, [])
        compare.run(null("SELECT 1"), directory, [])
        compare.run(ours("SELECT 1", "csv"), directory, [])
    if not options.sections or "startup" in options.sections:
        sides = [ours("SELECT 1", "csv"), theirs("SELECT 1", "csv2"), null("SELECT 1")]
        log = compare.compare("SELECT 1, the whole process", sides, options.rounds or 15, directory)
        shares(log, sides[0].name, sides[1].name)
    for ours_form, theirs_form in (("csv", "csv2"), ("table", "table")):
        if options.sections and ours_form not in options.sections:
            continue
        sides = [ours(QUERY, ours_form), theirs(QUERY, theirs_form), null(QUERY)]
        title = f"{ROWS:,} × 5 as {theirs_form}"
        log = compare.compare(title, sides, options.rounds or 7, directory, lambda _: ROWS, check)
        shares(log, sides[0].name, sides[1].name)
        shares(log, sides[0].name, sides[2].name)


if __name__ == "__main__":
    main()
