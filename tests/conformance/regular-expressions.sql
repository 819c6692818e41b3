-- Regular expressions.

SELECT REGEXP_REPLACE('foobar', 'oo|ar', '') AS a, REGEXP_REPLACE('a1b2', '[0-9]', '#') AS b;

SELECT REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2) AS a, REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 1) AS b;

SELECT REGEXP('hello', 'l+') AS a, REGEXP('hello', '^z') AS b;

SELECT REGEXP_COUNT('banana', 'an') AS a, REGEXP_INSTR('banana', 'n') AS b, REGEXP_SUBSTR('banana', 'a.') AS c;

SELECT REGEXP_REPLACE('ab', '(a)(b)', '$2$1') AS a;

SELECT REGEXP_EXTRACT('abc', 'x(.)', 1) AS a, REGEXP_REPLACE(CAST(NULL AS STRING), 'a', 'b') AS b;
