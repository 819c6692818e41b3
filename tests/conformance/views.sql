-- Views.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW big AS SELECT id, customer FROM orders WHERE amount > 6;

SELECT * FROM big;

CREATE TEMPORARY VIEW totals (who, total) AS SELECT customer, SUM(amount) FROM orders GROUP BY customer;

SELECT * FROM totals;

SELECT who FROM totals WHERE total > 15;

SHOW VIEWS;

CREATE VIEW big AS SELECT 1;

CREATE VIEW IF NOT EXISTS big AS SELECT 1;

DROP VIEW big;

SELECT * FROM big;

DROP VIEW IF EXISTS big;

CREATE VIEW wrong (a, b) AS SELECT 1;
