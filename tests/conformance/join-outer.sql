-- Outer joins.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT o.id, o.customer, p.city FROM orders AS o LEFT JOIN people AS p ON o.customer = p.name;
--: id INT, customer STRING, city STRING
--> [1, "ann", "Berlin"]
--> [1, "ann", "Rome"]
--> [2, "bob", "Paris"]
--> [3, "ann", "Berlin"]
--> [3, "ann", "Rome"]
--> [4, null, null]
--> [5, "cat", null]
--> [6, "bob", "Paris"]
--> [7, "ann", "Berlin"]
--> [7, "ann", "Rome"]

SELECT p.name, p.city, o.id FROM orders AS o RIGHT JOIN people AS p ON o.customer = p.name;
--: name STRING, city STRING, id INT
--> ["ann", "Berlin", 1]
--> ["ann", "Berlin", 3]
--> ["ann", "Berlin", 7]
--> ["ann", "Rome", 1]
--> ["ann", "Rome", 3]
--> ["ann", "Rome", 7]
--> ["bob", "Paris", 2]
--> ["bob", "Paris", 6]
--> ["dan", null, null]

SELECT o.id, p.name FROM orders AS o FULL OUTER JOIN people AS p ON o.customer = p.name AND o.id < 3;
--: id INT, name STRING
--> [1, "ann"]
--> [1, "ann"]
--> [2, "bob"]
--> [3, null]
--> [4, null]
--> [5, null]
--> [6, null]
--> [7, null]
--> [null, "dan"]

SELECT o.id FROM orders AS o LEFT JOIN people AS p ON o.customer = p.name WHERE p.name IS NULL;
--: id INT
--> [4]
--> [5]
