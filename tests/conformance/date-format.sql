-- DATE_FORMAT.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT DATE_FORMAT(TIMESTAMP '2024-02-29 12:34:56.789', 'yyyy-MM-dd HH:mm:ss.SSS') AS a, DATE_FORMAT(TIMESTAMP '2024-02-29 02:04:06', 'y/M/d h:m a') AS b;

SELECT DATE_FORMAT('2024-02-29 12:34:56', 'dd.MM.yy') AS a;

SELECT DATE_FORMAT(TIMESTAMP '2024-02-29 12:34:56', 'EEE, dd MMM yyyy') AS a, DATE_FORMAT(TIMESTAMP '2024-02-29 12:34:56', 'D') AS b;

SELECT id, DATE_FORMAT(placed, 'HH:mm') AS m FROM orders;

SELECT DATE_FORMAT(CAST(NULL AS TIMESTAMP(3)), 'yyyy') AS a;
