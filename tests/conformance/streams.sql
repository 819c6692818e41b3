-- What a stream does row by row.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, customer, amount * 2 AS twice FROM orders WHERE amount > 6;
--: id INT, customer STRING, twice DECIMAL(21, 2)
--> [1, "ann", 20.00]
--> [2, "bob", 41.00]
--> [4, null, 14.00]
--> [6, "bob", 41.00]

SELECT id, UPPER(customer) AS u, COALESCE(amount, 0) AS a, CASE WHEN id > 3 THEN 'late' ELSE 'early' END AS c FROM orders;
--: id INT, u STRING, a DECIMAL(12, 2) NOT NULL, c VARCHAR(5) NOT NULL
--> [1, "ANN", 10.00, "early"]
--> [2, "BOB", 20.50, "early"]
--> [3, "ANN", 5.25, "early"]
--> [4, null, 7.00, "late"]
--> [5, "CAT", 0.00, "late"]
--> [6, "BOB", 20.50, "late"]
--> [7, "ANN", 0.25, "late"]

SELECT id FROM orders WHERE customer IN ('ann', 'cat') AND placed > TIMESTAMP '2024-01-01 09:00:30';
--: id INT
--> [3]
--> [5]
--> [7]

SELECT id, DATE_FORMAT(placed, 'yyyy-MM-dd') AS d, EXTRACT(MINUTE FROM placed) AS m FROM orders;
--: id INT, d STRING, m BIGINT
--> [1, "2024-01-01", 0]
--> [2, "2024-01-01", 0]
--> [3, "2024-01-01", 1]
--> [4, "2024-01-01", 2]
--> [5, "2024-01-01", 2]
--> [6, "2024-01-01", 3]
--> [7, "2024-01-01", 5]

SELECT id FROM orders WHERE id < 3 UNION ALL SELECT age FROM people;
--: id INT
--> [1]
--> [2]
--> [22]
--> [31]
--> [40]
--> [null]
