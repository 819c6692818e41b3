-- Intervals added to dates and times.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DATE '2024-01-31' + INTERVAL '1' MONTH AS a, DATE '2024-02-29' + INTERVAL '1' YEAR AS b, DATE '2024-02-28' + INTERVAL '2' DAY AS c, DATE '2024-03-01' - INTERVAL '1' DAY AS d;
--: a DATE NOT NULL, b DATE NOT NULL, c DATE NOT NULL, d DATE NOT NULL
--> ["2024-02-29", "2025-02-28", "2024-03-01", "2024-02-29"]

SELECT TIMESTAMP '2024-02-29 12:34:56' + INTERVAL '1' HOUR AS a, TIMESTAMP '2024-02-29 12:34:56' - INTERVAL '1' MINUTE AS b, TIMESTAMP '2024-02-29 12:34:56' + INTERVAL '1.5' SECOND AS c;
--: a TIMESTAMP(0) NOT NULL, b TIMESTAMP(0) NOT NULL, c TIMESTAMP(0) NOT NULL
--> ["2024-02-29 13:34:56", "2024-02-29 12:33:56", "2024-02-29 12:34:57"]

SELECT TIMESTAMP '2024-02-29 12:34:56' + INTERVAL '1 02:03:04' DAY TO SECOND AS a, TIMESTAMP '2024-02-29 12:34:56' + INTERVAL '1-2' YEAR TO MONTH AS b;
--: a TIMESTAMP(0) NOT NULL, b TIMESTAMP(0) NOT NULL
--> ["2024-03-01 14:38:00", "2025-04-29 12:34:56"]
--local! the embedded engine can't do this: unsupported Interval Expression with last_field Some(Second)

SELECT id, placed + INTERVAL '10' SECOND AS a, placed - INTERVAL '1' DAY AS b FROM orders;
--: id INT, a TIMESTAMP(3), b TIMESTAMP(3)
--> [1, "2024-01-01 09:00:10.000", "2023-12-31 09:00:00.000"]
--> [2, "2024-01-01 09:00:40.000", "2023-12-31 09:00:30.000"]
--> [3, "2024-01-01 09:01:20.000", "2023-12-31 09:01:10.000"]
--> [4, "2024-01-01 09:02:10.000", "2023-12-31 09:02:00.000"]
--> [5, "2024-01-01 09:03:09.000", "2023-12-31 09:02:59.000"]
--> [6, "2024-01-01 09:03:10.000", "2023-12-31 09:03:00.000"]
--> [7, "2024-01-01 09:06:09.000", "2023-12-31 09:05:59.000"]

SELECT TIMESTAMPADD(DAY, 1, DATE '2024-02-28') AS a, TIMESTAMPADD(MONTH, -1, DATE '2024-03-31') AS b, TIMESTAMPADD(HOUR, 30, TIMESTAMP '2024-02-28 00:00:00') AS c;
--: a DATE NOT NULL, b DATE NOT NULL, c TIMESTAMP(0) NOT NULL
--> ["2024-02-29", "2024-02-29", "2024-02-29 06:00:00"]

SELECT INTERVAL '1' DAY AS a, INTERVAL '2' HOUR AS b, INTERVAL '3' MONTH AS c, INTERVAL '1-2' YEAR TO MONTH AS d, INTERVAL '1 02:03:04.567' DAY TO SECOND(3) AS e;
--: a INTERVAL SECOND NOT NULL, b INTERVAL SECOND NOT NULL, c INTERVAL MONTH NOT NULL, d INTERVAL MONTH NOT NULL, e INTERVAL SECOND NOT NULL
--> ["+1 00:00:00.000", "+0 02:00:00.000", "+0-03", "+1-02", "+1 02:03:04.567"]
--local! the embedded engine can't do this: unsupported Interval Expression with last_field Some(Month)

SELECT INTERVAL '1' DAY + INTERVAL '2' HOUR AS a, INTERVAL '1' DAY * 2 AS b;
--: a INTERVAL SECOND NOT NULL, b INTERVAL SECOND NOT NULL
--> ["+1 02:00:00.000", "+2 00:00:00.000"]
--local! cannot get result type for temporal operation Interval(MonthDayNano) * Int32: Invalid argument error: Invalid interval arithmetic operation: Interval(MonthDayNano) * Interval(MonthDayNano)
