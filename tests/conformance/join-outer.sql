-- Outer joins.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT o.id, o.customer, p.city FROM orders AS o LEFT JOIN people AS p ON o.customer = p.name;

SELECT p.name, p.city, o.id FROM orders AS o RIGHT JOIN people AS p ON o.customer = p.name;

SELECT o.id, p.name FROM orders AS o FULL OUTER JOIN people AS p ON o.customer = p.name AND o.id < 3;

SELECT o.id FROM orders AS o LEFT JOIN people AS p ON o.customer = p.name WHERE p.name IS NULL;
