#!/usr/bin/env python3
"""How long `skep savepoints --dir` takes over many saved states on a local disk.

    python3 benches/savepoints.py [--skep PATH] [--states 100000] [--jobs 1000] [--dir DIR] [--rounds 5]

Makes a tree of job directories with checkpoints, each a real `_metadata` of Flink 1.20 with its three state files (links to a
few copies: a search reads and looks up each all the same), and searches it with and without `--json`. Nothing is left out of
the search: every `_metadata` is read and every file looked at. The page cache is as warm as making the tree leaves it.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "crates/metadata/tests/samples/1.20.3-heap-files"
# A file can have so many names on the file systems that are common.
MOST_LINKS = 30_000


def make(root, spare, states, jobs):
    files = sorted(SAMPLE.iterdir())
    sources, links = [], MOST_LINKS
    for number in range(states):
        if links >= MOST_LINKS:
            copies = spare / f"copies-{number}"
            shutil.copytree(SAMPLE, copies)
            sources, links = [copies / file.name for file in files], 0
        directory = root / f"{number % jobs:032x}" / f"chk-{number // jobs + 1}"
        directory.mkdir(parents=True)
        for source in sources:
            os.link(source, directory / source.name)
        links += 1


def search(skep, root, home, *flags):
    command = [skep, "savepoints", "--dir", str(root), *flags]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "SKEP_DATA_DIR": str(home)})
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, done.stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--skep", default=str(ROOT / "target/dist/skep"))
    parser.add_argument("--states", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--dir", help="where the tree is made")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as place:
        root = Path(place) / "checkpoints"
        root.mkdir()
        began = time.monotonic()
        make(root, Path(place), options.states, options.jobs)
        print(f"{options.states} states of {options.jobs} jobs made in {time.monotonic() - began:.1f} s")
        for flags in (["--json"], []):
            rounds = [search(options.skep, root, Path(place) / "home", *flags) for _ in range(options.rounds)]
            for _, _, out in rounds:
                usable = out.count(b'"verdict":"usable"') if flags else out.count(b"  usable  ")
                if usable != options.states:
                    sys.exit(f"{usable} of {options.states} were found usable")
            walls = sorted(wall for wall, _, _ in rounds)
            cpus = sorted(cpu for _, cpu, _ in rounds)
            name = " ".join(flags) or "as a table"
            print(f"{name}: {walls[0]:.2f} s to {walls[-1]:.2f} s, median {walls[len(walls) // 2]:.2f} s;"
                  f" CPU median {cpus[len(cpus) // 2]:.2f} s")


main()
