-- LIKE, SIMILAR TO and their negations.

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT 'hello' LIKE 'h%' AS a, 'hello' LIKE '_ello' AS b, 'hello' LIKE 'H%' AS c, 'hello' NOT LIKE '%z%' AS d, 'a%b' LIKE 'a\%b' AS e;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN NOT NULL, d BOOLEAN NOT NULL, e BOOLEAN NOT NULL
--> [true, true, false, true, false]

SELECT 'a%b' LIKE 'a!%b' ESCAPE '!' AS a, 'axb' LIKE 'a!%b' ESCAPE '!' AS b;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL
--> [true, false]

SELECT CAST(NULL AS STRING) LIKE 'a' AS a, 'a' LIKE CAST(NULL AS STRING) AS b;
--: a BOOLEAN, b BOOLEAN
--> [null, null]

SELECT name, name LIKE '%n%' AS n, city LIKE 'P%' AS p FROM people;
--: name STRING, n BOOLEAN, p BOOLEAN
--> ["ann", true, false]
--> ["ann", true, false]
--> ["bob", false, true]
--> ["dan", true, null]

SELECT name FROM people WHERE city NOT LIKE 'B%';
--: name STRING
--> ["ann"]
--> ["bob"]

SELECT 'ab' SIMILAR TO '(a|b)+' AS a, 'ac' SIMILAR TO '(a|b)+' AS b, 'abc' SIMILAR TO 'a%' AS c;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN NOT NULL
--> [true, false, true]

SELECT '' LIKE '' AS a, '' LIKE '%' AS b, 'a' LIKE '' AS c, 'line' || CHR(10) || 'two' LIKE 'line%' AS d;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL, c BOOLEAN NOT NULL, d BOOLEAN
--> [true, true, false, true]
--1.20: a , b , c , d 
--1.20> [true, true, true, true]
