-- TRY_CAST gives NULL where CAST fails.

SELECT TRY_CAST('x' AS INT) AS a, TRY_CAST('12' AS INT) AS b, TRY_CAST('' AS INT) AS c, TRY_CAST('99999999999' AS INT) AS d;
--: a INT, b INT, c INT, d INT
--> [null, 12, null, null]

SELECT TRY_CAST('maybe' AS BOOLEAN) AS a, TRY_CAST('2024-02-30' AS DATE) AS b, TRY_CAST('x' AS DOUBLE) AS c;
--: a BOOLEAN, b DATE, c DOUBLE
--> [null, null, null]

SELECT s, TRY_CAST(s AS INT) AS i, TRY_CAST(s AS DECIMAL(4, 1)) AS n FROM (VALUES ('1'), ('2x'), ('3.25'), ('')) AS t(s);
--: s VARCHAR(4) NOT NULL, i INT, n DECIMAL(4, 1)
--> ["", null, null]
--> ["1", 1, 1.0]
--> ["2x", null, 2.0]
--> ["3.25", 3, 3.3]
--local: s STRING, i INT, n DECIMAL(4, 1)
--local> ["", null, null]
--local> ["1", 1, 1.0]
--local> ["2x", null, null]
--local> ["3.25", 3, 3.3]

SELECT TRY_CAST(TRUE AS STRING) AS a, TRY_CAST(1.5 AS INT) AS b;
--: a STRING, b INT
--> ["TRUE", 1]
