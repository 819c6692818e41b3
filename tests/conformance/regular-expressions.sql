-- Regular expressions.

SELECT REGEXP_REPLACE('foobar', 'oo|ar', '') AS a, REGEXP_REPLACE('a1b2', '[0-9]', '#') AS b;
--: a STRING NOT NULL, b STRING NOT NULL
--> ["fb", "a#b#"]

SELECT REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2) AS a, REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 1) AS b;
--: a STRING, b STRING
--> ["bar", "the"]

SELECT REGEXP('hello', 'l+') AS a, REGEXP('hello', '^z') AS b;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL
--> [true, false]

SELECT REGEXP_COUNT('banana', 'an') AS a, REGEXP_INSTR('banana', 'n') AS b, REGEXP_SUBSTR('banana', 'a.') AS c;
--: a INT, b INT, c STRING
--> [2, 3, "an"]
--1.20! No match found for function signature REGEXP_COUNT

SELECT REGEXP_REPLACE('ab', '(a)(b)', '$2$1') AS a;
--: a STRING NOT NULL
--> ["$2$1"]

SELECT REGEXP_EXTRACT('abc', 'x(.)', 1) AS a, REGEXP_REPLACE(CAST(NULL AS STRING), 'a', 'b') AS b;
--: a STRING, b STRING
--> [null, null]
