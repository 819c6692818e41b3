-- OVER.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, customer, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY id) AS n FROM orders;
--: id INT, customer STRING, n BIGINT NOT NULL
--> [1, "ann", 1]
--> [2, "bob", 1]
--> [3, "ann", 2]
--> [4, null, 1]
--> [5, "cat", 1]
--> [6, "bob", 2]
--> [7, "ann", 3]

SELECT id, SUM(amount) OVER (ORDER BY id) AS total FROM orders;
--: id INT, total DECIMAL(38, 2)
--> [1, 10.00]
--> [2, 30.50]
--> [3, 35.75]
--> [4, 42.75]
--> [5, 42.75]
--> [6, 63.25]
--> [7, 63.50]

SELECT id, RANK() OVER (ORDER BY amount) AS r, DENSE_RANK() OVER (ORDER BY amount) AS d FROM orders;
--: id INT, r BIGINT NOT NULL, d BIGINT NOT NULL
--> [1, 5, 5]
--> [2, 6, 6]
--> [3, 3, 3]
--> [4, 4, 4]
--> [5, 1, 1]
--> [6, 6, 6]
--> [7, 2, 2]

SELECT id, LAG(id) OVER (ORDER BY id) AS before_it, LEAD(id) OVER (ORDER BY id) AS after_it FROM orders;
--: id INT, before_it INT, after_it INT
--> [1, null, 2]
--> [2, 1, 3]
--> [3, 2, 4]
--> [4, 3, 5]
--> [5, 4, 6]
--> [6, 5, 7]
--> [7, 6, null]

SELECT id, AVG(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS mean FROM orders;
--: id INT, mean INT
--> [1, 1]
--> [2, 2]
--> [3, 3]
--> [4, 4]
--> [5, 5]
--> [6, 6]
--> [7, 6]

SELECT id, COUNT(*) OVER (PARTITION BY customer) AS n FROM orders;
--: id INT, n BIGINT NOT NULL
--> [1, 3]
--> [2, 2]
--> [3, 3]
--> [4, 1]
--> [5, 1]
--> [6, 2]
--> [7, 3]
