-- How much time lies between.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT TIMESTAMPDIFF(SECOND, TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2024-01-02 00:00:01') AS a, TIMESTAMPDIFF(MINUTE, TIMESTAMP '2024-01-01 00:00:00', TIMESTAMP '2024-01-01 00:01:59') AS b, TIMESTAMPDIFF(HOUR, TIMESTAMP '2024-01-02 00:00:00', TIMESTAMP '2024-01-01 00:00:00') AS c;
--: a INT NOT NULL, b INT NOT NULL, c INT NOT NULL
--> [86401, 1, -24]

SELECT TIMESTAMPDIFF(DAY, DATE '2024-02-28', DATE '2024-03-01') AS a, TIMESTAMPDIFF(MONTH, DATE '2024-01-31', DATE '2024-02-29') AS b, TIMESTAMPDIFF(YEAR, DATE '2020-02-29', DATE '2024-02-28') AS c, TIMESTAMPDIFF(WEEK, DATE '2024-01-01', DATE '2024-01-15') AS d, TIMESTAMPDIFF(QUARTER, DATE '2024-01-01', DATE '2024-07-01') AS e;
--: a INT NOT NULL, b INT NOT NULL, c INT NOT NULL, d INT NOT NULL, e INT NOT NULL
--> [2, 1, 3, 2, 2]

SELECT id, TIMESTAMPDIFF(SECOND, TIMESTAMP '2024-01-01 09:00:00', placed) AS s FROM orders;
--: id INT, s INT
--> [1, 0]
--> [2, 30]
--> [3, 70]
--> [4, 120]
--> [5, 179]
--> [6, 180]
--> [7, 359]

SELECT DATE '2024-03-01' > DATE '2024-02-29' AS a, TIMESTAMP '2024-01-01 00:00:00' = DATE '2024-01-01' AS b;
--! org.apache.calcite.sql.validate.SqlValidatorException: Cannot apply '=' to arguments of type '<TIMESTAMP(0)> = <DATE>'. Supported form(s): '<COMPARABLE_TYPE> =
--local: a BOOLEAN, b BOOLEAN
--local> [true, true]

SELECT MIN(placed) AS first_at, MAX(placed) AS last_at FROM orders;
--: first_at TIMESTAMP(3), last_at TIMESTAMP(3)
--> ["2024-01-01 09:00:00.000", "2024-01-01 09:05:59.000"]
