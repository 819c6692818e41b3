-- SUBSTRING, LEFT, RIGHT and OVERLAY.

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT SUBSTRING('hello' FROM 2) AS a, SUBSTRING('hello' FROM 2 FOR 3) AS b, SUBSTRING('hello', 2, 3) AS c, SUBSTR('hello', 4) AS d;
--: a VARCHAR(5), b VARCHAR(5), c VARCHAR(5), d VARCHAR(5)
--> ["ello", "ell", "ell", "lo"]

SELECT SUBSTRING('hello' FROM 0) AS a, SUBSTRING('hello' FROM -2) AS b, SUBSTRING('hello' FROM 10) AS c;
--: a VARCHAR(5), b VARCHAR(5), c VARCHAR(5)
--> ["hello", "lo", ""]

SELECT SUBSTRING('hello' FROM 0 FOR 2) AS a, SUBSTRING('hello' FROM -3 FOR 2) AS b, SUBSTRING('hello' FROM 2 FOR 0) AS c;
--: a VARCHAR(5), b VARCHAR(5), c VARCHAR(5)
--> ["he", "ll", ""]

SELECT SUBSTRING('hello' FROM 2 FOR -1) AS a;
--: a VARCHAR(5)
--> [null]

SELECT LEFT('hello', 2) AS a, RIGHT('hello', 2) AS b, LEFT('hi', 5) AS c, RIGHT('hi', 0) AS d, LEFT('hello', -1) AS e, RIGHT('hello', -1) AS f;
--: a VARCHAR(5), b VARCHAR(5), c VARCHAR(2), d VARCHAR(2), e VARCHAR(5), f VARCHAR(5)
--> ["he", "lo", "hi", "", "", ""]

SELECT OVERLAY('abcdef' PLACING 'XY' FROM 3) AS a, OVERLAY('abcdef' PLACING 'XY' FROM 3 FOR 1) AS b;
--: a VARCHAR(8) NOT NULL, b VARCHAR(8) NOT NULL
--> ["abXYef", "abXYdef"]

SELECT SUBSTRING(city FROM 1 FOR 3) AS a, LEFT(name, 1) AS b, RIGHT(city, 2) AS c FROM people;
--: a STRING, b STRING, c STRING
--> ["Ber", "a", "in"]
--> ["Par", "b", "is"]
--> ["Rom", "a", "me"]
--> [null, "d", null]
