-- Logic with three values.

SELECT a, b, a AND b AS conjunction, a OR b AS disjunction, NOT a AS negation
FROM (VALUES (TRUE, TRUE), (TRUE, FALSE), (FALSE, FALSE), (TRUE, CAST(NULL AS BOOLEAN)), (FALSE, CAST(NULL AS BOOLEAN)), (CAST(NULL AS BOOLEAN), CAST(NULL AS BOOLEAN))) AS t(a, b);
--: a BOOLEAN, b BOOLEAN, conjunction BOOLEAN, disjunction BOOLEAN, negation BOOLEAN
--> [false, false, false, false, true]
--> [false, null, false, null, true]
--> [null, null, null, null, null]
--> [true, false, false, true, false]
--> [true, null, null, true, false]
--> [true, true, true, true, false]

SELECT a, a IS TRUE AS t, a IS NOT TRUE AS nt, a IS FALSE AS f, a IS UNKNOWN AS u, a IS NULL AS n
FROM (VALUES (TRUE), (FALSE), (CAST(NULL AS BOOLEAN))) AS t(a);
--: a BOOLEAN, t BOOLEAN NOT NULL, nt BOOLEAN NOT NULL, f BOOLEAN NOT NULL, u BOOLEAN NOT NULL, n BOOLEAN NOT NULL
--> [false, false, true, true, false, false]
--> [null, false, true, false, true, true]
--> [true, true, false, false, false, false]

SELECT a FROM (VALUES (1), (2), (CAST(NULL AS INT))) AS t(a) WHERE a > 1 OR a IS NULL;
--: a INT
--> [2]
--> [null]

SELECT a FROM (VALUES (1), (2), (CAST(NULL AS INT))) AS t(a) WHERE NOT (a > 1);
--: a INT
--> [1]
