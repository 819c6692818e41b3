-- GROUP BY.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY customer;
--: customer STRING, n BIGINT NOT NULL, total DECIMAL(38, 2)
--> ["ann", 3, 15.50]
--> ["bob", 2, 41.00]
--> ["cat", 1, null]
--> [null, 1, 7.00]

SELECT FLOOR(placed TO MINUTE) AS m, COUNT(*) AS n FROM orders GROUP BY FLOOR(placed TO MINUTE);
--: m TIMESTAMP(3), n BIGINT NOT NULL
--> ["2024-01-01 09:00:00.000", 2]
--> ["2024-01-01 09:01:00.000", 1]
--> ["2024-01-01 09:02:00.000", 2]
--> ["2024-01-01 09:03:00.000", 1]
--> ["2024-01-01 09:05:00.000", 1]

SELECT CASE WHEN amount > 6 THEN 'big' ELSE 'small' END AS size, COUNT(*) AS n FROM orders GROUP BY CASE WHEN amount > 6 THEN 'big' ELSE 'small' END;
--: size VARCHAR(5) NOT NULL, n BIGINT NOT NULL
--> ["big", 4]
--> ["small", 3]

SELECT customer FROM orders GROUP BY customer;
--: customer STRING
--> ["ann"]
--> ["bob"]
--> ["cat"]
--> [null]

SELECT COUNT(*) AS n FROM orders GROUP BY customer;
--: n BIGINT NOT NULL
--> [1]
--> [1]
--> [2]
--> [3]

SELECT customer, id FROM orders GROUP BY customer;
--! org.apache.calcite.sql.validate.SqlValidatorException: Expression 'id' is not being grouped

SELECT id % 2 AS odd, customer IS NULL AS nobody, COUNT(*) AS n FROM orders GROUP BY id % 2, customer IS NULL;
--: odd INT, nobody BOOLEAN NOT NULL, n BIGINT NOT NULL
--> [0, false, 2]
--> [0, true, 1]
--> [1, false, 4]

SELECT customer, UPPER(customer) AS u, COUNT(*) + 1 AS n FROM orders GROUP BY customer;
--: customer STRING, u STRING, n BIGINT NOT NULL
--> ["ann", "ANN", 4]
--> ["bob", "BOB", 3]
--> ["cat", "CAT", 2]
--> [null, null, 2]
