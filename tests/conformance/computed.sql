-- Computed columns.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3), twice AS amount * 2, label AS UPPER(customer) || '!', minute_of AS FLOOR(placed TO MINUTE))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM orders;
--: id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3), twice DECIMAL(21, 2), label STRING, minute_of TIMESTAMP(3)
--> [1, "ann", 10.00, "2024-01-01 09:00:00.000", 20.00, "ANN!", "2024-01-01 09:00:00.000"]
--> [2, "bob", 20.50, "2024-01-01 09:00:30.000", 41.00, "BOB!", "2024-01-01 09:00:00.000"]
--> [3, "ann", 5.25, "2024-01-01 09:01:10.000", 10.50, "ANN!", "2024-01-01 09:01:00.000"]
--> [4, null, 7.00, "2024-01-01 09:02:00.000", 14.00, null, "2024-01-01 09:02:00.000"]
--> [5, "cat", null, "2024-01-01 09:02:59.000", null, "CAT!", "2024-01-01 09:02:00.000"]
--> [6, "bob", 20.50, "2024-01-01 09:03:00.000", 41.00, "BOB!", "2024-01-01 09:03:00.000"]
--> [7, "ann", 0.25, "2024-01-01 09:05:59.000", 0.50, "ANN!", "2024-01-01 09:05:00.000"]

SELECT twice + 1 AS a, label FROM orders WHERE label = 'ANN!';
--: a DECIMAL(22, 2), label STRING
--> [1.50, "ANN!"]
--> [11.50, "ANN!"]
--> [21.00, "ANN!"]

SELECT label, SUM(twice) AS s FROM orders GROUP BY label;
--: label STRING, s DECIMAL(38, 2)
--> ["ANN!", 31.00]
--> ["BOB!", 82.00]
--> ["CAT!", null]
--> [null, 14.00]
