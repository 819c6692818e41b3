-- Precision and scale of products.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1.5 * 2.25 AS a, 1.10 * 3 AS b, -0.5 * 0.5 AS c;
--: a DECIMAL(6, 3) NOT NULL, b DECIMAL(14, 2) NOT NULL, c DECIMAL(5, 2) NOT NULL
--> [3.375, 3.30, -0.25]

SELECT n * n AS a, n * 2 AS b, n * 0.5 AS c, n * t AS d, n * b AS e FROM numbers WHERE id IN (1, 2);
--: a DECIMAL(21, 4), b DECIMAL(21, 2), c DECIMAL(13, 3), d DECIMAL(14, 2), e DECIMAL(30, 2)
--> [10.5625, -6.50, -1.625, 9.75, 29.25]
--> [110.2500, 21.00, 5.250, 10.50, 10500.00]

SELECT CAST(1.5 AS DECIMAL(20, 10)) * CAST(1.25 AS DECIMAL(20, 10)) AS a;
--: a DECIMAL(38, 17) NOT NULL
--> [1.87500000000000000]

SELECT CAST(1.5 AS DECIMAL(38, 10)) * CAST(1.25 AS DECIMAL(38, 10)) AS a;
--: a DECIMAL(38, 6) NOT NULL
--> [1.875000]

SELECT CAST(12345678901234567890 AS DECIMAL(38, 0)) * CAST(12345678901234567890 AS DECIMAL(38, 0)) AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Numeric literal '12345678901234567890' out of range

SELECT CAST(99999999999999999999 AS DECIMAL(20, 0)) * CAST(99999999999999999999 AS DECIMAL(20, 0)) AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Numeric literal '99999999999999999999' out of range
