-- INSERT into files, read back.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE copy (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${dir}/copy', 'format' = 'csv', 'csv.null-literal' = 'NULL');

INSERT INTO copy SELECT * FROM orders;

SELECT * FROM copy;
--: id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3)
--> [1, "ann", 10.00, "2024-01-01 09:00:00.000"]
--> [2, "bob", 20.50, "2024-01-01 09:00:30.000"]
--> [3, "ann", 5.25, "2024-01-01 09:01:10.000"]
--> [4, null, 7.00, "2024-01-01 09:02:00.000"]
--> [5, "cat", null, "2024-01-01 09:02:59.000"]
--> [6, "bob", 20.50, "2024-01-01 09:03:00.000"]
--> [7, "ann", 0.25, "2024-01-01 09:05:59.000"]

INSERT INTO copy VALUES (100, 'eve', 1.5, TIMESTAMP '2024-01-02 00:00:00');

SELECT * FROM copy WHERE id = 100;
--: id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3)
--> [100, "eve", 1.50, "2024-01-02 00:00:00.000"]

INSERT INTO copy (id, customer) SELECT id + 1000, UPPER(customer) FROM orders WHERE id < 3;

SELECT * FROM copy WHERE id > 1000;
--: id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3)
--> [1001, "ANN", null, null]
--> [1002, "BOB", null, null]

INSERT INTO copy SELECT id FROM orders;
--! org.apache.flink.table.api.ValidationException: Column types of query result and sink for 'default_catalog.default_database.copy' do not match

INSERT INTO copy SELECT customer, customer, amount, placed FROM orders;
--! org.apache.flink.table.api.ValidationException: Column types of query result and sink for 'default_catalog.default_database.copy' do not match

INSERT INTO nowhere SELECT 1;
--! org.apache.flink.table.api.ValidationException: Cannot find table '`default_catalog`.`default_database`.`nowhere`' in any of the catalogs [default_catalog], nor
