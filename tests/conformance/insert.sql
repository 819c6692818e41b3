-- INSERT into files, read back.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE copy (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${dir}/copy', 'format' = 'csv', 'csv.null-literal' = 'NULL');

INSERT INTO copy SELECT * FROM orders;

SELECT * FROM copy;

INSERT INTO copy VALUES (100, 'eve', 1.5, TIMESTAMP '2024-01-02 00:00:00');

SELECT * FROM copy WHERE id = 100;

INSERT INTO copy (id, customer) SELECT id + 1000, UPPER(customer) FROM orders WHERE id < 3;

SELECT * FROM copy WHERE id > 1000;

INSERT INTO copy SELECT id FROM orders;

INSERT INTO copy SELECT customer, customer, amount, placed FROM orders;

INSERT INTO nowhere SELECT 1;
