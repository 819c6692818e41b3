-- TRIM and its like, and padding.

SELECT TRIM('  a b  ') AS a, TRIM(BOTH ' ' FROM '  a ') AS b, TRIM(LEADING 'x' FROM 'xxaxx') AS c, TRIM(TRAILING 'x' FROM 'xxaxx') AS d;
--: a VARCHAR(7) NOT NULL, b VARCHAR(4) NOT NULL, c VARCHAR(5) NOT NULL, d VARCHAR(5) NOT NULL
--> ["a b", "a", "axx", "xxa"]

SELECT TRIM(BOTH 'xy' FROM 'xyaxyb') AS a;
--: a VARCHAR(6) NOT NULL
--> ["axyb"]

SELECT LTRIM('  a ') AS a, RTRIM('  a ') AS b, BTRIM('  a ') AS c;
--: a VARCHAR(4) NOT NULL, b VARCHAR(4) NOT NULL, c STRING NOT NULL
--> ["a ", "  a", "a"]
--1.20! No match found for function signature BTRIM

SELECT LTRIM('xxa', 'x') AS a, RTRIM('axx', 'x') AS b, BTRIM('xax', 'x') AS c;
--: a VARCHAR(3) NOT NULL, b VARCHAR(3) NOT NULL, c STRING NOT NULL
--> ["a", "a", "a"]
--1.20! No match found for function signature BTRIM

SELECT LPAD('hi', 5, '*') AS a, RPAD('hi', 5, 'ab') AS b, LPAD('hello', 2, '*') AS c, RPAD('hi', 4, '') AS d;
--! org.apache.flink.table.runtime.operators.sink.constraint.EnforcerException: Column 'd' is NOT NULL, however, a null value is being written into it. You can set
--local: a STRING, b STRING, c STRING, d STRING
--local> ["***hi", "hiaba", "he", null]

SELECT LPAD('hi', -1, '*') AS a, LPAD(CAST(NULL AS STRING), 3, '*') AS b;
--! org.apache.flink.table.runtime.operators.sink.constraint.EnforcerException: Column 'a' is NOT NULL, however, a null value is being written into it. You can set
--local: a STRING, b STRING
--local> [null, null]
