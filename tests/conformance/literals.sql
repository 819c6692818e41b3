-- The types of literals.

SELECT 1 AS a, 2147483647 AS b, 2147483648 AS c, -2147483648 AS d, 9223372036854775807 AS e;
--: a INT NOT NULL, b INT NOT NULL, c BIGINT NOT NULL, d INT NOT NULL, e BIGINT NOT NULL
--> [1, 2147483647, 2147483648, -2147483648, 9223372036854775807]

SELECT 1.5 AS a, 0.10 AS b, 100.0 AS c, 1e0 AS d, 1.5E3 AS e, .5 AS f;
--: a DECIMAL(2, 1) NOT NULL, b DECIMAL(3, 2) NOT NULL, c DECIMAL(4, 1) NOT NULL, d DOUBLE NOT NULL, e DOUBLE NOT NULL, f DECIMAL(1, 1) NOT NULL
--> [1.5, 0.10, 100.0, 1.0, 1500.0, 0.5]

SELECT 'x' AS a, '' AS b, 'it''s' AS c, 'é€' AS d;
--: a CHAR(1) NOT NULL, b CHAR(0) NOT NULL, c CHAR(4) NOT NULL, d CHAR(2) NOT NULL
--> ["x", "", "it's", "é€"]

SELECT TRUE AS a, FALSE AS b, CAST(NULL AS BOOLEAN) AS c;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN
--> [true, false, null]

SELECT DATE '2024-02-29' AS a, TIMESTAMP '2024-02-29 12:34:56' AS b, TIMESTAMP '2024-02-29 12:34:56.789' AS c;
--: a DATE NOT NULL, b TIMESTAMP(0) NOT NULL, c TIMESTAMP(3) NOT NULL
--> ["2024-02-29", "2024-02-29 12:34:56", "2024-02-29 12:34:56.789"]

SELECT x'00ff' AS a, CAST(NULL AS INT) AS b, CAST(NULL AS STRING) AS c;
--: a BINARY(2) NOT NULL, b INT, c STRING
--> ["00ff", null, null]

SELECT NULL AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Illegal use of 'NULL'
--local: a NULL
--local> [null]

SELECT 9223372036854775808 AS a;
--! org.apache.calcite.sql.validate.SqlValidatorException: Numeric literal '9223372036854775808' out of range
