-- What Flink makes of constants when it plans differs from what it computes: here the embedded engine does what Flink
-- does with columns.

SELECT CAST('x' AS DECIMAL(5, 2)) AS a;
--: a DECIMAL(5, 2) NOT NULL
--> [0.00]
--local! 'x' is no DECIMAL(5, 2)

SELECT CAST(s AS DECIMAL(5, 2)) AS a FROM (VALUES ('1.25'), ('x')) AS t(s);
--: a DECIMAL(5, 2) NOT NULL
--> [0.00]
--> [1.25]
--local! 'x' is no DECIMAL(5, 2)

SELECT 1e0 / 0e0 AS a;
--! java.lang.ArithmeticException: Division by zero
--local: a DOUBLE
--local> ["Infinity"]

SELECT a / b AS c FROM (VALUES (1e0, 0e0), (0e0, 0e0), (-1e0, 0e0)) AS t(a, b);
--: c DOUBLE NOT NULL
--> ["-Infinity"]
--> ["Infinity"]
--> ["NaN"]

SELECT CAST(12345.6 AS DECIMAL(4, 1)) AS a;
--! org.apache.flink.table.runtime.operators.sink.constraint.EnforcerException: Column 'a' is NOT NULL, however, a null value is being written into it. You can set
--local: a DECIMAL(4, 1)
--local> [null]

SELECT CAST(n AS DECIMAL(4, 1)) AS a FROM (VALUES (12345.6), (1.25), (CAST(NULL AS DECIMAL(6, 1)))) AS t(n);
--: a DECIMAL(4, 1)
--> [1.3]
--> [null]
--> [null]

SELECT CAST(CAST(0.1 AS FLOAT) AS DOUBLE) AS a;
--: a DOUBLE NOT NULL
--> [0.1]
--local: a DOUBLE
--local> [0.10000000149011612]
