-- Inner joins. NULL matches nothing.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT o.id, o.customer, p.city FROM orders AS o JOIN people AS p ON o.customer = p.name;

SELECT o.id, p.city FROM orders AS o, people AS p WHERE o.customer = p.name AND p.age > 25;

SELECT o.id, p.city FROM orders AS o INNER JOIN people AS p ON o.customer = p.name AND o.amount > 6;

SELECT a.id, b.id AS other FROM orders AS a JOIN orders AS b ON a.customer = b.customer AND a.id < b.id;

SELECT o.customer, COUNT(*) AS n FROM orders AS o JOIN people AS p ON o.customer = p.name GROUP BY o.customer;
