"""What PyHive reads of queries: a line of JSON for each, its columns and its rows, each cell a text or null.

Arguments: the port, and then the queries. Times have the digits that they need, numbers those of Python.
"""

import json
import sys
from datetime import datetime

from pyhive import hive


def text(cell):
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, bytes):
        return cell.hex()
    if isinstance(cell, datetime):
        written = cell.isoformat(" ")
        return written.rstrip("0") if "." in written else written
    return str(cell)


port, *queries = sys.argv[1:]
connection = hive.Connection(host="127.0.0.1", port=int(port), username="peer")
cursor = connection.cursor()
for query in queries:
    cursor.execute(query)
    columns = [column[0] for column in cursor.description]
    rows = [[text(cell) for cell in row] for row in cursor.fetchall()]
    print(json.dumps([columns, rows]))
