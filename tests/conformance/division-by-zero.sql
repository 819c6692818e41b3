-- What a division by zero is depends on the type.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1 / 0 AS a;
--! java.lang.ArithmeticException: Division by zero

SELECT i / 0 AS a FROM numbers;
--! java.lang.ArithmeticException: / by zero

SELECT id / i AS a FROM numbers WHERE id = 5;
--! java.lang.ArithmeticException: / by zero

SELECT MOD(id, 0) AS a FROM numbers WHERE id = 5;
--! java.lang.ArithmeticException: / by zero

SELECT id / d AS a FROM numbers WHERE id = 5;
--: a DOUBLE
--> ["Infinity"]

SELECT n / 0 AS a FROM numbers WHERE id = 1;
--! java.lang.ArithmeticException: Division by zero

SELECT 1.0 / 0.0 AS a;
--! java.lang.ArithmeticException: Division by zero

SELECT n / i AS a FROM numbers WHERE id = 5;
--! java.lang.ArithmeticException: Division undefined
