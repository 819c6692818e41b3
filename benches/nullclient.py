"""A client of HiveServer2 that runs a query, fetches its pages and throws them away: no process can read them in less.

    python3 benches/nullclient.py HOST:PORT QUERY

It speaks Thrift's binary protocol within SASL's frames (PLAIN), knows of an answer only how long it is, and asks for pages
as large as skep does: 1000 rows, then what fits into two MiB by the page before, at most eight times as many as that. It
prints how many bytes came.
"""

import socket
import struct
import sys

FIRST_PAGE, LARGEST_PAGE, PAGE_BYTES, GROWTH = 1000, 100_000, 2 << 20, 8
# The type of a value in front of a field, and the end of a struct.
BOOL, I16, I32, I64, BINARY, STRUCT = b"\x02", b"\x06", b"\x08", b"\x0a", b"\x0b", b"\x0c"
STOP = b"\0"
# TOperationState of an operation that runs, and of one that is finished.
GOING, FINISHED = (0, 1, 7), 2


def field(kind, number, value):
    return kind + struct.pack(">h", number) + value


def text(value):
    return struct.pack(">i", len(value)) + value


class Connection:
    """Calls of TCLIService, one after another."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = memoryview(bytearray(256 << 10))
        login = b"\0null\0null"
        self.socket.sendall(b"\1" + text(b"PLAIN") + b"\2" + text(login))
        status, length = struct.unpack(">Bi", self.exactly(5))
        if status != 5 or length > 0:
            sys.exit(f"no log-in: {self.exactly(length)!r}")

    def exactly(self, count):
        """That many bytes, at most those of the buffer; they are gone with the next call."""
        at = 0
        while at < count:
            got = self.socket.recv_into(self.buffer[at:count])
            if got == 0:
                sys.exit("the server closed the connection")
            at += got
        return bytes(self.buffer[:count])

    def send(self, name, request):
        message = b"\x80\x01\0\1" + text(name) + struct.pack(">i", 0) + field(STRUCT, 1, request + STOP) + STOP
        self.socket.sendall(text(message))

    def call(self, name, request):
        """The answer to a call, which is short."""
        self.send(name, request)
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def length(self, name, request):
        """How long the answer to a call is. It is thrown away."""
        self.send(name, request)
        length = left = struct.unpack(">i", self.exactly(4))[0]
        while left:
            got = self.socket.recv_into(self.buffer[: min(left, len(self.buffer))])
            if got == 0:
                sys.exit("the server closed the connection")
            left -= got
        return length


def handle(answer):
    """The identifier in an answer: two fields of 16 bytes each."""
    first = answer.index(b"\x0b\0\1\0\0\0\x10")
    return answer[first : first + 2 * (7 + 16)] + STOP


def main():
    server, query = sys.argv[1:]
    host, _, port = server.rpartition(":")
    connection = Connection(host, int(port))
    opened = connection.call(b"OpenSession", field(I32, 1, struct.pack(">i", 9)))
    session = field(STRUCT, 1, field(STRUCT, 1, handle(opened)) + STOP)
    execute = session + field(BINARY, 2, text(query.encode())) + field(BOOL, 4, b"\1")
    executed = handle(connection.call(b"ExecuteStatement", execute))
    # The identifier, a statement, with a result.
    kind = field(I32, 2, struct.pack(">i", 0)) + field(BOOL, 3, b"\1")
    operation = field(STRUCT, 1, field(STRUCT, 1, executed) + kind + STOP)
    state = GOING[0]
    while state in GOING:
        status = connection.call(b"GetOperationStatus", operation)
        # A field of its own, behind the status, which is a struct that ends.
        at = status.index(STOP + field(I32, 2, b"")) + 4
        state = struct.unpack(">i", status[at : at + 4])[0]
    if state != FINISHED:
        sys.exit(f"the statement did not finish: {status[:2000]!r}")
    size, total = FIRST_PAGE, 0
    while True:
        rows = field(I32, 2, struct.pack(">i", 0)) + field(I64, 3, struct.pack(">q", size)) + field(I16, 4, b"\0\0")
        length = connection.length(b"FetchResults", operation + rows)
        # An empty page says nothing but the types of the columns.
        if length < 500:
            break
        total += length
        size = max(1, min(PAGE_BYTES * size // length, LARGEST_PAGE, size * GROWTH))
    connection.call(b"CloseSession", session)
    print(total)


if __name__ == "__main__":
    main()
