-- Text: case, length, concatenation.

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT UPPER('aBé') AS a, LOWER('AbÉ') AS b, INITCAP('hello wORLD') AS c;

SELECT CHAR_LENGTH('héé') AS a, CHARACTER_LENGTH('') AS b, CHAR_LENGTH(CAST(NULL AS STRING)) AS c;

SELECT 'a' || 'b' AS a, 'a' || CAST(NULL AS STRING) AS b, CONCAT('a', 'b', 'c') AS c, CONCAT('a', CAST(NULL AS STRING)) AS d;

SELECT CONCAT_WS('-', 'a', 'b') AS a, CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'c') AS b, CONCAT_WS(CAST(NULL AS STRING), 'a') AS c;

SELECT name || ' of ' || city AS a, UPPER(name) AS b, CHAR_LENGTH(city) AS c FROM people;

SELECT 'x' || CAST(1 AS STRING) AS a;

SELECT REVERSE('abc') AS a, REPEAT('ab', 3) AS b, REPLACE('banana', 'an', 'o') AS c, REPEAT('x', 0) AS d;
