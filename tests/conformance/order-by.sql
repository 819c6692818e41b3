-- ORDER BY.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, customer FROM orders ORDER BY customer, id DESC;
--: id INT, customer STRING
--> [4, null]
--> [7, "ann"]
--> [3, "ann"]
--> [1, "ann"]
--> [6, "bob"]
--> [2, "bob"]
--> [5, "cat"]

SELECT id, amount * 2 AS double_amount FROM orders ORDER BY double_amount DESC, id;
--: id INT, double_amount DECIMAL(21, 2)
--> [2, 41.00]
--> [6, 41.00]
--> [1, 20.00]
--> [4, 14.00]
--> [3, 10.50]
--> [7, 0.50]
--> [5, null]

SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer ORDER BY SUM(amount) DESC, customer;
--: customer STRING, total DECIMAL(38, 2)
--> ["bob", 41.00]
--> ["ann", 15.50]
--> [null, 7.00]
--> ["cat", null]

SELECT id AS n, customer FROM orders ORDER BY 2 DESC, 1;
--: n INT, customer STRING
--> [5, "cat"]
--> [2, "bob"]
--> [6, "bob"]
--> [1, "ann"]
--> [3, "ann"]
--> [7, "ann"]
--> [4, null]

SELECT id FROM orders ORDER BY placed DESC;
--: id INT
--> [7]
--> [6]
--> [5]
--> [4]
--> [3]
--> [2]
--> [1]

SELECT id, customer FROM orders ORDER BY CHAR_LENGTH(customer), id;
--: id INT, customer STRING
--> [4, null]
--> [1, "ann"]
--> [2, "bob"]
--> [3, "ann"]
--> [5, "cat"]
--> [6, "bob"]
--> [7, "ann"]
