-- FILTER.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COUNT(*) FILTER (WHERE amount > 6) AS big, COUNT(*) AS n, SUM(amount) FILTER (WHERE customer = 'ann') AS ann FROM orders;
--: big BIGINT NOT NULL, n BIGINT NOT NULL, ann DECIMAL(38, 2)
--> [4, 7, 15.50]

SELECT customer, COUNT(*) FILTER (WHERE amount > 6) AS big, MAX(amount) FILTER (WHERE id > 100) AS none FROM orders GROUP BY customer;
--! org.apache.flink.sql.parser.impl.ParseException: Encountered "none" at line 1, column 100
--local: customer STRING, big BIGINT, none DECIMAL(10, 2)
--local> ["ann", 1, null]
--local> ["bob", 2, null]
--local> ["cat", 0, null]
--local> [null, 1, null]

SELECT COUNT(DISTINCT customer) FILTER (WHERE id < 3) AS n FROM orders;
--: n BIGINT NOT NULL
--> [2]
