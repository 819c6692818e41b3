-- Inner joins. NULL matches nothing.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT o.id, o.customer, p.city FROM orders AS o JOIN people AS p ON o.customer = p.name;
--: id INT, customer STRING, city STRING
--> [1, "ann", "Berlin"]
--> [1, "ann", "Rome"]
--> [2, "bob", "Paris"]
--> [3, "ann", "Berlin"]
--> [3, "ann", "Rome"]
--> [6, "bob", "Paris"]
--> [7, "ann", "Berlin"]
--> [7, "ann", "Rome"]

SELECT o.id, p.city FROM orders AS o, people AS p WHERE o.customer = p.name AND p.age > 25;
--: id INT, city STRING
--> [1, "Berlin"]
--> [3, "Berlin"]
--> [7, "Berlin"]

SELECT o.id, p.city FROM orders AS o INNER JOIN people AS p ON o.customer = p.name AND o.amount > 6;
--: id INT, city STRING
--> [1, "Berlin"]
--> [1, "Rome"]
--> [2, "Paris"]
--> [6, "Paris"]

SELECT a.id, b.id AS other FROM orders AS a JOIN orders AS b ON a.customer = b.customer AND a.id < b.id;
--: id INT, other INT
--> [1, 3]
--> [1, 7]
--> [2, 6]
--> [3, 7]

SELECT o.customer, COUNT(*) AS n FROM orders AS o JOIN people AS p ON o.customer = p.name GROUP BY o.customer;
--: customer STRING, n BIGINT NOT NULL
--> ["ann", 6]
--> ["bob", 2]
