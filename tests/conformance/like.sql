-- LIKE, SIMILAR TO and their negations.

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 'hello' LIKE 'h%' AS a, 'hello' LIKE '_ello' AS b, 'hello' LIKE 'H%' AS c, 'hello' NOT LIKE '%z%' AS d, 'a%b' LIKE 'a\%b' AS e;

SELECT 'a%b' LIKE 'a!%b' ESCAPE '!' AS a, 'axb' LIKE 'a!%b' ESCAPE '!' AS b;

SELECT CAST(NULL AS STRING) LIKE 'a' AS a, 'a' LIKE CAST(NULL AS STRING) AS b;

SELECT name, name LIKE '%n%' AS n, city LIKE 'P%' AS p FROM people;

SELECT name FROM people WHERE city NOT LIKE 'B%';

SELECT 'ab' SIMILAR TO '(a|b)+' AS a, 'ac' SIMILAR TO '(a|b)+' AS b, 'abc' SIMILAR TO 'a%' AS c;

SELECT '' LIKE '' AS a, '' LIKE '%' AS b, 'a' LIKE '' AS c, 'line' || CHR(10) || 'two' LIKE 'line%' AS d;
