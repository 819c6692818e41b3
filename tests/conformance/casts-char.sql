-- CHAR pads, VARCHAR cuts off.

SELECT CAST('abc' AS CHAR(2)) AS a, CAST('ab' AS CHAR(4)) AS b, CAST('abc' AS VARCHAR(2)) AS c, CAST('ab' AS VARCHAR(4)) AS d;
--: a CHAR(2) NOT NULL, b CHAR(4) NOT NULL, c VARCHAR(2) NOT NULL, d VARCHAR(4) NOT NULL
--> ["ab", "ab  ", "ab", "ab"]

SELECT CAST(12345 AS VARCHAR(3)) AS a, CAST(TRUE AS CHAR(6)) AS b;
--: a VARCHAR(3) NOT NULL, b CHAR(6) NOT NULL
--> ["123", "TRUE  "]

SELECT CHAR_LENGTH(CAST('ab' AS CHAR(4))) AS a, CAST('ab' AS CHAR(4)) || 'x' AS b;
--: a INT NOT NULL, b CHAR(5) NOT NULL
--> [4, "ab  x"]

SELECT CAST('a' AS CHAR) AS a, CAST('abc' AS VARCHAR) AS b;
--: a CHAR(1) NOT NULL, b STRING NOT NULL
--> ["a", "abc"]

SELECT 'a' = 'a ' AS a, CAST('a' AS CHAR(3)) = 'a' AS b;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL
--> [false, false]

SELECT v FROM (VALUES ('a'), ('bcd')) AS t(v);
--: v VARCHAR(3) NOT NULL
--> ["a"]
--> ["bcd"]
