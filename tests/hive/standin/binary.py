"""The server's HiveServer2 port: Thrift over TCP without SASL, by Apache Thrift's own code."""

import base64
import threading
import time
import uuid

from TCLIService import TCLIService, ttypes
from thrift.protocol import TBinaryProtocol
from thrift.server import TServer
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport

from model import Refused

# One constant of the server's.
SECRET = uuid.uuid4().bytes
# kyuubi.operation.status.polling.timeout, in seconds
POLLING = 5.0
CLOSE_ON_DISCONNECT = "kyuubi.session.close.on.disconnect"
OK = ttypes.TStatus(statusCode=0)
STATES = {"PENDING": 7, "RUNNING": 1, "FINISHED": 2, "ERROR": 5}
KINDS = {"ExecuteStatement": 0, "LaunchEngine": 9, "GetTables": 4, "GetColumns": 6}
# TTypeId by REST's word. 22 is Kyuubi's own, and not in Hive's interface.
TYPES = {
    "BOOLEAN": 0, "TINYINT": 1, "SMALLINT": 2, "INT": 3, "BIGINT": 4, "FLOAT": 5, "DOUBLE": 6, "STRING": 7, "TIMESTAMP": 8,
    "BINARY": 9, "ARRAY": 10, "MAP": 11, "STRUCT": 12, "DECIMAL": 15, "DATE": 17, "VARCHAR": 18, "CHAR": 19,
    "TIMESTAMPLOCALTZ": 22,
}  # fmt: skip
# The vector that a type's values are in, and what stands there for a null. All others are text.
VECTORS = {
    "BOOLEAN": ("boolVal", ttypes.TBoolColumn, False),
    "TINYINT": ("byteVal", ttypes.TByteColumn, 0),
    "SMALLINT": ("i16Val", ttypes.TI16Column, 0),
    "INT": ("i32Val", ttypes.TI32Column, 0),
    "BIGINT": ("i64Val", ttypes.TI64Column, 0),
    "FLOAT": ("doubleVal", ttypes.TDoubleColumn, 0.0),
    "DOUBLE": ("doubleVal", ttypes.TDoubleColumn, 0.0),
}
TEXT = ("stringVal", ttypes.TStringColumn, "")


def of(handle):
    """The id that a handle has: the one that REST and the logs have, too."""
    return uuid.UUID(bytes=(handle.sessionId if hasattr(handle, "sessionId") else handle.operationId).guid)


def handle_of(operation):
    has_rows = operation.kind != "LaunchEngine"
    return ttypes.TOperationHandle(ttypes.THandleIdentifier(operation.id.bytes, SECRET), KINDS[operation.kind], has_rows)


def described(column, at):
    values = {
        key: ttypes.TTypeQualifierValue(i32Value=value) for key, value in column.qualifiers.items()
    }  # fmt: skip
    entry = ttypes.TPrimitiveTypeEntry(TYPES[column.type], ttypes.TTypeQualifiers(values))
    return ttypes.TColumnDesc(column.name, ttypes.TTypeDesc([ttypes.TTypeEntry(primitiveEntry=entry)]), at, "")


def answer(types, rows):
    sent = []
    for at, kind in enumerate(types):
        field, vector, nothing = VECTORS.get(kind, TEXT)
        values = [row[at] for row in rows]
        nulls = bytearray((len(values) + 7) // 8)
        for place, value in enumerate(values):
            if value is None:
                nulls[place // 8] |= 1 << place % 8
        nulls = bytes(nulls).rstrip(b"\0")
        sent.append(ttypes.TColumn(**{field: vector([nothing if value is None else value for value in values], nulls)}))
    # There may be more: it is never said.
    return ttypes.TFetchResultsResp(OK, False, ttypes.TRowSet(0, [], sent))


class Calls:
    """Each call of the protocol."""

    def __init__(self, kyuubi):
        self.kyuubi = kyuubi
        # A connection has a thread of its own, in which `session` is the one that was opened last through it and is open.
        self.connection = threading.local()

    def disconnect(self):
        """The connection ends, and with it its session, unless that is told otherwise."""
        id = getattr(self.connection, "session", None)
        if id is None:
            return
        try:
            if self.kyuubi.session(id).conf.get(CLOSE_ON_DISCONNECT, "true") == "true":
                self.kyuubi.close_session(id)
        except Refused:
            pass  # It has been closed through another connection.

    def OpenSession(self, req):
        conf = req.configuration or {}
        # It is looked for by its own name.
        user = conf.get("hive.server2.proxy.user") or conf.get("kyuubi.session.proxy.user") or req.username or "anonymous"
        session, launch = self.kyuubi.open("thrift", user, conf)
        self.connection.session = session.id
        handle = ttypes.TSessionHandle(ttypes.THandleIdentifier(session.id.bytes, SECRET))
        told = {
            "kyuubi.session.engine.launch.handle.guid": base64.b64encode(launch.id.bytes).decode(),
            "kyuubi.session.engine.launch.handle.secret": base64.b64encode(SECRET).decode(),
            "hive.server2.thrift.resultset.default.fetch.size": "1000",
            "kyuubi.session.engine.launch.support.result": "true",
        }
        return ttypes.TOpenSessionResp(OK, req.client_protocol, handle, told)

    def CloseSession(self, req):
        self.connection.session = None
        self.kyuubi.close_session(of(req.sessionHandle))
        return ttypes.TCloseSessionResp(OK)

    def GetInfo(self, req):
        value = self.kyuubi.info(of(req.sessionHandle), req.infoType)
        return ttypes.TGetInfoResp(OK, ttypes.TGetInfoValue(stringValue=value))

    def ExecuteStatement(self, req):
        return ttypes.TExecuteStatementResp(OK, handle_of(self.kyuubi.execute(of(req.sessionHandle), req.statement)))

    def GetTables(self, req):
        return ttypes.TGetTablesResp(OK, handle_of(self.kyuubi.tables(of(req.sessionHandle))))

    def GetColumns(self, req):
        asked = self.kyuubi.table_columns(of(req.sessionHandle), req.tableName or "%")
        return ttypes.TGetColumnsResp(OK, handle_of(asked))

    def GetOperationStatus(self, req):
        operation = self.kyuubi.operation(of(req.operationHandle))
        # Of what the server does by itself it answers when that is done, or after a while.
        until = time.time() + POLLING
        while operation.kind == "LaunchEngine" and operation.state == "RUNNING" and time.time() < until:
            time.sleep(0.02)
        return ttypes.TGetOperationStatusResp(
            OK,
            operationState=STATES[operation.state],
            errorMessage=operation.exception,
            operationStarted=int(operation.started * 1000),
            operationCompleted=int((operation.completed or 0) * 1000),
            hasResultSet=operation.kind != "LaunchEngine",
        )

    def CancelOperation(self, req):
        self.kyuubi.cancel(of(req.operationHandle))
        return ttypes.TCancelOperationResp(OK)

    def CloseOperation(self, req):
        self.kyuubi.close_operation(of(req.operationHandle))
        return ttypes.TCloseOperationResp(OK)

    def GetResultSetMetadata(self, req):
        columns = self.kyuubi.columns(of(req.operationHandle))
        schema = ttypes.TTableSchema([described(column, at) for at, column in enumerate(columns)])
        return ttypes.TGetResultSetMetadataResp(OK, schema)

    def FetchResults(self, req):
        id = of(req.operationHandle)
        if req.fetchType == 1:
            return answer(["STRING"], [(line,) for line in self.kyuubi.log(id, req.maxRows)])
        kinds = self.kyuubi.operation(id).result.kinds
        rows = self.kyuubi.fetch(id, req.maxRows, ttypes.TFetchOrientation._VALUES_TO_NAMES[req.orientation])
        return answer(kinds, rows)


class Guarded:
    """Every failure as a status, as the server words it."""

    def __init__(self, calls):
        self.calls = calls

    def __getattr__(self, name):
        call, response = getattr(self.calls, name), getattr(ttypes, f"T{name}Resp")

        def guarded(req):
            try:
                return call(req)
            except Refused as refused:
                text = refused.message
                # What the engine has said is put with its stack.
                if refused.causes:
                    text += "\n\tat org.apache.flink.X.y(X.java:1)\n"
                    for cause in refused.causes[1:]:
                        text += f"Caused by: {cause.replace(':', ': ', 1)}\n\tat org.apache.flink.X.y(X.java:1)\n\t... 21 more\n"
                info = [f"*org.apache.kyuubi.KyuubiSQLException:{text}:26:25", "org.apache.kyuubi.X:y:X.scala:1"]
                for cause in refused.causes:
                    info += [f"*java.lang.RuntimeException:{cause}:5:4", "org.apache.flink.X:y:X.java:1"]
                return response(ttypes.TStatus(statusCode=3, infoMessages=info, errorCode=0, errorMessage=text))

        return guarded


class Processor(TCLIService.Processor):
    """With GetQueryId, which PyHive's code does not have: a struct with the handle goes in, one with a text comes out."""

    def __init__(self, kyuubi, calls):
        super().__init__(Guarded(calls))
        self.kyuubi = kyuubi
        self._processMap["GetQueryId"] = Processor.process_query_id

    def process_query_id(self, seqid, iprot, oprot):
        handle = ttypes.TOperationHandle()
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
            text = self.kyuubi.query_id(of(handle))
        except Refused:
            oprot.writeMessageBegin("GetQueryId", TMessageType.EXCEPTION, seqid)
            TApplicationException(TApplicationException.INTERNAL_ERROR).write(oprot)
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


class Server(TServer.TThreadedServer):
    def __init__(self, kyuubi, port):
        self.calls = Calls(kyuubi)
        super().__init__(
            Processor(kyuubi, self.calls),
            TSocket.TServerSocket(host="127.0.0.1", port=port),
            TTransport.TBufferedTransportFactory(),
            TBinaryProtocol.TBinaryProtocolFactory(),
            daemon=True,
        )

    def handle(self, client):
        super().handle(client)
        self.calls.disconnect()


def serve(kyuubi, port):
    """Answers on that port of 127.0.0.1, for ever."""
    Server(kyuubi, port).serve()
