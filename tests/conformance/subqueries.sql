-- Subqueries.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id FROM orders WHERE customer IN (SELECT name FROM people);
--: id INT
--> [1]
--> [2]
--> [3]
--> [6]
--> [7]

SELECT id FROM orders WHERE customer NOT IN (SELECT name FROM people WHERE name IS NOT NULL);
--: id INT
--> [5]

SELECT id FROM orders WHERE amount = (SELECT MAX(amount) FROM orders);
--: id INT
--> [2]
--> [6]

SELECT id, (SELECT COUNT(*) FROM people) AS n FROM orders WHERE id < 3;
--: id INT, n BIGINT
--> [1, 4]
--> [2, 4]

SELECT name, city FROM people AS p WHERE EXISTS (SELECT 1 FROM orders AS o WHERE o.customer = p.name AND o.amount > 15);
--: name STRING, city STRING
--> ["bob", "Paris"]

SELECT name FROM people AS p WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.customer = p.name);
--: name STRING
--> ["dan"]

SELECT (SELECT name FROM people WHERE age > 100) AS nobody;
--: nobody STRING
--> [null]

SELECT (SELECT name FROM people) AS too_many;
--! org.apache.flink.table.api.TableRuntimeException: SingleValueAggFunction received more than one element

SELECT id FROM orders AS o WHERE amount > (SELECT AVG(amount) FROM orders AS i WHERE i.customer = o.customer);
--: id INT
--> [1]
--> [3]
