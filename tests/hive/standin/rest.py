"""The server's REST API, /api/v1, as far as a client asks it. Every refusal of a resource is a 404 with a stack trace in it."""

import base64
import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from model import KYUUBI_ERROR, Refused

VALUES = {
    "BOOLEAN": "BOOL_VAL", "TINYINT": "BYTE_VAL", "SMALLINT": "I16_VAL", "INT": "I32_VAL", "BIGINT": "I64_VAL",
    "FLOAT": "DOUBLE_VAL", "DOUBLE": "DOUBLE_VAL",
}  # fmt: skip
INFO = {13: "CLI_SERVER_NAME", 17: "CLI_DBMS_NAME", 18: "CLI_DBMS_VER"}
# The words that a resource puts before what the server says.
WORDS = {
    "statement": "Error executing statement",
    "event": "Error getting an operation event",
    "log": "Error getting operation log for operation handle {id}",
    "resultsetmetadata": "Error getting result set metadata for operation handle {id}",
    "rowset": "Error getting result row set for operation handle {id}",
    "action": "Error applying {action} for operation handle {id}",
    "session": "Invalid {id}",
    "info": "Unrecognized GetInfoType value: {number}",
}
# What Jackson says of the answer of 1.11.1 as soon as another session has an operation.
BUG = (
    "No serializer found for class scala.runtime.BoxedUnit and no properties discovered to create BeanSerializer (to avoid exception, "
    "disable SerializationFeature.FAIL_ON_EMPTY_BEANS) (through reference chain: scala.collection.immutable.$colon$colon[0])"
)


class Other(Exception):
    """An answer of another layer's: status, type, body."""


def milliseconds(moment):
    return int(moment * 1000) if moment else 0


def in_java(words, refused):
    """What a resource makes of an exception: its class, its text, its stack, and that of each cause."""
    text = f"{words}: {KYUUBI_ERROR}: {refused.message}\n\tat org.apache.kyuubi.KyuubiSQLException$.apply(KyuubiSQLException.scala:69)\n"
    for cause in refused.causes:
        kind, _, said = cause.partition(":")
        text += f"Caused by: java.lang.RuntimeException: {kind}:{said}\n\tat org.apache.flink.X.y(X.java:1)\n"
    return text


class Resources:
    """Each resource, by the parts of its path."""

    def __init__(self, kyuubi, port):
        self.kyuubi, self.instance = kyuubi, f"127.0.0.1:{port}"

    def answer(self, method, parts, query, body, user, accepts):
        match method, *parts:
            case "GET", "ping" if accepts == "application/json":
                raise Other(406, "application/json", json.dumps({"message": "HTTP 406 Not Acceptable"}))
            case "GET", "ping":
                raise Other(200, "text/plain", "pong")
            case "POST", "sessions":
                configs = body.get("configs") or {}
                # Anyone may open one for somebody else, where nobody says otherwise.
                user = configs.get("hive.server2.proxy.user") or configs.get("kyuubi.session.proxy.user") or user
                session, _ = self.kyuubi.open("rest", user, configs)
                return {"identifier": str(session.id), "kyuubiInstance": self.instance}
            case "GET", "sessions":
                return [self.listed(session) for session in list(self.kyuubi.sessions.values())]
            case "GET", "sessions", id:
                return self.guarded("session", id, lambda id: self.session_event(self.kyuubi.session(id)))
            case "DELETE", "sessions", id:
                try:
                    self.kyuubi.close_session(uuid.UUID(id))
                except Refused as refused:
                    raise Other(500, "application/json", json.dumps({"message": refused.message})) from None
                except ValueError:
                    raise Other(500, "application/json", json.dumps({"message": f"Invalid UUID string: {id}"})) from None
                return None
            case "GET", "sessions", id, "info", what:
                value = self.guarded("info", id, lambda id: self.kyuubi.info(id, int(what)), number=what)
                return {"infoType": INFO[int(what)], "infoValue": value}
            case "GET", "sessions", id, "operations":
                operations = list(self.kyuubi.operations.values())
                if any(str(operation.session.id) != id for operation in operations):
                    raise Other(400, "text/plain", BUG)
                return [self.operation_listed(operation) for operation in operations]
            case "POST", "sessions", id, "operations", "statement":
                # The overlay is taken, and nothing comes of it.
                asked = self.guarded("statement", id, lambda id: self.kyuubi.execute(id, body["statement"]))
                return {"identifier": str(asked.id)}
            case "POST", "sessions", id, "operations", "tables":
                return {"identifier": str(self.guarded("session", id, self.kyuubi.tables).id)}
            case "POST", "sessions", id, "operations", "columns":
                name = body.get("tableName") or "%"
                return {"identifier": str(self.guarded("session", id, lambda id: self.kyuubi.table_columns(id, name)).id)}
            case "GET", "operations", id, "event":
                return self.guarded("event", id, lambda id: self.event(self.kyuubi.operation(id)))
            case "GET", "operations", id, "log":
                lines = self.guarded("log", id, lambda id: self.kyuubi.log(id, int(query.get("maxrows", "100"))))
                return {"logRowSet": lines, "rowCount": len(lines)}
            case "GET", "operations", id, "resultsetmetadata":
                return {"columns": self.guarded("resultsetmetadata", id, self.metadata)}
            case "GET", "operations", id, "rowset":
                most, orientation = int(query.get("maxrows", "100")), query.get("fetchorientation", "FETCH_NEXT")
                rows = self.guarded("rowset", id, lambda id: self.rows(id, most, orientation))
                return {"rows": rows, "rowCount": len(rows)}
            case "PUT", "operations", id:
                action = body["action"].lower()
                act = {"cancel": self.kyuubi.cancel, "close": self.kyuubi.close_operation}[action]
                self.guarded("action", id, act, action=action)
                return None
            case "DELETE", "operations", _:
                raise Other(405, "application/json", json.dumps({"message": "HTTP 405 Method Not Allowed"}))
            case "GET", "admin", "operations":
                operations = list(self.kyuubi.operations.values())
                if session := query.get("sessionHandle"):
                    operations = [operation for operation in operations if str(operation.session.id) == session]
                return [self.operation_listed(operation) for operation in operations]
            case "GET", "admin", "engine":
                return self.engines(query, user)
            case _:
                raise Other(404, "application/json", json.dumps({"message": "HTTP 404 Not Found"}))

    def guarded(self, what, id, ask, **words):
        words = WORDS[what].format(id=id, **words)
        try:
            return ask(uuid.UUID(id))
        except Refused as refused:
            raise Other(404, "application/json", json.dumps({"message": in_java(words, refused)})) from None
        except ValueError:
            text = f"{words}: java.lang.IllegalArgumentException: Invalid UUID string: {id}\n\tat java.util.UUID\n"
            raise Other(404, "application/json", json.dumps({"message": text})) from None

    def launch(self, session):
        found = (operation for operation in list(self.kyuubi.operations.values()) if operation.session is session)
        return next((operation for operation in found if operation.kind == "LaunchEngine"), None)

    def session_event(self, session):
        launch = self.launch(session)
        opened = session.created if launch is None else None if launch.exception else launch.completed
        return {
            "sessionId": str(session.id), "clientVersion": 0, "sessionType": "INTERACTIVE",
            "sessionName": session.conf.get("kyuubi.session.name", ""), "remoteSessionId": "", "engineId": "", "engineName": "",
            "engineUrl": "", "user": session.user, "clientIp": "127.0.0.1", "serverIp": self.instance, "conf": session.conf,
            "eventTime": milliseconds(session.created), "openedTime": milliseconds(opened) if opened else -1,
            "startTime": milliseconds(session.created), "endTime": -1,
            "totalOperations": 0, "exception": launch.exception if launch else None,
        }  # fmt: skip

    def listed(self, session):
        now = max(session.created, session.touched)
        return {
            "identifier": str(session.id), "remoteId": str(session.id), "user": session.user, "ipAddr": "127.0.0.1",
            "conf": session.conf, "createTime": milliseconds(session.created), "duration": milliseconds(now - session.created),
            "idleTime": 0, "exception": "", "sessionType": "INTERACTIVE", "kyuubiInstance": self.instance,
        }  # fmt: skip

    def operation_listed(self, operation):
        return {
            "identifier": str(operation.id), "remoteId": None, "statement": operation.statement, "state": f"{operation.state}_STATE",
            "createTime": milliseconds(operation.created), "startTime": milliseconds(operation.started),
            "completeTime": milliseconds(operation.completed), "exception": operation.exception or "",
            "sessionId": str(operation.session.id), "sessionUser": operation.session.user, "sessionType": "INTERACTIVE",
            "kyuubiInstance": self.instance,
            "metrics": {"fetchLogCount": str(operation.fetched_logs), "fetchResultsCount": str(operation.fetched_results)},
            "progress": None,
        }  # fmt: skip

    def event(self, operation):
        listed = self.operation_listed(operation)
        more = {"shouldRunAsync": True, "eventTime": listed["completeTime"], "exception": operation.exception}
        return {"statementId": listed.pop("identifier"), **listed, **more}

    def metadata(self, id):
        described = []
        for at, column in enumerate(self.kyuubi.columns(id)):
            is_decimal = column.type == "DECIMAL"
            described.append({
                "columnName": column.name, "dataType": f"{column.type}_TYPE", "columnIndex": at, "comment": "",
                "precision": column.qualifiers["precision"] if is_decimal else 0,
                "scale": column.qualifiers["scale"] if is_decimal else 0,
            })  # fmt: skip
        return described

    def rows(self, id, most, orientation):
        rows = self.kyuubi.fetch(id, most, orientation)
        # Those that have no type that could be told have text all the same.
        result = self.kyuubi.operation(id).result
        try:
            tags = [VALUES.get(column.type, "STRING_VAL") for column in result.columns]
        except Refused:
            tags = ["STRING_VAL"] * len(rows[0]) if rows else []
        return [{"fields": [{"dataType": tag, "value": value} for tag, value in zip(tags, row)]} for row in rows]

    def engines(self, query, user):
        """The engine of a user: there is one as soon as there was a session."""
        whose = query.get("proxyUser", user)
        sessions = [session for session in list(self.kyuubi.sessions.values()) if session.user == whose]
        if not sessions or query.get("type", "FLINK_SQL") != "FLINK_SQL":
            return []
        place = "127.0.0.1:43715"
        return [{
            "version": "1.11.1", "user": whose, "engineType": "FLINK_SQL", "sharelevel": "USER", "subdomain": "default",
            "instance": place, "namespace": f"/kyuubi_1.11.1_USER_FLINK_SQL/{whose}/default",
            "attributes": {"refId": str(sessions[0].id), "version": "1.11.1", "sequence": "0000000000", "serverUri": place},
        }]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    resources = None

    def log_message(self, *_):
        pass

    def user(self):
        scheme, _, given = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "":
            return "anonymous"
        if scheme.lower() != "basic":
            raise Other(401, "text/html;charset=iso-8859-1", f"<html><title>Error 401 No auth scheme matched for {scheme}</title></html>")
        return base64.b64decode(given).decode().partition(":")[0] or "anonymous"

    def handle_one(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        place = urlsplit(self.path)
        try:
            parts = place.path.removeprefix("/api/v1/").split("/") if place.path.startswith("/api/v1/") else [""]
            query = {name: values[0] for name, values in parse_qs(place.query).items()}
            answered = self.resources.answer(self.command, parts, query, body, self.user(), self.headers.get("Accept"))
            status, kind, sent = 200, "application/json", "" if answered is None else json.dumps(answered)
        except Other as other:
            status, kind, sent = other.args
        sent = sent.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one


def serve(kyuubi, port):
    """Answers on that port of 127.0.0.1, for ever."""
    handler = type("Bound", (Handler,), {"resources": Resources(kyuubi, port)})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    server.serve_forever()
