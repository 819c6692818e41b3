-- CASE.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT id, CASE WHEN i > 50 THEN 'big' WHEN i > 0 THEN 'small' ELSE 'none' END AS size FROM numbers;
--: id INT, size VARCHAR(5) NOT NULL
--> [1, "big"]
--> [2, "small"]
--> [3, "none"]
--> [4, "big"]
--> [5, "none"]
--> [6, "small"]

SELECT id, CASE id WHEN 1 THEN 'one' WHEN 2 THEN 'two' END AS word FROM numbers;
--: id INT, word CHAR(3)
--> [1, "one"]
--> [2, "two"]
--> [3, null]
--> [4, null]
--> [5, null]
--> [6, null]

SELECT CASE WHEN TRUE THEN 1 ELSE 2.5 END AS a, CASE WHEN FALSE THEN 1 ELSE 2.5 END AS b, CASE WHEN TRUE THEN 'a' ELSE 'bcd' END AS c;
--: a DECIMAL(11, 1) NOT NULL, b DECIMAL(11, 1) NOT NULL, c VARCHAR(3) NOT NULL
--> [1.0, 2.5, "a"]

SELECT id, CASE WHEN flag THEN t ELSE b END AS a, CASE WHEN flag THEN n ELSE d END AS b FROM numbers WHERE id < 4;
--: id INT, a BIGINT, b DOUBLE
--> [1, 1, 10.5]
--> [2, -9, 0.1]
--> [3, null, null]
--local: id INT, a BIGINT, b DECIMAL(30, 15)
--local> [1, 1, 10.500000000000000]
--local> [2, -9, 0.100000000000000]
--local> [3, null, null]

SELECT CASE WHEN CAST(NULL AS BOOLEAN) THEN 1 ELSE 2 END AS a, CASE CAST(NULL AS INT) WHEN CAST(NULL AS INT) THEN 1 ELSE 2 END AS b;
--: a INT NOT NULL, b INT NOT NULL
--> [2, 2]

SELECT CASE WHEN id > 0 THEN id / 1 ELSE id / 0 END AS a FROM numbers WHERE id = 1;
--: a INT
--> [1]
