-- VALUES.

VALUES (1, 'a'), (2, 'b');
--: EXPR$0 INT NOT NULL, EXPR$1 CHAR(1) NOT NULL
--> [1, "a"]
--> [2, "b"]

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s);
--: n INT NOT NULL, s CHAR(1) NOT NULL
--> [1, "a"]
--> [2, "b"]

SELECT * FROM (VALUES (1), (2.5)) AS t(a);
--: a DECIMAL(11, 1) NOT NULL
--> [1.0]
--> [2.5]

SELECT * FROM (VALUES (1), (CAST(NULL AS INT))) AS t(a);
--: a INT
--> [1]
--> [null]

SELECT * FROM (VALUES ('a'), ('bcd')) AS t(a);
--: a VARCHAR(3) NOT NULL
--> ["a"]
--> ["bcd"]

SELECT a + b AS c FROM (VALUES (1, 2), (3, 4)) AS t(a, b);
--: c INT NOT NULL
--> [3]
--> [7]

SELECT * FROM (VALUES 1, 2, 3) AS t(a);
--: a INT NOT NULL
--> [1]
--> [2]
--> [3]
--local! expected ), found 1

SELECT * FROM (VALUES (DATE '2024-01-01', TRUE, 1.50, x'ab')) AS t(a, b, c, d);
--: a DATE NOT NULL, b BOOLEAN NOT NULL, c DECIMAL(3, 2) NOT NULL, d BINARY(1) NOT NULL
--> ["2024-01-01", true, 1.50, "ab"]

VALUES (1), (2, 3);
--! org.apache.calcite.sql.validate.SqlValidatorException: Values passed to VALUES operator must have compatible types
