-- DATE_FORMAT.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DATE_FORMAT(TIMESTAMP '2024-02-29 12:34:56.789', 'yyyy-MM-dd HH:mm:ss.SSS') AS a, DATE_FORMAT(TIMESTAMP '2024-02-29 02:04:06', 'y/M/d h:m a') AS b;
--: a STRING, b STRING
--> ["2024-02-29 12:34:56.789", "2024/2/29 2:4 AM"]

SELECT DATE_FORMAT('2024-02-29 12:34:56', 'dd.MM.yy') AS a;
--: a STRING
--> ["29.02.24"]

SELECT DATE_FORMAT(TIMESTAMP '2024-02-29 12:34:56', 'EEE, dd MMM yyyy') AS a, DATE_FORMAT(TIMESTAMP '2024-02-29 12:34:56', 'D') AS b;
--: a STRING, b STRING
--> ["Thu, 29 Feb 2024", "60"]

SELECT id, DATE_FORMAT(placed, 'HH:mm') AS m FROM orders;
--: id INT, m STRING
--> [1, "09:00"]
--> [2, "09:00"]
--> [3, "09:01"]
--> [4, "09:02"]
--> [5, "09:02"]
--> [6, "09:03"]
--> [7, "09:05"]

SELECT DATE_FORMAT(CAST(NULL AS TIMESTAMP(3)), 'yyyy') AS a;
--: a STRING
--> [null]
