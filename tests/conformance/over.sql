-- OVER.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, customer, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY id) AS n FROM orders;

SELECT id, SUM(amount) OVER (ORDER BY id) AS running FROM orders;

SELECT id, RANK() OVER (ORDER BY amount) AS r, DENSE_RANK() OVER (ORDER BY amount) AS d FROM orders;

SELECT id, LAG(id) OVER (ORDER BY id) AS before_it, LEAD(id) OVER (ORDER BY id) AS after_it FROM orders;

SELECT id, AVG(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS mean FROM orders;

SELECT id, COUNT(*) OVER (PARTITION BY customer) AS n FROM orders;
