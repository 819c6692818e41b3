-- Groups whose results change as rows come.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, COUNT(*) AS n, SUM(amount) AS total, MIN(amount) AS low, MAX(amount) AS high, AVG(amount) AS mean FROM orders GROUP BY customer;

SELECT COUNT(*) AS n FROM orders;

SELECT customer, n + 1 AS more FROM (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) AS t WHERE n > 1;

SELECT customer, COUNT(DISTINCT amount) AS n, COUNT(*) FILTER (WHERE amount > 6) AS big FROM orders GROUP BY customer;

SELECT customer, LAST_VALUE(id) AS newest, FIRST_VALUE(id) AS oldest FROM orders GROUP BY customer;

SELECT DISTINCT customer FROM orders;
