-- What a stream does row by row.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, customer, amount * 2 AS twice FROM orders WHERE amount > 6;

SELECT id, UPPER(customer) AS u, COALESCE(amount, 0) AS a, CASE WHEN id > 3 THEN 'late' ELSE 'early' END AS c FROM orders;

SELECT id FROM orders WHERE customer IN ('ann', 'cat') AND placed > TIMESTAMP '2024-01-01 09:00:30';

SELECT id, DATE_FORMAT(placed, 'yyyy-MM-dd') AS d, EXTRACT(MINUTE FROM placed) AS m FROM orders;

SELECT id FROM orders WHERE id < 3 UNION ALL SELECT age FROM people;
