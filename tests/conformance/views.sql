-- Views.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE VIEW big AS SELECT id, customer FROM orders WHERE amount > 6;

SELECT * FROM big;
--: id INT, customer STRING
--> [1, "ann"]
--> [2, "bob"]
--> [4, null]
--> [6, "bob"]

CREATE TEMPORARY VIEW totals (who, total) AS SELECT customer, SUM(amount) FROM orders GROUP BY customer;

SELECT * FROM totals;
--: who STRING, total DECIMAL(38, 2)
--> ["ann", 15.50]
--> ["bob", 41.00]
--> ["cat", null]
--> [null, 7.00]

SELECT who FROM totals WHERE total > 15;
--: who STRING
--> ["ann"]
--> ["bob"]

SHOW VIEWS;
--: `view name` STRING
--> ["big"]
--> ["totals"]

CREATE VIEW big AS SELECT 1;
--! org.apache.flink.table.catalog.exceptions.TableAlreadyExistException: Table (or view) default_database.big already exists in Catalog default_catalog

CREATE VIEW IF NOT EXISTS big AS SELECT 1;

DROP VIEW big;

SELECT * FROM big;
--! org.apache.calcite.sql.validate.SqlValidatorException: Object 'big' not found

DROP VIEW IF EXISTS big;

CREATE VIEW wrong (a, b) AS SELECT 1;
--! org.apache.flink.table.api.ValidationException: VIEW definition and input fields not match:
