"""Asks a Kyuubi server's REST API what a real one (1.11.1 with Flink 1.20.3) was asked when it was recorded (`recorded_rest.json`),
and fails where it answers otherwise.

A step is a request with the status, the type and the body that answered it. `{session}`, `{operation}` and `{job}` stand for what was begun
last; `other` says that another session has to be open. In an answer `<id>`, `<number>`, `<text>` and `<any>` stand for what is different each time, and an ellipsis at the end of a text,
a list or an object for what was not kept of the recording. A request is asked again while its answer has another `until`.
"""

import argparse
import base64
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

LONGEST = 240
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def differs(recorded, answered, where=""):
    """Where an answer is not what was recorded; nothing if it is."""
    match recorded:
        case "<any>":
            return None
        case "<id>":
            return None if isinstance(answered, str) and ID.fullmatch(answered) else f"{where}: {answered!r} is no id"
        case "<number>":
            return None if isinstance(answered, int) else f"{where}: {answered!r} is no number"
        case "<text>":
            return None if isinstance(answered, str) else f"{where}: {answered!r} is no text"
        case str() if isinstance(answered, str):
            whole, cut = recorded.removesuffix("…"), recorded.endswith("…")
            said = ID.sub("<id>", answered)
            fits = said.startswith(whole) if cut else said == whole
            return None if fits else f"{where}: {said[:300]!r} is not {recorded!r}"
        case dict() if isinstance(answered, dict):
            names = {name for name in recorded if name != "…"}
            if more := set(answered) - names if "…" not in recorded else None:
                return f"{where}: {sorted(more)} were not recorded"
            for name in names:
                if name not in answered:
                    return f"{where}.{name} is missing"
                if why := differs(recorded[name], answered[name], f"{where}.{name}"):
                    return why
            return None
        case list() if isinstance(answered, list):
            kept = [part for part in recorded if part != "…"]
            if len(answered) < len(kept) or (len(kept) == len(recorded) and len(answered) != len(kept)):
                return f"{where}: {len(answered)} parts, not {len(kept)}: {json.dumps(answered)[:300]}"
            for at, part in enumerate(kept):
                if why := differs(part, answered[at], f"{where}[{at}]"):
                    return why
            return None
    return None if recorded == answered and type(recorded) is type(answered) else f"{where}: {answered!r} is not {recorded!r}"


class Replay:
    def __init__(self, port):
        self.base, self.known = f"http://127.0.0.1:{port}/api/v1", {}

    def send(self, method, path, body, headers):
        data = None if body is None else json.dumps(body).encode()
        known = {"Authorization": "Basic " + base64.b64encode(b"alice:x").decode(), "Content-Type": "application/json"}
        known |= headers
        request = urllib.request.Request(self.base + path, data, {name: value for name, value in known.items() if value}, method=method)
        try:
            answered = urllib.request.urlopen(request, timeout=LONGEST)
        except urllib.error.HTTPError as error:
            answered = error
        with answered:
            text = answered.read().decode()
            return answered.status, (answered.headers.get("Content-Type") or "").partition(";")[0], text

    def ask(self, step):
        path, body = step["path"], json.dumps(step.get("body"))
        for name, value in self.known.items():
            path, body = (text.replace("{" + name + "}", value) for text in (path, body))
        status, kind, text = self.send(step["method"], path, json.loads(body), step.get("headers", {}))
        answered = json.loads(text) if kind == "application/json" and text else text
        return status, kind, answered

    def step(self, step):
        if step.get("other"):
            # Another session, whose launch is an operation.
            _, _, text = self.send("POST", "/sessions", {"configs": {"kyuubi.engine.type": "FLINK_SQL"}}, {})
            self.other = json.loads(text)["identifier"]
        deadline = time.monotonic() + LONGEST
        while True:
            status, kind, answered = self.ask(step)
            until = step.get("until", {})
            if all(answered.get(name) == value for name, value in until.items()) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if status != step["status"]:
            return f"status {status}, not {step['status']}: {answered!r}"
        if "type" in step and kind != step["type"]:
            return f"type {kind}, not {step['type']}"
        if why := differs(step["answer"], answered):
            return why
        for name in ("session", "operation"):
            if step.get("begins") == name:
                self.known[name] = answered["identifier"]
        if step.get("begins") == "job":
            self.known["job"] = answered["rows"][0]["fields"][0]["value"]
        if step.get("other"):
            self.send("DELETE", f"/sessions/{self.other}", None, {})
        if step.get("waits"):
            return self.step({"method": "GET", "path": "/operations/{operation}/event", "status": 200,
                              "until": {"state": "FINISHED_STATE"}, "answer": {"state": "FINISHED_STATE", "…": "…"}})  # fmt: skip
        return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    replay = Replay(arguments.parse_args().port)
    with open(os.path.join(os.path.dirname(__file__), "recorded_rest.json"), encoding="utf-8") as file:
        steps = json.load(file)
    failed = 0
    for at, step in enumerate(steps, 1):
        if why := replay.step(step):
            failed += 1
            print(f"step {at}, {step['method']} {step['path']}: {why}", file=sys.stderr)
    sys.exit(1 if failed else 0)


main()
