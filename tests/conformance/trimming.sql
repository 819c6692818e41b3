-- TRIM and its like, and padding.

SELECT TRIM('  a b  ') AS a, TRIM(BOTH ' ' FROM '  a ') AS b, TRIM(LEADING 'x' FROM 'xxaxx') AS c, TRIM(TRAILING 'x' FROM 'xxaxx') AS d;

SELECT TRIM(BOTH 'xy' FROM 'xyaxyb') AS a;

SELECT LTRIM('  a ') AS a, RTRIM('  a ') AS b, BTRIM('  a ') AS c;

SELECT LTRIM('xxa', 'x') AS a, RTRIM('axx', 'x') AS b, BTRIM('xax', 'x') AS c;

SELECT LPAD('hi', 5, '*') AS a, RPAD('hi', 5, 'ab') AS b, LPAD('hello', 2, '*') AS c, RPAD('hi', 4, '') AS d;

SELECT LPAD('hi', -1, '*') AS a, LPAD(CAST(NULL AS STRING), 3, '*') AS b;
