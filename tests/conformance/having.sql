-- HAVING.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer HAVING COUNT(*) > 1;

SELECT customer FROM orders GROUP BY customer HAVING SUM(amount) > 15;

SELECT COUNT(*) AS n FROM orders HAVING COUNT(*) > 100;

SELECT COUNT(*) AS n FROM orders HAVING COUNT(*) > 1;

SELECT customer, SUM(amount) AS total FROM orders WHERE amount IS NOT NULL GROUP BY customer HAVING customer IS NOT NULL AND MAX(amount) < 15;
