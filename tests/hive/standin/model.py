"""Sessions and operations of a Kyuubi server with Flink's SQL engine, whatever they are asked through: what is the same over
Thrift and REST. Recorded of Kyuubi 1.11 with Flink 1.20.

A session's calls to the engine run one after another, and a fetch holds it; what the server answers by itself (state, log, event,
cancel) does not wait. Cancel says that all is well and does nothing; closing a query's operation ends its job, closing anything
else leaves the job alone. Settings are the session's, whether SET or given when it is opened, and none go with a statement.
"""

import json
import os
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass, field

ROUND = 1.0
FETCH_TIMEOUT = "kyuubi.session.engine.flink.fetch.timeout"
MAX_ROWS = "kyuubi.session.engine.flink.max.rows"
# Whichever of these is before a key, or several, the engine takes the key alone.
PREFIXES = ("set:", "hiveconf:", "flink.")
KYUUBI_ERROR = "org.apache.kyuubi.KyuubiSQLException"
UNSTARTED = (
    "Failed to detect the root cause, please check /srv/skep-engines at server side if necessary. The last 10 line(s) of log are:\n"
    "Error: Could not find or load main class org.apache.kyuubi.engine.flink.FlinkSQLEngine\n"
    "Caused by: java.lang.NoClassDefFoundError: scala/Product"
)


class Refused(Exception):
    """What a person is to read, in a line, and what has caused it."""

    def __init__(self, message, causes=()):
        super().__init__(message)
        self.message, self.causes = message, tuple(causes)


@dataclass(frozen=True)
class Column:
    """A column of a result. `type` is REST's word without its `_TYPE`: INT, BIGINT, VARCHAR, TIMESTAMPLOCALTZ."""

    name: str
    type: str
    qualifiers: dict = field(default_factory=dict)


class Operation:
    """A statement, the launch of the engine, or a question about the catalog."""

    # The engine's answer to a statement arrives so much later at the server's own bookkeeping.
    SETTLES = 0.02

    def __init__(self, session, statement, kind="ExecuteStatement"):
        self.id, self.session, self.statement, self.kind = uuid.uuid4(), session, statement, kind
        self.created = self.started = time.time()
        self.completed = None
        self.exception = None
        # What the engine has made of it: columns, rows, perhaps a job.
        self.result = None
        self.lines, self.fetched_logs, self.fetched_results = [], 0, 0
        self.note("PENDING")

    def note(self, state):
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        self.lines.append(
            f"{when}.000 INFO Frontend org.apache.kyuubi.operation.OperationAuditLogger: operation={self.id}\t"
            f"opType={self.kind}\tstate={state}\tuser={self.session.user}\tsession={self.session.id}"
        )

    def complete(self, result):
        self.result, self.completed = result, time.time()
        self.note("FINISHED")
        if result.job:
            # A name that has lines has them here, too.
            said = f"INFO RestClusterClient: Submitting job '{result.job_name}' ({result.job})."
            self.lines += said.split("\n")

    @property
    def state(self):
        if self.exception is not None:
            return "ERROR"
        if self.completed is None:
            return "RUNNING" if self.kind == "LaunchEngine" else "PENDING"
        settles = self.SETTLES if self.kind == "ExecuteStatement" else 0
        return "FINISHED" if time.time() >= self.completed + settles else "RUNNING"


class Session:
    def __init__(self, user, conf, settings, engine):
        # What it was opened with, as it was told and by the keys that the engine knows.
        self.conf, self.settings = dict(conf), settings
        self.id, self.user, self.engine = uuid.uuid4(), user, engine
        self.created = self.touched = time.time()
        # The engine carries out one call of it at a time.
        self.turn = threading.RLock()
        # Its engine runs, or can't be started.
        self.launched, self.failure = threading.Event(), None


class Kyuubi:
    """The server. Where a call takes an id, that is a `uuid.UUID`; each raises Refused."""

    # Of a statement with this the server dies when it has been carried out, before it answers.
    DEADLY = "AS unanswered"
    # A session with this setting waits for its engine: "never" comes, or it "fails" after a moment as one whose class path lacks Scala;
    # "once" it comes, for the first session of that name, and for later ones never.
    LAUNCH = "stand-in.launch"

    # Each fetch of a session with this setting is held up: "rounds" until those have passed that others have left behind, "end" the same,
    # and as soon as a row has been fetched until the rounds have met the end, as if others had asked for them.
    STALL = "stand-in.stall"

    def __init__(self, engine, journal):
        self.engine, self.lock = engine, threading.Lock()
        self.journal = open(journal, "a", encoding="utf-8")
        self.sessions, self.operations = {}, {}
        self.launched_once = set()

    def note(self, **what):
        """Writes a line for the tests to read."""
        with self.lock:
            self.journal.write(json.dumps(what) + "\n")
            self.journal.flush()

    # Sessions.

    def open(self, way, user, conf):
        """A new session, and the operation that launches its engine."""
        told = {}
        for key, value in conf.items():
            while prefix := next((prefix for prefix in PREFIXES if key.startswith(prefix)), None):
                key = key.removeprefix(prefix)
            told[key] = value
        session = Session(user, conf, told, self.engine.open(told))
        self.sessions[session.id] = session
        self.note(session=session.id.hex, way=way, user=user, opened=told)
        launch = self.add(Operation(session, "LaunchEngine", "LaunchEngine"))
        launch.lines.append(
            "2026-11-21 01:03:14.388 INFO KyuubiSessionManager-exec-pool: Thread-64 org.apache.kyuubi.shaded.curator.X: Starting"
        )
        launch.lines.append(
            "2026-11-21 01:03:14.390 INFO KyuubiSessionManager-exec-pool: Thread-64 org.apache.kyuubi.engine.ProcBuilder: Creating "
            f"{user}'s working directory at /srv/skep-engines/{user}"
        )
        name = told.get("kyuubi.session.name")
        match told.get(self.LAUNCH):
            case "never":
                pass
            case "once" if name in self.launched_once:
                pass
            case "fails":
                threading.Timer(ROUND, self.fail, (session, launch)).start()
            case _:
                self.launched_once.add(name)
                launch.complete(Answer([], []))
                session.launched.set()
        return session, launch

    def fail(self, session, launch):
        """The engine does not start."""
        launch.lines += UNSTARTED.split("\n")
        launch.completed = time.time()
        launch.exception = f"{KYUUBI_ERROR}: {UNSTARTED}"
        session.failure = Refused(UNSTARTED)
        session.launched.set()

    def ready(self, session):
        """Waits for the session's engine."""
        session.launched.wait()
        if session.failure:
            raise session.failure

    def session(self, id):
        if id not in self.sessions:
            raise Refused(f"Invalid SessionHandle [{id}]")
        return self.sessions[id]

    def close_session(self, id):
        session = self.session(id)
        with session.turn:
            for operation in self.operations_of(session):
                self.drop(operation)
            self.sessions.pop(id, None)
            session.engine.close()
        self.note(session=id.hex, closed=True)

    def close_idle(self, limit):
        """Closes, for ever, what nobody has used for so many seconds: no call has come, and no operation is open."""
        while True:
            time.sleep(min(limit / 4, ROUND))
            for session in list(self.sessions.values()):
                if not self.operations_of(session) and time.time() - session.touched > limit:
                    self.note(session=session.id.hex, idle=True)
                    self.close_session(session.id)

    def operations_of(self, session):
        return [operation for operation in list(self.operations.values()) if operation.session is session]

    def info(self, id, what):
        """CLI_SERVER_NAME, CLI_DBMS_NAME, CLI_DBMS_VER by their numbers. It counts as access."""
        session = self.session(id)
        session.touched = time.time()
        self.ready(session)
        known = {13: "Apache Flink", 17: "Apache Flink", 18: "1.20.3"}
        if what not in known:
            raise Refused(f"Unrecognized GetInfoType value: {what}")
        return known[what]

    # Operations.

    def add(self, operation):
        self.operations[operation.id] = operation
        return operation

    def execute(self, id, text):
        """Carries a statement out; the caller waits for the engine."""
        session = self.session(id)
        session.touched = time.time()
        self.note(session=id.hex, statement=text)
        operation = self.add(Operation(session, text))
        try:
            self.ready(session)
            with session.turn:
                operation.complete(session.engine.execute(text.strip()))
            if self.DEADLY in text:
                os._exit(137)
        except Refused as refused:
            operation.exception = f"{KYUUBI_ERROR}: {refused.message}"
            self.operations.pop(operation.id, None)
            raise
        return operation

    def tables(self, id):
        """What GetTables answers."""
        return self.catalog(id, "GetTables", lambda engine: engine.tables())

    def table_columns(self, id, pattern):
        """What GetColumns answers of the tables that fit a pattern of LIKE."""
        return self.catalog(id, "GetColumns", lambda engine: engine.columns(pattern))

    def catalog(self, id, kind, ask):
        session = self.session(id)
        session.touched = time.time()
        operation = self.add(Operation(session, kind, kind))
        self.ready(session)
        with session.turn:
            operation.complete(ask(session.engine))
        return operation

    def operation(self, id):
        if id not in self.operations:
            raise Refused(f"Invalid OperationHandle [{id}]")
        return self.operations[id]

    def cancel(self, id):
        """Says yes, and does nothing."""
        self.operation(id)

    def close_operation(self, id):
        """Waits for its turn: whatever holds the session holds this."""
        operation = self.operation(id)
        with operation.session.turn:
            self.drop(operation)

    def drop(self, operation):
        if self.operations.pop(operation.id, None) and operation.result:
            operation.result.close()

    def query_id(self, id):
        """The job's id, or nothing; waits for its turn."""
        operation = self.operation(id)
        with operation.session.turn:
            return operation.result.job or ""

    def columns(self, id):
        operation = self.settled(id)
        with operation.session.turn:
            return operation.result.columns

    def settled(self, id):
        operation = self.operation(id)
        if operation.state != "FINISHED":
            raise Refused(f"Expected state FINISHED, but found {operation.state}")
        return operation

    def log(self, id, most):
        """The next lines of the log: it is read once."""
        operation = self.operation(id)
        lines, operation.lines = operation.lines[:most], operation.lines[most:]
        operation.fetched_logs += len(lines)
        return lines

    def fetch(self, id, most, orientation):
        """Rows, as many as are asked for or to the end; the time-out ends the wait for the next ones. Holds the session."""
        operation = self.settled(id)
        with operation.session.turn:
            if id not in self.operations:
                raise Refused(f"Invalid OperationHandle [{id}]")
            settings = operation.session.settings
            if stall := settings.get(self.STALL):
                operation.result.stall(to_the_end=stall == "end")
            rows = operation.result.fetch(most, orientation, settings)
            operation.fetched_results += len(rows)
            return rows


class Answer:
    """What a statement gives: rows that are all there."""

    job, job_name = None, ""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, list(rows)

    @property
    def kinds(self):
        """The type of each column, of those too that can't be described."""
        return [column.type for column in self.columns]

    def fetch(self, most, orientation, settings):
        """The next rows, at most so many. Nobody asks for others of these."""
        if orientation != "FETCH_NEXT":
            raise Refused(f"The stand-in has no {orientation} of what is no statement's")
        rows, self.rows = self.rows[:most], self.rows[most:]
        return rows

    def stall(self, to_the_end):
        """There are no rounds to wait for."""

    def close(self):
        """Nobody wants it any more."""


class Rounds:
    """How the engine fetches what Flink's SQL Gateway gives as it comes (IncrementalResultFetchIterator and FlinkOperation of 1.11.1).

    A fetch that finds no rows queues a round, which asks until there are some or their end and sleeps for a second then. One that has
    waited for its time-out leaves its round behind. Who meets the end makes it the end for all: rows that nobody has fetched till
    then are lost. So many rows as the engine keeps are the end as well, and a round that is left over then fails.

    FETCH_FIRST and FETCH_PRIOR move the place from which the latter counts, and nothing else: rows are given from where the last ones
    ended. A place that has no row is refused.
    """

    def __init__(self, pull, settings, is_query):
        # Asks once: rows, perhaps none, and whether these are all.
        self.pull = pull
        # Of a query alone the engine keeps only so many.
        self.most = int(settings.get(MAX_ROWS, 1_000_000)) if is_query else sys.maxsize
        limit = settings.get(FETCH_TIMEOUT)
        self.limit = float(limit.removeprefix("PT").removesuffix("S")) if limit else None
        self.rows, self.at, self.start, self.has_next = [], 0, 0, True
        self.rounds = ThreadPoolExecutor(max_workers=1)
        self.closed = False

    def round(self):
        is_fetched = False
        while not is_fetched and not self.closed:
            left = self.most - len(self.rows)
            if left <= 0:
                raise Refused("The max rows should be larger than 0.")
            rows, is_over = self.pull(left)
            if rows:
                is_fetched = True
                self.rows += rows
                self.start = self.at
            elif is_over:
                is_fetched, self.has_next = True, False
            time.sleep(ROUND)

    def next(self):
        if self.at >= len(self.rows):
            try:
                self.rounds.submit(self.round).result(self.limit)
            except TimeoutError:
                raise TimedOut(f"Futures timed out after [{int(self.limit * 1000)} milliseconds]") from None
            if not self.has_next:
                return None
        row = self.rows[self.at]
        self.at += 1
        if self.at >= self.most:
            self.has_next = False
        return row

    def move(self, place):
        place = max(place, 0)
        if place >= len(self.rows):
            raise Refused(f"Cannot skip to an unreachable position {place}.")
        self.start = place

    def fetch(self, most, orientation):
        match orientation:
            case "FETCH_PRIOR":
                self.move(self.start - most)
            case "FETCH_FIRST":
                self.move(0)
        batch = []
        try:
            while self.has_next and len(batch) < most:
                row = self.next()
                if row is not None:
                    batch.append(row)
        except TimedOut:
            if not batch:
                raise
        return batch

    def stall(self, to_the_end):
        self.rounds.submit(lambda: None).result()
        while to_the_end and self.at > 0 and self.has_next:
            self.rounds.submit(self.round).result()

    def close(self):
        self.closed = True
        self.rounds.shutdown(wait=False, cancel_futures=True)


class TimedOut(Refused):
    """No rows yet."""
