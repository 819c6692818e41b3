-- ARRAY.

SELECT ARRAY[1, 2, 3] AS a, ARRAY['x', 'yz'] AS b;
--: a ARRAY<INT NOT NULL> NOT NULL, b ARRAY<VARCHAR(2) NOT NULL> NOT NULL
--> [[1,2,3], ["x","yz"]]

SELECT CARDINALITY(ARRAY[1, 2, 3]) AS n, ARRAY[1, 2, 3][2] AS second_one;
--: n INT NOT NULL, second_one INT
--> [3, 2]

SELECT ARRAY[1, 2][5] AS a;
--: a INT
--> [-1]
--local: a INT
--local> [null]

SELECT ARRAY_CONTAINS(ARRAY[1, 2], 2) AS a;
--: a BOOLEAN NOT NULL
--> [true]
