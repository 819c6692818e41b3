-- ORDER BY.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, customer FROM orders ORDER BY customer, id DESC;

SELECT id, amount * 2 AS double_amount FROM orders ORDER BY double_amount DESC, id;

SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer ORDER BY SUM(amount) DESC, customer;

SELECT id AS n, customer FROM orders ORDER BY 2 DESC, 1;

SELECT id FROM orders ORDER BY placed DESC;

SELECT id, customer FROM orders ORDER BY CHAR_LENGTH(customer), id;
