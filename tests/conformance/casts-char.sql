-- CHAR pads, VARCHAR cuts off.

SELECT CAST('abc' AS CHAR(2)) AS a, CAST('ab' AS CHAR(4)) AS b, CAST('abc' AS VARCHAR(2)) AS c, CAST('ab' AS VARCHAR(4)) AS d;

SELECT CAST(12345 AS VARCHAR(3)) AS a, CAST(TRUE AS CHAR(6)) AS b;

SELECT CHAR_LENGTH(CAST('ab' AS CHAR(4))) AS a, CAST('ab' AS CHAR(4)) || 'x' AS b;

SELECT CAST('a' AS CHAR) AS a, CAST('abc' AS VARCHAR) AS b;

SELECT 'a' = 'a ' AS a, CAST('a' AS CHAR(3)) = 'a' AS b;

SELECT v FROM (VALUES ('a'), ('bcd')) AS t(v);
