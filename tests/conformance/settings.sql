-- SET and RESET do not fail, and a statement of nonsense does.

SET 'pipeline.name' = 'x';

RESET 'pipeline.name';

SELEC 1;

SELECT 1 FROM;

SELECT (1;

SELECT f(1);

SELECT SUM('a');

SELECT UPPER(1);

SELECT 'a' + 1;

SELECT TRUE + 1;

SELECT 1 WHERE 1;

SELECT COUNT(*) FROM (VALUES (1)) AS t(a) WHERE COUNT(*) > 0;
