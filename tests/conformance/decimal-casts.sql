-- Casts to DECIMAL round half up; what does not fit is NULL.

SELECT CAST(1.25 AS DECIMAL(2, 1)) AS a, CAST(1.35 AS DECIMAL(2, 1)) AS b, CAST(-1.25 AS DECIMAL(2, 1)) AS c, CAST(1.249 AS DECIMAL(3, 1)) AS d;
--: a DECIMAL(2, 1) NOT NULL, b DECIMAL(2, 1) NOT NULL, c DECIMAL(2, 1) NOT NULL, d DECIMAL(3, 1) NOT NULL
--> [1.3, 1.4, -1.3, 1.2]

SELECT CAST('12.345' AS DECIMAL(5, 2)) AS a, CAST(12 AS DECIMAL(5, 2)) AS b, CAST(1.5e0 AS DECIMAL(5, 2)) AS c;
--: a DECIMAL(5, 2) NOT NULL, b DECIMAL(5, 2) NOT NULL, c DECIMAL(5, 2) NOT NULL
--> [12.35, 12.00, 1.50]

SELECT CAST(12.5 AS INT) AS a, CAST(-12.5 AS INT) AS b, CAST(12.99 AS BIGINT) AS c, CAST(1.5 AS DOUBLE) AS d;
--: a INT NOT NULL, b INT NOT NULL, c BIGINT NOT NULL, d DOUBLE NOT NULL
--> [12, -12, 12, 1.5]

SELECT CAST(n AS DECIMAL(4, 1)) AS a FROM (VALUES (12345.6), (CAST(1 AS DECIMAL(6, 1)))) AS t(n);
--! org.apache.flink.table.runtime.operators.sink.constraint.EnforcerException: Column 'a' is NOT NULL, however, a null value is being written into it. You can set
--local: a DECIMAL(4, 1)
--local> [1.0]
--local> [null]

SELECT CAST(s AS DECIMAL(4, 1)) AS a FROM (VALUES ('12345.6'), ('1')) AS t(s);
--! java.lang.NumberFormatException: For input string: '12345.6'. Overflow

SELECT CAST(n AS DECIMAL(4, 1)) AS a FROM (VALUES (12345), (CAST(NULL AS INT))) AS t(n);
--: a DECIMAL(4, 1)
--> [null]
--> [null]

SELECT CAST(12.50 AS STRING) AS a, CAST(CAST(1 AS DECIMAL(5, 2)) AS STRING) AS b, CAST(0.000001 AS STRING) AS c;
--: a STRING NOT NULL, b STRING NOT NULL, c STRING NOT NULL
--> ["12.50", "1.00", "0.000001"]

SELECT CAST(1 AS DECIMAL) AS a, CAST(1.5 AS DECIMAL) AS b, CAST(1.5 AS DECIMAL(5)) AS c, CAST(1.5 AS NUMERIC(5, 1)) AS d;
--: a DECIMAL(10, 0) NOT NULL, b DECIMAL(10, 0) NOT NULL, c DECIMAL(5, 0) NOT NULL, d DECIMAL(5, 1) NOT NULL
--> [1, 2, 2, 1.5]

SELECT CAST(TRUE AS DECIMAL(3, 1)) AS a;
--: a DECIMAL(3, 1) NOT NULL
--> [1.0]
