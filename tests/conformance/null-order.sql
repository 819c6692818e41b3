-- NULL is the smallest value: first in an ascending order, last in a descending one.
--modes batch

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, i FROM numbers ORDER BY i, id;
--: id INT, i INT
--> [3, null]
--> [5, 0]
--> [6, 3]
--> [2, 17]
--> [1, 100]
--> [4, 2147483647]

SELECT id, i FROM numbers ORDER BY i DESC, id;
--: id INT, i INT
--> [4, 2147483647]
--> [1, 100]
--> [2, 17]
--> [6, 3]
--> [5, 0]
--> [3, null]

SELECT id, i FROM numbers ORDER BY i ASC NULLS LAST, id;
--: id INT, i INT
--> [5, 0]
--> [6, 3]
--> [2, 17]
--> [1, 100]
--> [4, 2147483647]
--> [3, null]

SELECT id, i FROM numbers ORDER BY i DESC NULLS FIRST, id;
--: id INT, i INT
--> [3, null]
--> [4, 2147483647]
--> [1, 100]
--> [2, 17]
--> [6, 3]
--> [5, 0]

SELECT a FROM (VALUES ('b'), (CAST(NULL AS STRING)), ('A'), ('a'), ('')) AS t(a) ORDER BY a;
--: a STRING
--> [null]
--> [""]
--> ["A"]
--> ["a"]
--> ["b"]

SELECT flag, id FROM numbers ORDER BY flag, id DESC;
--: flag BOOLEAN, id INT
--> [null, 6]
--> [null, 3]
--> [false, 5]
--> [false, 2]
--> [true, 4]
--> [true, 1]
