-- GROUP BY.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY customer;

SELECT FLOOR(placed TO MINUTE) AS m, COUNT(*) AS n FROM orders GROUP BY FLOOR(placed TO MINUTE);

SELECT CASE WHEN amount > 6 THEN 'big' ELSE 'small' END AS size, COUNT(*) AS n FROM orders GROUP BY CASE WHEN amount > 6 THEN 'big' ELSE 'small' END;

SELECT customer FROM orders GROUP BY customer;

SELECT COUNT(*) AS n FROM orders GROUP BY customer;

SELECT customer, id FROM orders GROUP BY customer;

SELECT id % 2 AS odd, customer IS NULL AS nobody, COUNT(*) AS n FROM orders GROUP BY id % 2, customer IS NULL;

SELECT customer, UPPER(customer) AS u, COUNT(*) + 1 AS n FROM orders GROUP BY customer;
