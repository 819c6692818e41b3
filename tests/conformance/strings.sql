-- Text: case, length, concatenation.

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT UPPER('aBé') AS a, LOWER('AbÉ') AS b, INITCAP('hello wORLD') AS c;
--: a CHAR(3) NOT NULL, b CHAR(3) NOT NULL, c CHAR(11) NOT NULL
--> ["ABÉ", "abé", "Hello World"]

SELECT CHAR_LENGTH('héé') AS a, CHARACTER_LENGTH('') AS b, CHAR_LENGTH(CAST(NULL AS STRING)) AS c;
--: a INT NOT NULL, b INT NOT NULL, c INT
--> [3, 0, null]

SELECT 'a' || 'b' AS a, 'a' || CAST(NULL AS STRING) AS b, CONCAT('a', 'b', 'c') AS c, CONCAT('a', CAST(NULL AS STRING)) AS d;
--: a CHAR(2) NOT NULL, b STRING, c STRING NOT NULL, d STRING
--> ["ab", null, "abc", null]

SELECT CONCAT_WS('-', 'a', 'b') AS a, CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'c') AS b, CONCAT_WS(CAST(NULL AS STRING), 'a') AS c;
--: a STRING NOT NULL, b STRING, c STRING
--> ["a-b", "a-c", null]

SELECT name || ' of ' || city AS a, UPPER(name) AS b, CHAR_LENGTH(city) AS c FROM people;
--: a STRING, b STRING, c INT
--> ["ann of Berlin", "ANN", 6]
--> ["ann of Rome", "ANN", 4]
--> ["bob of Paris", "BOB", 5]
--> [null, "DAN", null]

SELECT 'x' || CAST(1 AS STRING) AS a;
--: a STRING NOT NULL
--> ["x1"]

SELECT REVERSE('abc') AS a, REPEAT('ab', 3) AS b, REPLACE('banana', 'an', 'o') AS c, REPEAT('x', 0) AS d;
--: a STRING, b STRING NOT NULL, c STRING NOT NULL, d STRING NOT NULL
--> ["cba", "ababab", "booa", ""]
