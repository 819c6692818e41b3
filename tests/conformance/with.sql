-- WITH.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

WITH big AS (SELECT * FROM orders WHERE amount > 6) SELECT id, customer FROM big;

WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x AS y FROM a, b;

WITH t(k, n) AS (SELECT customer, COUNT(*) FROM orders GROUP BY customer) SELECT k, n FROM t WHERE n > 1;
