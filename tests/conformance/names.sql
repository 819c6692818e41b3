-- Names of columns.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1, 2 AS b, 1 + 1, 'x';

SELECT id, id, id + 1 FROM orders WHERE id = 1;

SELECT *, id + 1 FROM orders WHERE id = 1;

SELECT o.id, o.customer FROM orders AS o WHERE o.id = 2;

SELECT COUNT(*), SUM(id) FROM orders;

SELECT ID FROM orders;

SELECT id AS `a name`, id AS Id FROM orders WHERE id = 1;

SELECT * FROM (SELECT id, 1 FROM orders WHERE id = 1) AS t;

SELECT nothing FROM orders;

SELECT id FROM nowhere;

SELECT id FROM ORDERS;
