-- NULL and '' differ, text of any width keeps its columns, and what would break a line or a field does not.
--args -u local: -o jsonl
--needs local

SELECT id, a, b FROM (VALUES (1, CAST(NULL AS STRING), ''), (2, '', CAST(NULL AS STRING)), (3, 'NULL', ' ')) AS v(id, a, b);
--> {"id":1,"a":null,"b":""}
--> {"id":2,"a":"","b":null}
--> {"id":3,"a":"NULL","b":" "}

SELECT 'zwölf' AS `größe`, '漢字' AS wide, '🐝' AS bee, 'é' AS combined, 'עברית' AS rtl;
--> {"größe":"zwölf","wide":"漢字","bee":"🐝","combined":"é","rtl":"עברית"}

SELECT 'a,b' AS comma, 'say "so"' AS quoted, 'it''s' AS apostrophe, 'back\slash' AS back, ' x ' AS blanks;
--> {"comma":"a,b","quoted":"say \"so\"","apostrophe":"it's","back":"back\\slash","blanks":" x "}

SELECT 'a' || chr(9) || 'b' AS tab, 'two' || chr(10) || 'lines' AS `lines`, 'cr' || chr(13) || 'lf' AS cr;
--> {"tab":"a\tb","lines":"two\nlines","cr":"cr\rlf"}

SELECT true AS yes, DATE '2026-01-02' AS d, CAST(1.5 AS DECIMAL(5, 2)) AS n, CAST(0.1 AS DOUBLE) AS x, X'00ff' AS bytes;
--> {"yes":true,"d":"2026-01-02","n":1.50,"x":0.1,"bytes":"00ff"}

SELECT CAST('NaN' AS DOUBLE) AS nan, CAST('Infinity' AS DOUBLE) AS inf, 9223372036854775807 AS most, -0.0e0 AS zero;
--> {"nan":"NaN","inf":"Infinity","most":9223372036854775807,"zero":-0.0}

-- No rows, but columns.
SELECT 1 AS a, 'x' AS b WHERE 1 = 2;

!set header off

SELECT 1 AS a, 'x' AS b;
--> {"a":1,"b":"x"}

