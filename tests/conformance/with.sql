-- WITH.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

WITH big AS (SELECT * FROM orders WHERE amount > 6) SELECT id, customer FROM big;
--: id INT, customer STRING
--> [1, "ann"]
--> [2, "bob"]
--> [4, null]
--> [6, "bob"]

WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x AS y FROM a, b;
--: x INT NOT NULL, y INT NOT NULL
--> [1, 2]

WITH t(k, n) AS (SELECT customer, COUNT(*) FROM orders GROUP BY customer) SELECT k, n FROM t WHERE n > 1;
--: k STRING, n BIGINT NOT NULL
--> ["ann", 3]
--> ["bob", 2]
