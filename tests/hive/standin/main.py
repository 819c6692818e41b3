"""Stands in for a Kyuubi server with its Flink engine."""

import argparse
import threading

import binary
import rest
from engine import Engine
from model import Kyuubi


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--thrift", type=int, required=True, help="the port of its HiveServer2")
    arguments.add_argument("--rest", type=int, required=True, help="the port of its REST API")
    arguments.add_argument("--journal", required=True, help="the file to which what it is asked is written, a line each")
    arguments.add_argument("--gateway", required=True, help="host and port of the SQL Gateway that is its engine")
    arguments.add_argument("--idle", type=float, help="after so many seconds without use a session is closed")
    told = arguments.parse_args()
    kyuubi = Kyuubi(Engine(told.gateway), told.journal)
    if told.idle:
        threading.Thread(target=kyuubi.close_idle, args=(told.idle,), daemon=True).start()
    threading.Thread(target=rest.serve, args=(kyuubi, told.rest), daemon=True).start()
    binary.serve(kyuubi, told.thrift)


main()
