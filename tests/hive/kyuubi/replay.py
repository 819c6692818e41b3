"""Asks a Kyuubi server what a real one (1.11.1 with Flink 1.20.3) was asked when it was recorded (`recorded.json`), and fails
where it answers otherwise. By Apache Thrift's own code, as PyHive has it.

An answer is compared field by field, but for what is different each time: handles, times, jobs, paths. Ellipses stand for what
was not kept of the recording.
"""

import argparse
import base64
import json
import os
import re
import sys
import threading
import time

from TCLIService import TCLIService, ttypes
from thrift.protocol import TBinaryProtocol
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport

# What the stand-in answers though nobody has recorded it, and why it does.
UNRECORDED = {
    "GetColumns": "recorded over REST alone, and with the columns of one table; the numbers of types other than BIGINT are JDBC's",
}
LONGEST = 240
TYPES = {
    "BOOLEAN": 0, "TINYINT": 1, "SMALLINT": 2, "INT": 3, "BIGINT": 4, "FLOAT": 5, "DOUBLE": 6, "STRING": 7, "TIMESTAMP": 8,
    "BINARY": 9, "ARRAY": 10, "MAP": 11, "STRUCT": 12, "DECIMAL": 15, "DATE": 17, "VARCHAR": 18, "CHAR": 19,
    "TIMESTAMPLOCALTZ": 22,
}  # fmt: skip


class Connection(TCLIService.Client):
    """With GetQueryId, which PyHive's code does not have."""

    def __init__(self, port, sasl):
        socket = TSocket.TSocket("127.0.0.1", port)
        socket.setTimeout(LONGEST * 1000)
        if sasl:
            import thrift_sasl
            from pyhive.sasl_compat import PureSASLClient

            def client():
                return PureSASLClient("127.0.0.1", username="anonymous", password="x")

            transport = thrift_sasl.TSaslClientTransport(client, "PLAIN", socket)
        else:
            transport = TTransport.TBufferedTransport(socket)
        transport.open()
        super().__init__(TBinaryProtocol.TBinaryProtocol(transport))

    def GetQueryId(self, handle):
        out, back = self._oprot, self._iprot
        out.writeMessageBegin("GetQueryId", TMessageType.CALL, 0)
        out.writeStructBegin("GetQueryId_args")
        out.writeFieldBegin("req", TType.STRUCT, 1)
        out.writeStructBegin("TGetQueryIdReq")
        out.writeFieldBegin("operationHandle", TType.STRUCT, 1)
        handle.write(out)
        for _ in range(2):
            out.writeFieldEnd()
            out.writeFieldStop()
            out.writeStructEnd()
        out.writeMessageEnd()
        out.trans.flush()
        _, kind, _ = back.readMessageBegin()
        if kind == TMessageType.EXCEPTION:
            failure = TApplicationException()
            failure.read(back)
            back.readMessageEnd()
            raise failure
        for _ in range(2):
            back.readStructBegin()
            back.readFieldBegin()
        text = back.readString()
        for _ in range(2):
            back.readFieldEnd()
            back.readFieldBegin()
            back.readStructEnd()
        back.readMessageEnd()
        return text


def shape(value):
    """A struct as JSON has it, without what is not set."""
    if hasattr(value, "thrift_spec"):
        return {name: shape(part) for name, part in vars(value).items() if part is not None}
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>" if len(value) == 16 else value.hex()
    return plain(value) if isinstance(value, str) else value


def plain(text):
    text = re.sub(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>", text)
    text = re.sub(r"\b[0-9a-f]{32}\b", "<job>", text)
    text = re.sub(r"file:\S*/savepoint-[0-9a-f]{6}-[0-9a-f]{12}", "<savepoint>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? (Etc/)?UTC", "<time>", text)
    return re.sub(r"^[A-Za-z0-9+/]{22}==$", "<16 bytes>", text)


def words(message):
    """What a person is told, without the stack behind."""
    return message and message.split("\n\tat ")[0]


def differs(recorded, answered, where=""):
    """Where an answer is not as it was recorded; nothing if it is."""
    if recorded == "…":
        return None
    if isinstance(recorded, dict) and isinstance(answered, dict):
        missing = recorded.keys() - answered.keys()
        more = set() if "…" in recorded else answered.keys() - recorded.keys()
        if missing - {"…"} or more:
            return f"{where}: {sorted(missing)} are missing, {sorted(more)} were not there"
        pairs = [(key, recorded[key], answered[key]) for key in recorded if key != "…"]
    elif isinstance(recorded, list) and isinstance(answered, list):
        if recorded and recorded[-1] == "…":
            recorded, answered = recorded[:-1], answered[: len(recorded) - 1]
        if len(recorded) != len(answered):
            return f"{where}: {answered} is not as long as {recorded}"
        pairs = [(at, old, new) for at, (old, new) in enumerate(zip(recorded, answered))]
    elif isinstance(recorded, str) and isinstance(answered, str) and recorded.endswith("…"):
        return None if answered.startswith(recorded[:-1]) else f"{where}: {answered!r} does not begin as {recorded!r}"
    elif recorded == "<number>":
        return None if isinstance(answered, int) else f"{where}: {answered!r} is no number"
    else:
        return None if recorded == answered else f"{where}: {answered!r} was {recorded!r}"
    for key, old, new in pairs:
        if found := differs(old, new, f"{where}.{key}"):
            return found
    return None


class Replay:
    """One session after another, in which the steps are gone through."""

    def __init__(self, port, sasl):
        self.connect = lambda: Connection(port, sasl)
        self.client, self.session, self.operation, self.job = self.connect(), None, None, None
        self.called, self.opened = set(), []

    def check(self, recorded, answered, step):
        if found := differs(recorded, answered):
            sys.exit(f"{json.dumps(step, ensure_ascii=False)}\nis answered otherwise than recorded: {found}\n{answered}")

    def call(self, name, request, client=None):
        self.called.add(name)
        return getattr(client or self.client, name)(request)

    def step(self, step):
        match step:
            case {"open": configuration, "protocol": protocol, "answer": answer}:
                request = ttypes.TOpenSessionReq(client_protocol=protocol, username="anonymous", configuration=configuration)
                opened = self.call("OpenSession", request)
                self.check(answer, shape(opened), step)
                self.session = opened.sessionHandle
                self.opened.append(self.session)
            case {"info": what, "answer": answer}:
                self.check(answer, shape(self.call("GetInfo", ttypes.TGetInfoReq(self.session, what))), step)
            case {"statement": text, **kept}:
                self.statement(text, kept, step)
            case {"close_session": answer}:
                self.check(answer, shape(self.call("CloseSession", ttypes.TCloseSessionReq(self.session))), step)
            case {"blocked": text, **kept}:
                self.blocked(text, kept, step)
            case {"tables": pattern, **kept}:
                request = ttypes.TGetTablesReq(self.session, schemaName="%", tableName=pattern)
                self.listed("GetTables", request, kept, step)
            case {"columns_of": table, **kept}:
                request = ttypes.TGetColumnsReq(self.session, schemaName="%", tableName=table, columnName="%")
                self.listed("GetColumns", request, kept, step)
            case _:
                sys.exit(f"nobody knows how to do {step}")

    def statement(self, text, kept, step):
        request = ttypes.TExecuteStatementReq(self.session, text.replace("<job>", self.job or ""), runAsync=True)
        sent = self.call("ExecuteStatement", request)
        if "fails" in kept:
            status = shape(sent.status)
            status["errorMessage"] = words(status["errorMessage"])
            self.check({"statusCode": 3, "errorCode": 0, "errorMessage": kept["fails"], "infoMessages": ["…"]}, status, step)
            # The server's own words first, then where they come from.
            first = sent.status.infoMessages[0]
            if not first.startswith("*org.apache.kyuubi.KyuubiSQLException:" + sent.status.errorMessage.split("\n")[0]):
                sys.exit(f"{step}: the first of {sent.status.infoMessages} does not say what has failed")
            return
        self.operation = sent.operationHandle
        if "handle" in kept:
            self.check(kept["handle"], shape(sent), step)
        if "query_id" in kept:
            # Asked before anything is fetched.
            self.called.add("GetQueryId")
            id = self.client.GetQueryId(self.operation)
            self.check(kept["query_id"], plain(id), step)
            self.job = id or self.job
        state = self.finish()
        if "status" in kept:
            self.check(kept["status"], shape(state), step)
        if "columns" in kept:
            self.columns(kept["columns"], step)
        for page in kept.get("pages", []):
            self.page(page, step)
        for after in kept.get("after", []):
            self.after(after, step)

    def finish(self):
        while True:
            state = self.call("GetOperationStatus", ttypes.TGetOperationStatusReq(self.operation))
            if state.status.statusCode or state.operationState not in (0, 1, 7):
                return state
            time.sleep(0.01)

    def columns(self, recorded, step):
        answered = self.call("GetResultSetMetadata", ttypes.TGetResultSetMetadataReq(self.operation))
        if isinstance(recorded, str):
            self.check(recorded, plain(words(answered.status.errorMessage)), step)
            return
        found = []
        for column in answered.schema.columns:
            entry = column.typeDesc.types[0].primitiveEntry
            qualifiers = entry.typeQualifiers.qualifiers if entry.typeQualifiers else {}
            found.append([column.columnName, entry.type, {key: value.i32Value for key, value in qualifiers.items()}])
        named = [[name, TYPES[kind], *rest] for name, kind, *rest in recorded if name != "…"]
        # Over REST a type has no qualifiers.
        found = [[*column[:2], *column[2:][: len(wanted) - 2]] for column, wanted in zip(found, named)] + found[len(named) :]
        if recorded[-1] == ["…", "…"]:
            found = found[: len(named)]
        self.check(named, found, step)

    def fetch(self, most, client=None, what=0, orientation=0):
        request = ttypes.TFetchResultsReq(self.operation, orientation=orientation, maxRows=most, fetchType=what)
        return self.call("FetchResults", request, client)

    def page(self, page, step):
        # By its number; the next rows where there is none.
        orientation = page.get("orientation", 0)
        match page:
            case {"most": most, "fails": message}:
                found = self.fetch(most, orientation=orientation)
                self.check(message, plain(words(found.status.errorMessage) or ""), step)
            case {"most": most, "retried": retried, "rows": rows}:
                # There are none yet, as often as it is so.
                until = time.time() + LONGEST
                while (found := self.fetch(most)).status.statusCode and time.time() < until:
                    self.check(retried, plain(words(found.status.errorMessage)), step)
                self.check(rows, self.rows(found), step)
            case {"until_fails": message, "most": most, "retried": retried}:
                # Rows in their order, of which the last may be lost, and time-outs.
                rows = []
                # Or an end: which one, is a matter of when.
                while (failed := words((found := self.fetch(most)).status.errorMessage)) != message:
                    if failed is None:
                        if not (some := self.rows(found)):
                            break
                        rows += [row[0] for row in some]
                    else:
                        self.check(retried, failed, step)
                self.check(list(range(1, len(rows) + 1)), rows, step)
            case {"most": most, "answer": answer}:
                self.check(answer, shape(self.fetch(most)), step)
            case {"most": most, "rows": rows}:
                self.check(rows, self.rows(self.fetch(most, orientation=orientation)), step)
            case {"log": most, "has": part}:
                lines = []
                until = time.time() + LONGEST
                while not any(re.search(part, line) for line in ["\n".join(lines)]):
                    if time.time() > until:
                        sys.exit(f"{step}: the log has no {part}: {lines}")
                    lines += self.fetch(most, what=1).results.columns[0].stringVal.values
                    time.sleep(0.05)

    def rows(self, fetched):
        if fetched.status.statusCode:
            return fetched.status.errorMessage
        columns = []
        for column in fetched.results.columns:
            (vector,) = [part for part in vars(column).values() if part is not None]
            is_null = [
                len(vector.nulls) > at // 8 and vector.nulls[at // 8] >> at % 8 & 1 for at in range(len(vector.values))
            ]
            columns.append([None if null else shape(value) for value, null in zip(vector.values, is_null)])
        return [list(row) for row in zip(*columns)]

    def after(self, after, step):
        match after:
            case {"cancel": answer}:
                self.check(answer, shape(self.call("CancelOperation", ttypes.TCancelOperationReq(self.operation))), step)
            case {"close": answer}:
                self.check(answer, shape(self.call("CloseOperation", ttypes.TCloseOperationReq(self.operation))), step)
            case {"status": status}:
                found = shape(self.call("GetOperationStatus", ttypes.TGetOperationStatusReq(self.operation)))
                self.check(status, found, step)
            case {"query_id": None}:
                try:
                    sys.exit(f"{step}: GetQueryId answered {self.client.GetQueryId(self.operation)!r}")
                except TApplicationException:
                    pass
            case {"job": state}:
                self.check(state, self.state(state), step)

    def state(self, wanted):
        """The state of the last job, as another session hears it; that wanted, if it comes."""
        client = self.connect()
        opened = client.OpenSession(ttypes.TOpenSessionReq(client_protocol=9, username="anonymous", configuration={}))
        until, state = time.time() + LONGEST, None
        while state != wanted and time.time() < until:
            request = ttypes.TExecuteStatementReq(opened.sessionHandle, f"DESCRIBE JOB '{self.job}'", runAsync=True)
            asked = client.ExecuteStatement(request).operationHandle
            while client.GetOperationStatus(ttypes.TGetOperationStatusReq(asked)).operationState != 2:
                time.sleep(0.01)
            found = client.FetchResults(ttypes.TFetchResultsReq(asked, orientation=0, maxRows=9))
            state = self.rows(found)[0][2]
        client.CloseSession(ttypes.TCloseSessionReq(opened.sessionHandle))
        return state

    def listed(self, name, request, kept, step):
        answered = self.call(name, request)
        self.operation = answered.operationHandle
        self.check(kept["handle"], shape(answered), step)
        self.columns(kept["columns"], step)
        found = self.rows(self.fetch(100))
        # The order of tables is nobody's word.
        for row in kept["rows"]:
            if all(differs(row, answered) for answered in found):
                sys.exit(f"{step}: {row} is not among {found}")

    def blocked(self, text, kept, step):
        """A fetch that holds its session, what answers meanwhile, and what frees it."""
        sent = self.call("ExecuteStatement", ttypes.TExecuteStatementReq(self.session, text, runAsync=True))
        self.operation = sent.operationHandle
        self.job = self.client.GetQueryId(self.operation)
        self.finish()
        ended = {}
        fetching = self.connect()
        thread = threading.Thread(target=lambda: ended.update(fetch=self.fetch(1000, fetching)))
        thread.start()
        others = self.connect()
        for name in kept["answers"]:
            match name:
                case "CancelOperation":
                    answered = self.call(name, ttypes.TCancelOperationReq(self.operation), others)
                case "GetOperationStatus":
                    answered = self.call(name, ttypes.TGetOperationStatusReq(self.operation), others)
                case "FetchResults of the log":
                    answered = self.fetch(100, others, what=1)
            self.check(0, answered.status.statusCode, step)
        closing = self.connect()
        closed = threading.Thread(
            target=lambda: ended.update(close=closing.CloseOperation(ttypes.TCloseOperationReq(self.operation)))
        )
        closed.start()
        # Neither ends while the job runs, however long that is looked at.
        closed.join(2)
        if ended:
            sys.exit(f"{step}: {list(ended)} ended though the job runs")
        self.check("RUNNING", self.state("RUNNING"), step)
        freeing = self.connect()
        opened = freeing.OpenSession(ttypes.TOpenSessionReq(client_protocol=9, username="anonymous", configuration={}))
        stop = ttypes.TExecuteStatementReq(opened.sessionHandle, f"STOP JOB '{self.job}'", runAsync=True)
        self.check(0, self.call("ExecuteStatement", stop, freeing).status.statusCode, step)
        thread.join(LONGEST)
        closed.join(LONGEST)
        self.check(kept["freed"], words(ended["fetch"].status.errorMessage), step)
        self.check(0, ended["close"].status.statusCode, step)
        found = shape(self.call("GetOperationStatus", ttypes.TGetOperationStatusReq(self.operation), freeing))
        self.check(kept["then"], words(found["status"]["errorMessage"]), step)
        self.check("CANCELED", self.state("CANCELED"), step)
        freeing.CloseSession(ttypes.TCloseSessionReq(opened.sessionHandle))

    def close(self):
        for session in self.opened:
            self.client.CloseSession(ttypes.TCloseSessionReq(session))


def idle(replay, rest):
    """Opens a session without anything that keeps it, and waits until the server has closed it."""
    opened = replay.client.OpenSession(ttypes.TOpenSessionReq(client_protocol=9, username="anonymous", configuration={}))
    told = opened.configuration
    parts = [base64.b64decode(told[f"kyuubi.session.engine.launch.handle.{part}"]) for part in ("guid", "secret")]
    launch = ttypes.TOperationHandle(ttypes.THandleIdentifier(*parts), 9, False)
    replay.operation = launch
    replay.finish()
    replay.client.CloseOperation(ttypes.TCloseOperationReq(launch))
    until = time.time() + LONGEST
    while time.time() < until:
        # A question asked too soon begins its rest anew.
        time.sleep(rest)
        answered = replay.client.GetInfo(ttypes.TGetInfoReq(opened.sessionHandle, 17))
        if answered.status.statusCode:
            if "Invalid SessionHandle" not in answered.status.errorMessage:
                sys.exit(answered.status.errorMessage)
            return
    sys.exit("the server never closes it")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("--sasl", action="store_true", help="the server wants SASL")
    arguments.add_argument("--stand-in", action="store_true", help="it is one, and all that it answers is to be among this")
    arguments.add_argument("--idle", type=float, help="only wait until a session is closed that rests for so many seconds")
    told = arguments.parse_args()
    replay = Replay(told.port, told.sasl)
    if told.idle:
        idle(replay, told.idle)
        return
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "recorded.json"), encoding="utf-8") as recorded:
        for step in json.load(recorded):
            replay.step(step)
    replay.close()
    if told.stand_in:
        sys.path.insert(0, os.path.join(here, "../standin"))
        from binary import Calls

        served = {name for name in vars(Calls) if name[0].isupper()} | {"GetQueryId"}
        if missing := served - replay.called - UNRECORDED.keys():
            sys.exit(f"the stand-in answers {sorted(missing)}, and no recording says how")


main()
