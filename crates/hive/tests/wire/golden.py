"""Writes golden.txt: calls and answers of TCLIService as Apache Thrift's own generated code writes them.

    pip install pyhive thrift && python golden.py > golden.txt

Each line is a name, the call, and its answer, the last two in hexadecimal.
"""

from TCLIService import TCLIService, ttypes as t
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TApplicationException, TMessageType
from thrift.transport.TTransport import TMemoryBuffer

OK = t.TStatus(statusCode=0)
HANDLE = t.THandleIdentifier(guid=bytes(range(16)), secret=bytes(range(16, 32)))
SESSION = t.TSessionHandle(sessionId=HANDLE)
OPERATION = t.TOperationHandle(operationId=HANDLE, operationType=0, hasResultSet=True, modifiedRowCount=None)


def message(name, kind, sequence, body):
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeMessageBegin(name, kind, sequence)
    body.write(protocol)
    protocol.writeMessageEnd()
    return buffer.getvalue().hex()


def line(label, name, sequence, request, response):
    arguments = getattr(TCLIService, name + '_args')(req=request)
    call = message(name, TMessageType.CALL, sequence, arguments)
    if isinstance(response, Exception):
        answer = message(name, TMessageType.EXCEPTION, sequence, response)
    else:
        result = getattr(TCLIService, name + '_result')(success=response)
        answer = message(name, TMessageType.REPLY, sequence, result)
    print(label, call, answer)


def column(name, at, entry):
    return t.TColumnDesc(columnName=name, typeDesc=t.TTypeDesc(types=[entry]), position=at, comment='')


def primitive(number, **qualifiers):
    values = {key: t.TTypeQualifierValue(i32Value=value) for key, value in qualifiers.items()}
    return t.TTypeEntry(primitiveEntry=t.TPrimitiveTypeEntry(type=number, typeQualifiers=t.TTypeQualifiers(values)))


def main():
    line('open', 'OpenSession', 1,
         t.TOpenSessionReq(client_protocol=10, username='alice', password='x',
                           configuration={'set:hiveconf:a': 'b', 'use:database': 'db'}),
         t.TOpenSessionResp(status=OK, serverProtocolVersion=9, sessionHandle=SESSION, configuration={'k': 'v'}))
    line('info', 'GetInfo', 2, t.TGetInfoReq(sessionHandle=SESSION, infoType=17),
         t.TGetInfoResp(status=OK, infoValue=t.TGetInfoValue(stringValue='Spark SQL')))
    line('execute', 'ExecuteStatement', 3,
         t.TExecuteStatementReq(sessionHandle=SESSION, statement='SELECT 1', confOverlay={'c': 'd'}, runAsync=True,
                                queryTimeout=7),
         t.TExecuteStatementResp(status=OK, operationHandle=OPERATION))
    line('status', 'GetOperationStatus', 4,
         t.TGetOperationStatusReq(operationHandle=OPERATION, getProgressUpdate=True),
         t.TGetOperationStatusResp(status=OK, operationState=5, sqlState='42601', errorCode=3,
                                   errorMessage='no\n\tat a.B\nCaused by: x.Y: deep',
                                   operationStarted=1, operationCompleted=2, hasResultSet=True,
                                   progressUpdateResponse=t.TProgressUpdateResp(
                                       headerNames=['a', 'b'], rows=[['1', '2']], progressedPercentage=0.5, status=1,
                                       footerSummary='half', startTime=0)))
    types = [primitive(number) for number in range(10)] + [
        t.TTypeEntry(arrayEntry=t.TArrayTypeEntry(objectTypePtr=1)),
        primitive(12), primitive(15, precision=20, scale=4), primitive(18, characterMaximumLength=5),
        primitive(16), primitive(17)]
    line('schema', 'GetResultSetMetadata', 5, t.TGetResultSetMetadataReq(operationHandle=OPERATION),
         t.TGetResultSetMetadataResp(status=OK, schema=t.TTableSchema(
             columns=[column(f'c{at}', at, entry) for at, entry in enumerate(types)])))
    text = lambda values, nulls=b'': t.TColumn(stringVal=t.TStringColumn(values=values, nulls=nulls))
    columns = [
        t.TColumn(boolVal=t.TBoolColumn(values=[True, False, False], nulls=b'\x04')),
        t.TColumn(byteVal=t.TByteColumn(values=[-128, 127, 0], nulls=b'\x04')),
        t.TColumn(i16Val=t.TI16Column(values=[-32768, 32767, 0], nulls=b'\x04')),
        t.TColumn(i32Val=t.TI32Column(values=[-2**31, 2**31 - 1, 0], nulls=b'\x04')),
        t.TColumn(i64Val=t.TI64Column(values=[-2**63, 2**63 - 1, 0], nulls=b'\x04')),
        t.TColumn(doubleVal=t.TDoubleColumn(values=[1.1, float('-inf'), 0], nulls=b'\x04')),
        t.TColumn(doubleVal=t.TDoubleColumn(values=[1e308, float('nan'), 0], nulls=b'\x04')),
        text(['', 'tèxt 🐝', ''], b'\x04'),
        text(['2024-02-29 12:34:56.123456', '0001-01-01 00:00:00', ''], b'\x04'),
        t.TColumn(binaryVal=t.TBinaryColumn(values=[b'', b'\x00\xff', b''], nulls=b'\x04')),
        text(['[1,2,null]', '[]', ''], b'\x04'),
        text(['{"a":1}', '{}', ''], b'\x04'),
        text(['12345.6789', '-0.0001', ''], b'\x04'),
        text(['vc', 'abcde', ''], b'\x04'),
        text(['', '', ''], b'\x07'),
        text(['2024-02-29', '0001-01-01', ''], b'\x04')]
    line('rows', 'FetchResults', 6,
         t.TFetchResultsReq(operationHandle=OPERATION, orientation=0, maxRows=3, fetchType=0),
         t.TFetchResultsResp(status=OK, hasMoreRows=False,
                             results=t.TRowSet(startRowOffset=0, rows=[], columns=columns)))
    line('none', 'FetchResults', 7,
         t.TFetchResultsReq(operationHandle=OPERATION, orientation=0, maxRows=3, fetchType=0),
         t.TFetchResultsResp(status=OK, hasMoreRows=False, results=t.TRowSet(startRowOffset=0, rows=[])))
    line('tables', 'GetTables', 8,
         t.TGetTablesReq(sessionHandle=SESSION, schemaName='db', tableName='%', tableTypes=['TABLE', 'VIEW']),
         t.TGetTablesResp(status=t.TStatus(statusCode=3, sqlState='HY000', errorCode=9, errorMessage='not now',
                                           infoMessages=['*a.B:not now:2:1', 'a.B:c:d:1'])))
    line('columns', 'GetColumns', 9, t.TGetColumnsReq(sessionHandle=SESSION, catalogName='c', columnName='x'),
         t.TGetColumnsResp(status=OK, operationHandle=OPERATION))
    line('catalogs', 'GetCatalogs', 10, t.TGetCatalogsReq(sessionHandle=SESSION),
         t.TGetCatalogsResp(status=OK, operationHandle=OPERATION))
    line('schemas', 'GetSchemas', 11, t.TGetSchemasReq(sessionHandle=SESSION, schemaName='%'),
         t.TGetSchemasResp(status=OK, operationHandle=OPERATION))
    line('cancel', 'CancelOperation', 12, t.TCancelOperationReq(operationHandle=OPERATION),
         t.TCancelOperationResp(status=OK))
    line('close', 'CloseOperation', 13, t.TCloseOperationReq(operationHandle=OPERATION),
         TApplicationException(TApplicationException.INTERNAL_ERROR, 'Internal error'))
    line('end', 'CloseSession', 14, t.TCloseSessionReq(sessionHandle=SESSION), t.TCloseSessionResp(status=OK))


main()
