"""The engine behind the server: Kyuubi's is a SQL Gateway of Flink's inside another process, this one asks a SQL Gateway that
listens. So statements, their errors and jobs are Flink's own; how a result is put is Kyuubi's.
"""

import base64
import json
import re
import time
import urllib.error
import urllib.request
from decimal import Decimal

from model import Answer, Column, Refused, Rounds

# Answers are asked for so often while there are none.
PAUSE = 0.01
# java.sql.Types, and the size that JDBC tells, of what GetColumns is asked about.
JDBC = {"BOOLEAN": (16, 1), "TINYINT": (-6, 3), "SMALLINT": (5, 5), "INT": (4, 10), "BIGINT": (-5, 19), "VARCHAR": (12, None)}


class Engine:
    def __init__(self, gateway):
        self.gateway = gateway

    def open(self, conf):
        return Catalog(self, conf)

    def ask(self, method, path, body=None):
        """The gateway's answer. Its numbers keep their digits."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.gateway}/v3{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=180) as answered:
                return json.load(answered, parse_float=Decimal)
        except urllib.error.HTTPError as error:
            raise complaint(error.read().decode()) from None


def complaint(body):
    """What Kyuubi makes of an exception: the first that says more than that there is one, and what has caused it."""
    trace = json.loads(body)["errors"][-1]
    # Each begins a line, and has its stack behind it.
    found = re.findall(r"(?:^|Caused by: |side:\n)((?:[\w.]+\.)+[\w$]+)(?:: (.*?))?(?=\n\tat |\nCaused by: |\n\t\.\.\. |\nEnd of|\Z)", trace, re.DOTALL)
    causes = [(kind, text) for kind, text in found if "Failed to execute the operation" not in text and "SqlGatewayException" not in kind]
    if not causes:
        return Refused(f"Error operating ExecuteStatement: {trace.splitlines()[0]}")
    kind, text = causes[0]
    return Refused(f"Error operating ExecuteStatement: {kind}: {text}", [f"{kind}:{text}" for kind, text in causes])


class Catalog:
    """A session's side of the engine."""

    def __init__(self, engine, conf):
        self.engine = engine
        self.path = f"/sessions/{engine.ask('POST', '/sessions', {'properties': conf})['sessionHandle']}"

    def close(self):
        self.engine.ask("DELETE", self.path)

    def execute(self, text):
        if not text:
            eof = 'org.apache.flink.table.api.SqlParserEOFException: Encountered "<EOF>" at line 0, column 0.'
            raise Refused(f"Error operating ExecuteStatement: {eof}")
        operation = self.engine.ask("POST", f"{self.path}/statements", {"statement": text})["operationHandle"]
        return Result(self, operation, text)

    def rows_of(self, text):
        result = self.execute(text)
        rows = []
        is_over = False
        while not is_over:
            some, is_over = result.pull(1000)
            rows += some
        result.close()
        return rows

    def tables(self):
        names = (
            "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS",
            "TYPE_CAT", "TYPE_SCHEM", "TYPE_NAME", "SELF_REFERENCING_COL_NAME", "REF_GENERATION",
        )  # fmt: skip
        found = self.rows_of("SHOW TABLES")
        rows = [("default_catalog", "default_database", name, "TABLE", "", None, None, None, None, None) for (name,) in found]
        return Answer([Column(name, "VARCHAR") for name in names], rows)

    def columns(self, pattern):
        """Of the tables that fit a pattern of LIKE."""
        names = (
            "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "BUFFER_LENGTH",
            "DECIMAL_DIGITS", "NUM_PREC_RADIX", "NULLABLE", "REMARKS", "COLUMN_DEF", "SQL_DATA_TYPE", "SQL_DATETIME_SUB",
            "CHAR_OCTET_LENGTH", "ORDINAL_POSITION", "IS_NULLABLE",
        )  # fmt: skip
        numbers = {"BUFFER_LENGTH": "TINYINT"} | {
            name: "INT"
            for name in ("DATA_TYPE", "COLUMN_SIZE", "DECIMAL_DIGITS", "NUM_PREC_RADIX", "NULLABLE", "SQL_DATA_TYPE",
                         "SQL_DATETIME_SUB", "CHAR_OCTET_LENGTH", "ORDINAL_POSITION")
        }  # fmt: skip
        fits = re.compile(re.sub(r"\\(.)|%|_", lambda hit: re.escape(hit[1]) if hit[1] else ".*" if hit[0] == "%" else ".", pattern))
        rows = []
        for (table,) in self.rows_of("SHOW TABLES"):
            if not fits.fullmatch(table):
                continue
            for at, (name, kind, null, *_) in enumerate(self.rows_of(f"DESCRIBE `{table}`")):
                kind = "VARCHAR" if kind == "STRING" else kind
                number, size = JDBC.get(kind, (1111, None))
                radix = 10 if number in (-6, 5, 4, -5) else None
                rows.append(
                    ("default_catalog", "default_database", table, name, number, kind, size, None, 0, radix, int(null), None, None,
                     None, None, None, at, "YES" if null else "NO")
                )  # fmt: skip
        return Answer([Column(name, numbers.get(name, "VARCHAR")) for name in names], rows)


class Result:
    """What a statement gives, as it comes."""

    def __init__(self, catalog, operation, text):
        self.engine, self.path, self.token = catalog.engine, f"{catalog.path}/operations/{operation}", 0
        self.buffer, self.over, self.rounds = [], False, None
        # The server's answer is the engine's: it comes when the job is submitted, or has ended if that is waited for.
        while (page := self.page())["resultType"] == "NOT_READY":
            time.sleep(PAUSE)
        self.first = page
        self.is_query = page["isQueryResult"]
        self.job = page.get("jobID")
        self.job_name = text
        self.names = [column["name"] for column in page["results"]["columns"]]
        self.types = [column["logicalType"] for column in page["results"]["columns"]]

    def page(self):
        return self.engine.ask("GET", f"{self.path}/result/{self.token}?rowFormat=JSON")

    def pull(self, most):
        """Asks once for more rows: at most so many, and whether these are all."""
        if not self.buffer and not self.over:
            try:
                page, self.first = self.first or self.page(), None
            except Refused as refused:
                raise Refused("Error while retrieving result.", refused.causes) from None
            for row in page["results"]["data"]:
                self.buffer.append(tuple(cell(value, kind) for value, kind in zip(row["fields"], self.types)))
            following = page.get("nextResultUri")
            self.over = page["resultType"] == "EOS" or not following
            if not self.over:
                self.token = int(re.search(r"/result/(\d+)", following)[1])
        rows, self.buffer = self.buffer[:most], self.buffer[most:]
        return rows, self.over and not self.buffer

    def fetch(self, most, orientation, settings):
        """Rows, as the engine fetches them."""
        if self.rounds is None:
            self.rounds = Rounds(self.pull, settings, self.is_query)
        return self.rounds.fetch(most, orientation)

    def stall(self, to_the_end):
        if self.rounds:
            self.rounds.stall(to_the_end)

    @property
    def columns(self):
        return [Column(name, *described(kind)) for name, kind in zip(self.names, self.types)]

    @property
    def kinds(self):
        return ["STRING" if kind["type"].startswith("INTERVAL") else described(kind)[0] for kind in self.types]

    def close(self):
        """A query's job ends with it."""
        if self.rounds:
            self.rounds.close()
        try:
            self.engine.ask("DELETE", f"{self.path}/close")
        except Refused:
            pass  # With its session it has gone already.


def described(kind):
    """REST's word for a type without `_TYPE`, and what belongs to it."""
    name = kind["type"]
    match name:
        case "INTERVAL_DAY_TIME" | "INTERVAL_YEAR_MONTH":
            raise Refused(f"Flink data type `{written(kind)}` is not supported currently")
        case "INTEGER":
            return ("INT",)
        case "DECIMAL":
            return "DECIMAL", {"scale": kind["scale"], "precision": kind["precision"]}
        case "CHAR" | "VARCHAR":
            return name, {"characterMaximumLength": kind["length"]}
        case "TIMESTAMP_WITHOUT_TIME_ZONE":
            return ("TIMESTAMP",)
        case "TIMESTAMP_WITH_LOCAL_TIME_ZONE":
            return ("TIMESTAMPLOCALTZ",)
        case "TIME_WITHOUT_TIME_ZONE":
            return ("STRING",)
        case "VARBINARY":
            return ("BINARY",)
        case "ROW":
            return ("STRUCT",)
        case _:
            return (name,)


def written(kind):
    """A type as Flink writes it."""
    null = "" if kind.get("nullable", True) else " NOT NULL"
    match kind["type"]:
        case "INTERVAL_DAY_TIME":
            return f"INTERVAL {kind['resolution']}({kind['fractionalPrecision']}){null}"
        case "INTERVAL_YEAR_MONTH":
            return f"INTERVAL {kind['resolution']}({kind['precision']}){null}"
        case "INTEGER":
            return f"INT{null}"
        case "DECIMAL":
            return f"DECIMAL({kind['precision']}, {kind['scale']}){null}"
        case "CHAR" | "VARCHAR":
            return f"{kind['type']}({kind['length']}){null}"
        case name:
            return f"{name}{null}"


def cell(value, kind):
    """A value of the gateway's JSON as the engine puts it."""
    if value is None:
        return None
    match kind["type"]:
        case "DECIMAL":
            return f"{Decimal(value):.{kind['scale']}f}"
        case "FLOAT" | "DOUBLE":
            return float(value)
        case "TIMESTAMP_WITHOUT_TIME_ZONE":
            return value.replace("T", " ")
        case "TIMESTAMP_WITH_LOCAL_TIME_ZONE":
            return value.replace("T", " ").removesuffix("Z") + " Etc/UTC"
        case "BINARY" | "VARBINARY":
            # What is not UTF-8 is lost on the way.
            return base64.b64decode(value).decode("utf-8", "replace")
        case "ARRAY" | "MAP" | "ROW":
            return nested(value, kind)
        case "INTERVAL_DAY_TIME":
            return duration(int(value))
        case "INTERVAL_YEAR_MONTH":
            years, months = divmod(int(value), 12)
            return "P" + (f"{years}Y" if years or not months else "") + (f"{months}M" if months else "")
        case _:
            return value


def nested(value, kind):
    """As Hive writes structs, but for the names of a map's and a row's parts."""
    if value is None:
        return "null"
    match kind["type"]:
        case "ARRAY":
            return "[" + ",".join(nested(part, kind["elementType"]) for part in value) + "]"
        case "MAP":
            return "{" + ",".join(f"{key}={'null' if part is None else part}" for key, part in value.items()) + "}"
        case "ROW":
            parts = value if isinstance(value, list) else list(value.values())
            kinds = [field["fieldType"] if "fieldType" in field else field["logicalType"] for field in kind["fields"]]
            return "{" + ",".join(f"{written(kind)}:{nested(part, kind)}" for part, kind in zip(parts, kinds)) + "}"
        case "CHAR" | "VARCHAR":
            return f'"{value}"'
        case _:
            return str(cell(value, kind))


def duration(milliseconds):
    """As java.time.Duration writes it."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{seconds}.{milliseconds:03}".rstrip("0") if milliseconds else str(seconds)
    text = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{seconds}S" if seconds != "0" else "")
    return f"PT{text or '0S'}"
