-- Groups whose results change as rows come.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, COUNT(*) AS n, SUM(amount) AS total, MIN(amount) AS low, MAX(amount) AS high, AVG(amount) AS mean FROM orders GROUP BY customer;
--: customer STRING, n BIGINT NOT NULL, total DECIMAL(38, 2), low DECIMAL(10, 2), high DECIMAL(10, 2), mean DECIMAL(38, 6)
--> ["ann", 3, 15.50, 0.25, 10.00, 5.166667]
--> ["bob", 2, 41.00, 20.50, 20.50, 20.500000]
--> ["cat", 1, null, null, null, null]
--> [null, 1, 7.00, 7.00, 7.00, 7.000000]

SELECT COUNT(*) AS n FROM orders;
--: n BIGINT NOT NULL
--> [7]

SELECT customer, n + 1 AS more FROM (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) AS t WHERE n > 1;
--: customer STRING, more BIGINT NOT NULL
--> ["ann", 4]
--> ["bob", 3]

SELECT customer, COUNT(DISTINCT amount) AS n, COUNT(*) FILTER (WHERE amount > 6) AS big FROM orders GROUP BY customer;
--: customer STRING, n BIGINT NOT NULL, big BIGINT NOT NULL
--> ["ann", 3, 1]
--> ["bob", 1, 2]
--> ["cat", 0, 0]
--> [null, 1, 1]

SELECT customer, LAST_VALUE(id) AS newest, FIRST_VALUE(id) AS oldest FROM orders GROUP BY customer;
--: customer STRING, newest INT, oldest INT
--> ["ann", 7, 1]
--> ["bob", 6, 2]
--> ["cat", 5, 5]
--> [null, 4, 4]

SELECT DISTINCT customer FROM orders;
--: customer STRING
--> ["ann"]
--> ["bob"]
--> ["cat"]
--> [null]
