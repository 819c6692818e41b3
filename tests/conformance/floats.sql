-- Floating-point numbers.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, f, d FROM numbers;
--: id INT, f FLOAT, d DOUBLE
--> [1, 1.5, 2.25]
--> [2, -0.5, 0.1]
--> [3, null, null]
--> [4, 3.4028235e38, 1.7976931348623157e308]
--> [5, 0.0, 0.0]
--> [6, 0.25, -1.5]

SELECT id, f + d AS a, f * 2 AS b, d / 3 AS c, f / f AS e FROM numbers WHERE id <> 4;
--: id INT, a FLOAT, b FLOAT, c DOUBLE, e FLOAT
--> [1, 3.75, 3.0, 0.75, 1.0]
--> [2, -0.4, -1.0, 0.03333333333333333, 1.0]
--> [3, null, null, null, null]
--> [5, 0.0, 0.0, 0.0, "NaN"]
--> [6, -1.25, 0.5, -0.5, 1.0]

SELECT CAST(1 AS DOUBLE) / 3 AS a, CAST(1 AS FLOAT) / 3 AS b, 1e0 + 1 AS c, 1.5 + 1e0 AS d;
--: a DOUBLE NOT NULL, b FLOAT NOT NULL, c DOUBLE NOT NULL, d DOUBLE NOT NULL
--> [0.3333333333333333, 0.3333333, 2.0, 2.5]
--local: a DOUBLE, b FLOAT, c DOUBLE, d DOUBLE
--local> [0.3333333333333333, 0.33333334, 2.0, 2.5]

SELECT CAST('NaN' AS DOUBLE) AS a;
--: a DOUBLE NOT NULL
--> ["NaN"]

SELECT CAST('Infinity' AS DOUBLE) AS a;
--: a DOUBLE NOT NULL
--> ["Infinity"]

SELECT s, CAST(s AS DOUBLE) AS d, CAST(s AS FLOAT) AS f FROM (VALUES ('NaN'), ('Infinity'), ('-Infinity'), ('-0')) AS t(s);
--: s VARCHAR(9) NOT NULL, d DOUBLE NOT NULL, f FLOAT NOT NULL
--> ["-0", -0.0, -0.0]
--> ["-Infinity", "-Infinity", "-Infinity"]
--> ["Infinity", "Infinity", "Infinity"]
--> ["NaN", "NaN", "NaN"]

SELECT d + f AS a, d * f AS b, f * d AS c FROM numbers WHERE id < 3;
--: a DOUBLE, b DOUBLE, c FLOAT
--> [-0.4, -0.05, -0.05]
--> [3.75, 3.375, 3.375]

SELECT CAST(f AS DOUBLE) AS a FROM numbers WHERE id < 3;
--: a DOUBLE
--> [-0.5]
--> [1.5]

SELECT 0.1e0 + 0.2e0 AS a, CAST(0.1 AS FLOAT) AS b;
--: a DOUBLE NOT NULL, b FLOAT NOT NULL
--> [0.30000000000000004, 0.1]

SELECT f + i AS a, f + b AS b, d + n AS c, f + n AS e FROM numbers WHERE id = 1;
--: a FLOAT, b FLOAT, c DOUBLE, e DOUBLE
--> [101.5, 1001.5, 12.75, 12.0]

SELECT MOD(CAST(7.5 AS DOUBLE), CAST(2 AS DOUBLE)) AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Cannot apply 'MOD' to arguments of type 'MOD(<DOUBLE>, <DOUBLE>)'. Supported form(s): 'MOD(<EXACT_NUMERIC
--local: a DOUBLE
--local> [1.5]
