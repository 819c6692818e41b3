-- HAVING.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer HAVING COUNT(*) > 1;
--: customer STRING, n BIGINT NOT NULL
--> ["ann", 3]
--> ["bob", 2]

SELECT customer FROM orders GROUP BY customer HAVING SUM(amount) > 15;
--: customer STRING
--> ["ann"]
--> ["bob"]

SELECT COUNT(*) AS n FROM orders HAVING COUNT(*) > 100;
--: n BIGINT NOT NULL

SELECT COUNT(*) AS n FROM orders HAVING COUNT(*) > 1;
--: n BIGINT NOT NULL
--> [7]

SELECT customer, SUM(amount) AS total FROM orders WHERE amount IS NOT NULL GROUP BY customer HAVING customer IS NOT NULL AND MAX(amount) < 15;
--: customer STRING, total DECIMAL(38, 2)
--> ["ann", 15.50]
