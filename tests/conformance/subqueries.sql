-- Subqueries.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id FROM orders WHERE customer IN (SELECT name FROM people);

SELECT id FROM orders WHERE customer NOT IN (SELECT name FROM people WHERE name IS NOT NULL);

SELECT id FROM orders WHERE amount = (SELECT MAX(amount) FROM orders);

SELECT id, (SELECT COUNT(*) FROM people) AS n FROM orders WHERE id < 3;

SELECT name, city FROM people AS p WHERE EXISTS (SELECT 1 FROM orders AS o WHERE o.customer = p.name AND o.amount > 15);

SELECT name FROM people AS p WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.customer = p.name);

SELECT (SELECT name FROM people WHERE age > 100) AS nobody;

SELECT (SELECT name FROM people) AS too_many;

SELECT id FROM orders AS o WHERE amount > (SELECT AVG(amount) FROM orders AS i WHERE i.customer = o.customer);
