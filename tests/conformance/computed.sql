-- Computed columns.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3), twice AS amount * 2, label AS UPPER(customer) || '!', minute_of AS FLOOR(placed TO MINUTE))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT * FROM orders;

SELECT twice + 1 AS a, label FROM orders WHERE label = 'ANN!';

SELECT label, SUM(twice) AS s FROM orders GROUP BY label;
