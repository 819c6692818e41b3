-- Where a text is in another one.

SELECT POSITION('l' IN 'hello') AS a, POSITION('x' IN 'hello') AS b, POSITION('' IN 'hello') AS c;
--: a INT NOT NULL, b INT NOT NULL, c INT NOT NULL
--> [3, 0, 1]

SELECT LOCATE('l', 'hello') AS a, LOCATE('l', 'hello', 4) AS b;
--: a INT NOT NULL, b INT NOT NULL
--> [3, 4]

SELECT INSTR('hello', 'l') AS a;
--: a INT NOT NULL
--> [3]

SELECT SPLIT_INDEX('a,b,c', ',', 1) AS a, SPLIT_INDEX('a,b,c', ',', 5) AS b;
--: a STRING, b STRING
--> ["b", null]

SELECT STARTSWITH('hello', 'he') AS a, ENDSWITH('hello', 'lo') AS b;
--: a BOOLEAN NOT NULL, b BOOLEAN NOT NULL
--> [true, true]
--1.20! No match found for function signature STARTSWITH

SELECT ASCII('A') AS a, CHR(65) AS b, ASCII('') AS c;
--: a INT NOT NULL, b STRING, c INT NOT NULL
--> [65, "A", 0]

SELECT POSITION(CAST(NULL AS STRING) IN 'a') AS a;
--: a INT
--> [null]
