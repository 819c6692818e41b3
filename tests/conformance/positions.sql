-- Where a text is in another one.

SELECT POSITION('l' IN 'hello') AS a, POSITION('x' IN 'hello') AS b, POSITION('' IN 'hello') AS c;

SELECT LOCATE('l', 'hello') AS a, LOCATE('l', 'hello', 4) AS b;

SELECT INSTR('hello', 'l') AS a;

SELECT SPLIT_INDEX('a,b,c', ',', 1) AS a, SPLIT_INDEX('a,b,c', ',', 5) AS b;

SELECT STARTSWITH('hello', 'he') AS a, ENDSWITH('hello', 'lo') AS b;

SELECT ASCII('A') AS a, CHR(65) AS b, ASCII('') AS c;

SELECT POSITION(CAST(NULL AS STRING) IN 'a') AS a;
