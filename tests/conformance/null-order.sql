-- NULL is the smallest value: first in an ascending order, last in a descending one.
--modes batch

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, i FROM numbers ORDER BY i, id;

SELECT id, i FROM numbers ORDER BY i DESC, id;

SELECT id, i FROM numbers ORDER BY i ASC NULLS LAST, id;

SELECT id, i FROM numbers ORDER BY i DESC NULLS FIRST, id;

SELECT a FROM (VALUES ('b'), (CAST(NULL AS STRING)), ('A'), ('a'), ('')) AS t(a) ORDER BY a;

SELECT flag, id FROM numbers ORDER BY flag, id DESC;
