"""A stand-in for a Kyuubi server with its Flink engine, over Thrift without SASL. It keeps sessions, operations and jobs, and
answers as a real one (Kyuubi 1.11, Flink 1.20) was recorded to: a session's calls run one after another and a fetch holds it;
CancelOperation says SUCCESS and does nothing; closing a query's operation cancels its job, closing anything else leaves the
job alone; settings are the session's, whether SET or given when it is opened, and none go with a statement.

Arguments: the port, a file to which each session and statement is written, a line each, and a savepoint of a real cluster, of
which every savepoint is a copy.
"""

import base64
import json
import os
import re
import shutil
import sys
import threading
import time
import uuid

from TCLIService import TCLIService
from TCLIService.ttypes import (
    TCancelOperationResp,
    TCloseOperationResp,
    TCloseSessionResp,
    TColumn,
    TColumnDesc,
    TExecuteStatementResp,
    TFetchResultsResp,
    TGetInfoResp,
    TGetInfoValue,
    TGetOperationStatusResp,
    TGetResultSetMetadataResp,
    TGetTablesResp,
    THandleIdentifier,
    TI64Column,
    TOpenSessionResp,
    TOperationHandle,
    TPrimitiveTypeEntry,
    TRowSet,
    TSessionHandle,
    TStatus,
    TStringColumn,
    TTableSchema,
    TTypeDesc,
    TTypeEntry,
)
from thrift.protocol import TBinaryProtocol
from thrift.server import TServer
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport

SECRET = b"s" * 16
ROUND = 1.0
BIGINT, STRING, VARCHAR = 4, 7, 18
JOB_ID = "$internal.pipeline.job-id"
RESTORE = "execution.state-recovery.path"
FETCH_TIMEOUT = "kyuubi.session.engine.flink.fetch.timeout"
ENGINE = {"execution.target": "remote", "rest.address": "127.0.0.1", "rest.port": "1", "execution.checkpointing.interval": "5 s"}
OK = TStatus(statusCode=0)
BOTH = r"'([^']*)'"


class Refused(Exception):
    """What the engine says no to: the class and the text."""


class Job:
    def __init__(self, name, is_query, early):
        self.name, self.is_query, self.early = name, is_query, early
        self.state, self.began, self.taken = "RUNNING", time.time(), 0

    def ready(self):
        """Rows that can be fetched: five a second, in exactly-once mode with each checkpoint."""
        passed = time.time() - self.began
        return int(passed * 5) if self.early else int(passed / 5) * 25


class Operation:
    def __init__(self, session, columns, rows, job=None):
        self.session, self.columns, self.rows, self.job = session, columns, rows, job


class Session:
    def __init__(self, conf):
        self.conf, self.base, self.tables, self.turn = dict(conf), dict(conf), set(), threading.Lock()


class Kyuubi:
    def __init__(self, journal, sample):
        self.sample, self.savepoints = sample, os.path.join(os.path.dirname(journal), "savepoints")
        self.journal, self.lock = open(journal, "a", encoding="utf-8"), threading.Lock()
        self.sessions, self.operations, self.jobs = {}, {}, {}

    def note(self, **what):
        with self.lock:
            self.journal.write(json.dumps(what) + "\n")
            self.journal.flush()

    # Sessions.

    def OpenSession(self, req):
        conf = {}
        for key, value in (req.configuration or {}).items():
            for prefix in ("set:", "hiveconf:", "flink."):
                key = key.removeprefix(prefix)
            conf[key] = value
        guid, launch = uuid.uuid4().bytes, uuid.uuid4().bytes
        self.sessions[guid] = Session(conf)
        self.operations[launch] = Operation(self.sessions[guid], [], [])
        self.note(session=guid.hex(), opened=conf)
        told = {
            "kyuubi.session.engine.launch.handle.guid": base64.b64encode(launch).decode(),
            "kyuubi.session.engine.launch.handle.secret": base64.b64encode(SECRET).decode(),
        }
        handle = TSessionHandle(THandleIdentifier(guid, SECRET))
        return TOpenSessionResp(OK, req.client_protocol, handle, told)

    def CloseSession(self, req):
        guid = req.sessionHandle.sessionId.guid
        session = self.session(req.sessionHandle)
        with session.turn:
            for handle, operation in list(self.operations.items()):
                if operation.session is session:
                    self.drop(handle)
            self.sessions.pop(guid, None)
        self.note(session=guid.hex(), closed=True)
        return TCloseSessionResp(OK)

    def GetInfo(self, req):
        self.session(req.sessionHandle)
        value = {13: "Apache Flink", 17: "Apache Flink", 18: "1.20.3"}[req.infoType]
        return TGetInfoResp(OK, TGetInfoValue(stringValue=value))

    def session(self, handle):
        guid = handle.sessionId.guid
        if guid not in self.sessions:
            raise Refused("org.apache.kyuubi.KyuubiSQLException", f"Invalid SessionHandle [{uuid.UUID(bytes=guid)}]")
        return self.sessions[guid]

    # Statements.

    def ExecuteStatement(self, req):
        session = self.session(req.sessionHandle)
        self.note(session=req.sessionHandle.sessionId.guid.hex(), statement=req.statement)
        with session.turn:
            return TExecuteStatementResp(OK, self.add(self.execute(session, req.statement.strip())))

    def add(self, operation):
        guid = uuid.uuid4().bytes
        self.operations[guid] = operation
        return TOperationHandle(THandleIdentifier(guid, SECRET), 0, True)

    def execute(self, session, text):
        def done():
            return Operation(session, [("result", VARCHAR)], [("OK",)])

        def match(pattern):
            return re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)

        if match("SET"):
            return Operation(session, [("key", VARCHAR), ("value", VARCHAR)], sorted({**ENGINE, **session.conf}.items()))
        if found := match(rf"SET {BOTH}\s*=\s*{BOTH}"):
            session.conf[found[1]] = found[2]
            return done()
        if found := match(rf"RESET(?: {BOTH})?"):
            for key in [found[1]] if found[1] else list(session.conf):
                session.conf.pop(key, None)
                if key in session.base:
                    session.conf[key] = session.base[key]
            return done()
        if found := match(r"CREATE TABLE `?(\w+)`?.*"):
            if found[1] in session.tables:
                raise Refused("org.apache.flink.table.api.ValidationException", f"Could not execute CreateTable: Table {found[1]} already exists.")
            session.tables.add(found[1])
            return done()
        if match("SHOW TABLES"):
            return Operation(session, [("table name", VARCHAR)], [(name,) for name in sorted(session.tables)])
        if match("SHOW JOBS"):
            return Operation(session, LIST, [self.row(job) for job in self.jobs])
        if found := match(rf"DESCRIBE JOB {BOTH}"):
            self.job(found[1])
            return Operation(session, LIST, [self.row(found[1])])
        if found := match(rf"STOP JOB {BOTH}( WITH SAVEPOINT)?( WITH DRAIN)?"):
            job = self.job(found[1])
            if job.state != "RUNNING":
                raise Refused("org.apache.flink.table.gateway.service.utils.SqlExecutionException", f"Could not stop job {found[1]}.")
            if not found[2]:
                job.state = "CANCELED"
                return done()
            job.state = "FINISHED"
            path = f"{self.savepoints}/savepoint-{found[1][:6]}-{uuid.uuid4().hex[:12]}"
            shutil.copytree(self.sample, path)
            return Operation(session, [("savepoint path", VARCHAR)], [(f"file:{path}",)])
        if found := match(r"INSERT INTO (\w+) SELECT .* FROM (\w+)"):
            self.known(session, text, found[1], found[2])
            job = self.start(session, f"insert-into_default_catalog.default_database.{found[1]}", False)
            return Operation(session, [("job id", VARCHAR)], [(job,)], job)
        if found := match(r"SELECT .* FROM (\w+)"):
            self.known(session, text, found[1])
            return Operation(session, [("id", BIGINT)], None, self.start(session, text, True))
        if match(r"SELECT 1"):
            job = self.start(session, text, True)
            self.jobs[job].state = "FINISHED"
            return Operation(session, [("EXPR$0", BIGINT)], [(1,)], job)
        raise Refused("org.apache.flink.table.api.SqlParserException", "SQL parse failed. Non-query expression encountered in illegal context")

    def known(self, session, text, *names):
        for name in names:
            if name not in session.tables:
                at = text.rindex(name) + 1
                where = f"From line 1, column {at} to line 1, column {at + len(name) - 1}"
                raise Refused("org.apache.flink.table.api.ValidationException", f"SQL validation failed. {where}: Object '{name}' not found")

    def start(self, session, name, is_query):
        job = session.conf.get(JOB_ID, uuid.uuid4().hex)
        if job in self.jobs:
            raise Refused("org.apache.flink.runtime.client.DuplicateJobSubmissionException", "Job has already been submitted.")
        early = session.conf.get("execution.checkpointing.mode") == "AT_LEAST_ONCE"
        self.jobs[job] = Job(name, is_query, early)
        self.note(job=job, restored=session.conf.get(RESTORE), dml_sync=session.conf.get("table.dml-sync"))
        return job

    def job(self, text):
        if text not in self.jobs:
            raise Refused("org.apache.flink.runtime.messages.FlinkJobNotFoundException", f"Could not find Flink job ({text})")
        return self.jobs[text]

    def row(self, job):
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.jobs[job].began))
        return (job, self.jobs[job].name, self.jobs[job].state, f"{began}.000 Z")

    # Operations.

    def operation(self, handle):
        guid = handle.operationId.guid
        if guid not in self.operations:
            raise Refused("org.apache.kyuubi.KyuubiSQLException", f"Invalid OperationHandle [{uuid.UUID(bytes=guid)}]")
        return self.operations[guid]

    def drop(self, guid):
        operation = self.operations.pop(guid)
        job = self.jobs.get(operation.job)
        if job and job.is_query and job.state == "RUNNING":
            job.state = "CANCELED"
            self.note(job=operation.job, cancelled=True)

    def GetOperationStatus(self, req):
        self.operation(req.operationHandle)
        return TGetOperationStatusResp(OK, operationState=2, hasResultSet=True)

    def CancelOperation(self, req):
        self.operation(req.operationHandle)
        return TCancelOperationResp(OK)

    def CloseOperation(self, req):
        operation = self.operation(req.operationHandle)
        with operation.session.turn:
            self.operations.get(req.operationHandle.operationId.guid) and self.drop(req.operationHandle.operationId.guid)
        return TCloseOperationResp(OK)

    def query_id(self, handle):
        operation = self.operation(handle)
        with operation.session.turn:
            return operation.job or ""

    def GetResultSetMetadata(self, req):
        columns = self.operation(req.operationHandle).columns
        return TGetResultSetMetadataResp(OK, TTableSchema([described(*column, at) for at, column in enumerate(columns)]))

    def GetTables(self, req):
        session = self.session(req.sessionHandle)
        rows = [("default_catalog", "default_database", name, "TABLE", "") for name in sorted(session.tables)]
        names = ("TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS")
        return TGetTablesResp(OK, self.add(Operation(session, [(name, STRING) for name in names], rows)))

    def FetchResults(self, req):
        operation = self.operation(req.operationHandle)
        if req.fetchType == 1:
            return answer([("log", STRING)], [])
        with operation.session.turn:
            if operation.rows is not None:
                rows, operation.rows = operation.rows[: req.maxRows], operation.rows[req.maxRows :]
                return answer(operation.columns, rows)
            return answer(operation.columns, self.gather(operation, req.maxRows))

    def gather(self, operation, most):
        """In rounds, until there are so many rows; a time-out ends the wait for the next ones."""
        job, rows = self.jobs[operation.job], []
        limit = operation.session.conf.get(FETCH_TIMEOUT)
        limit = float(limit.removeprefix("PT").removesuffix("S")) if limit else None
        while len(rows) < most:
            before = len(rows)
            while job.taken < job.ready() and len(rows) < most:
                job.taken += 1
                rows.append((job.taken,))
            if job.state != "RUNNING":
                raise Refused("org.apache.kyuubi.KyuubiSQLException", "Error while retrieving result.")
            if len(rows) < most:
                if limit is not None and before == len(rows):
                    time.sleep(limit)
                    if job.taken < job.ready():
                        continue
                    if rows:
                        break
                    raise Refused("java.util.concurrent.TimeoutException", f"Futures timed out after [{int(limit * 1000)} milliseconds]")
                if limit is not None and rows:
                    break
                time.sleep(ROUND)
        return rows


LIST = [("job id", VARCHAR), ("job name", VARCHAR), ("status", VARCHAR), ("start time", STRING)]


def described(name, kind, at):
    return TColumnDesc(name, TTypeDesc([TTypeEntry(primitiveEntry=TPrimitiveTypeEntry(kind))]), at, "")


def answer(columns, rows):
    sent = []
    for at, (_, kind) in enumerate(columns):
        values = [row[at] for row in rows]
        if kind == BIGINT:
            sent.append(TColumn(i64Val=TI64Column(values, b"")))
        else:
            sent.append(TColumn(stringVal=TStringColumn(values, b"")))
    return TFetchResultsResp(OK, False, TRowSet(0, [], sent))


class Guarded:
    """Every failure as a status, as the server words it."""

    def __init__(self, kyuubi):
        self.kyuubi = kyuubi

    def __getattr__(self, name):
        call = getattr(self.kyuubi, name)
        response = getattr(TCLIService, f"T{name}Resp", None)

        def guarded(req):
            try:
                return call(req)
            except Refused as refused:
                kind, text = refused.args
                if name == "ExecuteStatement" and "Invalid" not in text:
                    text = f"Error operating ExecuteStatement: {kind}: {text}"
                info = [f"*org.apache.kyuubi.KyuubiSQLException:{text}:19:18", "org.apache.kyuubi.X:y:X.scala:1"]
                return response(TStatus(statusCode=3, infoMessages=info, errorCode=0, errorMessage=text))

        return guarded


class Processor(TCLIService.Processor):
    """With GetQueryId, which PyHive's code does not have: a struct with the handle goes in, one with a text comes out."""

    def __init__(self, kyuubi):
        super().__init__(Guarded(kyuubi))
        self.kyuubi = kyuubi
        self._processMap["GetQueryId"] = Processor.process_query_id

    def process_query_id(self, seqid, iprot, oprot):
        handle = TOperationHandle()
        depth = 0
        iprot.readStructBegin()
        while True:
            _, kind, _ = iprot.readFieldBegin()
            if kind == TType.STOP:
                if depth == 0:
                    break
                depth -= 1
                iprot.readFieldEnd()
            elif depth == 0:
                depth += 1
                iprot.readStructBegin()
            else:
                handle.read(iprot)
                iprot.readFieldEnd()
        iprot.readMessageEnd()
        try:
            text = self.kyuubi.query_id(handle)
        except Refused:
            oprot.writeMessageBegin("GetQueryId", TMessageType.EXCEPTION, seqid)
            TApplicationException(TApplicationException.INTERNAL_ERROR, "Internal error").write(oprot)
        else:
            oprot.writeMessageBegin("GetQueryId", TMessageType.REPLY, seqid)
            oprot.writeStructBegin("GetQueryId_result")
            oprot.writeFieldBegin("success", TType.STRUCT, 0)
            oprot.writeStructBegin("TGetQueryIdResp")
            oprot.writeFieldBegin("queryId", TType.STRING, 1)
            oprot.writeString(text)
            oprot.writeFieldEnd()
            oprot.writeFieldStop()
            oprot.writeStructEnd()
            oprot.writeFieldEnd()
            oprot.writeFieldStop()
            oprot.writeStructEnd()
        oprot.writeMessageEnd()
        oprot.trans.flush()


def main():
    port, journal, sample = sys.argv[1:]
    TServer.TThreadedServer(
        Processor(Kyuubi(journal, sample)),
        TSocket.TServerSocket(host="127.0.0.1", port=int(port)),
        TTransport.TBufferedTransportFactory(),
        TBinaryProtocol.TBinaryProtocolFactory(),
        daemon=True,
    ).serve()


main()
