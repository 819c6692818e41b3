-- LIMIT, OFFSET and FETCH.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id FROM orders ORDER BY id LIMIT 3;

SELECT id FROM orders ORDER BY id LIMIT 3 OFFSET 2;

SELECT id FROM orders ORDER BY id OFFSET 5;

SELECT id FROM orders ORDER BY id DESC FETCH FIRST 2 ROWS ONLY;

SELECT id FROM orders ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY;

SELECT id FROM orders ORDER BY id LIMIT 0;

SELECT COUNT(*) AS n FROM (SELECT id FROM orders LIMIT 4) AS t;

SELECT id FROM orders ORDER BY id LIMIT 100;
