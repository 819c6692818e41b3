-- GROUPING SETS, ROLLUP and CUBE.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, id % 2 AS odd, COUNT(*) AS n FROM orders GROUP BY GROUPING SETS ((customer), (id % 2), ());

SELECT customer, COUNT(*) AS n FROM orders GROUP BY ROLLUP (customer);

SELECT a, b, SUM(c) AS s FROM (VALUES (1, 'x', 10), (1, 'y', 20), (2, 'x', 30)) AS t(a, b, c) GROUP BY CUBE (a, b);
