-- NULL and '' differ, text of any width keeps its columns, and what would break a line or a field does not.
--args -u local: -o csv
--needs local

SELECT id, a, b FROM (VALUES (1, CAST(NULL AS STRING), ''), (2, '', CAST(NULL AS STRING)), (3, 'NULL', ' ')) AS v(id, a, b);
--> id,a,b
--> 1,,""
--> 2,"",
--> 3,NULL,

SELECT 'zwölf' AS `größe`, '漢字' AS wide, '🐝' AS bee, 'é' AS combined, 'עברית' AS rtl;
--> größe,wide,bee,combined,rtl
--> zwölf,漢字,🐝,é,עברית

SELECT 'a,b' AS comma, 'say "so"' AS quoted, 'it''s' AS apostrophe, 'back\slash' AS back, ' x ' AS blanks;
--> comma,quoted,apostrophe,back,blanks
--> "a,b","say ""so""",it's,back\slash, x

SELECT 'a' || chr(9) || 'b' AS tab, 'two' || chr(10) || 'lines' AS `lines`;
--> tab,lines
--> a	b,"two
--> lines"

SELECT true AS yes, DATE '2026-01-02' AS d, CAST(1.5 AS DECIMAL(5, 2)) AS n, CAST(0.1 AS DOUBLE) AS x, X'00ff' AS bytes;
--> yes,d,n,x,bytes
--> true,2026-01-02,1.50,0.1,00ff

SELECT CAST('NaN' AS DOUBLE) AS nan, CAST('Infinity' AS DOUBLE) AS inf, 9223372036854775807 AS most, -0.0e0 AS zero;
--> nan,inf,most,zero
--> NaN,Infinity,9223372036854775807,-0.0

-- No rows, but columns.
SELECT 1 AS a, 'x' AS b WHERE 1 = 2;
--> a,b

!set header off

SELECT 1 AS a, 'x' AS b;
--> 1,x

