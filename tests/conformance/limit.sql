-- LIMIT, OFFSET and FETCH.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id FROM orders ORDER BY id LIMIT 3;
--: id INT
--> [1]
--> [2]
--> [3]

SELECT id FROM orders ORDER BY id LIMIT 3 OFFSET 2;
--: id INT
--> [3]
--> [4]
--> [5]

SELECT id FROM orders ORDER BY id OFFSET 5;
--! org.apache.flink.table.api.TableException: Not support limitEnd is max value now!
--local batch: id INT
--local batch> [6]
--local batch> [7]

SELECT id FROM orders ORDER BY id DESC FETCH FIRST 2 ROWS ONLY;
--: id INT
--> [7]
--> [6]

SELECT id FROM orders ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY;
--: id INT
--> [2]
--> [3]

SELECT id FROM orders ORDER BY id LIMIT 0;
--: id INT

SELECT COUNT(*) AS n FROM (SELECT id FROM orders LIMIT 4) AS t;
--: n BIGINT NOT NULL
--> [4]

SELECT id FROM orders ORDER BY id LIMIT 100;
--: id INT
--> [1]
--> [2]
--> [3]
--> [4]
--> [5]
--> [6]
--> [7]
