-- Names of columns.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 1, 2 AS b, 1 + 1, 'x';
--: EXPR$0 INT NOT NULL, b INT NOT NULL, EXPR$2 INT NOT NULL, EXPR$3 CHAR(1) NOT NULL
--> [1, 2, 2, "x"]

SELECT id, id, id + 1 FROM orders WHERE id = 1;
--: id INT, id0 INT, EXPR$2 INT
--> [1, 1, 2]

SELECT *, id + 1 FROM orders WHERE id = 1;
--: id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3), EXPR$4 INT
--> [1, "ann", 10.00, "2024-01-01 09:00:00.000", 2]

SELECT o.id, o.customer FROM orders AS o WHERE o.id = 2;
--: id INT, customer STRING
--> [2, "bob"]

SELECT COUNT(*), SUM(id) FROM orders;
--: EXPR$0 BIGINT NOT NULL, EXPR$1 INT
--> [7, 28]

SELECT ID FROM orders;
--! org.apache.calcite.sql.validate.SqlValidatorException: Column 'ID' not found in any table; did you mean 'id'?

SELECT id AS `a name`, id AS Id FROM orders WHERE id = 1;
--: `a name` INT, Id INT
--> [1, 1]

SELECT * FROM (SELECT id, 1 FROM orders WHERE id = 1) AS t;
--: id INT, EXPR$1 INT NOT NULL
--> [1, 1]

SELECT nothing FROM orders;
--! org.apache.calcite.sql.validate.SqlValidatorException: Column 'nothing' not found in any table

SELECT id FROM nowhere;
--! org.apache.calcite.sql.validate.SqlValidatorException: Object 'nowhere' not found

SELECT id FROM ORDERS;
--! org.apache.calcite.sql.validate.SqlValidatorException: Object 'ORDERS' not found within 'default_catalog.default_database'; did you mean 'orders'?
