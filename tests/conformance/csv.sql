-- The csv format.

CREATE TABLE plain_text (a STRING, b STRING, c STRING, d STRING) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv');

SELECT a, b, c FROM plain_text;
--: a STRING, b STRING, c STRING
--> ["1", "ann", "10.00"]
--> ["2", "bob", "20.50"]
--> ["3", "ann", "5.25"]
--> ["4", "", "7.00"]
--> ["5", "cat", ""]
--> ["6", "bob", "20.50"]
--> ["7", "ann", "0.25"]

SELECT a FROM plain_text WHERE b = '';
--: a STRING
--> ["4"]

SELECT COUNT(b) AS n FROM plain_text;
--: n BIGINT NOT NULL
--> [7]

CREATE TABLE nulls (a INT, b STRING, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COUNT(b) AS n, COUNT(c) AS m FROM nulls;
--: n BIGINT NOT NULL, m BIGINT NOT NULL
--> [6, 6]

CREATE TABLE wrong (a INT, b INT, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv');

SELECT b FROM wrong;
--! java.lang.NumberFormatException: For input string: "ann"

CREATE TABLE lenient (a INT, b INT, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.ignore-parse-errors' = 'true');

SELECT a, b, c FROM lenient;
--: a INT, b INT, c DECIMAL(10, 2)
--> [1, null, 10.00]
--> [2, null, 20.50]
--> [3, null, 5.25]
--> [4, null, 7.00]
--> [5, null, null]
--> [6, null, 20.50]
--> [7, null, 0.25]

CREATE TABLE empties (a INT, b STRING, c DECIMAL(10, 2), d TIMESTAMP(3)) WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv');

SELECT c FROM empties WHERE a = 5;
--! java.lang.ArrayIndexOutOfBoundsException: Index 0 out of bounds for length 0
--local: c DECIMAL(10, 2)
--local> [null]
