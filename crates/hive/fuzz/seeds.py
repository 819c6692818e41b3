"""Writes what servers were recorded to say as a corpus to begin with: `python3 seeds.py DIR` makes DIR/thrift, DIR/pieces, DIR/sasl, DIR/rest."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
# The types of the columns that golden.py writes.
TYPES = [*range(10), 10, 12, 15, 18, 16, 17]
# The number that fuzzing.rs has for a call.
CALLS = {
    "open": 0, "end": 1, "info": 2, "execute": 3, "status": 4, "query_id": 5, "tables": 6, "columns": 6, "catalogs": 6, "schemas": 6,
    "cancel": 7, "close": 7, "schema": 8, "rows": 10, "none": 10,
}  # fmt: skip
AS_A_BODY, AS_IT_IS = 1, 0


def main():
    into = Path(sys.argv[1])
    for target in ("thrift", "pieces", "sasl", "rest"):
        (into / target).mkdir(parents=True, exist_ok=True)

    def write(target, name, *parts):
        (into / target / name).write_bytes(b"".join(bytes([part]) if isinstance(part, int) else bytes(part) for part in parts))

    for line in (HERE / "../tests/wire/golden.txt").read_text().splitlines():
        name, _, answer = line.split(" ")
        answer = bytes.fromhex(answer)
        body = answer[8 + answer[7] + 4 :]
        write("thrift", name, CALLS[name], AS_A_BODY, len(TYPES), TYPES, body)
        write("thrift", f"{name}-whole", CALLS[name], AS_IT_IS, len(TYPES), TYPES, answer)
        write("thrift", f"{name}-log", 9, AS_A_BODY, 0, body)
        write("pieces", name, 7, answer)
        frame = len(answer).to_bytes(4, "big") + answer
        complete = b"\x05\0\0\0\0"
        write("sasl", name, 1, complete, frame)
        write("sasl", f"{name}-two", 1, complete, (20).to_bytes(4, "big"), answer[:20], (len(answer) - 20).to_bytes(4, "big"), answer[20:])
        write("sasl", f"{name}-bare", 0, answer)
        # What stands for Kerberos takes what begins with 0: the end of its steps, an offer of layers, frames.
        for layers in (1, 6):
            log_in = b"".join(bytes([2]) + len(said).to_bytes(4, "big") + said for said in (b"\x01more", b"\0", bytes([0, layers, 0, 4, 0])))
            pieces = [answer] if layers == 1 else [b"\0" + answer[:20], b"\0" + answer[20:]]
            frames = b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)
            write("sasl", f"{name}-kerberos-{layers}", 2, log_in, complete, frames)
    write("sasl", "refused", 1, b"\x03\0\0\0\x02no")
    kinds = {"BOOL_VAL": 0, "BYTE_VAL": 1, "I16_VAL": 2, "I32_VAL": 3, "I64_VAL": 4, "DOUBLE_VAL": 6, "STRING_VAL": 7}
    recorded = json.loads((HERE / "../../../tests/hive/kyuubi/recorded_rest.json").read_text())
    for at, entry in enumerate(recorded):
        answer = entry.get("answer")
        text = json.dumps(answer).encode()
        write("rest", f"{at}", 0, 0, text)
        if isinstance(answer, dict) and answer.get("rows"):
            cells = answer["rows"][0].get("fields", []) if isinstance(answer["rows"][0], dict) else []
            types = [kinds.get(cell["dataType"], 7) for cell in cells if isinstance(cell, dict)][:16]
            write("rest", f"{at}-rows", 1, len(types), types, text)
    row = [(0, True), (1, -128), (2, 7), (3, 1), (4, 2**53 + 1), (5, 1.5), (6, 1e300), (7, "tèxt\n"), (9, "x"), (16, None)]
    fields = [{"dataType": "X", "value": value} for _, value in row]
    whole = json.dumps({"rows": [{"fields": fields}, {"fields": [{"dataType": "X", "value": None} for _ in row]}], "rowCount": 2}).encode()
    write("rest", "types", 1, len(row), [kind for kind, _ in row], whole)


main()
